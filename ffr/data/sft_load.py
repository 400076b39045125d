"""Read an SFT file before a run: every record that cannot be used is named, none is replaced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.data.bad_rows import BadRow, RowError, RowPolicy
from ffr.data.json_rows import read_json_rows
from ffr.data.load import broken_media, refuse_or_bear
from ffr.data.question_rows import MAX_TEXT, check_texts, describe
from ffr.data.sft_record import SftRecord
from ffr.errors import UserError
from ffr.patches.files import StoreError
from ffr.patches.media import MediaStore
from student.prompt import control_token

__all__ = ["LoadedRecords", "check_sft_file"]


@dataclass(frozen=True)
class LoadedRecords:
    """What an SFT file held, in file order."""

    records: tuple[SftRecord, ...]
    skipped: tuple[BadRow, ...]


def check_sft_file(
    path: Path, media_root: Path, on_bad_row: str | RowPolicy = "fail"
) -> LoadedRecords:
    """Read a JSONL file of records, open each video once, look for the images of patches.

    Ids may repeat: one question may be shown with and without evidence.

    Args:
        path: the file; images of patches lie in the folder ``media`` beside it.
        media_root: folder that every video must lie under.
        on_bad_row: as in ``load_questions``.

    Raises:
        UserError: the file cannot be read or holds no record; more rows are bad than
            ``on_bad_row`` bears.
    """
    policy = RowPolicy.parse(on_bad_row) if isinstance(on_bad_row, str) else on_bad_row
    images = MediaStore(path.parent / "media")
    bad: list[BadRow] = []
    good: list[tuple[int, SftRecord]] = []
    total = 0
    for line, row in read_json_rows(path):
        total += 1
        parsed = row if isinstance(row, BadRow) else _parse(line, row, images)
        if isinstance(parsed, BadRow):
            bad.append(parsed)
        else:
            good.append((line, parsed))
    if not total:
        raise UserError(f"{path} holds no SFT record; give at least one line")
    broken = broken_media([record.question.video for _, record in good], media_root)
    for line, record in good:
        if reason := broken.get(record.question.video):
            bad.append(BadRow(line, record.question.id, reason, "media_undecodable"))
    bad.sort(key=lambda row: row.line)
    refuse_or_bear(path, bad, total, policy)
    kept = (record for _, record in good if record.question.video not in broken)
    return LoadedRecords(tuple(kept), tuple(bad))


def _parse(line: int, row: dict[str, Any], images: MediaStore) -> SftRecord | BadRow:
    question = row.get("question")
    identity = question.get("id") if isinstance(question, dict) else None
    name = identity if isinstance(identity, str) else None
    try:
        record = SftRecord.model_validate_json(json.dumps(row))
        _check(record, images)
    except ValidationError as error:
        reason, kind = describe(error)
        return BadRow(line, name, reason, kind)
    except RowError as error:
        return BadRow(line, name, str(error), error.kind)
    return record


def _check(record: SftRecord, images: MediaStore) -> None:
    check_texts(record.question)
    if len(record.response) > MAX_TEXT:
        raise RowError(
            f"a response of {len(record.response)} characters; at most {MAX_TEXT} are allowed",
            "too_long",
        )
    if token := control_token(record.response):
        raise RowError(
            f"the response contains the control token {token!r}, which models read as structure; "
            "remove it",
            "control_token",
        )
    if record.question.clip is not None:
        raise RowError(
            "is about a stretch of its file (clip); cut it out with `ffr data cut` first", "times"
        )
    for frame in record.patch.frames if record.patch else ():
        try:
            images.get(frame.image_sha256)
        except StoreError as error:
            raise RowError(f"image of the patch: {error}", "media_missing") from error
