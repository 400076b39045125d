"""SFT files: good ones load, bad ones are named by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffr.data.sft_record import SftRecord, load_sft_records
from ffr.demo.layout import plan_video
from ffr.demo.questions import question_about, wanted_response
from ffr.errors import UserError


@pytest.fixture
def record() -> SftRecord:
    plan = plan_video(0, "sft", 0)
    question = question_about(plan, plan.objects[0])
    return SftRecord(question=question, response=wanted_response(question, plan.objects[0]))


def test_records_survive_the_file(tmp_path: Path, record: SftRecord) -> None:
    path = tmp_path / "sft.jsonl"
    path.write_text(f"{record.model_dump_json()}\n\n{record.model_dump_json()}\n")
    assert load_sft_records(path) == [record, record]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: record"),
        ('{"response": "x"}', "line 2: question"),
        ("[]", "line 2: record"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, record: SftRecord, line: str, said: str) -> None:
    path = tmp_path / "sft.jsonl"
    path.write_text(f"{record.model_dump_json()}\n{line}\n")
    with pytest.raises(UserError, match=said):
        load_sft_records(path)


def test_an_empty_response_and_an_unknown_key_are_refused(
    tmp_path: Path, record: SftRecord
) -> None:
    path = tmp_path / "sft.jsonl"
    for change in ({"response": ""}, {"extra": 1}):
        text = SftRecord.model_construct(**{**dict(record), **change}).model_dump_json()
        if "extra" in change:
            text = text[:-1] + ',"extra":1}'
        path.write_text(text + "\n")
        with pytest.raises(UserError, match="line 1: " + next(iter(change))):
            load_sft_records(path)


def test_missing_empty_and_undecodable_files_are_user_errors(tmp_path: Path) -> None:
    path = tmp_path / "sft.jsonl"
    with pytest.raises(UserError, match=r"data\.sft"):
        load_sft_records(path)
    path.write_text("\n")
    with pytest.raises(UserError, match="holds no SFT record"):
        load_sft_records(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot read"):
        load_sft_records(path)
