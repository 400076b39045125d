import json

import pytest

from ffr.data.bad_rows import KINDS, BadRow, BadRows, RowPolicy
from ffr.data.convert import convert_rows
from ffr.data.formats.field_map import FieldMap
from ffr.data.load import load_questions
from ffr.data.seen import SeenIds
from ffr.data.sources import Source
from ffr.errors import UserError

ROW = {"id": "a", "video": "v.mp4", "question": "q?", "answer_type": "text", "answer": "x"}


@pytest.mark.parametrize(
    ("text", "policy"),
    [("fail", RowPolicy("fail")), (" Skip", RowPolicy("skip")), ("limit 5", RowPolicy("limit", 5)),
     ("limit=0", RowPolicy("limit", 0))],
)  # fmt: skip
def test_policies_are_read(text, policy):
    assert RowPolicy.parse(text) == policy
    assert RowPolicy.parse(str(policy)) == policy


@pytest.mark.parametrize("text", ["", "limit", "limit -1", "limit x", "drop"])
def test_other_words_are_refused(text):
    with pytest.raises(UserError, match="give fail, skip, or limit N"):
        RowPolicy.parse(text)


def convert(folder, policy, bad=3):
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    rows = [{**ROW, "id": str(i)} for i in range(4)] + [{**ROW, "id": 1.5, "answer": ""}] * bad
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return convert_rows(Source(str(source)), target, FieldMap(), policy=RowPolicy.parse(policy))


def test_fail_finds_all_bad_rows_before_it_says_so_and_writes_nothing(tmp_path):
    with pytest.raises(UserError, match=r"3 of 7 rows are bad \(3 answer\): line 5") as caught:
        convert(tmp_path, "fail")
    assert "out.jsonl.bad.jsonl" in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()
    recorded = (tmp_path / "out.jsonl.bad.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in recorded] == [5, 6, 7]
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_a_limit_bears_so_many_and_no_more(tmp_path):
    assert convert(tmp_path, "limit 3").written == 4
    with pytest.raises(UserError, match="more than 2 bad rows"):
        convert(tmp_path, "limit 2")


def test_skip_names_each_and_writes_the_rest(tmp_path):
    done = convert(tmp_path, "skip", bad=20)
    assert done.written == 4
    assert done.bad_report["total"] == 20
    assert done.bad_report["by_kind"] == {"answer": 20}
    assert len(done.bad) == 5, "the first of each kind; all of them are in the file"
    assert len((tmp_path / "out.jsonl.bad.jsonl").read_text().splitlines()) == 20
    assert convert(tmp_path, "skip", bad=0).bad_report["record"] is None
    assert not (tmp_path / "out.jsonl.bad.jsonl").exists(), "an old record does not stay"


def test_loading_for_training_knows_the_limit_too(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n{\n")
    assert len(load_questions(path, on_bad_row="limit 1", check_media=False).skipped) == 1
    with pytest.raises(UserError, match="1 of 2 rows are bad"):
        load_questions(path, on_bad_row="limit 0", check_media=False)


def test_endless_reasons_are_cut_and_every_kind_has_its_place():
    bad = BadRows("x", RowPolicy("skip"))
    for number, kind in enumerate(reversed(KINDS), start=1):
        bad.add(BadRow(number, None, "y" * 10_000, kind))
    report = bad.report()
    assert list(report["by_kind"]) == list(KINDS)
    assert all(len(row["reason"]) == 600 for row in report["first"])


def test_ids_are_remembered_exactly():
    with SeenIds() as seen:
        names = [f"id {i}" for i in range(2000)] + ["", "a\0b", "\ud800"]
        assert [seen.first_line(name, i) for i, name in enumerate(names)] == [None] * len(names)
        assert [seen.first_line(name, -1) for name in names] == list(range(len(names)))
