"""What a worker knows and nobody should read: values of variables, folders of videos.

``safe_text`` recognises paths by their shape; here known ones are taken out by their letters,
also those with spaces, and also from what goes to the log.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Hiding"]

_SHORTEST_VALUE = 6  # shorter ones ("1", "cuda") are no secrets, and parts of many words


class Hiding:
    """Takes known texts out of what a worker says.

    Args:
        variables: names of environment variables that workers are given.
    """

    def __init__(self, variables: Iterable[str]) -> None:
        self._variables = tuple(variables)

    def for_log(self, text: str) -> str:
        """Without the values of the variables; their names take their places."""
        for name in self._variables:
            value = os.environ.get(name, "")
            if len(value) >= _SHORTEST_VALUE:
                text = text.replace(value, f"<{name}>")
        return text

    def for_model(self, text: str, video: Path) -> str:
        """Also without the path of the video and of its folder."""
        for path in (video, video.parent):
            if len(path.parts) > 1:
                text = text.replace(os.fspath(path), "<path>")
        return self.for_log(text)
