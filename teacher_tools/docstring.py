"""Reads Google-style docstrings, as far as a tool needs them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

__all__ = ["Docstring", "parse_docstring"]

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_ENTRY = re.compile(r"^(?P<name>\*{0,2}\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)$")
_ARGS = frozenset({"Args", "Arguments", "Parameters"})


@dataclass(frozen=True)
class Docstring:
    """``description`` is everything before the first section; ``args`` maps names to their text."""

    description: str
    args: dict[str, str]


def parse_docstring(doc: str | None) -> Docstring:
    """Split a docstring into description and arguments; line breaks become spaces."""
    description: list[str] = []
    args: dict[str, list[str]] = {}
    section = ""
    entry_indent = 0
    current: list[str] = []
    for line in inspect.cleandoc(doc or "").splitlines():
        header = _SECTION.match(line)
        if header:
            section, entry_indent, current = header.group(1), 0, []
            continue
        if not section:
            description.append(line.strip())
            continue
        if section not in _ARGS or not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        entry = _ENTRY.match(line.strip())
        if entry and (not entry_indent or indent <= entry_indent):
            entry_indent = indent
            current = args.setdefault(entry["name"], [])
            current.append(entry["text"].strip())
        else:
            current.append(line.strip())
    return Docstring(
        description=_paragraphs(description),
        args={name: " ".join(part for part in text if part) for name, text in args.items()},
    )


def _paragraphs(lines: list[str]) -> str:
    blocks = "\n".join(lines).strip().split("\n\n")
    return "\n".join(" ".join(block.split()) for block in blocks if block.strip())
