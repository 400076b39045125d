"""A tool or a video that misbehaves costs one call, and is told apart from the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import teacher_tools
from teacher_tools import ToolResult, ToolRunner, ToolsetError, load_toolset
from teacher_tools.process import IN_WORKER

TOOLS = '''
import ctypes, os, subprocess, sys, time
from typing import Literal

from PIL import Image

from teacher_tools import Budget, Evidence, Frame, Seconds, ToolError, Video, teacher_tool


@teacher_tool
def middle(video: Video) -> Image.Image:
    """Show the middle."""
    return Image.fromarray(video.frame_at(video.duration_s / 2).image)


@teacher_tool
def describe(video: Video) -> str:
    """Describe the file."""
    info = video.info
    print("noise on the output", flush=True)
    return f"{info.codec} {info.width}x{info.height} {video.content_id}"


@teacher_tool(budget=Budget(seconds=0.3))
def hang(video: Video, how: Literal["sleep", "spin", "children"]) -> str:
    """Never end.

    Args:
        how: What exactly.
    """
    if how == "children":
        subprocess.Popen(["sleep", "61.5"])
    while True:
        time.sleep(60 if how != "spin" else 0)


@teacher_tool(budget=Budget(seconds=5.0))
def misbehave(
    video: Video,
    how: Literal[
        "crash", "exit", "memory", "raise", "refuse", "leak", "greedy", "reads", "nothing",
        "environment", "modules", "deaf",
    ],
) -> Evidence:
    """Do something bad.

    Args:
        how: What exactly.
    """
    if how == "crash":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(3)
    if how == "memory":
        return Evidence(text=str(len(bytearray(8 * 2**30))))
    if how == "raise":
        raise KeyError("a bug in /home/someone/tool.py")
    if how == "refuse":
        raise ToolError("the moment is not in /data/videos/v.mp4")
    if how == "leak":
        return Evidence(text="found in /home/someone/secrets.txt")
    if how == "greedy":
        frame = Frame.of(video.frame_at(0.0))
        return Evidence(frames=(frame,) * 40)
    if how == "reads":
        video.frames_at([i / 100 for i in range(300)])
    if how == "environment":
        return Evidence(text=" ".join(sorted(os.environ)) + " " + os.getcwd().split("/")[-1][:9])
    if how == "modules":
        return Evidence(text=" ".join(m for m in ("torch", "ray", "verl") if m in sys.modules))
    if how == "deaf":
        os.closerange(3, 4096)
        time.sleep(60)
    return None
'''


@pytest.fixture(scope="module")
def tools_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tools") / "bad_tools.py"
    path.write_text(TOOLS)
    return path


@pytest.fixture(scope="module")
def runner(tools_file: Path) -> Iterator[ToolRunner]:
    toolset = load_toolset(files=[tools_file], installed=False)
    with ToolRunner(toolset, workers=2) as runner:
        yield runner


@pytest.fixture
def bystander(runner: ToolRunner, plain_video: Any) -> Iterator[None]:
    """Whatever happened in a test, the next call works."""
    yield
    assert runner.call_sync("middle", "{}", plain_video.path).ok


def misbehave(runner: ToolRunner, video: Any, how: str) -> ToolResult:
    return runner.call_sync("misbehave", json.dumps({"how": how}), video.path)


def test_user_tools_run_with_short_forms(
    runner: ToolRunner, plain_video: Any, code_of: Any
) -> None:
    result = runner.call_sync("middle", "{}", plain_video.path)
    assert result.evidence is not None, result.detail
    (frame,) = result.evidence.frames
    assert code_of(frame.image) == 62
    assert (frame.t_s, frame.pts is not None) == (pytest.approx(2.48), True)
    told = runner.call_sync("describe", "", plain_video.path)
    assert told.message.startswith("h264 320x180 ")
    assert len(told.message.split()[-1]) == 64


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("how", ["sleep", "spin"])
def test_a_hang_is_killed(how: str, runner: ToolRunner, plain_video: Any) -> None:
    result = runner.call_sync("hang", json.dumps({"how": how}), plain_video.path)
    assert result.boundary == "timeout"
    assert "SIGKILL" in result.detail
    assert "too long" in result.message


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize(
    ("how", "boundary", "detail"),
    [
        ("crash", "tool", "SIGSEGV"),
        ("exit", "tool", "exit code 3"),
        ("memory", "tool", "MemoryError"),
        ("raise", "tool", "KeyError"),
        ("nothing", "tool", "return Evidence"),
        ("deaf", "tool", "worker ended"),
    ],
)
def test_failure_is_recorded_with_its_boundary(
    how: str, boundary: str, detail: str, runner: ToolRunner, plain_video: Any
) -> None:
    result = misbehave(runner, plain_video, how)
    assert result.boundary == boundary
    assert detail in result.detail
    assert result.evidence is None
    assert result.message
    assert "someone" not in result.message
    assert result.seconds > 0


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("refuse", "the moment is not in <path>"),
        ("greedy", "40 frames would be returned; at most 32"),
        ("reads", "300 frames were asked of the video; at most 256"),
    ],
)
def test_refusals_reach_the_teacher_without_paths(
    how: str, words: str, runner: ToolRunner, plain_video: Any
) -> None:
    result = misbehave(runner, plain_video, how)
    assert result.boundary is None
    assert words in result.message


def test_paths_in_evidence_are_removed(runner: ToolRunner, plain_video: Any) -> None:
    assert misbehave(runner, plain_video, "leak").message == "found in <path>"


def test_a_killed_call_leaves_no_children(runner: ToolRunner, plain_video: Any) -> None:
    assert not sleepers()
    result = runner.call_sync("hang", '{"how": "children"}', plain_video.path)
    assert result.boundary == "timeout"
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and sleepers():
        time.sleep(0.05)
    assert sleepers() == []


def sleepers() -> list[str]:
    """Processes that run ``sleep 61.5``; a killed one has no command line left."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"\x0061.5\x00" in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


def children() -> set[str]:
    """Processes that this one started and has not reaped."""
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for file in lists for pid in file.read_text().split()}


def test_workers_know_no_secrets(
    tools_file: Path, plain_video: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET_TOKEN", "x")
    monkeypatch.setenv("WANTED", "y")
    toolset = load_toolset(files=[tools_file], installed=False)
    with ToolRunner(toolset, workers=1, environment=["WANTED"]) as runner:
        names = misbehave(runner, plain_video, "environment").message
    assert "SECRET" not in names
    assert "WANTED" in names
    assert names.endswith("ffr-tools")


def test_workers_stay_light(runner: ToolRunner, plain_video: Any) -> None:
    result = misbehave(runner, plain_video, "modules")
    assert result.ok
    assert result.message == ""


def test_bad_files_fail_at_the_decode_boundary(runner: ToolRunner, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for path in (text, tmp_path / "gone.mp4", tmp_path):
        result = runner.call_sync("middle", "{}", path)
        assert result.boundary == "decode"
        assert str(tmp_path) not in result.message


async def test_calls_run_side_by_side_without_blocking(
    runner: ToolRunner, plain_video: Any
) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticking = asyncio.create_task(tick())
    calls = [runner.call("middle", "{}", plain_video.path) for _ in range(4)]
    slow = runner.call("hang", '{"how": "sleep"}', plain_video.path)
    *results, stopped = await asyncio.gather(*calls, slow)
    ticking.cancel()
    assert all(result.ok for result in results)
    assert stopped.boundary == "timeout"
    assert ticks > 10


def test_closing_ends_everything_at_once(tools_file: Path, plain_video: Any) -> None:
    before = children()
    runner = ToolRunner(load_toolset(files=[tools_file], installed=False), workers=1)
    runner.call_sync("middle", "{}", plain_video.path)
    assert len(children() - before) == 1
    runner.close()
    assert children() <= before
    with pytest.raises(RuntimeError):
        runner.call_sync("middle", "{}", plain_video.path)


async def test_closing_during_a_call_ends_the_call(tools_file: Path, plain_video: Any) -> None:
    runner = ToolRunner(load_toolset(files=[tools_file], installed=False), workers=1)
    await runner.call("middle", "{}", plain_video.path)
    call = asyncio.create_task(runner.call("hang", '{"how": "sleep"}', plain_video.path))
    await asyncio.sleep(0.1)
    start = time.monotonic()
    await asyncio.to_thread(runner.close)
    assert (await call).boundary == "tool"
    assert time.monotonic() - start < 1


def test_a_changed_tool_is_not_run(tmp_path: Path, plain_video: Any) -> None:
    path = tmp_path / "one.py"
    source = (
        "from teacher_tools import Video, teacher_tool\n"
        "@teacher_tool\n"
        "def say(video: Video) -> str:\n"
        '    """Say something."""\n'
        "    return 'hello'\n"
    )
    path.write_text(source)
    with ToolRunner(load_toolset(["say"], [path], installed=False), workers=1) as runner:
        path.write_text(source.replace("Say something", "Say something else"))
        result = runner.call_sync("say", "", plain_video.path)
    assert result.boundary == "tool"
    assert "has changed" in result.detail


def test_workers_never_start_workers(tools_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_WORKER, "1")
    with pytest.raises(ToolsetError, match="__main__"):
        ToolRunner(load_toolset(files=[tools_file], installed=False))


def test_script_can_run_the_tools_it_defines(tmp_path: Path, plain_video: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from teacher_tools import Seconds, ToolRunner, Toolset, Video, teacher_tool\n"
        "@teacher_tool\n"
        "def length(video: Video) -> str:\n"
        '    """Say how long it is."""\n'
        "    return f'{video.duration_s:.1f}'\n"
        "if __name__ == '__main__':\n"
        "    with ToolRunner(Toolset.of(length)) as runner:\n"
        "        print(runner.call_sync('length', '{}', Path(sys.argv[1])).message)\n"
    )
    root = Path(teacher_tools.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, script, plain_video.path],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "5.0", done.stderr
