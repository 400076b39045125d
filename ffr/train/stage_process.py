"""Run one stage as a child process: its own memory, its own log, ended with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ffr.errors import FfrError
from ffr.train.fate import die_with_parent
from ffr.train.progress import StageProgress

__all__ = ["StageFailedError", "run_stage_process"]

_POLL_S = 0.5
_GRACE_S = 20.0
_RAY_SAYS = ("class_name: ", "ip: ", "The actor is dead because", "The actor died because")
"""Beginnings of the lines in which Ray tells, below the error, who died and why."""


class StageFailedError(FfrError):
    """A stage ended without finishing; the message holds its last words and the log's path."""


def run_stage_process(
    arguments: Sequence[str],
    *,
    log: Path,
    progress: StageProgress,
    stall_timeout_s: float,
    environment: Mapping[str, str],
    ask_to_stop: Callable[[], None] | None = None,
    stop_grace_s: float = 0.0,
) -> None:
    """Run ``python ARGUMENTS`` to its end while showing progress.

    Args:
        arguments: what follows the interpreter, e.g. ``("-m", "package.module", "run")``.
        log: file that takes its output.
        progress: shows the steps.
        stall_timeout_s: end it when no step finishes for this long, seconds.
        environment: variables on top of ours.
        ask_to_stop: lets the child know that it shall save its work and end; without it a stop
            ends the child at once.
        stop_grace_s: how long it may take for that, seconds; a second signal cuts it short.

    Raises:
        StageFailedError: it exited with an error, or stood still for too long.
        KeyboardInterrupt: we were asked to stop; the child is ended first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        begin = output.tell()  # earlier attempts wrote what comes before
        child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            [sys.executable, *arguments],
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,  # so that the whole tree can be ended at once
            preexec_fn=die_with_parent,
        )
        try:
            with progress:
                while child.poll() is None:
                    time.sleep(_POLL_S)
                    progress.poll()
                    still_s = time.monotonic() - progress.last_change
                    if still_s > stall_timeout_s:
                        raise StageFailedError(
                            f"{progress.stage} finished no step for {still_s:.0f} s "
                            f"(hardware.stall_timeout_s={stall_timeout_s:.0f}); log: {log}; "
                            "the same command resumes from the last checkpoint"
                        )
                progress.poll()
        except KeyboardInterrupt:
            if ask_to_stop is not None and progress.step:  # before, there is nothing to save
                ask_to_stop()
                _let_end(child, progress, stop_grace_s)
                if (child.poll() or 0) > 0:  # not ended by us
                    print(f"{progress.stage} could not save: {_last_words(log, begin)}; log: {log}",
                          file=sys.stderr)  # fmt: skip
            raise
        finally:
            _end(child)
    if child.returncode != 0:
        raise StageFailedError(
            f"{progress.stage} ended with code {child.returncode} after step {progress.step}: "
            f"{_last_words(log, begin)}; log: {log}"
        )


def _let_end(child: subprocess.Popen[bytes], progress: StageProgress, grace_s: float) -> None:
    """Wait until the child ends by itself."""
    print(f"{progress.stage}: stopping, the last whole step is saved first (for at most "
          f"{grace_s:g} s; once more: at once)", file=sys.stderr, flush=True)  # fmt: skip
    end = time.monotonic() + grace_s
    while child.poll() is None:
        if time.monotonic() > end:
            print(f"{progress.stage}: not done after {grace_s:g} s (hardware.stop_grace_s), "
                  "ended without saving", file=sys.stderr, flush=True)  # fmt: skip
            return
        time.sleep(_POLL_S)
        progress.poll()


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started, gently first."""
    for number, wait_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        try:
            child.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            continue


def _last_words(log: Path, begin: int) -> str:
    """The last line of the log from byte ``begin`` on that looks like an error's message."""
    lines = log.read_bytes()[begin:].decode(errors="replace").splitlines()[-400:]
    for at in reversed(range(len(lines))):
        text = lines[at].strip()
        if any(mark in text for mark in ("Error: ", "Exception: ")):
            more = (line.strip() for line in lines[at + 1 : at + 12])
            return " ".join([text, *(line for line in more if line.startswith(_RAY_SAYS))])[:500]
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "it said nothing")
