"""A real MCP client against ``ffr tools serve``, over stdio and over HTTP."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from PIL import Image
from typer.testing import CliRunner

import teacher_tools
from ffr.cli.tools import app
from ffr.errors import UserError
from teacher_tools import Toolset, ToolsetError, Video, teacher_tool
from teacher_tools.export import VideoShelf, mcp_server, video_name, with_video_name
from teacher_tools.runner import ToolRunner

MORE_TOOLS = '''
from teacher_tools import Video, teacher_tool

@teacher_tool
def broken(video: Video) -> str:
    """Fail."""
    raise KeyError("in /home/someone/tool.py")
'''


@pytest.fixture(scope="module")
def shelf_root(tmp_path_factory: pytest.TempPathFactory, plain_video: Any) -> Path:
    """A folder with one video in a telling folder, and things that must stay out of reach."""
    base = tmp_path_factory.mktemp("shelf")
    root = base / "root"
    (root / "private_name").mkdir(parents=True)
    shutil.copy(plain_video.path, root / "private_name" / "holiday.mp4")
    (root / "notes.txt").write_text("not a video")
    shutil.copy(plain_video.path, base / "outside.mp4")
    (root / "link.mp4").symlink_to(base / "outside.mp4")
    return root


@pytest.fixture(scope="module")
def command(shelf_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    tools = tmp_path_factory.mktemp("more") / "more_tools.py"
    tools.write_text(MORE_TOOLS)
    code = "from ffr.cli.main import main; main()"
    return [sys.executable, "-c", code, "tools", "serve", str(shelf_root), "--tools", str(tools)]


def environment() -> dict[str, str]:
    root = str(Path(teacher_tools.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": root, "SOME_SECRET_TOKEN": "xyzzy-secret"}


@contextlib.asynccontextmanager
async def over_stdio(command: list[str]) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=environment())
    with open(os.devnull, "w") as nowhere:  # noqa: ASYNC230, PTH123
        async with Client(stdio_client(parameters, errlog=nowhere)) as client:
            yield client


@pytest.fixture(scope="module")
def http_url(command: list[str]) -> Iterator[str]:
    server = subprocess.Popen(
        [*command, "--http", "0"], stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert server.stderr is not None
    url = ""
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+/mcp", line):
            url = found.group()
            break
    assert url, "the server ended without saying its address"
    yield url
    server.terminate()
    server.wait(timeout=30)
    server.stderr.close()


async def check_a_conversation(client: Client, plain_video: Any, code_of: Any) -> None:
    """What both transports must give."""
    offered = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(offered) == ["list_videos", "clip", "zoom", "timestamp", "broken"]
    assert list(offered["zoom"].input_schema["properties"]) == ["video", "t_s", "box"]
    listed = await client.call_tool("list_videos", {})
    assert listed.structured_content == {
        "videos": [video_name("private_name/holiday.mp4")],
        "more": False,
    }
    name = listed.structured_content["videos"][0]
    answer = await client.call_tool(
        "clip", {"video": name, "start_s": 1.0, "end_s": 2.0, "frames": 3}
    )
    assert not answer.is_error
    kinds = [block.type for block in answer.content]
    assert kinds == ["text", "text", "image", "text", "image", "text", "image"]
    frames = answer.structured_content["frames"]
    assert [frame["t_s"] for frame in frames] == pytest.approx([1.0, 1.48, 2.0])
    for block, frame in zip(answer.content[2::2], frames, strict=True):
        assert block.mime_type == "image/jpeg"
        image = Image.open(io.BytesIO(base64.b64decode(block.data)))
        assert code_of(np.asarray(image)) == plain_video.expected(frame["t_s"])
    assert answer.content[1].text == "Picture 1 of 3: t=1.00s"
    said = json.dumps([listed.model_dump(mode="json"), [t.model_dump() for t in offered.values()]])
    for secret in ("private_name", "holiday", "/tmp", str(Path.home()), "xyzzy"):
        assert secret not in said + answer.content[0].text


async def test_a_client_over_stdio(command: list[str], plain_video: Any, code_of: Any) -> None:
    async with over_stdio(command) as client:
        await check_a_conversation(client, plain_video, code_of)
        name = video_name("private_name/holiday.mp4")
        cases: list[tuple[str, dict[str, Any] | None, str]] = [
            ("clip", {"video": name, "start_s": 3, "end_s": 95}, "end_s=95 is past the end"),
            ("clip", {"video": name, "start_s": "soon", "end_s": 2}, "start_s='soon'"),
            ("clip", {"video": name}, "'start_s' is missing"),
            ("clip", {"start_s": 1, "end_s": 2}, "video=None is not a name"),
            ("clip", None, "video=None is not a name"),
            ("clip", {"video": "private_name/holiday.mp4", "start_s": 1, "end_s": 2}, "not known"),
            ("clip", {"video": "/etc/passwd", "start_s": 1, "end_s": 2}, "'<path>' is not known"),
            ("clip", {"video": "../outside.mp4", "start_s": 1, "end_s": 2}, "is not known"),
            ("clip", {"video": video_name("link.mp4"), "start_s": 1, "end_s": 2}, "is not known"),
            ("clip", {"video": video_name("notes.txt"), "start_s": 1, "end_s": 2}, "is not known"),
            ("peek", {"video": name}, "unknown tool 'peek'; available: list_videos, clip"),
            ("list_videos", {"after": "x"}, "after='x' is not a name of this list"),
            ("list_videos", {"path": "/"}, "unknown argument 'path'"),
        ]
        for tool, arguments, words in cases:
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error
            assert words in refused.content[0].text
            assert refused.structured_content["boundary"] is None
        failed = await client.call_tool("broken", {"video": name})
        assert failed.is_error
        assert failed.structured_content["boundary"] == "tool"
        assert "someone" not in failed.content[0].text


async def test_a_client_over_http(http_url: str, plain_video: Any, code_of: Any) -> None:
    async with Client(http_url) as client:
        await check_a_conversation(client, plain_video, code_of)


async def test_http_listens_on_loopback_and_refuses_other_hosts(http_url: str) -> None:
    port = int(re.findall(r"\d+", http_url)[-1])
    with contextlib.suppress(OSError):  # the name may not resolve at all
        other = socket.gethostbyname(socket.gethostname())
        if not other.startswith("127."):
            with pytest.raises(OSError), socket.create_connection((other, port), timeout=2):  # noqa: PT011
                pass
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(trust_env=False) as http:
        rebound = await http.post(http_url, json=message, headers={**accept, "Host": "evil.test"})
        foreign = await http.post(
            http_url, json=message, headers={**accept, "Origin": "http://evil.test"}
        )
    assert rebound.status_code == 421
    assert foreign.status_code == 403


def test_names_and_errors_before_serving(shelf_root: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["serve", str(shelf_root), *words])

    assert json.loads(run("--names", "--name", "trip=private_name/holiday.mp4").stdout) == {
        "trip": "private_name/holiday.mp4",
        video_name("private_name/holiday.mp4"): "private_name/holiday.mp4",
    }
    for words, message in [
        (["--name", "trip"], "'trip' is not key=value"),
        (["--name", "a/b=notes.txt"], "'a/b' is not allowed"),
        (["--name", "trip=gone.mp4"], "does not exist"),
        (["--name", "trip=../outside.mp4"], "leads outside"),
        (["--http", "99999"], "port 99999 cannot be used"),
        (["--only", "peek"], "'peek' does not exist"),
    ]:
        result = run(*words)
        assert isinstance(result.exception, UserError), result.output
        assert message in str(result.exception)
    with pytest.raises(UserError, match="is not a folder"):
        VideoShelf(shelf_root / "notes.txt")


def test_the_server_ends_when_its_client_is_gone(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "1 files lead outside" in done.stderr


def test_shelf_keeps_aliases_apart_and_looks_again(shelf_root: Path, tmp_path: Path) -> None:
    shelf = VideoShelf(shelf_root, {"trip": "private_name/holiday.mp4"})
    assert shelf.names == ("trip",)
    assert shelf.resolve("trip").name == "holiday.mp4"
    assert shelf.resolve(video_name("private_name/holiday.mp4")) == shelf.resolve("trip")
    assert shelf.skipped == 1
    file = tmp_path / "a.MP4"
    file.write_bytes(b"x")
    (tmp_path / ".hidden.mp4").write_bytes(b"x")
    growing = VideoShelf(tmp_path)
    assert growing.names == (video_name("a.MP4"),)
    file.unlink()
    with pytest.raises(teacher_tools.ToolError, match="no longer available"):
        growing.resolve(video_name("a.MP4"))
    growing.scan()
    assert growing.names == ()


@teacher_tool(name="list_videos")
def impostor(video: Video) -> str:
    """Pretend."""
    return ""


@teacher_tool
def picky(handle: Video, video: bool) -> str:
    """Look.

    Args:
        video: An argument that clashes.
    """
    return ""


@pytest.mark.parametrize(("tool", "words"), [(impostor, "server's own"), (picky, "rename")])
def test_clashes_with_the_server_are_named(tool: Any, words: str, shelf_root: Path) -> None:
    with (
        ToolRunner(Toolset.of(tool)) as runner,
        pytest.raises(ToolsetError, match=words),
    ):
        mcp_server.build_server(runner, VideoShelf(shelf_root))


def test_video_name_comes_first_and_leaves_the_tool_alone() -> None:
    clip = teacher_tools.builtin_toolset().get("clip")
    assert clip is not None
    before = json.dumps(clip.parameters.json_schema)
    extended = with_video_name(clip)
    assert extended["required"] == ["video", "start_s", "end_s", "frames"]
    assert json.dumps(clip.parameters.json_schema) == before
