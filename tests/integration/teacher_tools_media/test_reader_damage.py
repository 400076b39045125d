"""Damaged, deceiving and empty files: a typed error or the last good frame, never a guess."""

from __future__ import annotations

import random
import shutil
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from teacher_tools.media import (
    MediaNotAllowedError,
    MediaNotFoundError,
    MediaTimeoutError,
    UndecodableError,
    VideoReader,
)
from teacher_tools.media.source import Source


def copy_of(source: Path, target: Path, *, keep: float = 1.0, zeros: slice | None = None) -> Path:
    data = bytearray(source.read_bytes())
    if zeros is not None:
        data[zeros] = bytes(len(range(*zeros.indices(len(data)))))
    target.write_bytes(data[: int(len(data) * keep)])
    return target


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_cut_off_file_gives_what_is_left(
    name: str, make_video: Any, recipe: Any, code_of: Any, tmp_path: Path
) -> None:
    muxer = (("movflags", "faststart"),) if name == "v.mp4" else ()
    whole = make_video(recipe(pts=range(125), name=name, muxer=muxer))
    cut = copy_of(whole.path, tmp_path / name, keep=0.6)
    with VideoReader.open(cut) as reader:
        early = reader.frames_at([0.0, 1.0, 2.0])
        late = reader.frames_at([4.9])[0]
    assert [code_of(frame.image) for frame in early] == [0, 25, 50]
    assert 50 <= code_of(late.image) < 100
    assert late.t_s == pytest.approx(code_of(late.image) / 25)


def test_hole_in_the_middle_costs_only_the_frames_in_it(
    make_video: Any, recipe: Any, code_of: Any, tmp_path: Path
) -> None:
    whole = make_video(recipe(pts=range(200), muxer=(("movflags", "faststart"),)))
    size = whole.path.stat().st_size
    hole = slice(size // 2, size // 2 + size // 20)
    holed = copy_of(whole.path, tmp_path / "holed.mp4", zeros=hole)
    times = [i / 10 for i in range(80)]
    with VideoReader.open(holed) as reader:
        frames = reader.frames_at(times)
    sound = [f for t, f in zip(times, frames, strict=True) if code_of(f.image) == whole.expected(t)]
    assert len(sound) >= 60
    for t, frame in zip(times, frames, strict=True):
        assert frame.t_s <= t + 1e-6
        if frame not in sound and frame.intact:  # damage that even the decoder did not notice
            assert 2.5 <= t <= 6.0


def test_leading_cover_art_is_not_the_video(
    make_video: Any, recipe: Any, code_of: Any, tmp_path: Path
) -> None:
    video = make_video(recipe(pts=range(30)))
    path = tmp_path / "cover.mp4"
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        cover = target.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = target.add_stream_from_template(source.streams.video[0])
        picture = av.VideoFrame(64, 64, "rgb24")
        picture.pts = 0
        target.mux(cover.encode(picture))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with VideoReader.open(path) as reader:
        assert code_of(reader.frames_at([0.4])[0].image) == 10


def test_edit_list_hides_the_frames_before_it(
    make_video: Any, recipe: Any, code_of: Any, tmp_path: Path
) -> None:
    video = make_video(recipe(pts=range(125)))
    path = tmp_path / "edited.mp4"
    with av.open(str(video.path)) as source, av.open(str(path), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream_from_template(original)
        ticks = int(Fraction(30, 25) / original.time_base)  # start in mid-GOP, at frame 30
        for packet in source.demux(original):
            if packet.dts is None or packet.pts < 24 * ticks // 30:
                continue
            packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
            packet.stream = stream
            target.mux(packet)
    with VideoReader.open(path) as reader:
        frames = reader.frames_at([0.0, 0.5, 2.0, 0.02])
        assert reader.duration_s == pytest.approx(95 / 25, abs=0.05)
    assert [code_of(frame.image) for frame in frames] == [30, 42, 80, 30]
    assert frames[0].t_s == 0.0


BAD_FILES = {
    "empty.mp4": b"",
    "text.mp4": b"this is no video\n" * 500,
    "random.mp4": random.Random(3).randbytes(50_000),
    "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "playlist.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "concat.mp4": b"ffconcat version 1.0\nfile secret.mp4\n",
    "sdp.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_is_no_video_is_refused(name: str, plain_video: Any, tmp_path: Path) -> None:
    shutil.copy(plain_video.path, tmp_path / "secret.mp4")  # what a play list would lead to
    path = tmp_path / name
    path.write_bytes(BAD_FILES[name])
    with pytest.raises(UndecodableError, match=name) as caught:
        VideoReader.open(path)
    assert str(tmp_path) not in str(caught.value)


def test_file_without_its_index_is_refused(plain_video: Any, tmp_path: Path) -> None:
    with pytest.raises(UndecodableError):
        VideoReader.open(copy_of(plain_video.path, tmp_path / "no_moov.mp4", keep=0.5))


def test_unknown_codec_is_refused(plain_video: Any, tmp_path: Path) -> None:
    path = tmp_path / "alien.mp4"
    path.write_bytes(plain_video.path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(UndecodableError):
        VideoReader.open(path)


def test_audio_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audio.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for i in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UndecodableError, match="no video stream"):
        VideoReader.open(path)


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match=r"gone\.mp4"):
        VideoReader.open(tmp_path / "gone.mp4")
    with pytest.raises(MediaNotAllowedError, match="regular file"):
        VideoReader.open(tmp_path)


def test_raw_stream_without_times_is_refused(make_video: Any, recipe: Any) -> None:
    video = make_video(recipe(pts=range(30), name="raw.h264", format="h264"))
    with pytest.raises(UndecodableError):
        VideoReader.open(video.path)


@pytest.mark.parametrize("t", [-0.1, float("nan"), float("inf")])
def test_impossible_times_are_refused(t: float, plain_video: Any) -> None:
    with VideoReader.open(plain_video.path) as reader, pytest.raises(ValueError, match="t="):
        reader.frames_at([0.0, t])


def test_absurdly_late_time_is_the_last_frame(plain_video: Any, code_of: Any) -> None:
    with VideoReader.open(plain_video.path) as reader:
        frame = reader.frames_at([1e300])[0]
    assert code_of(frame.image) == 124
    assert frame.t_s == pytest.approx(124 / 25)


def test_reading_stops_at_the_deadline(make_video: Any, recipe: Any) -> None:
    video = make_video(recipe(pts=range(125)))
    with pytest.raises(MediaTimeoutError, match="to open"):
        VideoReader.open(video.path, timeout_s=1e-5)
    with VideoReader(Source(video.path, timeout_s=10), timeout_s=1e-3) as reader:
        start = time.monotonic()
        with pytest.raises(MediaTimeoutError, match="longer than"):
            reader.frames_at([i / 25 for i in range(125)])
    assert time.monotonic() - start < 2
