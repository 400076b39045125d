"""``ffr tools`` for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ffr.cli.tools import app
from ffr.errors import UserError

cli = CliRunner()


def invoke(*words: object) -> str:
    result = cli.invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_shows_tools_arguments_and_origin() -> None:
    printed = invoke("list")
    for word in ("clip", "zoom", "timestamp", "built in"):
        assert word in printed
    listed = json.loads(invoke("list", "--json"))
    assert [tool["name"] for tool in listed][:3] == ["clip", "zoom", "timestamp"]
    assert all(len(tool["hash"]) == 64 for tool in listed)
    assert listed[0]["budget"]["frames"] == 16


def test_schema_is_a_list_of_functions() -> None:
    schemas = json.loads(invoke("schema", "zoom"))
    assert [s["function"]["name"] for s in schemas] == ["zoom"]
    assert schemas[0]["function"]["strict"] is True


def test_try_saves_what_the_tool_shows(plain_video: Any, code_of: Any, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    words = ("try", "clip", plain_video.path, "start_s=1", "end_s=2.0", "frames=3", "--out", out)
    report = json.loads(invoke(*words, "--json"))
    assert [frame["t_s"] for frame in report["frames"]] == pytest.approx([1.0, 1.48, 2.0])
    for frame in report["frames"]:
        assert set(frame) >= {"t_s", "pts", "box", "path"}
        image = np.asarray(Image.open(frame["path"]))
        assert code_of(image) == plain_video.expected(frame["t_s"])
    sheet = Image.open(report["contact_sheet"])
    assert sheet.width > 640
    assert report["text"].startswith("3 frames from 1.00 s to 2.00 s")
    assert report["arguments"] == {"start_s": 1.0, "end_s": 2.0, "frames": 3}
    assert len(report["key"]) == 64
    again = json.loads(invoke(*words[:4], "end_s=2", "frames=2", "--out", out, "--json"))
    assert again["key"] != report["key"]
    assert len(list(out.iterdir())) == 3  # two pictures and the sheet; the old ones are gone
    assert "contact sheet" in invoke(*words)


def test_try_reads_boxes_and_null(plain_video: Any, tmp_path: Path) -> None:
    words = ("t_s=2", "box=0.25,.25,0.75,.75", "--json", "--out", tmp_path)
    report = json.loads(invoke("try", "zoom", plain_video.path, *words))
    assert report["frames"][0]["box"] == [0.25, 0.25, 0.75, 0.75]
    words = ("start_s=null", "mode=keyframe", "frames=4", "--json", "--out", tmp_path)
    report = json.loads(invoke("try", "timestamp", plain_video.path, *words))
    assert report["arguments"]["start_s"] is None


def test_try_runs_a_tool_from_a_file(plain_video: Any, tmp_path: Path) -> None:
    tools = tmp_path / "mine.py"
    tools.write_text(
        "from teacher_tools import Video, teacher_tool\n"
        "@teacher_tool\n"
        "def rate(video: Video) -> str:\n"
        '    """Say the frame rate."""\n'
        "    return f'{video.info.average_fps:.0f} fps [bold]'\n"
    )
    out = tmp_path / "out"
    printed = invoke("try", "rate", plain_video.path, "--tools", tools, "--out", out)
    assert printed.strip() == "25 fps [bold]"
    assert "mine.py" in invoke("list", "--json", "--tools", tools)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clip", "VIDEO", "start_s=1", "end_s=99"], "end_s=99 is past the end"),
        (["clip", "VIDEO", "start_s"], "'start_s' is not key=value"),
        (["clip", "VIDEO", "start_s=1", "start_s=2"], "given twice"),
        (["clip", "VIDEO", "start_s=soon", "end_s=2"], "start_s='soon'"),
        (["peek", "VIDEO"], "unknown tool 'peek'"),
        (["clip", "gone.mp4", "start_s=1", "end_s=2"], "'gone.mp4' does not exist"),
        (["clip", "TEXT", "start_s=1", "end_s=2"], "decode"),
    ],
)
def test_mistakes_are_user_errors(
    words: list[str], message: str, plain_video: Any, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    places = {"VIDEO": str(plain_video.path), "TEXT": str(text)}
    result = cli.invoke(app, ["try", *(places.get(word, word) for word in words)])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


def test_unwritable_folder_is_a_user_error(plain_video: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = cli.invoke(
        app, ["try", "clip", str(plain_video.path), "start_s=1", "end_s=2", "--out", str(blocked)]
    )
    assert isinstance(result.exception, UserError)
    assert "--out" in str(result.exception)
