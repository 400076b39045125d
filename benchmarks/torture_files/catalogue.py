"""The files of the torture matrix, by name."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from itertools import accumulate
from pathlib import Path

from torture_files import refused, surgery
from torture_files.recipe import CodedVideo, Options, Recipe, encode

__all__ = ["DECODABLE", "UNDECODABLE", "Entry", "make_file"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of the matrix: its name on disk and how it is made."""

    filename: str
    make: Callable[[Path], CodedVideo | None]


_RANDOM = random.Random(7)
_VFR = [0, *accumulate(_RANDOM.choice((1, 20, 33, 40, 41, 500)) for _ in range(150))]
_SPARSE = [0, 40, 10_000, 20_040, 20_080, 31_000]
_MILLI = Fraction(1, 1000)
_WRAP = 2**33  # MPEG clocks start over here, after 26.5 hours
_LONG: Options = (("g", "250"), ("bf", "3"), ("preset", "veryfast"), ("sc_threshold", "0"))
_OPEN: Options = (
    ("preset", "veryfast"),
    ("x264-params", "keyint=48:min-keyint=48:bframes=3:b-adapt=0:open-gop=1:scenecut=0"),
)
_VPX: Options = (("g", "50"), ("deadline", "realtime"), ("cpu-used", "8"))
_VPX_HIDDEN: Options = (
    ("g", "50"), ("deadline", "good"), ("cpu-used", "5"), ("auto-alt-ref", "1"),
    ("lag-in-frames", "16"), ("b", "400k"),
)  # fmt: skip
_MPEG: Options = (("g", "15"), ("bf", "2"), ("b", "3000000"))
_PLAIN = Recipe(pts=range(250))
_QUICK = dataclasses.replace(_PLAIN, pts=range(150))
_FAST_START = dataclasses.replace(_PLAIN, muxer=(("movflags", "faststart"),))


def _x265(parameters: str) -> Options:
    return (("preset", "ultrafast"), ("x265-params", f"{parameters}:log-level=none:pools=1"))


_HEVC_OPEN = _x265("keyint=48:min-keyint=48:open-gop=1:bframes=4")

_ENCODED: Mapping[str, Recipe] = {
    # H.264 in mp4
    "h264 no B-frames": Recipe(range(250), options=(("g", "12"), ("bf", "0"))),
    "h264 B-frames": _PLAIN,
    "h264 GOP 250": Recipe(range(400), options=_LONG),
    "h264 open GOP": Recipe(range(250), options=_OPEN),
    "h264 intra refresh": Recipe(
        range(250),
        options=(("preset", "veryfast"), ("bf", "0"), ("x264-params", "intra-refresh=1:keyint=40")),
    ),
    "h264 interlaced": Recipe(
        range(150), options=(("preset", "veryfast"), ("g", "50"), ("x264-params", "interlaced=1"))
    ),
    "h264 pyramid, 16 B-frames": Recipe(
        range(250),
        options=(("preset", "fast"), ("g", "100"), ("bf", "16"), ("x264-params", "b-adapt=0")),
    ),
    "h264 29.97": Recipe(range(250), time_base=Fraction(1001, 30000)),
    "h264 23.976 mkv": Recipe(range(240), name="v.mkv", time_base=Fraction(1001, 24000)),
    "h264 240 fps": Recipe(range(480), time_base=Fraction(1, 240)),
    "h264 one frame in 3 s": Recipe(range(0, 60, 3), time_base=Fraction(1)),
    "h264 single frame": Recipe([0]),
    "h264 10 bit": Recipe(range(150), pix_fmt="yuv420p10le"),
    "h264 4:2:2 10 bit": Recipe(range(100), pix_fmt="yuv422p10le"),
    "h264 odd size 321x181": Recipe(range(150), size=(321, 181), pix_fmt="yuv444p"),
    "h264 cropped 426x238": Recipe(range(150), size=(426, 238)),
    "h264 anamorphic": Recipe(range(150), aspect=Fraction(4, 3)),
    "h264 rotated 90": Recipe(range(150), size=(360, 240), rotation=90, upright=True),
    "h264 rotated 180": Recipe(range(150), rotation=180, upright=True),
    "h264 rotated 270, anamorphic": Recipe(
        range(100), size=(360, 320), rotation=270, upright=True, aspect=Fraction(9, 8)
    ),
    # Clocks
    "vfr mp4, B-frames": Recipe(_VFR, time_base=_MILLI),
    "vfr sparse recording": Recipe(_SPARSE, time_base=_MILLI),
    "vfr mkv": Recipe(_VFR, name="v.mkv", time_base=_MILLI),
    "starts at 5 s": Recipe(range(125, 375)),
    "starts at 10 s, mkv": Recipe(range(250, 450), name="v.mkv"),
    "video 2 s late": Recipe(range(50, 250), audio_from=Fraction(0), audio_seconds=10),
    "video 2 s late, mkv": Recipe(
        range(50, 250), name="v.mkv", audio_from=Fraction(0), audio_seconds=10
    ),
    "audio longer": Recipe(range(100), audio_from=Fraction(0), audio_seconds=9),
    "audio late": Recipe(range(150), audio_from=Fraction(3), audio_seconds=5),
    # Containers
    "fragmented mp4": Recipe(
        range(250), muxer=(("movflags", "frag_keyframe+empty_moov+default_base_moof"),)
    ),
    "negative composition offsets": Recipe(
        range(250), muxer=(("movflags", "negative_cts_offsets"),)
    ),
    "mkv": Recipe(range(250), name="v.mkv"),
    "mkv without cues or duration, GOP 250": Recipe(
        range(400), name="v.mkv", options=_LONG, muxer=(("live", "1"),)
    ),
    "mov, mjpeg": Recipe(range(60), name="v.mov", codec="mjpeg", pix_fmt="yuvj420p", options=()),
    "mov, prores": Recipe(
        range(50), name="v.mov", codec="prores_ks", pix_fmt="yuv422p10le", options=()
    ),
    "flv": Recipe(range(200), name="v.flv"),
    "ts": Recipe(range(250), name="v.ts", audio_from=Fraction(0), audio_seconds=10),
    "ts at 3600 s": Recipe(range(90_000, 90_250), name="v.ts"),
    "ts over the clock's wrap": Recipe(
        [_WRAP - 126_000 - 4 * 90_000 + 3600 * i for i in range(200)],
        name="v.ts", time_base=Fraction(1, 90_000),
    ),
    "ts, GOP 250": Recipe(range(400), name="v.ts", options=_LONG),
    "ts, open GOP": Recipe(range(250), name="v.ts", options=_OPEN),
    "ts, hevc": Recipe(
        range(150), name="v.ts", codec="libx265", options=_x265("keyint=50:open-gop=1")
    ),
    "m2ts": Recipe(range(150), name="v.m2ts", muxer=(("mpegts_m2ts_mode", "1"),)),
    "mpeg-ps, mpeg2": Recipe(
        range(200), name="v.mpg", codec="mpeg2video", format="vob", options=_MPEG
    ),
    "mpeg-ps, mpeg1": Recipe(
        range(150), name="v.mpg", codec="mpeg1video", format="mpeg", options=_MPEG
    ),
    "ts, mpeg2": Recipe(range(150), name="v.ts", codec="mpeg2video", options=_MPEG),
    "avi, mpeg4 B-frames": Recipe(
        range(200), name="v.avi", codec="mpeg4", late=1,
        options=(("g", "20"), ("bf", "2"), ("b", "3000000")),
    ),
    "avi, msmpeg4": Recipe(
        range(150), name="v.avi", codec="msmpeg4", options=(("g", "40"), ("b", "3000000"))
    ),
    "avi, h264 B-frames": Recipe(range(200), name="v.avi"),
    "mov, dv": Recipe(
        range(25), name="v.mov", codec="dvvideo", size=(720, 576), aspect=Fraction(16, 15),
        options=(),
    ),
    "wmv": Recipe(range(150), name="v.wmv", codec="wmv2", options=(("g", "40"), ("b", "3000000"))),
    "3gp, h263": Recipe(
        range(100), name="v.3gp", codec="h263", size=(352, 288), aspect=Fraction(12, 11),
        options=(("g", "12"), ("b", "2000000")),
    ),
    "webm without cues or duration": Recipe(
        range(150), name="v.webm", codec="libvpx", muxer=(("live", "1"),), options=_VPX
    ),
    "webm, vp8 hidden frames": Recipe(
        range(150), name="v.webm", codec="libvpx", options=_VPX_HIDDEN
    ),
    "webm, vp9 vfr": Recipe(
        _VFR[:120], name="v.webm", codec="libvpx-vp9", time_base=_MILLI, options=_VPX
    ),
    "webm, vp9 hidden frames": Recipe(
        range(150), name="v.webm", codec="libvpx-vp9", options=_VPX_HIDDEN
    ),
    # Other codecs
    "hevc": Recipe(range(200), codec="libx265", options=_x265("keyint=60:open-gop=0")),
    "hevc open GOP": Recipe(
        range(200), codec="libx265", options=_HEVC_OPEN
    ),
    "hevc 10 bit": Recipe(
        range(100), codec="libx265", pix_fmt="yuv420p10le", options=_x265("keyint=60")
    ),
    "av1": Recipe(
        range(120), codec="libsvtav1", options=(("preset", "12"), ("g", "40"), ("crf", "20"))
    ),
    "av1 10 bit, mkv": Recipe(
        range(60), name="v.mkv", codec="libsvtav1", pix_fmt="yuv420p10le",
        options=(("preset", "12"), ("g", "30"), ("crf", "20")),
    ),
    "ffv1 mkv": Recipe(range(50), name="v.mkv", codec="ffv1", options=()),
    "mpeg4 mp4, B-frames": Recipe(
        range(150), codec="mpeg4", options=(("g", "40"), ("bf", "2"), ("b", "3000000"))
    ),
}  # fmt: skip

_RESHAPED: Mapping[str, tuple[str, Callable[[Path], CodedVideo]]] = {
    "edit list, GOP 250": (
        "v.mp4", partial(surgery.cut, Recipe(range(400), options=_LONG), first=100, show_from=100),
    ),
    "edit list, open GOP": (
        "v.mp4", partial(surgery.cut, Recipe(range(250), options=_OPEN), first=60, show_from=60),
    ),
    "edit list, B-frames": ("v.mp4", partial(surgery.cut, _PLAIN, first=30, show_from=30)),
    "mkv cut at an open GOP": (
        "v.mkv",
        partial(
            surgery.cut_without_edit_list, Recipe(range(250), name="v.mkv", options=_OPEN), first=96
        ),
    ),
    "mkv cut at an open GOP, hevc": (
        "v.mkv",
        partial(
            surgery.cut_without_edit_list,
            Recipe(range(200), name="v.mkv", codec="libx265", options=_HEVC_OPEN),
            first=96,
        ),
    ),
    "edit list of three pieces": (
        "v.mp4",
        partial(
            surgery.spliced,
            Recipe(range(250), options=(("g", "24"), ("bf", "0"))),
            pieces=((10, 70), (130, 180), (181, 240)),
        ),
    ),
    "ts begun inside a GOP": (
        "v.ts", partial(surgery.beheaded, Recipe(range(400), name="v.ts", options=_OPEN)),
    ),
    "ts cut at an open GOP": (
        "v.ts",
        partial(
            surgery.cut_without_edit_list, Recipe(range(250), name="v.ts", options=_OPEN), first=96
        ),
    ),
    "cover picture first": ("v.mp4", partial(surgery.after_cover, _QUICK)),
    "mirrored": ("v.mp4", partial(surgery.mirrored, _QUICK)),
    "two video tracks": ("v.mp4", partial(surgery.second_track, _QUICK)),
    "ts, size changes": (
        "v.ts",
        partial(
            surgery.joined,
            Recipe(range(100), name="a.ts"),
            Recipe(range(100, 200), name="b.ts", size=(640, 360)),
        ),
    ),
    "mkv cut off at 60 %": (
        "v.mkv", partial(surgery.shortened, dataclasses.replace(_PLAIN, name="v.mkv")),
    ),
    "faststart mp4 cut off at 60 %": ("v.mp4", partial(surgery.shortened, _FAST_START)),
    "ts cut off at 60 %": (
        "v.ts", partial(surgery.shortened, dataclasses.replace(_PLAIN, name="v.ts")),
    ),
    "zeros inside mp4": ("v.mp4", partial(surgery.holed, _FAST_START)),
    "zeros inside mkv": (
        "v.mkv", partial(surgery.holed, dataclasses.replace(_PLAIN, name="v.mkv")),
    ),
    "zeros inside ts": (
        "v.ts", partial(surgery.holed, dataclasses.replace(_PLAIN, name="v.ts")),
    ),
}  # fmt: skip

DECODABLE: Mapping[str, Entry] = {
    **{name: Entry(recipe.name, partial(encode, recipe)) for name, recipe in _ENCODED.items()},
    **{name: Entry(filename, make) for name, (filename, make) in _RESHAPED.items()},
}
"""Files every frame of which can be shown, and damaged ones with what is left of them."""

UNDECODABLE: Mapping[str, Entry] = {
    name: Entry(filename, make) for name, (filename, make) in refused.FILES.items()
}
"""Files that must be refused with an error of a known type."""


def make_file(name: str, folder: Path) -> CodedVideo | Path:
    """Write a file of either kind below ``folder``; returns its path when there is no truth.

    Raises:
        KeyError: no file of the matrix has this name.
    """
    entry = DECODABLE.get(name) or UNDECODABLE[name]
    slug = "".join(c if c.isalnum() else "-" for c in name)
    place = folder / slug
    place.mkdir(parents=True, exist_ok=True)
    return entry.make(place / entry.filename) or place / entry.filename
