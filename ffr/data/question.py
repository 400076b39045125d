"""One question about one video.

``AskedQuestion`` is what may be shown to a model; ``Question`` adds what only
the verifier and the evaluation may know.  Everything that renders a student
prompt takes ``AskedQuestion``, so a gold answer cannot reach it by accident.
"""

from __future__ import annotations

import string
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ffr.geometry import Seconds, Span

__all__ = ["AnswerType", "AskedQuestion", "Question", "ReferenceEvent", "option_letters"]

AnswerType = Literal["choice", "number", "text", "ocr", "free_form", "regression", "span"]


def option_letters(count: int) -> tuple[str, ...]:
    """Letters ``A, B, C, ...`` for ``count`` options (at most 26)."""
    return tuple(string.ascii_uppercase[:count])


class AskedQuestion(BaseModel):
    """A question as models see it.

    Attributes:
        id: unique within the dataset.
        video: path of the media file, relative to the dataset's media root.
        question: the stem, without options.
        options: option texts without letters; empty unless ``answer_type`` is ``choice``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    video: str = Field(min_length=1)
    question: str
    options: tuple[str, ...] = ()
    answer_type: AnswerType

    @model_validator(mode="after")
    def _check(self) -> AskedQuestion:
        if not self.question.strip():
            raise ValueError(f"question of id={self.id!r} is empty; give the stem as text")
        if self.answer_type == "choice" and not 2 <= len(self.options) <= 26:
            raise ValueError(
                f"id={self.id!r} is a choice question with {len(self.options)} options; "
                "give 2 to 26"
            )
        if self.answer_type != "choice" and self.options:
            raise ValueError(
                f"id={self.id!r} has options but answer_type={self.answer_type!r}; use 'choice'"
            )
        return self

    @property
    def asked(self) -> AskedQuestion:
        """The part a model may see: all of it."""
        return self


class ReferenceEvent(BaseModel):
    """Something that happens in the video, in seconds (spec video_r2 §6.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: Seconds
    end_s: Seconds
    text: str = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> ReferenceEvent:
        if self.end_s < self.start_s:
            raise ValueError(f"end_s={self.end_s} lies before start_s={self.start_s}; swap them")
        return self


def _is_empty(value: object) -> bool:
    return not value


class Question(AskedQuestion):
    """A question with its gold answer.

    Attributes:
        answer: the letter for ``choice``, else the value as text; for ``span`` a stretch of the
            video in seconds such as ``3.2 to 7.5``.
        family: a label for reports (``visible``, ``temporal``, ``spatial`` in the demo world).
        gold_spans: where the evidence is; for evaluation, and for ``teacher.kind: annotations``,
            which makes patches of them; no other part shows them to a model.
        events: reference events for rewards that score cited times; never shown to a model.
        thinking: a worked rationale without tags, the target of SFT; never shown to a model.
        clip: the question is about this stretch of the file only. Training looks at whole files,
            so such rows must be cut first (``ffr data cut``); ``load_questions`` refuses them.

    The last three are left out of JSON where they are empty, so older files and their hashes
    stay as they are.
    """

    answer: str = Field(min_length=1)
    family: str = ""
    gold_spans: tuple[Span, ...] = ()
    events: tuple[ReferenceEvent, ...] = Field((), exclude_if=_is_empty)
    thinking: str = Field("", exclude_if=_is_empty)
    clip: Span | None = Field(None, exclude_if=_is_empty)

    @model_validator(mode="after")
    def _answer_among_options(self) -> Question:
        if self.answer_type == "choice" and self.answer not in option_letters(len(self.options)):
            raise ValueError(
                f"id={self.id!r}: answer={self.answer!r} is not one of the letters "
                f"{', '.join(option_letters(len(self.options)))}; give the gold option's letter"
            )
        return self

    @property
    def asked(self) -> AskedQuestion:
        """The part a model may see."""
        return AskedQuestion(
            id=self.id,
            video=self.video,
            question=self.question,
            options=self.options,
            answer_type=self.answer_type,
        )

    @property
    def answer_text(self) -> str:
        """The gold answer spelled out: the option's text for ``choice``, else ``answer``."""
        if self.answer_type != "choice":
            return self.answer
        return self.options[option_letters(len(self.options)).index(self.answer)]
