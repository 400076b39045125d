"""What is left to do: the store's own records are not asked for again, the rest is grouped."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffr.cache_jobs.video_ids import VideoIds
from ffr.cache_jobs.worklist import Worklist, make_worklist
from ffr.patches.keys import KeyMaker
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from teacher_tools.media import content_id

KEYS = KeyMaker("m", "p", {}, True, {"frames": 4})
PATCH = StoredDiagnosis(patch=EvidencePatch(error_types=("spatial",), guidance="Look at 2 s."))


@pytest.fixture
def media(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    root.mkdir()
    for name in "abcdefgh":
        (root / f"{name}.mp4").write_bytes(name.encode() * 100)
    return root


def work(tmp_path: Path, media: Path, failures, **options) -> Worklist:
    ids = VideoIds(tmp_path / "ids.jsonl")
    return make_worklist(failures, KEYS, PatchStore(tmp_path / "store"), media, ids, **options)


def key_of(media: Path, failure) -> str:
    video = content_id(media / failure.question.video)
    return KEYS.key(video, failure.question, failure.wrong_answer)


def test_items_are_grouped_by_video_in_a_fixed_order(tmp_path, media, make):
    failures = [
        make.failure(make.choice(f"q{n}", video=video), wrong)
        for n, video in enumerate(["b.mp4", "a.mp4", "b.mp4"])
        for wrong in "AC"
    ]
    found = work(tmp_path, media, failures)
    assert [group.video for group in found.groups] == ["a.mp4", "b.mp4"]
    assert [i.failure.question.id for i in found.groups[1].items] == ["q0", "q0", "q2", "q2"]
    assert [i.key for i in found.groups[0].items] == [key_of(media, f) for f in failures[2:4]]
    assert (found.pending, found.total, found.videos) == (6, 6, 2)


def test_a_video_with_much_work_is_split(tmp_path, media, make):
    failures = [make.failure(make.choice(f"q{n}", video="a.mp4")) for n in range(40)]
    found = work(tmp_path, media, failures)
    assert [len(group.items) for group in found.groups] == [16, 16, 8]
    assert found.videos == 1


def test_what_is_stored_is_not_asked_for_but_a_providers_failure_is(tmp_path, media, make):
    failures = [make.failure(make.choice(video="a.mp4"), wrong) for wrong in ("A", "C", "D", None)]
    store = PatchStore(tmp_path / "store")
    for failure, record in zip(
        failures,
        [
            PATCH,
            StoredDiagnosis(failure=NoPatch(reason="leak"), attempts=1),
            StoredDiagnosis(failure=NoPatch(reason="timeout"), attempts=1),
        ],
        strict=False,
    ):
        store.put(key_of(media, failure), record)
    found = work(tmp_path, media, failures)
    assert [i.failure.wrong_answer for g in found.groups for i in g.items] == ["D", None]
    assert found.stored == {"patch": 1, "leak": 1}
    again = work(tmp_path, media, failures, retry_failures=True)
    assert [i.failure.wrong_answer for g in again.groups for i in g.items] == ["C", "D", None]


def test_a_video_that_is_missing_or_outside_is_told_and_the_rest_goes_on(tmp_path, media, make):
    (tmp_path / "secret.mp4").write_bytes(b"x")
    failures = [
        make.failure(make.choice("q1", video="none.mp4")),
        make.failure(make.choice("q2", video="../secret.mp4")),
        make.failure(make.choice("q3", video="a.mp4")),
    ]
    found = work(tmp_path, media, failures)
    assert [(r.question_id, r.outcome) for r in found.unreadable] == [
        ("q2", "media_error"), ("q1", "media_error"),
    ]  # fmt: skip
    assert found.pending == 1
    assert found.total == 3


def test_shards_cover_every_request_once_and_follow_the_content(tmp_path, media, make):
    failures = [
        make.failure(make.choice(f"q-{name}", video=f"{name}.mp4")) for name in "abcdefgh"
    ] + [make.failure(make.choice("q-none", video="none.mp4"))]
    parts = [work(tmp_path, media, failures, shard=(i, 3)) for i in range(3)]
    keys = [item.key for part in parts for g in part.groups for item in g.items]
    whole = work(tmp_path, media, failures)
    assert sorted(keys) == sorted(item.key for g in whole.groups for item in g.items)
    assert len(set(keys)) == 8
    assert sum(len(part.unreadable) for part in parts) == 1
    assert sum(part.videos for part in parts) == 9
    assert max(part.pending for part in parts) < 8


def test_a_video_is_hashed_once_until_it_changes(tmp_path, media):
    path, memory = media / "a.mp4", tmp_path / "ids.jsonl"
    first = VideoIds(memory).get(path)
    assert first == content_id(path)
    lines = memory.read_text()
    assert VideoIds(memory).get(path) == first
    assert memory.read_text() == lines
    # What is remembered is believed as long as size and time are the same.
    memory.write_text(lines.replace(first, "0" * 64))
    assert VideoIds(memory).get(path) == "0" * 64
    path.write_bytes(b"other content")
    assert VideoIds(memory).get(path) == content_id(path) != first
    VideoIds(memory, write=False).get(media / "b.mp4")
    assert "b.mp4" not in memory.read_text()
    memory.write_text('{"path": 3}\ntorn')
    assert VideoIds(memory).get(media / "b.mp4") == content_id(media / "b.mp4")
