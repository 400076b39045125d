import json

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.data.load import load_questions
from ffr.data.split import group_by_pattern, parse_parts, split_questions
from ffr.errors import UserError

ROW = {"question": "q?", "answer_type": "text", "answer": "x"}
PARTS = {"train": 0.8, "test": 0.2}


def write(folder, videos, per_video=3):
    path = folder / "rows.jsonl"
    rows = [{**ROW, "id": f"{v}-{i}", "video": v} for i in range(per_video) for v in videos]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def videos_of(folder):
    loaded = {part: load_questions(folder / f"{part}.jsonl", check_media=False) for part in PARTS}
    return {part: {q.video for q in found.questions} for part, found in loaded.items()}


def test_no_video_is_in_two_parts_and_nothing_is_lost(tmp_path):
    names = [f"v{i}.mp4" for i in range(300)]
    report = split_questions(write(tmp_path, names), tmp_path / "parts", PARTS)
    found = videos_of(tmp_path / "parts")
    assert not found["train"] & found["test"]
    assert found["train"] | found["test"] == set(names)
    assert sum(report.rows.values()) == 900
    assert 0.1 < report.rows["test"] / 900 < 0.3
    assert report.groups == {part: len(videos) for part, videos in found.items()}


def test_rows_added_later_move_no_video(tmp_path):
    names = [f"v{i}.mp4" for i in range(100)]
    split_questions(write(tmp_path, names), tmp_path / "a", PARTS)
    more = [*(f"new{i}.mp4" for i in range(50)), *names]
    split_questions(write(tmp_path, more), tmp_path / "b", PARTS)
    before, after = videos_of(tmp_path / "a"), videos_of(tmp_path / "b")
    assert all(before[part] <= after[part] for part in PARTS)
    split_questions(write(tmp_path, names), tmp_path / "c", PARTS, seed=1)
    assert videos_of(tmp_path / "c") != before


def test_clips_of_one_recording_stay_together(tmp_path):
    names = [f"film{i}_{j}.mp4" for i in range(60) for j in range(4)]
    group_of = group_by_pattern(r"^(.+)_\d+\.mp4$")
    report = split_questions(write(tmp_path, names), tmp_path, PARTS, group_of=group_of)
    found = videos_of(tmp_path)
    films = {part: {group_of(v) for v in videos} for part, videos in found.items()}
    assert not films["train"] & films["test"]
    assert sum(report.groups.values()) == 60
    assert group_of("other.mp4") == "other.mp4"


def test_an_empty_part_is_an_error_and_nothing_is_written(tmp_path):
    with pytest.raises(UserError, match="would be empty"):
        split_questions(write(tmp_path, ["a.mp4"]), tmp_path / "out", PARTS)
    assert list((tmp_path / "out").glob("*.jsonl")) == []


def test_bad_rows_are_named(tmp_path):
    path = write(tmp_path, [f"v{i}" for i in range(50)])
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(UserError, match="1 of 151 rows are bad"):
        split_questions(path, tmp_path / "out", PARTS)
    report = split_questions(path, tmp_path / "out", PARTS, policy=RowPolicy("skip"))
    assert report.bad["total"] == 1


@pytest.mark.parametrize(
    "words", ["train", "train=1", "a=0.5,b=0.6", "a=0.5,b=x", "../a=0.5,b=0.5", "a=nan,b=1"]
)
def test_wrong_shares_are_refused(words):
    with pytest.raises(UserError, match="--parts"):
        parse_parts(words)
    assert parse_parts("train=0.8,test=0.2") == PARTS


@pytest.mark.parametrize("pattern", ["(", "no bracket"])
def test_wrong_patterns_are_refused(pattern):
    with pytest.raises(UserError, match="--group"):
        group_by_pattern(pattern)
