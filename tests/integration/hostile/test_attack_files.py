"""The attacks of files that are known to work on FFmpeg (spec video_io section 7), one by one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from teacher_tools import ToolRunner
from teacher_tools.media import MediaError, MediaNotAllowedError, UndecodableError, VideoReader
from teacher_tools.media.access import resolve_media

CLIP = '{"start_s": 0.1, "end_s": 1.5, "frames": 3}'

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{}'\n"
DASH = (
    "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
    "mediaPresentationDuration='PT2S'><Period><AdaptationSet mimeType='video/mp4'>"
    "<Representation id='1' bandwidth='1'><BaseURL>{}</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {} RTP/AVP 96\n"
SMIL = "<smil><body><video src='{}'/></body></smil>"


def refused(runner: ToolRunner, path: Path) -> str:
    """Detail of a call that must fail at the decode boundary, without a path in its message."""
    result = runner.call_sync("clip", CLIP, path)
    assert result.boundary == "decode", (result.message, result.detail)
    assert path.name not in result.message
    assert "/" not in result.message
    return result.detail


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.ts", "list.mkv", "list.mpd"])
@pytest.mark.parametrize("script", [HLS, CONCAT, DASH, SDP, SMIL], ids=range(5))
def test_scripts_dressed_as_video_lead_nowhere(
    name: str, script: str, runner: ToolRunner, bait: Any, folder: Path
) -> None:
    shutil.copy(bait.paths[0], folder / "inside.mp4")
    bait.opened()  # the copying
    for target in (bait.paths[0], f"file:{bait.paths[0]}", "../bait/secret.mp4", "inside.mp4"):
        (folder / name).write_text(script.format(target))
        assert "UndecodableError" in refused(runner, folder / name)


@pytest.mark.parametrize(("name", "script"), [("list.m3u8", HLS), ("list.mp4", CONCAT)])
def test_without_the_defence_scripts_lead_on(
    name: str, script: str, hostile: Any, tmp_path: Path
) -> None:
    bait = hostile.bait_in(tmp_path)
    (tmp_path / name).write_text(script.format("bait/secret.ts" if script == HLS else "x.mp4"))
    (tmp_path / "x.mp4").symlink_to(bait.paths[0])
    with contextlib.suppress(av.FFmpegError), av.open(str(tmp_path / name)) as container:
        next(container.demux())
    assert bait.opened()
    bait.close()


@pytest.mark.parametrize("script", [HLS, CONCAT, DASH], ids=["hls", "concat", "dash"])
def test_scripts_connect_to_nobody(script: str, runner: ToolRunner, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        for scheme in ("http", "tcp", "rtmp"):
            path = folder / "net.m3u8"
            path.write_text(script.format(f"{scheme}://127.0.0.1:{port}/v.ts"))
            refused(runner, path)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "path",
    [
        "concat:{0}|{0}", "subfile,,start,0,end,0,,:{0}", "file:{0}", "http://127.0.0.1:9/v.mp4",
        "tcp://127.0.0.1:9", "pipe:0", "fd:0", "crypto:{0}", "cache:{0}", "async:{0}", "data:,x",
    ],
)  # fmt: skip
def test_protocols_in_place_of_a_path_open_nothing(
    path: str, runner: ToolRunner, bait: Any, folder: Path
) -> None:
    name = path.format(bait.paths[0])
    with pytest.raises(MediaError):
        VideoReader.open(Path(name))
    with pytest.raises(MediaError):
        resolve_media(name, folder)
    refused(runner, Path(name))


@pytest.mark.parametrize(
    "name", ["-y.mp4", "x%03d.mp4", "a:b.mp4", "a|b.mp4", "'; id #.mp4", "é\n.mp4"]
)
def test_odd_names_are_only_names(name: str, runner: ToolRunner, sound: Path, folder: Path) -> None:
    shutil.copy(sound, folder / name)
    result = runner.call_sync("clip", CLIP, resolve_media(name, folder))
    assert result.ok, result.detail


def test_numbered_pictures_are_no_video(runner: ToolRunner, folder: Path) -> None:
    picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24").to_image()
    for number in range(3):
        picture.save(folder / f"x{number:03d}.png")
    refused(runner, folder / "x%03d.png")
    refused(runner, folder / "x000.png")


def test_mov_that_keeps_its_pictures_elsewhere(
    hostile: Any, runner: ToolRunner, tmp_path: Path, sound: Path
) -> None:
    """A data reference of the kind `alis` names another file as the place of the samples."""
    bait = hostile.bait_in(tmp_path)
    alias = _alias(os.fspath(bait.paths[0]).encode())
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    path = tmp_path / "elsewhere.mov"
    path.write_bytes(_replaced(sound.read_bytes(), b"dref", struct.pack(">II", 0, 1) + entry))
    result = runner.call_sync("clip", CLIP, path)
    assert result.ok or result.boundary == "decode"
    assert bait.opened() == []
    follow = {"enable_drefs": "1", "use_absolute_path": "1"}
    with contextlib.suppress(av.FFmpegError), av.open(str(path), options=follow):
        pass
    assert bait.opened() == ["secret.mp4"], "the file is no real attack"
    bait.close()


def _alias(target: bytes) -> bytes:
    """A Mac alias record with volume, file name and absolute path."""
    name = target.rsplit(b"/", 1)[-1]
    head = struct.pack(">4sHH", b"\0" * 4, 150, 2) + struct.pack(">H", 0)
    head += struct.pack("B27s", 6, b"volume") + bytes(4 + 2 + 2 + 4)
    head += struct.pack("B63s", len(name), name) + bytes(4 + 4 + 4 + 4) + struct.pack(">HH", 0, 0)
    head += bytes(4 + 2 + 10)
    tail = b"".join(
        struct.pack(">HH", kind, len(text)) + text + b"\0" * (len(text) % 2)
        for kind, text in ((2, target), (18, target), (14, target))
    )
    return head + tail + struct.pack(">HH", 0xFFFF, 0)


def _replaced(data: bytes, atom: bytes, body: bytes) -> bytes:
    """The file with another body of one atom inside moov/trak/mdia/minf/dinf."""
    at = data.index(atom) - 4
    (old,) = struct.unpack_from(">I", data, at)
    new = struct.pack(">I4s", 8 + len(body), atom) + body
    spoilt = bytearray(data[:at] + new + data[at + old :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = data.index(parent) - 4
        (size,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", spoilt, place, size + len(new) - old)
    return bytes(spoilt)


@pytest.mark.parametrize("stated", [(16_000, 16_000), (64, 48)], ids=["stated", "hidden"])
def test_huge_picture_in_a_small_file_is_refused_undecoded(
    stated: tuple[int, int], runner: ToolRunner, folder: Path
) -> None:
    side = 16_000
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )
    path = folder / "bomb.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = stated
        stream.pix_fmt = "rgb24"
        packet = av.Packet(png)
        packet.pts = packet.dts = 0
        packet.time_base, packet.is_keyframe, packet.stream = Fraction(1), True, stream
        container.mux(packet)
    assert path.stat().st_size < 200_000
    refused(runner, path)
    (worker,) = runner._alive
    assert worker._process is not None
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    assert int(status.split("VmHWM:")[1].split()[0]) < 400_000


def test_frames_days_apart_cost_nothing(runner: ToolRunner, folder: Path) -> None:
    path = folder / "sparse.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for pts in (0, 2_500_000):
            frame = av.VideoFrame(128, 96, "yuv420p")
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    result = runner.call_sync("timestamp", '{"frames": 32}', path)
    assert result.evidence is not None, result.detail
    assert [frame.t_s for frame in result.evidence.frames] == [0.0]
    end = runner.call_sync("clip", '{"start_s": 0, "end_s": 100000, "frames": 16}', path)
    assert end.evidence is not None
    assert [frame.t_s for frame in end.evidence.frames] == [0.0, 100_000.0]


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _dangling(path: Path) -> Path:
    path.symlink_to("nowhere.mp4")
    return path


def _listening(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))
    return path


@pytest.mark.parametrize(
    "make",
    [_fifo, _dangling, _listening, lambda _: Path("/dev/zero"), lambda _: Path("/dev/stdin")],
    ids=["fifo", "dangling", "socket", "device", "stdin"],
)
def test_what_is_no_file_does_not_hang(
    make: Callable[[Path], Path], runner: ToolRunner, folder: Path
) -> None:
    refused(runner, make(folder / "v.mp4"))


def test_video_swapped_for_a_link_after_the_check_is_still_one_video(
    runner: ToolRunner, bait: Any, folder: Path, sound: Path
) -> None:
    shutil.copy(sound, folder / "v.mp4")
    (folder / "way.mp4").symlink_to(folder / "v.mp4")
    path = resolve_media("way.mp4", folder)
    (folder / "way.mp4").unlink()
    (folder / "way.mp4").symlink_to(bait.paths[0])
    assert runner.call_sync("clip", CLIP, path).ok
    with pytest.raises(MediaNotAllowedError):
        resolve_media("way.mp4", folder)


def test_endless_header_gives_up_at_the_deadline(runner: ToolRunner, folder: Path) -> None:
    path = folder / "endless.ts"
    packet = b"\x47\x1f\xff\x10" + b"\xff" * 184
    path.write_bytes(packet * 200_000)
    refused(runner, path)
    with pytest.raises(UndecodableError):
        VideoReader.open(path, timeout_s=5)
