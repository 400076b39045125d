import json

from ffr.data.bad_rows import RowPolicy
from ffr.data.cut import cut_clips
from ffr.data.load import load_questions
from teacher_tools.media import VideoReader


def test_clips_become_files_of_their_own_and_times_move_along(tmp_path, encode):
    encode(tmp_path / "film.mp4", 4, seconds=4)
    row = {
        "id": "a", "video": "film.mp4", "question": "q?", "answer_type": "text", "answer": "x",
        "clip": {"start_s": 1.0, "end_s": 3.0},
        "gold_spans": [{"start_s": 0.5, "end_s": 1.5}, {"start_s": 3.5, "end_s": 4.0}],
        "events": [{"start_s": 2.0, "end_s": 9.0, "text": "t"}],
    }  # fmt: skip
    rows = [row, {**row, "id": "b"}, {**row, "id": "c", "clip": {"start_s": 7.0, "end_s": 8.0}},
            {**row, "id": "d", "video": "gone.mp4"},
            {k: v for k, v in {**row, "id": "e"}.items() if k != "clip"}]  # fmt: skip
    source, target = tmp_path / "rows.jsonl", tmp_path / "cut.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in rows))
    done = cut_clips(source, target, tmp_path, policy=RowPolicy("skip"))
    assert (done.written, done.cut, done.reused, done.whole) == (3, 1, 1, 1)
    assert done.bad["by_kind"] == {"times": 1, "media_missing": 1}
    first, second, whole = load_questions(target, tmp_path).questions
    assert first.video == second.video != whole.video == "film.mp4"
    assert [(s.start_s, s.end_s) for s in first.gold_spans] == [(0.0, 0.5)]
    assert [(e.start_s, e.end_s) for e in first.events] == [(1.0, 2.0)]
    with (
        VideoReader.open(tmp_path / first.video) as clip,
        VideoReader.open(tmp_path / "film.mp4") as film,
    ):
        assert abs(clip.duration_s - 2.0) < 0.11
        (ours,), (theirs,) = clip.frames_at([0.55]), film.frames_at([1.55])
        assert abs(ours.image.astype(float) - theirs.image).mean() < 6
    again = cut_clips(source, target, tmp_path, policy=RowPolicy("skip"))
    assert (again.cut, again.reused) == (0, 2)
