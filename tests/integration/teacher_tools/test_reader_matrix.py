"""The reader returns the frame on screen at t, whatever the container and codec do."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from teacher_tools.media import VideoReader

RANDOM = random.Random(7)
GAPS = [RANDOM.choice((1, 20, 33, 40, 41, 500)) for _ in range(100)]
VFR = [0, *accumulate(GAPS)]
MILLI = Fraction(1, 1000)
X264 = (("g", "24"), ("bf", "3"), ("preset", "ultrafast"))

MATRIX: dict[str, dict[str, Any]] = {
    "cfr_b_frames": {"pts": range(125)},
    "no_b_frames": {"pts": range(60), "options": (("g", "12"), ("bf", "0"))},
    "long_gop": {"pts": range(200), "options": (("g", "250"), ("bf", "3"), ("preset", "veryfast"))},
    "ntsc": {"pts": range(90), "time_base": Fraction(1001, 30000)},
    "vfr": {"pts": VFR, "time_base": MILLI},
    "vfr_mkv": {"pts": VFR, "time_base": MILLI, "name": "v.mkv"},
    "sparse": {"pts": [0, 40, 10_000, 20_040, 20_080, 31_000], "time_base": MILLI},
    "single_frame": {"pts": [0]},
    "starts_at_5s": {"pts": range(125, 225)},
    "starts_at_10s_mkv": {"pts": range(250, 330), "name": "v.mkv"},
    "late_video": {"pts": range(50, 125), "audio_from": Fraction(0), "audio_seconds": 5.0},
    "late_video_mkv": {
        "pts": range(50, 125), "audio_from": Fraction(0), "audio_seconds": 5.0, "name": "v.mkv",
    },
    "audio_longer": {"pts": range(50), "audio_from": Fraction(0), "audio_seconds": 6.0},
    "odd_size": {"pts": range(50), "size": (321, 181), "pix_fmt": "yuv444p"},
    "ten_bit": {"pts": range(50), "pix_fmt": "yuv420p10le"},
    "open_gop": {
        "pts": range(120),
        "options": (("preset", "veryfast"), ("x264-params", "keyint=24:bframes=3:open-gop=1")),
    },
    "fragmented": {"pts": range(75), "muxer": (("movflags", "frag_keyframe+empty_moov"),)},
    "faststart": {"pts": range(75), "muxer": (("movflags", "faststart"),)},
    "hevc": {
        "pts": range(60),
        "codec": "libx265",
        "options": (("preset", "ultrafast"), ("x265-params", "keyint=24:log-level=none")),
    },
    "av1": {"pts": range(40), "codec": "libsvtav1", "options": (("preset", "12"), ("g", "16"))},
    "vp9_webm": {
        "pts": range(50), "codec": "libvpx-vp9", "name": "v.webm",
        "options": (("g", "20"), ("deadline", "realtime"), ("cpu-used", "8")),
    },
    "vp8_vfr_webm": {
        "pts": VFR[:60], "time_base": MILLI, "codec": "libvpx", "name": "v.webm",
        "options": (("g", "20"), ("deadline", "realtime"), ("cpu-used", "8")),
    },
    "live_webm": {  # neither cues nor duration
        "pts": range(60), "codec": "libvpx", "name": "v.webm", "muxer": (("live", "1"),),
        "options": (("g", "20"), ("deadline", "realtime"), ("cpu-used", "8")),
    },
    "mpegts": {"pts": range(100), "name": "v.ts"},
    "mpegps": {
        "pts": range(100), "name": "v.mpg", "codec": "mpeg2video", "format": "vob",
        "options": (("g", "15"), ("bf", "2"), ("b", "2000000")),
    },
    "asp_avi": {  # no presentation times: B-frames delay everything by a frame
        "late": 1, "pts": range(80), "name": "v.avi", "codec": "mpeg4",
        "options": (("g", "20"), ("bf", "2"), ("b", "2000000")),
    },
    "flv": {"pts": range(60), "name": "v.flv"},
    "mjpeg_mov": {
        "pts": range(30), "name": "v.mov", "codec": "mjpeg", "pix_fmt": "yuvj420p", "options": (),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MATRIX)
def test_frame_on_screen_is_the_one_that_was_encoded(
    name: str, make_video: Any, recipe: Any, code_of: Any
) -> None:
    video = make_video(recipe(**MATRIX[name]))
    shuffle = random.Random(name)
    indices = [0, len(video.times) - 1, *(shuffle.randrange(len(video.times)) for _ in range(20))]
    ends = [*video.times[1:], video.duration]
    asked = [video.times[i] for i in indices]
    asked += [video.times[i] + 0.45 * (ends[i] - video.times[i]) for i in indices]
    asked += [0.0, video.duration + 60]
    shuffle.shuffle(asked)
    with VideoReader.open(video.path) as reader:
        frames = reader.frames_at(asked)
        again = [reader.frames_at([t])[0] for t in asked[:6]]
    wrong = [
        (round(t, 4), video.expected(t), code_of(frame.image))
        for t, frame in zip(asked, frames, strict=True)
        if code_of(frame.image) != video.expected(t)
    ]
    assert wrong == []
    for t, frame in zip(asked, frames, strict=True):
        assert frame.t_s == pytest.approx(video.times[video.expected(t)], abs=1.1e-3)
        assert frame.intact
    for one, other in zip(frames, again, strict=False):
        assert one.pts == other.pts
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize("name", MATRIX)
def test_duration_and_rate_are_those_of_the_file(name: str, make_video: Any, recipe: Any) -> None:
    video = make_video(recipe(**MATRIX[name]))
    with VideoReader.open(video.path) as reader:
        info = reader.info
    longest = max(video.duration, MATRIX[name].get("audio_seconds", 0.0))
    assert video.times[-1] <= info.duration_s <= longest + 0.2
    assert info.average_fps > 0
    assert (info.width, info.height) == MATRIX[name].get("size", (320, 180))
