"""Budgets hold, for one call and for all calls of a patch; failures say where they happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from teacher_tools import ToolRunner, Totals, load_toolset

TOOLS = '''
from typing import Literal

from openai import APITimeoutError

from teacher_tools import (
    Budget, Evidence, Frame, ProviderError, Seconds, ToolError, Video, teacher_tool,
)
@teacher_tool(budget=Budget(frames=4, pixels=4 * 320 * 180, seconds=5.0))
def some(video: Video, times_s: Seconds) -> Evidence:
    """Show frames from a moment on.

    Args:
        times_s: Start.
    """
    frames = video.frames_at([times_s + i / 5 for i in range(3)])
    return Evidence(frames=tuple(Frame.of(frame) for frame in frames))


@teacher_tool
def fail(
    video: Video,
    how: Literal["provider", "connection", "openai", "decoder", "out_of_range", "lookup"],
) -> str:
    """Fail.

    Args:
        how: Where.
    """
    if how == "provider":
        raise ProviderError("the service at 10.0.0.1 said no")
    if how == "connection":
        raise ConnectionRefusedError("10.0.0.1")
    if how == "openai":
        raise APITimeoutError(request=None)
    if how == "decoder":
        video._reader._reader.frames_at = lambda *a, **b: 1 / 0  # the core itself breaks
        video.frame_at(1.0)
    if how == "out_of_range":
        video.frame_at(-1.0)
    return {}["nothing"]
'''


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToolRunner]:
    path = tmp_path_factory.mktemp("tools") / "budget_tools.py"
    path.write_text(TOOLS)
    with ToolRunner(load_toolset(files=[path], installed=False), workers=1) as runner:
        yield runner


def some(runner: ToolRunner, video: Any, totals: Totals) -> Any:
    return runner.call_sync("some", '{"times_s": 1.0}', video.path, totals=totals)


def test_totals_are_charged_with_what_calls_used(runner: ToolRunner, plain_video: Any) -> None:
    totals = Totals(frames=7, pixels=7 * 320 * 180, seconds=60.0)
    for left in (4, 1):
        assert some(runner, plain_video, totals).ok
        assert totals.frames_left == left
        assert totals.pixels_left == left * 320 * 180
    assert 0 < totals.spent["seconds"] < 60
    third = some(runner, plain_video, totals)
    assert third.boundary is None
    assert "3 frames would be returned; at most 1 are allowed here" in third.message
    assert totals.frames_left == 1  # refused evidence is not paid for


def test_totals_of_pixels_and_time(runner: ToolRunner, plain_video: Any) -> None:
    few_pixels = Totals(frames=50, pixels=320 * 180, seconds=60.0)
    result = some(runner, plain_video, few_pixels)
    assert "172800 pixels would be returned; at most 57600" in result.message
    no_time = Totals(seconds=0.05)
    assert "time for tools is used up" in some(runner, plain_video, no_time).message


def test_refused_calls_cost_nothing(runner: ToolRunner, plain_video: Any) -> None:
    totals = Totals(frames=7)
    assert not runner.call_sync("some", "{}", plain_video.path, totals=totals).ok
    assert not runner.call_sync("peek", "{}", plain_video.path, totals=totals).ok
    assert totals.spent["frames"] == totals.spent["seconds"] == 0


@pytest.mark.parametrize(
    ("how", "boundary", "detail"),
    [
        ("provider", "provider", "the service at 10.0.0.1 said no"),
        ("connection", "provider", "ConnectionRefusedError"),
        ("openai", "provider", "APITimeoutError"),
        ("out_of_range", "tool", "t=-1.0 is not allowed"),
        ("lookup", "tool", "KeyError"),
        ("decoder", "decode", "the decoder failed with ZeroDivisionError"),
    ],
)
def test_failures_name_their_boundary(
    how: str, boundary: str, detail: str, runner: ToolRunner, plain_video: Any
) -> None:
    result = runner.call_sync("fail", f'{{"how": "{how}"}}', plain_video.path)
    assert result.boundary == boundary
    assert detail in result.detail
    assert "10.0.0.1" not in result.message
    assert "Try " in result.message


def test_a_call_has_a_key_of_content_arguments_and_version(plain_video: Any) -> None:
    tools = load_toolset(installed=False)
    clip, zoom = tools.get("clip"), tools.get("zoom")
    assert clip is not None
    assert zoom is not None
    arguments = clip.parameters.parse('{"start_s": 1, "end_s": 2.0}')
    key = clip.call_key("ab" * 32, arguments)
    spelt_out = clip.parameters.parse('{"frames": 8.0, "end_s": 2, "start_s": 1.0}')
    assert clip.call_key("ab" * 32, spelt_out) == key
    others = {
        clip.call_key("cd" * 32, arguments),
        clip.call_key("ab" * 32, {**arguments, "frames": 7}),
        clip.call_key("ab" * 32, {**arguments, "end_s": 2.0000001}),
        zoom.call_key("ab" * 32, arguments),
    }
    assert len(others | {key}) == 5
