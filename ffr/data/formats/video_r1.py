"""Video-R1-260k and Video-R1-COT-165k, also used by Video-Thinker and the official FFR release.

Schema (spec video_r2 §7.1 and ffr §7, after the dataset cards and the released code): a JSON list
of ``problem_id`` (integer), ``problem``, ``data_type`` (``image`` or ``video``), ``problem_type``
(five kinds), ``options`` (``"A. text"``, empty unless multiple choice), ``solution`` (inside
answer tags), ``path`` (``./Folder/file``), ``process`` (inside think tags, COT file only); FFR adds
``data_source``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ffr.data.bad_rows import RowError
from ffr.data.formats.fields import gold_letter, media_path, options_of, text_of
from ffr.data.formats.made import LeftOutError, Made
from ffr.data.question import AnswerType, Question

__all__ = ["VideoR1"]

_TYPES: dict[str, AnswerType] = {
    "multiple choice": "choice",
    "numerical": "number",
    "ocr": "ocr",
    "free-form": "free_form",
    "regression": "regression",
}
_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_THINK = re.compile(r"\s*<think>(.*)</think>\s*", re.DOTALL)


@dataclass(frozen=True)
class VideoR1:
    """Records of Video-R1; rows about images are left out.

    Attributes:
        strip_prefix: beginning of each path to cut off.
    """

    strip_prefix: str = ""
    columns: tuple[str, ...] | None = (
        "problem_id", "problem", "data_type", "problem_type", "options", "solution", "path",
        "process", "data_source",
    )  # fmt: skip

    def convert(self, record: Mapping[str, Any], line: int) -> Made:
        """See ``Format``; ``family`` becomes ``data_source`` where there is one."""
        del line
        data_type = record.get("data_type", "video")
        if data_type == "image":
            raise LeftOutError("data_type is image")
        if data_type != "video":
            raise RowError(f"data_type={str(data_type)[:60]!r} is unknown; known are image, video")
        kind = str(record.get("problem_type", "")).strip().lower()
        if kind not in _TYPES:
            raise RowError(
                f"problem_type={kind[:60]!r} is unknown; known are {', '.join(_TYPES)}"
            )
        answer_type = _TYPES[kind]
        options = options_of(record.get("options")) if answer_type == "choice" else ()
        answer = _solution(text_of(record, "solution", numbers=True))
        if answer_type == "choice":
            answer = gold_letter(answer, options)
        notes: tuple[str, ...] = ()
        if answer_type != "choice" and record.get("options"):
            notes = (f"options of a {kind} question",)
        return Made(
            Question(
                id=text_of(record, "problem_id", numbers=True),
                video=media_path(text_of(record, "path"), self.strip_prefix),
                question=text_of(record, "problem"),
                options=options,
                answer_type=answer_type,
                answer=answer,
                family=text_of(record, "data_source") if record.get("data_source") else "",
                thinking=_process(record.get("process")),
            ),
            notes,
        )

    def identity(self, record: Mapping[str, Any]) -> str | None:
        """``problem_id``."""
        value = record.get("problem_id")
        return str(value)[:200] if isinstance(value, str | int) else None


def _solution(text: str) -> str:
    """The text inside the answer tags; some derived sets write it bare."""
    found = _ANSWER.findall(text)
    if len(found) > 1:
        raise RowError(f"solution holds {len(found)} answers; keep one", "answer")
    answer = str(found[0]) if found else text.strip()
    if not answer or "<answer>" in answer:
        raise RowError(f"solution={text[:60]!r} holds no answer; give one in answer tags", "answer")
    return answer


def _process(value: object) -> str:
    if value is None or value == "":
        return ""
    match = _THINK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise RowError(f"process={str(value)[:60]!r} is not one <think>...</think> block")
    return match.group(1).strip()
