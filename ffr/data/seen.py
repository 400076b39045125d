"""Ids seen so far, exactly, in flat memory: a private SQLite file that the system throws away."""

from __future__ import annotations

import hashlib
import sqlite3
from types import TracebackType
from typing import Self

__all__ = ["SeenIds"]


class SeenIds:
    """Remembers the line of every id; a context manager.

    Keys are 128-bit digests in a temporary database on disk with a small page cache, so a
    million ids cost no memory to speak of.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # temporary, deleted at close
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32768"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, line INT) WITHOUT ROWID")
        self._database.execute("BEGIN")  # never ended: a commit a row would write pages each time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def first_line(self, identity: str, line: int) -> int | None:
        """The line an id stood in before, or ``None`` when this line is the first."""
        key = hashlib.blake2b(identity.encode(errors="surrogatepass"), digest_size=16).digest()
        done = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line))
        if done.rowcount:
            return None
        found = self._database.execute("SELECT line FROM seen WHERE key = ?", (key,)).fetchone()
        return int(found[0])
