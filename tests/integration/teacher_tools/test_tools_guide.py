"""Whoever follows ``docs/guide/tools.md`` to the letter gets what it promises.

Code blocks are used in the order of the page: ``<!-- file: NAME -->`` above a block saves it,
``<!-- run -->`` runs it, shell blocks are executed, and each line of a ``text`` block must begin
a part of what the block before it printed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import teacher_tools
from ffr.cli.tools import app
from ffr.config.teacher import TeacherConfig
from ffr.errors import UserError
from ffr.teacher.toolbox import configured_toolset

ROOT = Path(teacher_tools.__file__).parents[1]
PAGE = ROOT / "docs" / "guide" / "tools.md"
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z]+)(?:: (?P<name>\S+))? -->\n)?^```(?P<kind>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    mark: str
    name: str
    kind: str
    code: str


BLOCKS = [
    Block(*(m.groupdict("")[k] for k in Block._fields)) for m in BLOCK.finditer(PAGE.read_text())
]


LOAD_IN_VERL = """
from verl.tools.tool_registry import load_all_tools
for tool in load_all_tools("verl.yaml", None) + load_all_tools(None, "function_tools.py"):
    print(tool.name, list(tool.tool_schema.function.parameters.properties))
"""


class Reader:
    """Somebody with the page, a folder and a shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""
        self.packages = folder / "packages"
        self.in_verl = ""

    def follow(self, block: Block) -> None:
        if block.mark == "file":
            path = self.folder / block.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.code)
        elif block.mark == "run":
            (self.folder / "script.py").write_text(block.code)
            self.printed = self.run("script.py")
        elif block.mark == "verl":  # the block before it wrote the other file
            (self.folder / "function_tools.py").write_text(block.code)
            self.in_verl = self.run("-c", LOAD_IN_VERL)
        elif block.kind == "sh":
            if block.mark == "install":
                self.install(block.name)
            self.printed = "".join(self.type(line) for line in block.code.strip().splitlines())
            if "--format verl" in block.code:
                (self.folder / "verl.yaml").write_text(self.printed)
        elif block.kind == "text":
            flat = " ".join(self.printed.split())
            for line in block.code.strip().splitlines():
                assert " ".join(line.split()) in flat, self.printed
        elif block.kind == "json":
            assert json.loads(block.code)
        else:
            raise AssertionError(f"nothing is done with this block: {block}")

    def type(self, line: str) -> str:
        """What a line in the shell prints."""
        program, group, *words = shlex.split(line)
        assert (program, group) == ("ffr", "tools")
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, words)
        if isinstance(result.exception, UserError):
            return result.output + f"error: {result.exception}\n"
        assert result.exit_code == 0, result.output
        return result.output

    def run(self, *words: str) -> str:
        """What a Python program prints."""
        path = os.pathsep.join([str(ROOT), str(self.packages)])
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": path, "VERL_PLATFORM": "cpu"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, name: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
             "--no-build-isolation", "--target", str(self.packages), str(self.folder / name)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        sys.path.insert(0, str(self.packages))
        importlib.invalidate_caches()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, plain_video: Any) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copy(plain_video.path, folder / "video.mp4")
    reader = Reader(folder)
    path = list(sys.path)
    with contextlib.chdir(folder):
        for block in BLOCKS:
            reader.follow(block)
        yield reader
    sys.path[:] = path
    sys.modules.pop("street_tools", None)
    importlib.invalidate_caches()


def test_the_page_keeps_its_promises(reader: Reader) -> None:
    assert len(BLOCKS) > 20
    for name, pictures in (("looked", 2), ("moved", 3)):
        assert len(list((reader.folder / name).glob("*.jpg"))) == pictures
        with Image.open(reader.folder / name / "contact_sheet.png") as sheet:
            assert sheet.width > 320


def test_the_layer_gives_the_teacher_the_tool(reader: Reader) -> None:
    layer = yaml.safe_load((reader.folder / "my_layer.yaml").read_text())
    toolset = configured_toolset(TeacherConfig.model_validate(layer["teacher"]))
    assert toolset.names == ("clip", "zoom", "timestamp", "before_after")


def test_verl_loads_both_files_of_the_page(reader: Reader) -> None:
    lines = [line for line in reader.in_verl.splitlines() if line.startswith(("clip", "before"))]
    assert lines == [
        "clip ['start_s', 'end_s', 'frames']",
        "before_after ['t_s']",
        "before_after ['video', 't_s']",
        "clip ['video', 'start_s', 'end_s', 'frames']",
    ]


def test_what_the_page_names_exists() -> None:
    page = PAGE.read_text()
    for name in set(re.findall(r"`video\.(\w+)", page)) - {"mp4"}:
        assert hasattr(teacher_tools.Video, name), name
    for module, name in re.findall(r"`(teacher_tools\.\w+)\.(\w+)", page):
        assert hasattr(importlib.import_module(module), name), name
    fields = {*TeacherConfig.model_fields}
    assert set(re.findall(r"`teacher\.(\w+)`", page)) <= fields
    for file in re.findall(r"`(examples/\S+\.py)`", page):
        assert (ROOT / file).is_file()
