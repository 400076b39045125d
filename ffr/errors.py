"""The two kinds of failure the pipeline tells apart.

``UserError`` is for everything a user can mend (a path, a key, a value): the
command line prints its one readable line and exits with code 2, never with a
traceback.  Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

__all__ = ["FfrError", "UserError"]


class FfrError(Exception):
    """Base class of every error raised on purpose by this project."""


class UserError(FfrError):
    """A problem the user can mend.

    The message names the value, the allowed range and the fix, in one line.
    """
