"""Keys of timestamp dictionaries: the released sanitiser (spec video_r2 §2.4, §10.1) and ours.

The released one rounds to whole seconds, lets colliding keys overwrite each other and accepts
seconds of 60 and more.  Ours (``read_key`` alone) keeps fractions and refuses what is not finite.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

__all__ = ["read_key", "released_sanitiser", "second_key"]

_RANGE = re.compile(r"\s*(?:[-–—]|to)\s*", re.IGNORECASE)
_OPEN = frozenset({"end", "eof"})


def released_sanitiser(entries: Mapping[object, object]) -> dict[str, object]:
    """Whole-second keys ``MM:SS`` or ``HH:MM:SS``, ranges with a hyphen; unreadable keys dropped.

    Python rounds halves to even. The values are passed on as they are; of colliding keys the
    last one wins.

    Raises:
        OverflowError: a key is infinite; the released code fails there too, and gives 0.
    """
    sanitised: dict[str, object] = {}
    for key, value in entries.items():
        times = _times(key)
        if times is None:
            continue
        start, end = sorted(round(t) for t in times)
        name = second_key(start) if start == end else f"{second_key(start)}-{second_key(end)}"
        sanitised[name] = value
    return sanitised


def read_key(key: object) -> tuple[float, float] | None:
    """Start and end in seconds, in order, with fractions; ``None`` when unreadable or open-ended.

    Ours: a clock's seconds (and minutes behind hours) must be below 60, and times be finite.
    """
    times = _times(key, strict=True)
    if times is None or not all(math.isfinite(t) and t >= 0 for t in times):
        return None
    return min(times), max(times)


def second_key(seconds: int) -> str:
    """``MM:SS`` below one hour, else ``HH:MM:SS``."""
    minutes, rest = divmod(seconds, 60)
    if seconds < 3600:
        return f"{minutes:02d}:{rest:02d}"
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def _times(key: object, *, strict: bool = False) -> tuple[float, float] | None:
    if not isinstance(key, str):
        return None
    ends = [_seconds(part, strict=strict) for part in _RANGE.split(key.strip())]
    if len(ends) > 2 or ends[0] is None or ends[-1] is None:
        return None
    return ends[0], ends[-1]


def _seconds(token: str, *, strict: bool) -> float | None:
    text = token.strip().strip("+.,").lower()
    if text in _OPEN:
        return None
    parts = text.split(":")
    if len(parts) > 3:
        return None
    try:
        if len(parts) == 1:
            value = float(text)
        else:
            higher = [int(part) for part in parts[:-1]]
            last = float(parts[-1])
            if strict and (last >= 60 or any(part >= 60 for part in higher[1:])):
                return None
            value = 3600.0 * (higher[0] if len(higher) == 2 else 0) + 60.0 * higher[-1] + last
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(value) else value
