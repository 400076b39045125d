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
_MASK = "<path>"
_PATH = re.compile(
    r"""(?x)
    (?:\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}:)? // [^\s'"<>]+     # an address
    | (?<![\w/.]) ~ [\w.-]{0,64} / [^\s'"<>]*             # someone's home
    | (?<![\w/.]) / [^\s/'"<>]+ (?:/[^\s/'"<>]*)*         # an absolute path
    | (?<![\w/.]) \.{1,2} / [^\s'"<>]*                    # a climbing one
    | (?<![\w/.-]) (?:[\w.-]{1,255}/)+ [\w.-]{1,255}      # a relative one, to a file
      \.(?:mp4|m4v|mkv|mov|webm|avi|ts|mpe?g|flv|ogv|wmv|jpe?g|png|py|pyc|so|txt|log|env|key|pem
         |json|jsonl|ya?ml|toml|ini|cfg|csv|parquet|safetensors)\b
    | (?<!\w) [A-Za-z]: [\\/] [^\s'"<>]+                  # on Windows
    | \\\\ [^\s'"<>]+                                     # a share there
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
    beginning = text[: 4 * limit]  # whoever writes more than that does not get our time
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in beginning)
    cleaned = _PATH.sub(_MASK, printable)
    if len(cleaned) > limit or len(beginning) < len(text):
        return cleaned[: limit - 1] + "…"
    return cleaned
