import json
from pathlib import Path

import pytest

from ffr.data.check import Limits, check_questions
from ffr.data.manifest import media_hash
from ffr.data.probe_pool import Died, run_apart
from ffr.data.probes import ProbeOptions, probe_all
from ffr.errors import UserError

ROW = {"question": "q?", "answer_type": "text", "answer": "x"}
WORK = """
import os, time
def work(job):
    if job["do"] == "hang":
        time.sleep(60)
    if job["do"] == "die":
        os._exit(11)
    if job["do"] == "lie":
        return ["no object"]
    return {"pid": os.getpid(), **job}
"""


@pytest.fixture(scope="module")
def media(tmp_path_factory, encode) -> Path:
    root = tmp_path_factory.mktemp("media")
    good = encode(root / "good.mp4", 1, faststart=True)
    encode(root / "short.mp4", 2, seconds=0.5)
    whole = good.read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    (root / "empty.mp4").write_bytes(b"")
    (root / "page.mp4").write_bytes(b"<html>404</html>" * 100)
    (root / "folder.mp4").mkdir()
    (root / "out.mp4").symlink_to("/etc/hostname")
    return root


def rows(folder: Path, *videos: str, **more: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps({**ROW, **more, "id": f"{i} {v}", "video": v}) + "\n"
            for i, v in enumerate(videos)
        )
    )
    return path


def test_every_kind_of_unusable_video_is_named_and_the_rest_is_kept(media, tmp_path):
    path = rows(
        tmp_path, "good.mp4", "cut.mp4", "empty.mp4", "page.mp4", "folder.mp4", "out.mp4",
        "gone.mp4", "../x.mp4", "short.mp4", "good.mp4",
    )  # fmt: skip
    options = ProbeOptions(media, workers=2, journal=tmp_path / "journal.jsonl")
    keep = tmp_path / "good.jsonl"
    report = check_questions(path, options, limits=Limits(min_s=1.0), keep=keep)
    assert report.bad["by_kind"] == {
        "media_missing": 1, "media_refused": 3, "media_undecodable": 2, "media_damaged": 1,
        "media_short": 1,
    }  # fmt: skip
    kinds = {row.id: row.kind for row in report.first_bad}
    assert kinds["1 cut.mp4"] == "media_damaged"
    assert kinds["5 out.mp4"] == "media_refused"
    assert (report.rows, report.good, report.videos) == (10, 2, 9)
    assert [json.loads(line)["video"] for line in keep.open()] == ["good.mp4"] * 2


def test_times_must_lie_within_the_video(media, tmp_path):
    options = ProbeOptions(media, workers=1, frames=1)
    inside = rows(tmp_path, "good.mp4", gold_spans=[{"start_s": 0, "end_s": 4.5}])
    assert check_questions(inside, options).good == 1
    assert check_questions(inside, options, limits=Limits(slack_s=0.1)).good == 0
    beyond = rows(tmp_path, "good.mp4", events=[{"start_s": 0, "end_s": 9, "text": "t"}])
    (bad,) = check_questions(beyond, options).first_bad
    assert "times reach to 9.00 s, the video ends at 4.00 s" in bad.reason


def test_a_second_check_opens_only_what_changed(media, tmp_path, encode, monkeypatch):
    root = tmp_path / "media"
    for seed in range(3):
        encode(root / f"{seed}.mp4", seed, seconds=1)
    names = [f"{seed}.mp4" for seed in range(3)]
    options = ProbeOptions(root, workers=1, frames=2, journal=tmp_path / "j.jsonl")
    first = probe_all(names, options)
    with (tmp_path / "j.jsonl").open("a") as file:
        file.write('{"video": "torn')
    encode(root / "1.mp4", 9, seconds=2)
    asked: list[str] = []

    def counting(work, jobs, **limits):
        for job, answer in run_apart(work, jobs, **limits):
            asked.append(job["video"])
            yield job, answer

    monkeypatch.setattr("ffr.data.probes.run_apart", counting)
    again = probe_all(names, options)
    assert asked == ["1.mp4"]
    assert again["1.mp4"].duration_s == pytest.approx(2.0)
    assert [again[n] for n in ("0.mp4", "2.mp4")] == [first[n] for n in ("0.mp4", "2.mp4")]
    probe_all(names, ProbeOptions(root, frames=3, journal=tmp_path / "j.jsonl"))
    assert asked == ["1.mp4", *names], "other frames, other findings"


def test_one_hash_stands_for_all_videos(tmp_path, encode):
    encode(tmp_path / "a.mp4", 1, seconds=1)
    encode(tmp_path / "b.mp4", 2, seconds=1)
    options = ProbeOptions(tmp_path, frames=1, identity=True)
    before = media_hash(probe_all(["a.mp4", "b.mp4"], options))
    assert before == media_hash(probe_all(["b.mp4", "a.mp4"], options))
    encode(tmp_path / "b.mp4", 3, seconds=1)
    assert media_hash(probe_all(["a.mp4", "b.mp4"], options)) != before
    with pytest.raises(UserError, match="cannot be hashed"):
        media_hash(probe_all(["gone.mp4"], options))


def test_hangs_crashes_and_lies_cost_one_job_each(tmp_path, monkeypatch):
    (tmp_path / "probe_work_for_tests.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    from probe_work_for_tests import work

    monkeypatch.setattr("ffr.data.probe_pool._START_S", 20.0)
    jobs = [{"do": what, "n": n} for n, what in enumerate(["ok", "die", "ok", "lie", "ok"])]
    found = {job["n"]: answer for job, answer in
             run_apart(work, iter(jobs), workers=1, timeout_s=30)}  # fmt: skip
    assert [isinstance(found[n], Died) for n in range(5)] == [False, True, False, True, False]
    assert found[0]["pid"] != found[2]["pid"], "a fresh worker after the crash"
    assert "exit code 11" in found[1].detail
    monkeypatch.setattr("ffr.data.probe_pool._START_S", 0.0)
    ((_, died),) = run_apart(work, iter([{"do": "hang"}]), workers=1, timeout_s=0.2)
    assert isinstance(died, Died)
    assert died.timed_out
