import json

import pytest

from ffr.config.schema import DataConfig
from ffr.data.manifest import (
    data_record,
    manifest_path,
    read_manifest,
    verify_manifest,
    write_manifest,
)
from ffr.errors import UserError
from ffr.run.manifest import data_records


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"id": "a"}\n')
    write_manifest(path, made_by={"command": "convert"}, rows=1, sources=[path],
                   counts={"left_out": {"image": 2}})  # fmt: skip
    return path


def test_a_manifest_holds_hashes_and_no_folders(made):
    text = manifest_path(made).read_text()
    assert str(made.parent) not in text
    found = json.loads(text)
    assert found["file"]["name"] == "train.jsonl"
    assert found["file"] == found["sources"][0]
    assert verify_manifest(made) == read_manifest(made)


def test_a_changed_file_is_noticed_and_can_be_accepted(made):
    made.write_text('{"id": "b"}\n')
    with pytest.raises(UserError, match="was changed after its manifest was written"):
        verify_manifest(made)
    write_manifest(made, made_by={"command": "manifest"}, rows=1)
    assert verify_manifest(made) is not None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 2}', "\xff"])
def test_a_broken_manifest_is_named(made, text):
    manifest_path(made).write_text(text)
    with pytest.raises(UserError, match="is no data manifest"):
        read_manifest(made)


def test_files_without_a_manifest_are_hashed_all_the_same(made):
    manifest_path(made).unlink()
    record = data_record(made)
    assert record["manifest"] is None
    assert len(record["sha256"]) == 64
    with pytest.raises(UserError, match="cannot read"):
        data_record(made.with_name("gone"))


def test_a_run_records_the_files_it_reads_and_stops_at_a_changed_one(made):
    records = data_records(DataConfig(train=str(made)))
    assert records["train"]["manifest"]["made_by"] == {"command": "convert"}
    assert set(records) == {"train"}
    made.write_text("other")
    with pytest.raises(UserError, match="was changed after"):
        data_records(DataConfig(train=str(made)))
