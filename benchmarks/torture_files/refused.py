"""Files that are no video, or none that anybody could show at a time."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from torture_files import surgery
from torture_files.recipe import Recipe, encode

__all__ = ["FILES"]

_VIDEO = Recipe(pts=range(50))
_PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n"


def _bytes(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def _leads_elsewhere(data: bytes, path: Path) -> None:
    """A list that names a sound video beside it."""
    encode(_VIDEO, path.with_name("other.mp4"))
    path.write_bytes(data)


def _without_index(path: Path) -> None:
    data = encode(_VIDEO, path.with_name("whole.mp4")).path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def _unknown_codec(path: Path) -> None:
    data = encode(_VIDEO, path.with_name("whole.mp4")).path.read_bytes()
    path.write_bytes(data.replace(b"avc1", b"zzz9"))


def _no_pictures(path: Path) -> None:
    """The index is sound; not one picture behind it is."""
    data = encode(_VIDEO, path.with_name("whole.mp4")).path.read_bytes()
    begin = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    path.write_bytes(data[:begin] + random.Random(5).randbytes(end - begin) + data[end:])


def _raw(path: Path) -> None:
    encode(Recipe(range(50), format="h264"), path)


def _encrypted(path: Path) -> None:
    surgery.encrypted(_VIDEO, path)


def _moving_gif(path: Path) -> None:
    encode(Recipe(range(5), codec="gif", pix_fmt="bgr8", options=()), path)


def _sound(path: Path, cover: bool = False) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        assert isinstance(stream, av.AudioStream)
        picture = container.add_stream("png", rate=1) if cover else None
        if isinstance(picture, av.VideoStream):
            picture.width, picture.height, picture.pix_fmt = 64, 64, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            image = av.VideoFrame(64, 64, "rgb24")
            image.pts = 0
            container.mux(picture.encode(image))
        for i in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _huge(path: Path) -> None:
    """A 16000x16000 picture in a small file: a decompression bomb."""
    side = 16_000
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * side)) for _ in range(side)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = side.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = side, side, "rgb24"
        packet = av.Packet(png)
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1)
        packet.is_keyframe = True
        container.mux(packet)


FILES: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "empty file": ("v.mp4", partial(_bytes, b"")),
    "text": ("v.mp4", partial(_bytes, b"this is no video\n" * 500)),
    "noise": ("v.mp4", partial(_bytes, random.Random(3).randbytes(50_000))),
    "mp4 without index": ("v.mp4", _without_index),
    "mp4 with noise for pictures": ("v.mp4", _no_pictures),
    "mp4 of an unknown codec": ("v.mp4", _unknown_codec),
    "encrypted mp4": ("v.mp4", _encrypted),
    "raw h264, no times": ("v.h264", _raw),
    "sound only": ("v.mp4", _sound),
    "sound with a cover": ("v.mp4", partial(_sound, cover=True)),
    "gif": ("v.gif", _moving_gif),
    "picture of 16000x16000": ("v.mov", _huge),
    "play list named mp4": ("v.mp4", partial(_leads_elsewhere, _PLAYLIST)),
    "play list": ("v.m3u8", partial(_leads_elsewhere, _PLAYLIST)),
    "ffconcat script named mp4": (
        "v.mp4", partial(_leads_elsewhere, b"ffconcat version 1.0\nfile other.mp4\n"),
    ),
}  # fmt: skip
