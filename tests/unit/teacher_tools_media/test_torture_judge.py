"""The torture matrix judges rightly: a barcode, a truth and a verdict."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from torture_files import DECODABLE, UNDECODABLE, CodedVideo, coded_frame, read_code
from torture_files.judge import question_times, verdict

VIDEO = CodedVideo(Path("v.mp4"), times=(0.0, 0.5, 2.0), duration=2.5, numbers=(4, 5, 9))


@dataclass(frozen=True)
class Answer:
    t_s: float
    image: npt.NDArray[np.uint8]
    intact: bool = True


@pytest.mark.parametrize("size", [(320, 180), (321, 181), (180, 320), (64, 64), (720, 576)])
def test_numbers_survive_in_every_size(size: tuple[int, int]) -> None:
    for number in (0, 1, 85, 170, 1023, 2730, 4095):
        assert read_code(coded_frame(number, *size)) == number


def test_other_pictures_have_no_number() -> None:
    assert read_code(coded_frame(99, 320, 180)[:, ::-1]) != 99
    noise = np.random.default_rng(1).integers(0, 255, (180, 320, 3), np.uint8)
    assert read_code(noise) != 99
    with pytest.raises(ValueError, match="4096"):
        coded_frame(4096, 320, 180)


def test_the_frame_on_screen() -> None:
    asked = {0.0: 4, 0.49: 4, 0.5: 5, 1.99: 5, 2.0: 9, 99.0: 9}
    assert {t: VIDEO.expected(t) for t in asked} == asked
    assert [VIDEO.end_of(i) for i in range(3)] == [0.5, 2.0, 2.5]


def test_questions_cover_both_ends_and_lie_inside_frames() -> None:
    inside, exact = question_times(VIDEO, 22, "seed")
    assert (len(inside), len(exact)) == (22, 22)
    assert {VIDEO.expected(t) for t in inside} == {4, 5, 9}
    assert set(exact) == set(VIDEO.times)
    assert not set(inside) & set(exact)
    assert question_times(VIDEO, 22, "seed") == (inside, exact)


def test_verdicts() -> None:
    right = Answer(0.5, coded_frame(5, 320, 180))
    assert verdict(VIDEO, 1.0, right) is None
    assert "frame 5 instead of 9" in str(verdict(VIDEO, 2.1, right))
    assert "says 0.6000 s" in str(verdict(VIDEO, 1.0, replace(right, t_s=0.6)))
    assert "damaged" in str(verdict(VIDEO, 1.0, replace(right, intact=False)))
    assert "pixels" in str(verdict(VIDEO, 1.0, replace(right, image=coded_frame(5, 160, 90))))
    hurt = replace(VIDEO, hurt=True)
    wrong = Answer(0.0, coded_frame(4, 320, 180))
    assert verdict(hurt, 1.0, wrong) is not None
    assert verdict(hurt, 1.0, replace(wrong, intact=False)) is None
    assert verdict(hurt, 1.0, replace(wrong, intact=False, t_s=1.5)) is not None


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(DECODABLE) >= 40
    assert len(UNDECODABLE) >= 10
    assert not set(DECODABLE) & set(UNDECODABLE)
