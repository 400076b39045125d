"""The process that runs tools: ``python -m teacher_tools.worker FD LIMITS``, for the runner only.

It lives in a session of its own with limited memory, file size and (for each call) processor
time, and knows no secrets: the runner starts it with a bare environment.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

from teacher_tools.execute import Executor
from teacher_tools.wire import MARK_BYTES, pack, unpack

__all__ = ["main"]

_CPU_SLACK_S = 5
_MAX_FILE_BYTES = 256 * 2**20
_MAX_OPEN_FILES = 256
_MAX_REQUEST_BYTES = 2**20


def main(arguments: Sequence[str]) -> None:
    """Serve calls from the connection with the file number ``arguments[0]`` until it closes."""
    limits: dict[str, int] = json.loads(arguments[1])
    _limit(resource.RLIMIT_AS, limits["memory_bytes"])
    _limit(resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    os.dup2(2, 1)  # what tools print goes to the log
    connection = Connection(int(arguments[0]))
    mark = bytes(MARK_BYTES)

    def send(message: bytes) -> None:
        connection.send_bytes(mark)
        connection.send_bytes(message)

    executor = Executor(lambda phase: send(pack({"kind": "phase", "is": phase})))
    send(pack({"kind": "ready"}))
    while True:
        try:
            mark = connection.recv_bytes(MARK_BYTES)
            request, _ = unpack(connection.recv_bytes(_MAX_REQUEST_BYTES))
        except EOFError:
            return
        _limit_cpu(request["budget"]["seconds"])
        send(executor.run(request))


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(what, (capped, hard if what == resource.RLIMIT_CPU else capped))
    except (OSError, ValueError) as error:  # not every system has every limit
        print(f"limit {what} not set: {error}", file=sys.stderr)  # noqa: T201


def _limit_cpu(seconds: float) -> None:
    """Let the coming call use ``seconds`` of processor time; beyond it the system kills us."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _limit(resource.RLIMIT_CPU, math.ceil(used + seconds) + _CPU_SLACK_S)


if __name__ == "__main__":
    main(sys.argv[1:])
