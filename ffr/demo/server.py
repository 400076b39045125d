"""Starts and stops the demo teacher: ``DemoTeacherServer`` or ``python -m ffr.demo.server``."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from ffr.demo.observer import ObserverSettings
from ffr.demo.server_http import HOST, ObserverHTTPServer
from ffr.errors import FfrError, UserError

__all__ = ["DemoTeacherServer", "main"]

_PARENT_POLL_S = 0.5
_STOP_S = 5.0


class DemoTeacherServer:
    """The demo teacher in a process of its own, for the length of a ``with`` block.

    The process also ends by itself when the one that started it is gone, however that died,
    so a fixed port is free again for the next run.

    Args:
        port: 0 takes a free one.
        latency_s: wait this long before every chat completion.
        evidence_frames: most whole frames cited in an answer.
        start_timeout_s: give up when the server is not ready by then.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency_s: float = 0.0,
        evidence_frames: int = 2,
        start_timeout_s: float = 30.0,
    ) -> None:
        self._options = {
            "--port": port, "--latency-s": latency_s, "--evidence-frames": evidence_frames,
        }
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            FfrError: it is not running.
        """
        if self._process is None:
            raise FfrError("the demo teacher is not running; call start() first")
        return self._port

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as ``base_url``; any API key will do."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            UserError: the port cannot be had, an option is out of range, or the deadline passed.
            FfrError: it is running already, or the process died without a word.
        """
        if self._process is not None:
            raise FfrError("the demo teacher is running already; call stop() first")
        command = [sys.executable, "-m", "ffr.demo.server", "--parent-pid", str(os.getpid())]
        for name, value in self._options.items():
            command += [name, str(value)]
        # The child must import this very package, also when it is not installed.
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and numbers
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            self._port = _read_port(process, self._start_timeout_s)
        except BaseException:
            _end(process)
            raise
        self._process = process

    def stop(self) -> None:
        """End the process; requests in flight are cut off. Does nothing when it is stopped."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def __enter__(self) -> DemoTeacherServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _read_port(process: subprocess.Popen[str], timeout_s: float) -> int:
    """Wait for the one line a starting server prints: its port, or why it has none."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], timeout_s)
    if not ready:
        raise UserError(
            f"the demo teacher was not ready within start_timeout_s={timeout_s:g} seconds; "
            "give it more, or free the machine"
        )
    line = process.stdout.readline()
    if not line:
        raise FfrError(f"the demo teacher ended at its start with code {process.wait()}")
    told = json.loads(line)
    if "error" in told:
        raise UserError(told["error"])
    return int(told["port"])


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the end of ``--parent-pid``; 2 on a user error.

    Prints one line of JSON to stdout: ``{"port": N, "base_url": ...}`` or ``{"error": ...}``.
    """
    parser = argparse.ArgumentParser(prog="python -m ffr.demo.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-s", type=float, default=0.0, help="wait before every answer")
    parser.add_argument("--evidence-frames", type=int, default=2, help="most frames cited, 1 to 16")
    parser.add_argument("--parent-pid", type=int, help="end when this parent process is gone")
    options = parser.parse_args(arguments)
    try:
        server = _make_server(options)
    except UserError as error:
        _tell({"error": str(error)})
        return 2
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    port = server.server_port
    _tell({"port": port, "base_url": f"http://{HOST}:{port}/v1"})
    while not stopped.wait(_PARENT_POLL_S):
        if options.parent_pid is not None and os.getppid() != options.parent_pid:
            break
    server.shutdown()
    server.server_close()
    return 0


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _make_server(options: argparse.Namespace) -> ObserverHTTPServer:
    if not 0 <= options.latency_s <= 3600:
        raise UserError(f"latency_s={options.latency_s} is not allowed; give 0 to 3600 seconds")
    if not 1 <= options.evidence_frames <= 16:
        raise UserError(f"evidence_frames={options.evidence_frames} is not allowed; give 1 to 16")
    return ObserverHTTPServer(
        options.port,
        latency_s=options.latency_s,
        settings=ObserverSettings(evidence_frames=options.evidence_frames),
    )


if __name__ == "__main__":
    sys.exit(main())
