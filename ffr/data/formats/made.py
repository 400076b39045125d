"""What converting one record gives, and the interface every format keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ffr.data.question import Question

__all__ = ["Format", "LeftOutError", "Made"]


class LeftOutError(Exception):
    """A record that is fine but not wanted (an image); the message is the counted reason."""


@dataclass(frozen=True)
class Made:
    """A converted record.

    Attributes:
        question: the row.
        notes: what was not carried over, in words that are counted over the file.
    """

    question: Question
    notes: tuple[str, ...] = ()


class Format(Protocol):
    """Turns records of one published form into questions."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Keys it reads, so that typed files need not be read whole; ``None``: all."""
        ...

    def convert(self, record: Mapping[str, Any], line: int) -> Made:
        """One record.

        Args:
            record: plain JSON data, hostile.
            line: its line or place in the source, from 1.

        Raises:
            RowError: it does not fit.
            pydantic.ValidationError: it does not fit the checks of ``Question``.
            LeftOutError: it is not wanted.
        """
        ...

    def identity(self, record: Mapping[str, Any]) -> str | None:
        """The record's own name, for messages about records that do not fit."""
        ...
