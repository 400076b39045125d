"""The runner's side of one worker process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from multiprocessing.connection import Connection

from teacher_tools.wire import Head, pack, unpack

__all__ = ["IN_WORKER", "WorkerDiedError", "WorkerProcess"]

IN_WORKER = "FFR_TOOL_WORKER"
"""Environment variable that is set in workers, so that they never start workers."""


_START_S = 60.0
_MAX_REPLY_BYTES = 512 * 2**20
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
        ours, theirs = socket.socketpair()
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
        self._connection = Connection(ours.detach())
        self._exchange(None, _START_S)

    def call(self, request: Head, seconds: float) -> tuple[Head, memoryview]:
        """Send a request and wait at most ``seconds`` for the answer, then kill.

        Raises:
            WorkerDiedError: no answer; the worker is gone.
        """
        self.calls += 1
        return self._exchange(pack(request), seconds)

    def kill(self) -> None:
        """End the worker and everything it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill, reap and free everything."""
        self.kill()
        self._process.wait()
        self._connection.close()
        self._log.close()
        self._folder.cleanup()

    def _exchange(self, message: bytes | None, seconds: float) -> tuple[Head, memoryview]:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.kill()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        phase = "start"
        try:
            if message is not None:
                self._connection.send_bytes(message)
            while True:
                head, blob = unpack(self._connection.recv_bytes(_MAX_REPLY_BYTES))
                if head.get("kind") != "phase":
                    return head, blob
                phase = "decode" if head.get("is") == "decode" else "tool"
        except (EOFError, OSError, ValueError) as error:
            self.kill()
            code = self._process.wait()
            raise WorkerDiedError(
                f"worker ended with {_ending(code)} ({type(error).__name__}); it wrote: "
                f"{self._tail() or 'nothing'}",
                timed_out=expired.is_set(),
                phase=phase,
            ) from error
        finally:
            timer.cancel()

    def _tail(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace").strip()


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


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
