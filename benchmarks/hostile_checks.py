"""What must hold whatever is thrown at the tools, and bait that tells when it does not."""

from __future__ import annotations

import ctypes
import os
import re
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from teacher_tools import Tool, ToolResult

__all__ = ["CANARY", "Bait", "problems"]

CANARY = ("FFR_CANARY_NAME", "canary-value-5c1f0e")
"""An environment variable that workers are given and no model may hear of."""

_IN_OPEN, _IN_ISDIR, _IN_NONBLOCK = 0x20, 0x40000000, 0o4000
_EVENT = struct.Struct("iIII")
_ABSOLUTE = re.compile(r"(?<![\w.])(?:/[\w.@-]+){2,}")
_TELLING = ("Traceback", 'File "', ".py", "etc/passwd", ".ssh", "secret.")
_END_TOLERANCE_S = 0.5


class Bait:
    """A folder outside every allowed root; the kernel tells when any process opens a file in it.

    Args:
        folder: made, and filled with ``files``.
        files: names and contents.

    Raises:
        OSError: the system cannot watch files (inotify, Linux).
    """

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        folder.mkdir(parents=True)
        self.paths = tuple(folder / name for name in files)
        for path, content in zip(self.paths, files.values(), strict=True):
            path.write_bytes(content)
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(_IN_NONBLOCK)
        if libc.inotify_add_watch(self._watch, os.fsencode(folder), _IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "cannot watch the bait")

    def opened(self) -> list[str]:
        """Names of files that were opened since the last look."""
        try:
            events = os.read(self._watch, 2**16)
        except BlockingIOError:
            return []
        return sorted(set(_names(events)))

    def close(self) -> None:
        """Stop watching."""
        os.close(self._watch)


def _names(events: bytes) -> Iterator[str]:
    offset = 0
    while offset < len(events):
        _, mask, _, length = _EVENT.unpack_from(events, offset)
        offset += _EVENT.size
        if not mask & _IN_ISDIR:  # a listing of the folder, as by whoever cleans up, reads no file
            yield os.fsdecode(events[offset : offset + length].rstrip(b"\0"))
        offset += length


def problems(
    result: ToolResult, tool: Tool | None, limit_s: float, duration_s: float = float("inf")
) -> Iterator[str]:
    """What is wrong with the outcome of a call, whoever was hostile in it.

    Args:
        result: the outcome.
        tool: with the budget in force; None when the name was wrong.
        limit_s: wall time after which the call was a hang.
        duration_s: of the video, when it is known.
    """
    if result.seconds > limit_s:
        yield f"took {result.seconds:.1f} s, at most {limit_s:.1f} s are allowed"
    if not result.message:
        yield "says nothing to the model"
    evidence = result.evidence
    texts = [result.message]
    if evidence is not None:
        texts += [evidence.text, *(frame.label for frame in evidence.frames)]
        if result.boundary is not None:
            yield "is evidence and a failure at once"
        if tool is None:
            yield "is evidence of an unknown tool"
        elif len(evidence.frames) > tool.budget.frames or evidence.pixels > tool.budget.pixels:
            yield "is more than the tool's budget"
        for frame in evidence.frames:
            if not 0 <= frame.t_s <= duration_s + _END_TOLERANCE_S:
                yield f"has a frame at {frame.t_s} s of {duration_s} s"
    for text in texts:
        yield from (f"tells {word!r}: {text[:200]!r}" for word in _leaks(text))


def _leaks(text: str) -> Iterator[str]:
    folders = {os.getcwd(), str(Path.home()), tempfile.gettempdir(), sys.prefix, *sys.path}  # noqa: PTH109
    for word in (*CANARY, *_TELLING, *(folder for folder in folders if len(folder) > 1)):
        if word in text:
            yield word
    found = _ABSOLUTE.search(text)
    if found:
        yield found.group()
    if any(not (character.isprintable() or character == "\n") for character in text):
        yield "control characters"
