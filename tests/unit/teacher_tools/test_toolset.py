"""Toolsets are explicit, ordered, and name both sides of a clash."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from teacher_tools import Toolset, ToolsetError, builtin_toolset, load_toolset, toolset
from teacher_tools.tools import clip, zoom
from teacher_tools.toolset import ENTRY_POINT_GROUP, load_tool

TOOL = '''
from teacher_tools import Video, teacher_tool

@teacher_tool
def {name}(video: Video) -> str:
    """Say {name}."""
    return "{name}"
'''


def tool_file(folder: Path, name: str, stem: str = "more") -> Path:
    path = folder / f"{stem}.py"
    path.write_text(TOOL.format(name=name))
    return path


def test_builtin_tools_in_the_order_asked() -> None:
    assert builtin_toolset().names == ("clip", "zoom", "timestamp")
    assert builtin_toolset(["zoom", "clip"]).names == ("zoom", "clip")
    with pytest.raises(ToolsetError, match="'crop' does not exist; known: clip, zoom, timestamp"):
        builtin_toolset(["crop"])


def test_hash_depends_on_the_tools_not_their_order() -> None:
    assert Toolset.of(clip, zoom).hash == Toolset.of(zoom, clip).hash
    assert Toolset.of(clip).hash != Toolset.of(clip, zoom).hash


def test_tools_from_files(tmp_path: Path) -> None:
    found = load_toolset(files=[tool_file(tmp_path, "hello")], installed=False)
    assert found.names == ("clip", "zoom", "timestamp", "hello")
    assert "more.py" in found.origin("hello").by
    assert "clip" in found
    assert len(found) == 4
    assert [s["function"]["name"] for s in found.openai_schemas()] == list(found.names)
    assert load_tool(found.origin("hello"), "hello").hash == found.get("hello").hash  # type: ignore[union-attr]
    assert found.get("nobody") is None


def test_clash_names_both_origins(tmp_path: Path) -> None:
    with pytest.raises(ToolsetError, match=r"'clip': one built in, one in file .*more\.py"):
        load_toolset(files=[tool_file(tmp_path, "clip")], installed=False)
    first, second = tool_file(tmp_path, "hello", "a"), tool_file(tmp_path, "hello", "b")
    with pytest.raises(ToolsetError, match=r"a\.py, one in file .*b\.py"):
        load_toolset(files=[first, second], installed=False)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\n", "defines no tool"),
        ("from teacher_tools.tools import clip\n", "defines no tool"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("def f(:\n", "SyntaxError"),
        (TOOL.format(name="f").replace("video: Video", ""), "first parameter must be the video"),
    ],
)
def test_bad_files_say_why(source: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    with pytest.raises(ToolsetError, match=words) as caught:
        load_toolset(files=[path], installed=False)
    assert "bad.py" in str(caught.value)


def test_missing_file_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.py", tmp_path, tmp_path / "x.txt"):
        with pytest.raises(ToolsetError, match=r"give a path to a \.py"):
            load_toolset(files=[path], installed=False)


def test_installed_packages_contribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffr_test_plugin.py").write_text(
        TOOL.format(name="shout")
        + "\nfactory = [teacher_tool(name='whisper')(shout.function)]"
        + "\nmany = [shout]\nmade = (many[0],)\nwrong = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def offer(value: str) -> None:
        entry = EntryPoint("tools", value, ENTRY_POINT_GROUP)
        monkeypatch.setattr(toolset, "entry_points", lambda group: EntryPoints([entry]))

    for value in ("ffr_test_plugin:shout", "ffr_test_plugin:many", "ffr_test_plugin:made"):
        offer(value)
        found = load_toolset()
        assert "shout" in found
        assert "ffr_test_plugin" in found.origin("shout").by
        assert load_tool(found.origin("shout"), "shout") is found.get("shout")
    with pytest.raises(ToolsetError, match=r"one from package ffr_test_plugin:made, one in file"):
        load_toolset(files=[tool_file(tmp_path, "shout")])
    offer("ffr_test_plugin:factory")
    found = load_toolset(["whisper"])  # a tool that is no attribute of any module
    assert load_tool(found.origin("whisper"), "whisper").hash == found.get("whisper").hash  # type: ignore[union-attr]
    offer("ffr_test_plugin:wrong")
    with pytest.raises(ToolsetError, match="not a tool"):
        load_toolset()
    offer("ffr_no_such_module:tool")
    with pytest.raises(ToolsetError, match="ModuleNotFoundError"):
        load_toolset()
    sys.modules.pop("ffr_test_plugin", None)
