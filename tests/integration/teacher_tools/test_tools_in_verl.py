"""verl's own loader takes the exported tools, and its tool loop executes them on a real video."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

# Before verl is imported: it chooses its device layer once.
os.environ["VERL_PLATFORM"] = "cpu"
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from verl.experimental.agent_loop.tool_agent_loop import AgentData, ToolAgentLoop
from verl.experimental.agent_loop.tool_parser import FunctionCall
from verl.tools import function_tool
from verl.tools.tool_registry import load_all_tools

from ffr.cli.tools import app
from ffr.errors import UserError
from ffr.train.verl import tool_export
from teacher_tools.export import video_name

MINE = '''
from teacher_tools import Video, teacher_tool

@teacher_tool
def length(video: Video) -> str:
    """Say how long the video is."""
    return f"{video.duration_s:.1f} s"

@teacher_tool
def broken(video: Video) -> str:
    """Fail."""
    raise KeyError("in /home/someone/tool.py")
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, plain_video: Any) -> Path:
    folder = tmp_path_factory.mktemp("verl")
    (folder / "videos" / "private").mkdir(parents=True)
    shutil.copy(plain_video.path, folder / "videos" / "private" / "holiday.mp4")
    (folder / "mine.py").write_text(MINE)
    return folder


@pytest.fixture(scope="module", autouse=True)
def runners_end() -> Iterator[None]:
    yield
    for runner in tool_export._runners.values():
        runner.close()
    tool_export._runners.clear()


@pytest.fixture(scope="module")
def loop(folder: Path) -> ToolAgentLoop:
    """verl's loop with the tools its loader made of what the command line printed."""
    words = ["schema", "--format", "verl", "--root", str(folder / "videos")]
    printed = CliRunner().invoke(app, [*words, "--tools", str(folder / "mine.py")])
    assert printed.exit_code == 0, printed.output
    config = folder / "tools.yaml"
    config.write_text(printed.stdout)
    return loop_with(load_all_tools(str(config), None))


def loop_with(tools: list[Any]) -> ToolAgentLoop:
    """The loop without the engine it would sample from; its tool dispatch needs no more."""
    loop = ToolAgentLoop.__new__(ToolAgentLoop)
    loop.tools = {tool.name: tool for tool in tools}
    loop.max_tool_response_length = 2000
    loop.tool_response_truncate_side = "right"
    return loop


def trajectory(video: str = "private/holiday.mp4") -> AgentData:
    names = ("clip", "zoom", "timestamp", "length", "broken")
    return AgentData(
        messages=[],
        image_data=[],
        video_data=[],
        audio_data=None,
        mm_processor_kwargs=None,
        metrics={},
        request_id="1",
        tools_kwargs={name: {"create_kwargs": {"video": video}} for name in names},
    )


async def call(loop: ToolAgentLoop, data: AgentData, name: str, arguments: Any) -> Any:
    request = FunctionCall(name=name, arguments=json.dumps(arguments))
    return await loop._call_tool(request, data.tools_kwargs, data)


async def test_the_policy_sees_frames(loop: ToolAgentLoop, plain_video: Any, code_of: Any) -> None:
    assert list(loop.tools) == ["clip", "zoom", "timestamp", "length", "broken"]
    schema = loop.tools["zoom"].tool_schema.model_dump(exclude_unset=True, exclude_none=True)
    assert list(schema["function"]["parameters"]["properties"]) == ["t_s", "box"]
    assert "4 items, each a number from 0 to 1" in json.dumps(schema)
    data = trajectory()
    response, reward, metrics = await call(
        loop, data, "clip", {"start_s": 1.0, "end_s": 2.0, "frames": 3}
    )
    assert [code_of(np.asarray(image)) for image in response.image] == [
        plain_video.expected(t) for t in (1.0, 1.5, 2.0)
    ]
    assert response.text.startswith("3 frames from 1.00 s to 2.00 s")
    assert reward == 0.0
    assert (metrics["tool_frames"], metrics["tool_failed"], metrics["tool_refused"]) == (3, 0, 0)
    told, _, _ = await call(loop, data, "length", {})
    assert told.text == "5.0 s"


async def test_refusals_and_failures_are_told_apart(loop: ToolAgentLoop) -> None:
    data = trajectory()
    cases: list[tuple[AgentData, str, Any, str, float]] = [
        (data, "clip", {"start_s": 1, "end_s": 99}, "end_s=99 is past the end", 0),
        (data, "clip", [1, 2], "one JSON object", 0),
        (data, "zoom", {"t_s": float("nan"), "box": [0, 0, 1, 1]}, "t_s", 0),
        (data, "broken", {}, "The tool failed.", 1),
        (trajectory("private/gone.mp4"), "clip", {"start_s": 1, "end_s": 2}, "There is no", 1),
        (trajectory("../mine.py"), "clip", {"start_s": 1, "end_s": 2}, "There is no", 1),
    ]
    for trace, name, arguments, words, failed in cases:
        response, _, metrics = await call(loop, trace, name, arguments)
        assert words in response.text
        assert metrics["tool_failed"] == failed
        assert metrics["tool_refused"] == 1 - failed
        for secret in ("private", "someone", "holiday", "mine.py"):
            assert secret not in response.text
    nameless = trajectory()
    nameless.tools_kwargs = {}
    response, _, metrics = await call(loop, nameless, "length", {})
    assert metrics["tool_failed"] == 1


async def test_one_trajectory_has_one_purse(folder: Path) -> None:
    config = {
        "tool": "clip", "media_root": str(folder / "videos"), "files": [str(folder / "mine.py")],
        "totals": {"frames": 4},
    }  # fmt: skip
    loop = loop_with([tool_export.VideoTool(config, None)])
    first, second = trajectory(), trajectory()
    for data, frames, ok in [(first, 3, True), (first, 3, False), (first, 1, True),
                             (first, 1, False), (second, 3, True)]:  # fmt: skip
        arguments = {"start_s": 1.0, "end_s": 2.0, "frames": frames}
        response, _, metrics = await call(loop, data, "clip", arguments)
        assert bool(response.image) is ok, response.text
        assert metrics["tool_refused"] == float(not ok)


async def test_function_tools_take_an_opaque_name(
    folder: Path, plain_video: Any, code_of: Any
) -> None:
    file = folder / "function_tools.py"
    file.write_text(
        "from ffr.train.verl.tool_export import register_function_tools\n"
        f"register_function_tools({str(folder / 'videos')!r}, "
        f"files=[{str(folder / 'mine.py')!r}], names=['zoom', 'length'])\n"
    )
    try:
        loop = loop_with(load_all_tools(None, str(file)))
    finally:
        function_tool.FUNCTION_TOOL_REGISTRY.clear()
    assert set(loop.tools) == {"length", "zoom"}
    data = trajectory()
    name = video_name("private/holiday.mp4")
    arguments = {"video": name, "t_s": 2.0, "box": [0.0, 0.0, 1.0, 1.0]}
    response, _, metrics = await call(loop, data, "zoom", arguments)
    assert code_of(np.asarray(response.image[0].resize((320, 180)))) == plain_video.expected(2.0)
    assert metrics["tool_frames"] == 1
    for wrong in ("private/holiday.mp4", "/etc/passwd", None):
        response, _, metrics = await call(loop, data, "length", {"video": wrong})
        assert metrics["tool_refused"] == 1
        assert "video=" in response.text


def test_bad_configuration_says_what_is_missing(folder: Path) -> None:
    with pytest.raises(UserError, match="lacks 'media_root'"):
        tool_export.VideoTool({"tool": "clip"}, None)
    with pytest.raises(UserError, match="'peek' does not exist"):
        tool_export.VideoTool({"tool": "peek", "media_root": str(folder)}, None)
    result = CliRunner().invoke(app, ["schema", "--format", "verl"])
    assert isinstance(result.exception, UserError)
    assert "--root" in str(result.exception)
