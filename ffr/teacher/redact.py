"""Keeps keys out of everything people or models may read: errors, logs, replies, patches."""

from __future__ import annotations

import re

__all__ = ["Redactor"]

_SECRET = re.compile(r"\b(?:sk|pk|hf|gsk|xai)[-_][A-Za-z0-9_-]{8,}|(?i:bearer\s+)\S+|//[^/\s@]+@")
_MAX_MESSAGE = 300
_SHORTEST_KEY = 4  # shorter ones are placeholders, and would garble ordinary words


class Redactor:
    """Removes one key, and whatever looks like one.

    Args:
        key: the key in use; it is in no ``repr``.
    """

    def __init__(self, key: str) -> None:
        self.__key = key if len(key) >= _SHORTEST_KEY else ""

    def message(self, text: str) -> str:
        """An error text fit for people: no keys, printable, at most 300 characters."""
        cleaned = _SECRET.sub("***", self.exactly(text))
        return "".join(c if c.isprintable() else " " for c in cleaned)[:_MAX_MESSAGE]

    def exactly(self, text: str) -> str:
        """``text`` without the key itself and otherwise unchanged: for what a model says."""
        return text.replace(self.__key, "***") if self.__key and self.__key in text else text
