"""``items.jsonl``: one line per question, in the order of the data, whatever happened to it.

Nothing in a row depends on when or how fast it came about, so that the same evaluation gives the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ffr.data.question import AnswerType
from ffr.elect.record import ElectionRecord
from ffr.errors import UserError

__all__ = ["Failure", "FailureKind", "ItemRow", "items_bytes", "read_items"]

FailureKind = Literal["media", "prompt", "endpoint", "model", "no_patch"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(_Part):
    """Why there is no response.

    Attributes:
        kind: ``media`` (the video cannot be used), ``prompt`` (it cannot be shown, or is too
            long), ``endpoint`` (no response after every attempt), ``model`` (generation broke
            down), ``no_patch`` (evaluation with patches only).
        detail: in words.
    """

    kind: FailureKind
    detail: str


class ItemRow(_Part):
    """One question, asked once.

    Attributes:
        index: position in the data, from 0.
        gold: the gold answer as the data has it.
        failure: ``None`` when there is a response; else nothing below it is set.
        response: the whole text; of an election the text of the best supporter.
        answer: what was read from it; ``None`` when nothing could be.
        right, accuracy, score, mra: see ``ffr.evaluate.score_item``.
        truncated: the token limit cut the response off.
        prompt_tokens, completion_tokens: as the engine counts them, 0 when it does not say.
        patch_id: of the evidence shown, in evaluations with patches.
        metrics: by the name of the metric.
        election: the whole election; wall times are left out.
    """

    index: int
    question_id: str
    video: str
    family: str
    answer_type: AnswerType
    gold: str
    failure: Failure | None = None
    response: str | None = None
    answer: str | None = None
    right: bool | None = None
    accuracy: float | None = None
    score: float | None = None
    mra: float | None = None
    well_formed: bool | None = None
    problems: tuple[str, ...] = ()
    truncated: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    patch_id: str | None = None
    metrics: Mapping[str, Mapping[str, Any]] = {}
    election: ElectionRecord | None = None


def items_bytes(rows: Iterable[ItemRow]) -> bytes:
    """The file as bytes."""
    return "".join(row.model_dump_json() + "\n" for row in rows).encode()


def read_items(path: Path) -> list[ItemRow]:
    """All rows of a finished file.

    Raises:
        UserError: it cannot be read or is no such file; naming the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; give a folder of a finished `ffr eval`"
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(ItemRow.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise UserError(
                f"{path} line {number} is no evaluated item "
                f"({'.'.join(map(str, first['loc']))}: {first['msg']}); evaluate again"
            ) from error
    return rows
