"""Replies of the judge on disk: one write-once file each, safe to share between machines.

A reply is kept as it was said, so that a better reading needs no new call.  Only readable replies
are kept; failures never are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ffr.patches.files import StoreError, create_atomic, move_to_quarantine, shard_path
from ffr.patches.keys import canonical_hash

__all__ = ["ReplyCache", "reply_key"]

_MAX_BYTES = 1_000_000


def reply_key(
    model: str, temperature: float | None, task: str, version: str, fields: Mapping[str, object]
) -> str:
    """SHA-256 in hex of everything a reply depends on: model, prompt and what it was asked about.

    Args:
        model: name the endpoint knows.
        temperature: of the sampling.
        task: what is asked.
        version: of the prompt.
        fields: question, reasoning, answer, as far as the task shows them.
    """
    return canonical_hash([model, temperature, task, version, dict(fields)])


class ReplyCache:
    """A folder of replies.

    Args:
        root: made when missing.

    Raises:
        StoreError: the folder cannot be made.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.counters: Counter[str] = Counter()
        """``cache_hit``, ``cache_miss``, ``cache_corrupt``, ``cache_write_failed``."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError.from_os_error("make", self.root, error) from error

    def get(self, key: str) -> str | None:
        """The reply under ``key``; a damaged file counts as missing and is moved aside."""
        path = shard_path(self.root, key, ".json")
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError("too large")
            record = json.loads(path.read_bytes())
            if record["key"] != key or not isinstance(record["reply"], str):
                raise ValueError("another key's reply, or none")
        except OSError:
            self.counters["cache_miss"] += 1
            return None
        except (ValueError, TypeError, KeyError, RecursionError):
            self.counters["cache_corrupt"] += 1
            move_to_quarantine(path, self.root)
            return None
        self.counters["cache_hit"] += 1
        reply: str = record["reply"]
        return reply

    def put(self, key: str, reply: str) -> None:
        """Keep ``reply``; of several writers the first one's stays.  A failure is counted."""
        data = json.dumps({"key": key, "reply": reply}, ensure_ascii=False).encode()
        if len(data) > _MAX_BYTES:
            self.counters["cache_too_large"] += 1
            return
        try:
            create_atomic(shard_path(self.root, key, ".json"), data)
        except StoreError:
            # The judgement stands; only the next run has to ask again.
            self.counters["cache_write_failed"] += 1
