import json
from pathlib import Path

import pytest

ROW = {"id": "a", "video": "v.mp4", "question": "q?", "answer_type": "text", "answer": "x"}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    rows = [ROW, {**ROW, "id": "b", "family": "easy"}, {**ROW, "id": "c", "answer": ""}]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_check_lists_bad_rows_and_ends_with_code_2(run, mixed):
    result = run("ffr", "data", "check", mixed, "--no-media")
    assert result.code == 2
    assert "line 3 (id 'c'): answer" in result.out
    assert "2 good questions about 1 videos: 2 text" in result.out
    assert result.err == (
        f"error: {mixed}: 1 bad rows; mend them, or train with data.on_bad_row=skip to leave "
        "them out\n"
    )


def test_check_speaks_json_too(run, mixed):
    result = run("ffr", "data", "check", mixed, "--no-media", "--json")
    found = json.loads(result.out)
    assert (found["questions"], found["videos"]) == (2, 1)
    assert found["families"] == {"easy": 1}
    assert [(r["line"], r["id"]) for r in found["bad_rows"]] == [(3, "c")]
    assert len(found["sha256"]) == 64


def test_check_opens_the_videos_unless_told_not_to(run, mixed):
    result = run("ffr", "data", "check", mixed, "--json")
    assert "does not exist" in json.loads(result.out)["bad_rows"][0]["reason"]


def test_convert_reports_what_it_left_out(run, tmp_path):
    source = tmp_path / "in.json"
    record = {
        "problem_id": 1, "path": "./videos/a.mp4", "data_type": "video",
        "problem_type": "free-form", "problem": "Why?", "solution": "<answer>because</answer>",
    }  # fmt: skip
    source.write_text(json.dumps([record, {**record, "data_type": "image"}]))
    target = tmp_path / "out.jsonl"
    result = run("ffr", "data", "convert", source, target, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["questions"] == 1
    assert found["left_out"] == {"data_type is image": 1}
    assert json.loads(target.read_text())["video"] == "videos/a.mp4"


def test_convert_refuses_an_unknown_policy(run, tmp_path):
    result = run("ffr", "data", "convert", "a", "b", "--on-bad-row", "ignore")
    assert (result.code, result.err) == (
        2, "error: --on-bad-row=ignore is not allowed; give fail, skip, or 'limit N'\n",
    )  # fmt: skip


def test_demo_renders_a_small_world_and_reuses_it(run, tmp_path):
    words = ("--output", tmp_path / "demo", "--sft", 4, "--train", 4, "--validation", 4)
    first = run("ffr", "data", "demo", *words, "--test", 4, "--json")
    assert first.code == 0, first.err
    found = json.loads(first.out)
    assert found["videos"] == 4
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "demo" / "videos").iterdir()}
    again = run("ffr", "data", "demo", *words, "--test", 4, "--json")
    assert again.out == first.out
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    checked = run("ffr", "data", "check", found["train"], "--json")
    assert checked.code == 0, checked.err
    assert json.loads(checked.out)["questions"] == 4
