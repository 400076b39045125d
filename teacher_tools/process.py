"""The runner's side of one worker process."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection

from teacher_tools.wire import MARK_BYTES, Head, pack, unpack

__all__ = ["IN_WORKER", "WorkerDiedError", "WorkerProcess"]

IN_WORKER = "FFR_TOOL_WORKER"
"""Environment variable that is set in workers, so that they never start workers."""


_START_S = 60.0
_END_S = 5.0  # for a killed process to be gone; one that waits for a dead disk may take longer
_MAX_HEAD_BYTES = 8 * 2**20  # most bytes of a reply besides pixels
_LOG_TAIL_BYTES = 2_000
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class WorkerDiedError(Exception):
    """The worker ended during a call.

    Attributes:
        timed_out: it was killed because the time was over.
        phase: what it was doing: ``start``, ``decode`` or ``tool``.
    """

    def __init__(self, detail: str, *, timed_out: bool, phase: str) -> None:
        super().__init__(detail)
        self.timed_out = timed_out
        self.phase = phase


class WorkerProcess:
    """A started worker; used by one thread at a time, killed from any.

    Args:
        memory_bytes: limit of its address space.
        environment: names of further environment variables to pass on.

    Raises:
        WorkerDiedError: it did not come up.
    """

    def __init__(self, *, memory_bytes: int, environment: Iterable[str] = ()) -> None:
        self.calls = 0
        self._folder = tempfile.TemporaryDirectory(prefix="ffr-tools-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._socket, theirs = socket.socketpair()
        self._connection = Connection(os.dup(self._socket.fileno()))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [
                        sys.executable,
                        "-P",
                        "-X",
                        "faulthandler",
                        "-m",
                        "teacher_tools.worker",
                        str(theirs.fileno()),
                        json.dumps({"memory_bytes": memory_bytes}),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    cwd=self._folder.name,
                    env=_environment(environment),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            self._exchange(bytes(MARK_BYTES), b"", _START_S, 0)
        except OSError as error:
            self.close()
            raise WorkerDiedError(str(error), timed_out=False, phase="start") from error
        except BaseException:
            self.close()
            raise

    @property
    def is_ready(self) -> bool:
        """Whether it lives and is silent, as it should between calls."""
        try:
            return self._process is not None and not self._connection.poll(0)
        except OSError:
            return False

    def call(
        self, request: Head, seconds: float, *, max_blob: int = 2**29
    ) -> tuple[Head, memoryview]:
        """Send a request and wait at most ``seconds`` for the answer, then kill.

        Args:
            request: the call.
            seconds: wall time.
            max_blob: most bytes of pixels that are taken.

        Raises:
            WorkerDiedError: no answer to this call, or none of an allowed size; the worker is gone.
        """
        self.calls += 1
        return self._exchange(secrets.token_bytes(MARK_BYTES), pack(request), seconds, max_blob)

    def kill(self) -> None:
        """End the worker and everything in its session, at once.

        Whoever else holds the connection, such as a child that left the session, loses it too:
        nobody waits for an answer any longer.
        """
        process = self._process
        if process is not None and process.returncode is None:  # else the number may be reused
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill, reap and free everything."""
        self.kill()
        self._wait()
        self._connection.close()
        self._socket.close()
        self._log.close()
        self._folder.cleanup()

    def _wait(self) -> int | None:
        """How the killed process ended; None when it is not gone yet."""
        if self._process is None:
            return None
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return None

    def _exchange(
        self, mark: bytes, message: bytes, seconds: float, max_blob: int
    ) -> tuple[Head, memoryview]:
        watch = _Watch(seconds, self.kill)
        phase = "start"
        try:
            if message:
                self._connection.send_bytes(mark)
                self._connection.send_bytes(message)
            while True:
                if self._connection.recv_bytes(MARK_BYTES) != mark:
                    raise ValueError("an answer to another call")
                head, blob = unpack(self._connection.recv_bytes(_MAX_HEAD_BYTES + max_blob))
                if head.get("kind") != "phase":
                    if not watch.stop():
                        raise EOFError
                    return head, blob
                phase = "decode" if head.get("is") == "decode" else "tool"
        except (EOFError, OSError, ValueError) as error:
            timed_out = not watch.stop()
            self.kill()
            code = self._wait()
            raise WorkerDiedError(
                f"worker ended with {_ending(code)} ({type(error).__name__}"
                f"{f': {error}' if str(error) else ''}); it wrote: {self._tail() or 'nothing'}",
                timed_out=timed_out or code == -signal.SIGXCPU,
                phase=phase,
            ) from error

    def _tail(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace").strip()


class _Watch:
    """Calls ``expire`` after ``seconds`` unless stopped before; never both."""

    def __init__(self, seconds: float, expire: Callable[[], None]) -> None:
        self._expire = expire
        self._lock = threading.Lock()
        self._stopped = self._expired = False
        self._timer = threading.Timer(seconds, self._run)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> bool:
        """Whether the time was not over yet."""
        with self._lock:
            self._stopped = True
            self._timer.cancel()
            return not self._expired

    def _run(self) -> None:
        with self._lock:
            if not self._stopped:
                self._expired = True
                self._expire()


def _environment(names: Iterable[str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in (*_PASSED_ON, *names) if name in os.environ}
    folders = [os.path.abspath(folder) for folder in sys.path]  # noqa: PTH100 - "" is the cwd
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)),
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        IN_WORKER: "1",
    }


def _ending(code: int | None) -> str:
    if code is None:
        return "nothing yet"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
