"""The user tools under ``examples/tools`` work through the runner, on real video files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from teacher_tools import ToolResult, ToolRunner, load_toolset

FOLDER = Path(__file__).parents[3] / "examples" / "tools"
FILES = sorted(FOLDER.glob("*.py"))
RATE = 25
SIZE = (480, 270)
Picture = npt.NDArray[np.uint8]


def write(path: Path, pictures: Iterator[Picture]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        assert isinstance(stream, av.VideoStream)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        stream.options = {"g": "250", "bf": "2", "preset": "veryfast"}
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sign(left: str, right: str) -> Picture:
    """A street with two signs, one in either half."""
    image = Image.new("RGB", SIZE, (60, 90, 70))
    draw = ImageDraw.Draw(image)
    for text, x in ((left, 20), (right, 260)):
        draw.rectangle((x, 30, x + 200, 90), fill=(240, 240, 230))
        draw.text((x + 12, 38), text, font=ImageFont.load_default(36), fill=(15, 15, 15))
    return np.asarray(image)


def scene(number: int, offset: int) -> Picture:
    """A slowly moving pattern in a colour of its own."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    wave = 40 * np.sin((x + offset) / 40) + 30 * np.sin(y / 25)
    base = [(200, 60, 50), (40, 160, 70), (50, 70, 190), (190, 180, 60)][number]
    return np.clip(wave[..., None] + base, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds; both signs change after two."""
    pictures = [sign("EXIT 42", "GATE B7")] * 50 + [sign("CLOSED", "TRACK 9")] * 50
    return write(tmp_path_factory.mktemp("private_signs") / "signs.mp4", iter(pictures))


CUTS = (1.4, 3.0, 3.8)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds in four scenes."""
    ends = [round(cut * RATE) for cut in CUTS]
    pictures = (scene(sum(n >= end for end in ends), n) for n in range(5 * RATE))
    return write(tmp_path_factory.mktemp("private_scenes") / "scenes.mp4", pictures)


@pytest.fixture(scope="module")
def call() -> Iterator[Callable[..., ToolResult]]:
    toolset = load_toolset(files=FILES, installed=False)
    with ToolRunner(toolset, workers=1) as runner:

        def run(name: str, video: Path, **arguments: Any) -> ToolResult:
            return runner.call_sync(name, json.dumps(arguments), video)

        yield run


@pytest.mark.parametrize(
    ("t_s", "box", "expected", "absent"),
    [
        (1.0, [0.0, 0.0, 0.5, 0.5], "EXIT 42", "GATE"),
        (1.0, [0.5, 0.0, 1.0, 0.5], "GATE B7", "EXIT"),
        (3.0, [0.0, 0.0, 0.5, 0.5], "CLOSED", "EXIT"),
        (3.0, [0.0, 0.0, 1.0, 1.0], "TRACK 9", "GATE"),
        (3.0, [0.0, 0.6, 1.0, 1.0], "No text can be read", "CLOSED"),
    ],
)
def test_text_of_the_region_at_that_moment_is_read(
    t_s: float, box: list[float], expected: str, absent: str, call: Any, signs: Path
) -> None:
    result = call("read_text", signs, t_s=t_s, box=box)
    assert result.evidence is not None, result.detail
    assert expected in result.message
    assert absent not in result.message
    assert "private" not in result.message
    (frame,) = result.evidence.frames
    assert frame.t_s == pytest.approx(t_s)
    assert frame.box == pytest.approx(box, abs=0.002)


def test_a_sure_reader_reads_less(call: Any, signs: Path) -> None:
    box = [0.0, 0.0, 1.0, 1.0]
    all_lines = call("read_text", signs, t_s=1.0, box=box, min_score=0.0).message
    sure_lines = call("read_text", signs, t_s=1.0, box=box, min_score=1.0).message
    assert len(sure_lines) < len(all_lines)


def test_cuts_are_found_at_their_true_times(call: Any, scenes: Path) -> None:
    result = call("scene_cuts", scenes, start_s=0.0, end_s=5.0)
    assert result.evidence is not None, result.detail
    assert [frame.t_s for frame in result.evidence.frames] == pytest.approx(list(CUTS))
    assert result.message == "3 cuts from 0.00 to 5.00 s, at 1.40, 3.00, 3.80 s."
    for number, frame in enumerate(result.evidence.frames, 1):
        shown = frame.image.reshape(-1, 3).mean(axis=0)
        truth = scene(number, 0).reshape(-1, 3).mean(axis=0)
        assert np.abs(shown - truth).max() < 12


def test_cuts_of_a_stretch(call: Any, scenes: Path) -> None:
    part = call("scene_cuts", scenes, start_s=2.03, end_s=3.5)
    assert "1 cuts from 2.03 to 3.50 s, at 3.00 s." in part.message
    none = call("scene_cuts", scenes, start_s=0.0, end_s=1.0)
    assert none.ok
    assert "No cuts" in none.message


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("read_text", {"t_s": 9, "box": [0, 0, 1, 1]}, "t_s=9 is past the end"),
        ("read_text", {"t_s": 1, "box": [0, 0, 0.01, 1]}, "give a larger box"),
        ("read_text", {"t_s": 1, "box": [0, 0, 1, 2]}, "box"),
        ("scene_cuts", {"start_s": 3, "end_s": 2}, "start_s=3 must be smaller"),
        ("scene_cuts", {"start_s": 0, "end_s": 2, "threshold": 0}, "a number from 5 to 80"),
    ],
)
def test_wrong_calls_say_what_is_allowed(
    name: str, arguments: dict[str, Any], words: str, call: Any, signs: Path
) -> None:
    result = call(name, signs, **arguments)
    assert result.boundary is None
    assert not result.ok
    assert words in result.message
