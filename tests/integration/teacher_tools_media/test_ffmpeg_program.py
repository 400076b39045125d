"""The ffmpeg program: found or clearly missing, bounded, and deaf to its environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ffmpeg
import pytest

from teacher_tools.media import FfmpegMissingError, MediaTimeoutError, open_reader
from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.ffmpeg_program import checked_output, find_ffmpeg, run_ffmpeg


def command(path: Path, expression: str = "1", count: int = 3) -> Any:
    video = ffmpeg.input(f"file:{path}")["v:0"].filter("select", expression)
    return video.filter("showinfo", checksum=0).output(
        "pipe:1", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough", **{"frames:v": count}
    )


def test_a_missing_program_names_the_fix(
    plain_video: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FFR_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(FfmpegMissingError, match=r"not found; install it.*ffr\[ffmpeg\]"):
        open_reader(plain_video.path, "ffmpeg")
    monkeypatch.setenv("FFR_FFMPEG", str(tmp_path / "none"))
    with pytest.raises(FfmpegMissingError, match="is not a program"):
        open_reader(plain_video.path, "ffmpeg")


def test_the_named_program_comes_first_then_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ffmpeg", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.delenv("FFR_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == str(tmp_path / "ffmpeg")
    monkeypatch.setenv("FFR_FFMPEG", str(tmp_path / "mine"))
    assert find_ffmpeg() == str(tmp_path / "mine")


def test_output_and_times_of_the_frames(plain_video: Any) -> None:
    output = run_ffmpeg(command(plain_video.path), timeout_s=60, max_bytes=320 * 180 * 9)
    assert output.code == 0
    assert len(output.data) == 320 * 180 * 9
    assert output.pts[:3] == [0, 512, 1024]


def test_no_more_is_read_than_was_asked_for(plain_video: Any) -> None:
    output = run_ffmpeg(command(plain_video.path, count=100), timeout_s=60, max_bytes=1000)
    assert len(output.data) == 1000
    assert output.code != 0  # killed


def test_a_hang_is_killed(plain_video: Any) -> None:
    with pytest.raises(MediaTimeoutError, match=r"took longer than 0\.5 s"):
        run_ffmpeg(command(plain_video.path, "while(1,1)"), timeout_s=0.5, max_bytes=10)


def test_errors_name_no_folder(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    output = run_ffmpeg(command(tmp_path / "text.mp4"), timeout_s=60)
    with pytest.raises(MediaWriteError, match=r"copying failed, ffmpeg said: .*FILE") as caught:
        checked_output(output, "copying")
    assert str(tmp_path) not in str(caught.value)


def test_it_writes_nothing_its_environment_asks_for(
    plain_video: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FFREPORT", f"file={tmp_path / 'report.log'}")
    assert run_ffmpeg(command(plain_video.path), timeout_s=60, max_bytes=9).data
    assert list(tmp_path.iterdir()) == []
