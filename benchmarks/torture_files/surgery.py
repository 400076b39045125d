"""What happens to files after they were encoded: cut, joined, decorated, damaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from torture_files.recipe import CodedVideo, Recipe, encode, transfer
from torture_files.sequential import shown

__all__ = [
    "after_cover",
    "beheaded",
    "cut",
    "cut_without_edit_list",
    "encrypted",
    "holed",
    "joined",
    "mirrored",
    "second_track",
    "shortened",
    "spliced",
]


def cut(recipe: Recipe, path: Path, *, first: int, show_from: int) -> CodedVideo:
    """Stream-copy from frame ``first`` on; an edit list hides what precedes ``show_from``."""
    video = _source(recipe, path)
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream_from_template(original)
        shift = int(show_from * recipe.time_base / original.time_base)
        begin = int(first * recipe.time_base / original.time_base)
        for packet in _keyframe_on(source, original, begin):
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            transfer(packet, stream, target)
    shift_s = float(show_from * recipe.time_base)
    return dataclasses.replace(
        video,
        path=path,
        times=tuple(t - shift_s for t in video.times[show_from:]),
        numbers=tuple(range(show_from, len(video.times))),
        duration=video.duration - shift_s,
    )


def cut_without_edit_list(recipe: Recipe, path: Path, *, first: int) -> CodedVideo:
    """Stream-copy from the keyframe at frame ``first`` on, times kept.

    With an open GOP, pictures that refer to frames before the cut come right after the keyframe;
    they are to be shown before it, that is before the start of the file, and cannot be decoded.
    """
    video = _source(recipe, path)
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream_from_template(original)
        zero = Fraction(source.start_time or 0, 1_000_000)
        begin = int((first * recipe.time_base + zero) / original.time_base)
        started = None
        for packet in _keyframe_on(source, original, begin):
            time = float(packet.pts * original.time_base - zero)
            started = time if started is None else started
            transfer(packet, stream, target)
    assert started is not None
    return dataclasses.replace(
        video,
        path=path,
        times=tuple(t - started for t in video.times[first:]),
        numbers=tuple(range(first, len(video.times))),
        duration=video.duration - started,
    )


def after_cover(recipe: Recipe, path: Path) -> CodedVideo:
    """The video is the second stream, after a cover picture."""
    video = _source(recipe, path)
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        cover = target.add_stream("png", rate=1)
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = target.add_stream_from_template(source.streams.video[0])
        picture = av.VideoFrame(64, 64, "rgb24")
        picture.pts = 0
        target.mux(cover.encode(picture))
        _copy(source, stream, target)
    return dataclasses.replace(video, path=path)


def mirrored(recipe: Recipe, path: Path) -> CodedVideo:
    """Stored mirrored, with a display matrix that mirrors it back."""
    flip = dataclasses.replace(recipe, name="plain.mp4")
    video = encode(flip, path.with_name("source-" + path.name))
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *recipe.size, "yuv420p"
        stream.codec_context.time_base = recipe.time_base
        stream.options = dict(recipe.options)
        stream.set_display_rotation(0, hflip=True)
        for number, frame in enumerate(source.decode(video=0)):
            image = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[:, ::-1])
            flipped = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
            flipped.pts, flipped.time_base = recipe.pts[number], recipe.time_base
            target.mux(stream.encode(flipped))
        target.mux(stream.encode(None))
    return dataclasses.replace(video, path=path)


def second_track(recipe: Recipe, path: Path) -> CodedVideo:
    """A second, smaller video track beside the one that counts."""
    video = _source(recipe, path)
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        other = target.add_stream("libx264", rate=25)
        assert isinstance(other, av.VideoStream)
        other.width, other.height, other.pix_fmt = 64, 64, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            target.mux(other.encode(frame.reformat(format="yuv420p")))
        target.mux(other.encode(None))
        _copy(source, stream, target)
    return dataclasses.replace(video, path=path)


def joined(recipe: Recipe, other: Recipe, path: Path) -> CodedVideo:
    """Two transport streams one after the other, byte for byte."""
    one = encode(recipe, path.with_name("one-" + path.name))
    two = encode(other, path.with_name("two-" + path.name))
    path.write_bytes(one.path.read_bytes() + two.path.read_bytes())
    shift = _start(two.path) - _start(one.path)
    return dataclasses.replace(
        one,
        path=path,
        times=(*one.times, *(t + shift for t in two.times)),
        numbers=(*range(len(one.times)), *range(len(two.times))),
        duration=two.duration + shift,
    )


def shortened(recipe: Recipe, path: Path, *, keep: float = 0.6) -> CodedVideo:
    """The first ``keep`` of the bytes; the truth is what still decodes in order."""
    video = _source(recipe, path)
    data = video.path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return _survivors(video, path)


def beheaded(recipe: Recipe, path: Path, *, drop: float = 0.13) -> CodedVideo:
    """A transport stream without its first bytes, as when a recording starts during a broadcast."""
    video = _source(recipe, path)
    data = video.path.read_bytes()
    path.write_bytes(data[int(len(data) * drop) // 188 * 188 :])
    moved = _start(path) - _start(video.path)
    kept = [i for i, t in enumerate(video.times) if t >= moved - 1e-6]
    later = dataclasses.replace(
        video,
        times=tuple(video.times[i] - moved for i in kept),
        numbers=tuple(kept),
        duration=video.duration - moved,
    )
    return _survivors(later, path)


def holed(recipe: Recipe, path: Path, *, share: float = 0.05) -> CodedVideo:
    """Zeros in the middle; the truth is what still decodes in order."""
    video = _source(recipe, path)
    data = bytearray(video.path.read_bytes())
    begin, size = len(data) // 2, int(len(data) * share)
    data[begin : begin + size] = bytes(size)
    path.write_bytes(data)
    return _survivors(video, path)


def spliced(recipe: Recipe, path: Path, *, pieces: Sequence[tuple[int, int]]) -> CodedVideo:
    """An edit list of several entries; pieces are (first frame, frame after the last)."""
    video = _source(recipe, path)
    rate = 1 / recipe.time_base
    data = bytearray(video.path.read_bytes())
    scale = int.from_bytes(data[(at := data.rindex(b"mvhd") + 16) : at + 4])
    media = int.from_bytes(data[(at := data.rindex(b"mdhd") + 16) : at + 4])
    at = data.rindex(b"elst") - 4
    old = int.from_bytes(data[at : at + 4])
    delay = int.from_bytes(data[at + 20 : at + 24])  # of the first shown frame, for B-frames
    entries = b"".join(
        int((end - begin) / rate * scale).to_bytes(4)
        + int(begin / rate * media + delay).to_bytes(4)
        + (1 << 16).to_bytes(4)
        for begin, end in pieces
    )
    box = b"elst" + bytes(4) + len(pieces).to_bytes(4) + entries
    data[at : at + old] = (len(box) + 4).to_bytes(4) + box
    for kind in (b"edts", b"trak", b"moov"):  # the index is at the end: nothing else moves
        at = data.rindex(kind) - 4
        grown = int.from_bytes(data[at : at + 4]) + len(box) + 4 - old
        data[at : at + 4] = grown.to_bytes(4)
    path.write_bytes(data)
    numbers = tuple(number for begin, end in pieces for number in range(begin, end))
    times = tuple(float(i / rate) for i in range(len(numbers)))
    return dataclasses.replace(
        video, path=path, times=times, numbers=numbers, duration=float(len(numbers) / rate)
    )


def encrypted(recipe: Recipe, path: Path) -> CodedVideo:
    """Common encryption; nobody has the key."""
    keys = (
        ("encryption_scheme", "cenc-aes-ctr"),
        ("encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"),
        ("encryption_kid", "a7e61c373e219033c21091fa607bf3b8"),
    )
    return encode(dataclasses.replace(recipe, muxer=keys), path)


def _start(path: Path) -> float:
    with av.open(str(path)) as container:
        return (container.start_time or 0) / 1_000_000


def _source(recipe: Recipe, path: Path) -> CodedVideo:
    name = "source-" + path.stem + Path(recipe.name).suffix
    return encode(recipe, path.with_name(name))


def _copy(
    source: av.container.InputContainer,
    stream: av.VideoStream,
    target: av.container.OutputContainer,
) -> None:
    for packet in source.demux(video=0):
        if packet.dts is not None:
            transfer(packet, stream, target)


def _keyframe_on(
    source: av.container.InputContainer, stream: av.VideoStream, begin: int
) -> list[av.Packet]:
    """Packets from the last keyframe at or before ``begin`` on, in decoding order."""
    packets = [packet for packet in source.demux(stream) if packet.dts is not None]
    starts = [i for i, p in enumerate(packets) if p.is_keyframe and p.pts <= begin]
    return packets[starts[-1] :]


def _survivors(video: CodedVideo, path: Path) -> CodedVideo:
    """Keep the frames that plain decoding from the beginning still shows as they were."""
    seen = {round(t * 1000): number for t, number in shown(path)}
    numbers = video.numbers or tuple(range(len(video.times)))
    kept = [
        (t, number)
        for t, number in zip(video.times, numbers, strict=True)
        if any(seen.get(round(t * 1000) + d) == number for d in (-1, 0, 1))
    ]
    return dataclasses.replace(
        video,
        path=path,
        times=tuple(t for t, _ in kept),
        numbers=tuple(number for _, number in kept),
        duration=kept[-1][0] + video.end_of(0) - video.times[0],
        hurt=True,
    )
