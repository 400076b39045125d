"""Damaged and deceiving videos: short good ones of many containers, and ways to spoil them."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

__all__ = ["CONTAINERS", "good_videos", "mutate"]

CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    "plain.mp4": ("libx264", {}),
    "faststart.mp4": ("libx264", {"movflags": "faststart"}),
    "fragmented.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "hevc.mov": ("libx265", {}),
    "h264.mkv": ("libx264", {}),
    "vp9.webm": ("libvpx-vp9", {}),
    "vp8.webm": ("libvpx", {}),
    "av1.mp4": ("libsvtav1", {}),
    "asp.avi": ("mpeg4", {}),
    "stream.ts": ("libx264", {}),
    "program.mpg": ("mpeg2video", {}),
    "flash.flv": ("flv", {}),
    "media.wmv": ("wmv2", {}),
}
"""File name -> (codec, options of the muxer)."""

_ATOMS = (
    b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"edts", b"elst", b"mdia", b"mdhd", b"hdlr",
    b"minf", b"dinf", b"dref", b"stbl", b"stsd", b"avc1", b"avcC", b"stts", b"ctts", b"stss",
    b"stsc", b"stsz", b"stco", b"mdat", b"moof", b"mfhd", b"traf", b"tfhd", b"trun", b"mvex",
    b"RIFF", b"LIST", b"avih", b"strh", b"strf", b"idx1",
)  # fmt: skip
_LIES = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**24)


def good_videos(folder: Path, names: Sequence[str] = tuple(CONTAINERS)) -> list[Path]:
    """One video of two seconds for each name, 128x96 at 24 frames a second."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder says its settings otherwise
    return [_write(folder / name, *CONTAINERS[name]) for name in names]


def _write(path: Path, codec: str, muxer: dict[str, str]) -> Path:
    with av.open(str(path), "w", options=muxer) as container:
        stream = container.add_stream(codec, rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"g": "12"}
        if codec == "libx265":
            stream.options = {"x265-params": "keyint=12:log-level=none:pools=none"}
        if codec == "libsvtav1":
            stream.options = {"preset": "12", "g": "12", "svtav1-params": "lp=1"}
        x, y = np.meshgrid(np.arange(128), np.arange(96))
        for number in range(48):
            image = np.stack([x + 3 * number, y * 2, (x ^ y) + 2 * number], axis=-1)
            frame = av.VideoFrame.from_ndarray((image % 256).astype(np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def mutate(rng: random.Random, data: bytes, others: Sequence[bytes]) -> tuple[str, bytes]:
    """Spoil a file once to thrice.

    Args:
        rng: decides how.
        data: the file.
        others: files whose parts may be spliced in.

    Returns:
        What was done, and the bytes.
    """
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        way = rng.choice(_WAYS)
        data = way(rng, data, others)
        done.append(way.__name__.removeprefix("_"))
    return "+".join(done), data


def _bit_flips(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    spoilt = bytearray(data)
    end = len(spoilt) if rng.random() < 0.5 else min(len(spoilt), 2_000)  # headers come first
    for _flip in range(rng.choice((1, 4, 32, 256)) if end else 0):
        spoilt[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def _truncation(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _missing_start(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[rng.randrange(min(len(data), 4_000) + 1) :]


def _header_splice(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The first bytes of another file, before or in place of one's own."""
    cut = rng.choice((4, 12, 64, 512, 2_000))
    return rng.choice(others)[:cut] + data[rng.choice((0, cut)) :]


def _size_lie(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A wrong length, count or offset near the name of an atom or chunk."""
    spoilt = bytearray(data)
    places = [at for atom in _ATOMS if (at := data.find(atom)) >= 4]
    if not places:  # EBML or a stream: lie at any place of the header
        places = [rng.randrange(4, max(5, min(len(data), 600)))]
    at = rng.choice(places) + rng.choice((-4, 4, 8, 12, 16, 20))
    lie = rng.choice((*_LIES, rng.randrange(2**32)))
    if 0 <= at <= len(spoilt) - 4:
        struct.pack_into(rng.choice((">I", "<I")), spoilt, at, lie)
    return bytes(spoilt)


def _noise_block(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, length = rng.randrange(len(data) + 1), rng.choice((16, 200, 3_000))
    block = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data[:at] + block + data[at + rng.choice((0, length)) :]


def _moved_block(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    cut, at = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    block = data[cut : cut + rng.choice((8, 100, 2_000))]
    return data[:at] + block * rng.choice((1, 2, 50)) + data[at:]


_WAYS: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _bit_flips, _bit_flips, _truncation, _missing_start, _header_splice, _size_lie, _size_lie,
    _noise_block, _moved_block,
)  # fmt: skip
