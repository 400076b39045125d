"""Ask a stage to stop at the next point where nothing is lost.

A file rather than a signal: the process that trains may live on another node.
"""

from __future__ import annotations

import time
from pathlib import Path

from ffr.errors import FfrError

__all__ = ["StopAsked", "StopFlag"]

_GO, _STOP = b"go  \n", b"stop\n"  # of one length: changed in place, also on a full disk


class StopAsked(FfrError):  # noqa: N818 - not an error
    """The stage was asked to stop; raised where the state is that after a whole step."""


class StopFlag:
    """The file ``control`` of a run folder.

    Args:
        run_dir: the run folder.
        look_every_s: look at the file at most that often, seconds.
    """

    def __init__(self, run_dir: Path | str, look_every_s: float = 1.0) -> None:
        self._path = Path(run_dir) / "control"
        self._every_s = look_every_s
        self._looked = 0.0
        self._asked = False

    def clear(self) -> None:
        """Before a stage begins."""
        self._path.write_bytes(_GO)

    def ask(self) -> None:
        """Ask the running stage to stop."""
        with self._path.open("r+b") as file:
            file.write(_STOP)

    def asked(self) -> bool:
        """Whether the stage was asked to stop; cheap to call often."""
        now = time.monotonic()
        if not self._asked and now - self._looked >= self._every_s:
            self._looked = now
            # Opened anew each time: only that makes a network file system ask its server.
            self._asked = self._path.is_file() and self._path.read_bytes() == _STOP
        return self._asked

    def raise_if_asked(self) -> None:
        """Raise when the stage was asked to stop.

        Raises:
            StopAsked: it was.
        """
        if self.asked():
            raise StopAsked("asked to stop")
