"""Finding the ffmpeg program, and running it on files nobody vouches for.

Commands are composed with ffmpeg-python from fixed templates; only numbers and checked paths go
into them.  Each runs without a shell, in a session, folder and environment of its own, with
limits, and is killed at its deadline (spec video_io §7).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import IO, Any

from teacher_tools.media.errors import FfmpegMissingError, MediaTimeoutError, MediaWriteError

__all__ = ["Output", "checked_output", "find_ffmpeg", "input_options", "run_ffmpeg"]

_VARIABLE = "FFR_FFMPEG"
_MEMORY_BYTES = 4 * 2**30
_CPU_SLACK_S = 5
_LOG_LINES = 8
_GLOBAL = (
    "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info", "-filter_threads", "1",
)  # fmt: skip
_SHOWN = re.compile(r"showinfo.*\bn: *\d+ +pts: *(-?\d+)\b")
_NAMES_A_FOLDER = re.compile(r"(?:file:)?/\S+")


@dataclass
class Output:
    """What a run of ffmpeg left behind.

    Attributes:
        code: exit status; negative when a signal ended it.
        data: what it wrote to its standard output, at most as much as was asked for.
        pts: presentation times (ticks) of the frames that passed a ``showinfo`` filter.
        log: its last errors, without folders.
    """

    code: int
    data: bytes = b""
    pts: list[int] = field(default_factory=list)
    log: str = ""


def find_ffmpeg() -> str:
    """Path of the program: ``$FFR_FFMPEG``, else ``ffmpeg`` on the path, else imageio-ffmpeg's.

    Raises:
        FfmpegMissingError: there is none.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise FfmpegMissingError(
                f"{_VARIABLE}={named!r} is not a program; name an ffmpeg binary or unset it"
            )
        return found
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    with contextlib.suppress(ImportError, RuntimeError):  # not installed; no binary for this system
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    raise FfmpegMissingError(
        "the ffmpeg program was not found; install it (5.1 or newer), or "
        f"`pip install 'ffr[ffmpeg]'`, or name one in {_VARIABLE}"
    )


def input_options(formats: str, max_pixels: int) -> dict[str, Any]:
    """Options before ``-i``: nothing but local files of these formats, pictures of that size."""
    return {
        "threads": 1,
        "protocol_whitelist": "file",
        "format_whitelist": formats,
        "max_pixels": max_pixels,
        "probesize": 5_000_000,
        "analyzeduration": 5_000_000,
    }


def run_ffmpeg(
    command: Any, *, timeout_s: float, max_bytes: int = 0, writes_files: bool = False
) -> Output:
    """Run a command that ffmpeg-python has composed.

    Args:
        command: ffmpeg-python's output node.
        timeout_s: wall time in seconds; then it is killed.
        max_bytes: most bytes read from its standard output; it is killed once it has written more.
        writes_files: it writes files, not only to its standard output.

    Raises:
        FfmpegMissingError: there is no ffmpeg.
        MediaTimeoutError: it took longer.
    """
    argv = command.compile(cmd=[find_ffmpeg(), *_GLOBAL])
    expired = threading.Event()
    with tempfile.TemporaryDirectory(prefix="ffr-ffmpeg-") as folder:
        process = subprocess.Popen(  # noqa: S603 - fixed templates, no shell
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"},
            start_new_session=True,
        )

        def expire() -> None:
            expired.set()
            _kill(process)

        timer = threading.Timer(timeout_s, expire)
        timer.daemon = True
        output = Output(0)
        assert process.stdout is not None
        assert process.stderr is not None
        listener = threading.Thread(target=_listen, args=(process.stderr, output), daemon=True)
        try:
            _limit(process.pid, timeout_s, writes_files)
            timer.start()
            listener.start()
            output.data = process.stdout.read(max_bytes) if max_bytes else b""
            if process.stdout.read(1):  # more than was asked for
                _kill(process)
            output.code = process.wait()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
            if listener.ident is not None:
                listener.join()
            process.stdout.close()
            process.stderr.close()
    if expired.is_set():
        raise MediaTimeoutError(
            f"ffmpeg took longer than {timeout_s:g} s; ask for less, or allow more time"
        )
    return output


def checked_output(output: Output, what: str) -> Output:
    """Return ``output`` when ffmpeg ended well.

    Raises:
        MediaWriteError: it did not; ``what`` says what it should have done.
    """
    if output.code != 0:
        raise MediaWriteError(f"{what} failed, ffmpeg said: {output.log or 'nothing'}")
    return output


def _listen(stream: IO[bytes], output: Output) -> None:
    tail: deque[str] = deque(maxlen=_LOG_LINES)
    for raw in stream:
        line = raw.decode(errors="replace").strip()
        shown = _SHOWN.search(line)
        if shown:
            output.pts.append(int(shown.group(1)))
        elif "[error]" in line or "[fatal]" in line:
            tail.append(_NAMES_A_FOLDER.sub("FILE", line)[:200])
    output.log = " | ".join(tail)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _limit(pid: int, seconds: float, writes_files: bool) -> None:
    """Set limits from outside: code between fork and exec is not safe beside threads."""
    if not hasattr(resource, "prlimit"):
        return  # macOS has none; the deadline still holds
    limits = {
        resource.RLIMIT_AS: _MEMORY_BYTES,
        resource.RLIMIT_CPU: int(seconds) + _CPU_SLACK_S,
        resource.RLIMIT_CORE: 0,
    }
    if not writes_files:
        limits[resource.RLIMIT_FSIZE] = 0
    with contextlib.suppress(ProcessLookupError):
        for what, value in limits.items():
            hard = resource.prlimit(pid, what)[1]
            capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, what, (capped, capped))
