"""Video-R2's SFT and GRPO records.

Schema (spec video_r2 §5.1 and §6.1, after the released code): ``video`` (a path, or a list of
them; ``image`` for pictures), ``conversations`` with ``from`` (``human``, ``assistant``) and
``value``; the human turn is ``<video>``, the question, options, and an instruction; the assistant
turn is one think and one answer block and holds the gold answer.  GRPO adds
``temporal_grounding``: ``"MM:SS"`` or ``"MM:SS-MM:SS"`` to a sentence; Arrow files pad that object
with nulls.  There is no id and no type: the id follows from the content, the type from the options
and the answer (errata 11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ffr.data.bad_rows import RowError
from ffr.data.formats.fields import content_name, gold_letter, infer_type, media_path, read_events
from ffr.data.formats.made import LeftOutError, Made
from ffr.data.json_rows import clip_value
from ffr.data.question import Question, option_letters
from student.parse import parse_response

__all__ = ["VideoR2"]

_ROLES = {"human": "human", "user": "human", "assistant": "assistant", "gpt": "assistant"}
_OPTION = re.compile(r"\s*\(?([A-Z])[.):]\s*(\S.*)")
_HEADER = re.compile(r"\s*(?:options|choices)\s*:\s*$", re.IGNORECASE)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass(frozen=True)
class VideoR2:
    """Records of Video-R2; rows about pictures are left out.

    Attributes:
        strip_prefix: beginning of each path to cut off.
        instruction: first words of the instruction that ends the human turn; everything from
            there on is cut off. Empty: a line that names the tags, and all that follows it.
    """

    strip_prefix: str = ""
    instruction: str = ""
    columns: tuple[str, ...] | None = (
        "id", "video", "image", "conversations", "temporal_grounding",
    )  # fmt: skip

    def convert(self, record: Mapping[str, Any], line: int) -> Made:
        """See ``Format``."""
        del line
        video = record.get("video")
        if video is None and record.get("image") is not None:
            raise LeftOutError("the record is about a picture")
        if isinstance(video, list | tuple) and len(video) == 1:
            video = video[0]
        if not isinstance(video, str):
            raise RowError(f"video={clip_value(video)} is not one path; one video a record")
        human, assistant = _turns(record.get("conversations"))
        stem, options = self._asked(human)
        said = parse_response(assistant)
        if said.answer is None:
            raise RowError(
                "the assistant's turn is not one think block and one answer block "
                f"({', '.join(said.problems)}); the gold answer is read from there", "answer",
            )  # fmt: skip
        answer_type = infer_type(options, said.answer)
        answer = gold_letter(said.answer, options) if answer_type == "choice" else said.answer
        events, unreadable = read_events(record.get("temporal_grounding"))
        return Made(
            Question(
                id=self._name(record, video, stem, options, answer),
                video=media_path(video, self.strip_prefix),
                question=stem,
                options=options,
                answer_type=answer_type,
                answer=answer,
                events=events,
                thinking=said.think or "",
            ),
            ("unreadable event",) * unreadable,
        )

    def identity(self, record: Mapping[str, Any]) -> str | None:
        """The video's path: there is no id."""
        video = record.get("video")
        return video[:200] if isinstance(video, str) else None

    def _name(
        self, record: Mapping[str, Any], video: str, stem: str, options: tuple[str, ...],
        answer: str,
    ) -> str:  # fmt: skip
        given = record.get("id")
        if isinstance(given, str) and given:
            return given
        return content_name("video-r2", video, stem, *options, answer)

    def _asked(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Stem and options of a human turn, without placeholder and instruction."""
        text = text.replace("<video>", "").strip()
        if self.instruction:
            before, found, _ = text.partition(self.instruction)
            if not found:
                raise RowError(
                    f"the question does not contain the instruction {self.instruction[:60]!r}; "
                    "check --instruction"
                )
            lines = before.splitlines()
        else:
            lines = text.splitlines()
            cut = next((i for i, s in enumerate(lines) if any(tag in s for tag in _TAGS)), None)
            lines = lines[:cut]
        while lines and not lines[-1].strip():
            lines.pop()
        options = _options(lines)
        stem = lines[: len(lines) - len(options)]
        if options and stem:
            stem[-1] = _HEADER.sub("", stem[-1])
        question = "\n".join(stem).strip()
        if not question:
            raise RowError(
                "the question cannot be told from its instruction; name the first words of the "
                "instruction with --instruction"
            )
        return question, options


def _turns(value: object) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        size = len(value) if isinstance(value, list | tuple) else clip_value(value)
        raise RowError(f"conversations={size}: give one question and one response")
    texts = []
    for turn, wanted in zip(value, ("human", "assistant"), strict=True):
        role = turn.get("from") if isinstance(turn, Mapping) else None
        text = turn.get("value") if isinstance(turn, Mapping) else None
        if not isinstance(role, str) or _ROLES.get(role) != wanted or not isinstance(text, str):
            raise RowError(f"conversations: {clip_value(turn)} is not a turn of the {wanted}")
        texts.append(text)
    return texts[0], texts[1]


def _options(lines: list[str]) -> tuple[str, ...]:
    """The options that end a question: lines A, B, C, ... without a gap, at least two."""
    for count in range(min(26, len(lines)), 1, -1):
        matches = [_OPTION.fullmatch(line) for line in lines[-count:]]
        letters = tuple(match.group(1) if match else "" for match in matches)
        if letters == option_letters(count):
            return tuple(match.group(2).strip() for match in matches if match)
    return ()
