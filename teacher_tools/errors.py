"""The ways a tool can go wrong, told apart by who has to act.

``ToolDefinitionError``: the tool's author, at import.  ``ToolError``: the teacher, who may call
again.  Every other exception inside a tool ends that call as a recorded failure, which names
the boundary where it happened; ``ProviderError`` is how a tool blames a service it depends on.
"""

from __future__ import annotations

import re

from ffr.errors import FfrError, UserError

__all__ = ["ProviderError", "ToolDefinitionError", "ToolError", "ToolsetError", "safe_text"]

_MAX_TEXT = 600
_PATH = re.compile(
    r"""(?x)
    (?:\b[a-zA-Z][a-zA-Z0-9+.-]*:)? // [^\s'"<>]+      # an address
    | (?<![\w/.]) ~? / [^\s/'"<>]+ (?:/[^\s/'"<>]*)*    # an absolute path
    | \b[A-Za-z]:\\ [^\s'"<>]+                          # the same on Windows
    """
)


class ToolDefinitionError(UserError):
    """A function cannot be a tool; names the parameter and shows the line that is missing."""


class ToolsetError(UserError):
    """A set of tools cannot be put together: unknown name, clash, file that does not load."""


class ToolError(FfrError):
    """A call cannot be answered; the text goes back to the teacher.

    Say the value, the allowed range and the fix, as in ``ToolError("end_s=95.0 is past the end
    of the video; valid range 0.0-62.4 s")``.  Never mention files: ``safe_text`` removes paths
    in any case.
    """


class ProviderError(FfrError):
    """A service or model outside the tool did not answer; recorded with boundary ``provider``.

    The teacher is told only that it is not available; the text is for the log.
    """


def safe_text(text: str, limit: int = _MAX_TEXT) -> str:
    """Text fit for a model: printable, without paths or addresses, at most ``limit`` characters."""
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    cleaned = _PATH.sub("<path>", printable)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
