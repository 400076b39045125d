"""One example of supervised fine-tuning: a question, perhaps evidence, and the wanted response."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffr.data.question import Question
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch

__all__ = ["SftRecord", "load_sft_records"]


class SftRecord(BaseModel):
    """A line of an SFT file.

    Attributes:
        question: rendered like every other question; its gold answer is not shown.
        response: the full text the student should produce, tags included.
        patch: evidence to show along with the question; its images lie in the media store
            ``media`` beside the SFT file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Question
    response: str = Field(min_length=1)
    patch: EvidencePatch | None = None


def load_sft_records(path: Path) -> list[SftRecord]:
    """Read a JSONL file of records; blank lines are allowed.

    Raises:
        UserError: the file cannot be read, holds no record, or a line is not a valid record
            (the message names the line and the first problem).
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # rows may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read SFT records from {path}: {error}; set data.sft to a readable JSONL file"
        ) from error
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(SftRecord.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "record"
            raise UserError(
                f"{path}, line {number}: {place}: {first['msg']}; "
                "each line is one JSON object with question, response and optionally patch"
            ) from error
    if not records:
        raise UserError(f"{path} holds no SFT record; give at least one line")
    return records
