"""``teacher.tools`` and ``teacher.tool_files`` decide what the teacher can call."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffr.config.teacher import TeacherConfig
from ffr.errors import UserError
from ffr.teacher.build import key_maker
from ffr.teacher.toolbox import configured_toolset

TOOL = '''
from teacher_tools import Video, teacher_tool

@teacher_tool
def length(video: Video) -> str:
    """Say how long the video is."""
    return f"{video.duration_s:.1f} s"
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(TOOL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine.py"


def test_tools_of_files_join_those_named(mine: Path) -> None:
    config = TeacherConfig(tools=("zoom", "length"), tool_files=("mine.py",))
    assert config.tool_files == (str(mine),)  # workers need not be in this folder
    assert TeacherConfig.model_validate(config.model_dump()) == config
    toolset = configured_toolset(config)
    assert toolset.names == ("zoom", "length")
    assert toolset.origin("length").kind == "file"
    assert set(key_maker(config, toolset).tool_hashes) == {"zoom", "length"}


@pytest.mark.parametrize(
    ("tools", "files", "words"),
    [
        (("zoom",), ("mine.py",), "add length to teacher.tools"),
        (("zoom", "length"), (), "'length' does not exist; known: clip, zoom, timestamp"),
        (("zoom",), ("gone.py",), "give a path to a .py"),
    ],
)
@pytest.mark.usefixtures("mine")
def test_mistakes_are_named(tools: tuple[str, ...], files: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        configured_toolset(TeacherConfig(tools=tools, tool_files=files))
