"""Clock and subtitles: what they say, when, and where they are drawn."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffr.config.student import FramesConfig
from ffr.errors import UserError
from student.overlay import draw_clock, draw_overlay, draw_subtitle, format_clock
from student.subtitles import Cue, cue_at, read_cues, subtitle_file
from teacher_tools.media.errors import MediaNotAllowedError, UndecodableError

GREY = np.full((280, 504, 3), 100, dtype=np.uint8)
HMS = FramesConfig(clock_overlay=True, clock_format="hms")


@pytest.mark.parametrize(
    "fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60)]
)
def test_the_clock_is_frame_over_rate_rounded_down(fps: Fraction) -> None:
    """Acceptance list 12.4 (3): around every full second of two hours, the 100,000 first frames."""
    seconds = range(0, 7200, 7)
    numbers = {int(s * fps) + d for s in seconds for d in (-1, 0, 1, 2)} | set(range(0, 10**5, 11))
    for number in numbers - {-1}:
        whole = number * fps.denominator // fps.numerator  # exact
        assert format_clock(float(number / fps)) == (
            f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
        )


@pytest.mark.parametrize(
    ("frame", "fps", "text"), [(3150, 30, "00:01:45"), (107892, 29.97, "01:00:00"),
                               (0, 25, "00:00:00"), (359999 * 30 + 29, 30, "99:59:59")],
)  # fmt: skip
def test_printed_clock_examples(frame: int, fps: float, text: str) -> None:
    """Spec video_r2 10.13."""
    assert format_clock(frame / fps) == text


@pytest.mark.parametrize("side", [112, 280, 360, 2000])
def test_the_hms_clock_is_legible_on_every_frame(side: int) -> None:
    """Digits are 14 to 18 pixels high whatever the frame, in its top left corner."""
    frame = np.full((side, 2 * side, 3), 100, dtype=np.uint8)
    drawn = draw_overlay(frame, 65.0, HMS)
    white = (drawn == 255).all(axis=2).any(axis=1).nonzero()[0]
    assert 13 <= white[-1] - white[0] + 1 <= 18
    changed = (drawn != frame).any(axis=2)
    assert not changed[60:].any()
    assert not changed[:, 160:].any()


def test_a_clock_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match=r"at least \d+ pixels wide, this one has 32"):
        draw_overlay(np.zeros((32, 32, 3), np.uint8), 5.0, HMS)


def test_nothing_asked_for_leaves_the_very_array() -> None:
    assert draw_overlay(GREY, 5.0, FramesConfig()) is GREY
    seconds = draw_overlay(GREY, 5.04, FramesConfig(clock_overlay=True))
    assert np.array_equal(seconds, draw_clock(GREY, "5.0 s"))


def test_subtitles_lie_at_the_bottom_in_the_middle() -> None:
    drawn = draw_subtitle(GREY, "the red kite rises")
    changed = (drawn != GREY).any(axis=2)
    rows, columns = (changed.any(axis=axis).nonzero()[0] for axis in (1, 0))
    assert rows[0] > 280 // 2
    assert abs((columns[0] + columns[-1]) / 2 - 504 / 2) <= 2
    assert (drawn == 255).all(axis=2).any()
    # The box lets the picture through.
    assert 0 < drawn[rows[0], columns[0], 0] < 100
    assert (GREY == 100).all()


def test_long_subtitles_wrap_and_take_half_of_the_frame_at_most() -> None:
    drawn = draw_subtitle(GREY, "one two three four five six seven eight nine ten " * 30)
    changed = (drawn != GREY).any(axis=2)
    rows, columns = (changed.any(axis=axis).nonzero()[0] for axis in (1, 0))
    assert rows[0] >= 280 // 2 - 1
    assert columns[-1] - columns[0] <= 0.95 * 504
    short = draw_subtitle(GREY, "one two three four five six seven eight nine ten " * 2)
    assert (short != GREY).any(axis=2).any(axis=1).sum() < len(rows)


SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>Hello</i>
there

2
00:00:02,000 --> 00:00:03,000
{\\an8}Bye

3
00:00:05,000 --> 00:00:06,000

"""


def test_cues_are_read_without_markup(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"\xef\xbb\xbf" + SRT.replace("\n", "\r\n").encode())
    cues = read_cues(path)
    assert cues == (Cue(1.0, 2.5, "Hello there"), Cue(2.0, 3.0, "Bye"))
    # 50 ms around a cue count as inside it.
    said = {0.94: "", 0.96: "Hello there", 2.2: "Hello there\nBye", 3.04: "Bye", 3.06: ""}
    assert {t: cue_at(cues, t) for t in said} == said


def test_which_subtitles_belong_to_a_video(tmp_path: Path) -> None:
    video = tmp_path / "clip.v2.mp4"
    assert subtitle_file(video) is None
    (tmp_path / "clip.v2.srt").write_text(SRT)
    assert subtitle_file(video) == tmp_path / "clip.v2.srt"
    (tmp_path / "b.srt").mkdir()
    with pytest.raises(MediaNotAllowedError, match="regular file"):
        subtitle_file(tmp_path / "b.mp4")


@pytest.mark.parametrize("data", [b"", b"no subtitles at all", b"\xff\xfe\x00broken"])
def test_subtitles_that_cannot_be_read_are_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(data)
    with pytest.raises(UndecodableError, match=r"subtitles 'a\.srt'"):
        read_cues(path)
