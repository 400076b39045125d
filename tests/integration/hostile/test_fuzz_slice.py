"""A small, fixed slice of benchmarks/hostile.py, and proof that it would notice."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from teacher_tools import Evidence, ToolResult, ToolRunner
from teacher_tools.media import VideoReader


def test_hostile_arguments_are_answered_or_refused(
    hostile: Any, runner: ToolRunner, bait: Any, folder: Path
) -> None:
    tally = hostile.arguments(runner, 300, 1, folder, bait)
    assert tally.violations == []
    assert set(tally.outcomes) == {"evidence", "refused"}
    assert min(tally.outcomes.values()) > 30


def test_spoilt_videos_end_at_the_decode_boundary(
    hostile: Any, runner: ToolRunner, bait: Any, folder: Path
) -> None:
    tally = hostile.media(runner, 52, 1, folder, bait)
    assert tally.violations == []
    assert sum(tally.outcomes.values()) == 104
    assert tally.outcomes["evidence"] > 10
    assert tally.outcomes["failure: decode"] > 10


def test_hostile_names_stay_below_the_root(hostile: Any, bait: Any, folder: Path) -> None:
    tally = hostile.names(1500, 1, folder, bait)
    assert tally.violations == []
    assert set(tally.outcomes) == {"file", "MediaNotFoundError", "MediaNotAllowedError"}


def test_same_seed_same_calls(hostile: Any) -> None:
    tools = list(hostile.builtin_toolset())
    first, again, other = (list(hostile.hostile_calls(tools, 40, seed, 2.0)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_opened_bait_is_noticed(hostile: Any, tmp_path: Path) -> None:
    bait = hostile.bait_in(tmp_path)
    list(bait.paths[0].parent.iterdir())
    assert bait.opened() == []
    with VideoReader.open(bait.paths[0]):
        pass
    assert bait.opened() == ["secret.mp4"]
    tally = hostile.Tally()
    bait.paths[1].read_bytes()
    hostile._check_bait(bait, tally)
    assert tally.violations == ["the file 'secret.txt' outside was opened"]
    bait.close()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", "says nothing"),
        ("no file /srv/data/v.mp4", "tells '/srv/data/v.mp4'"),
        ("see ../../etc/passwd", "etc/passwd"),
        (f"in {Path.cwd()}", "tells"),
        ("canary-value-5c1f0e", "tells 'canary-value-5c1f0e'"),
        ("FFR_CANARY_NAME", "tells 'FFR_CANARY_NAME'"),
        ("Traceback (most recent call last)", "tells 'Traceback'"),
        ("a\x1b[31mb", "control characters"),
    ],
)
def test_leaks_are_noticed(message: str, words: str, hostile: Any) -> None:
    result = ToolResult("clip", {}, None, message, seconds=0.1)
    assert any(words in problem for problem in hostile.problems(result, None, 1.0))


def test_hangs_and_impossible_outcomes_are_noticed(hostile: Any) -> None:
    good = ToolResult("clip", {}, None, "refused", seconds=0.1)
    assert list(hostile.problems(good, None, 1.0)) == []
    late = dataclasses.replace(good, seconds=1.2)
    assert "at most 1.0 s" in next(hostile.problems(late, None, 1.0))
    both = dataclasses.replace(good, evidence=Evidence(text="x"), boundary="tool")
    assert len(list(hostile.problems(both, None, 1.0))) == 2


def test_every_container_is_sound_before_it_is_spoilt(
    hostile: Any, runner: ToolRunner, folder: Path
) -> None:
    videos = hostile.good_videos(folder)
    assert len(videos) == 13
    for path in videos:
        result = runner.call_sync("clip", '{"start_s": 0, "end_s": 1.9, "frames": 3}', path)
        assert result.ok, (path.name, result.detail)
