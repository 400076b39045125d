"""From a judge's reply to a judgement; ``None`` when it cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["read_claims", "read_conclusion", "reply_text"]

_MAX_CHARS = 100_000
_MAX_CLAIMS = 500


def reply_text(reply: str) -> str:
    """The reply without the thinking some models put before it."""
    return reply[-_MAX_CHARS:].rpartition("</think>")[2].strip()


def read_claims(reply: str) -> Mapping[str, str] | None:
    """A JSON object of timestamps and clauses, with or without text around it.

    Entries whose clause is no text are left out; more than 500 entries are refused.
    """
    start, end = reply.find("{"), reply.rfind("}")
    try:
        data = json.loads(reply[start : end + 1], parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or len(data) > _MAX_CLAIMS:
        return None
    return {key: text for key, text in data.items() if isinstance(text, str)}


def read_conclusion(reply: str) -> str | None:
    """The first line that is not empty; "" for NONE."""
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    if not lines:
        return None
    said = lines[0].strip("`*\"' ")
    return "" if said.rstrip(".").upper() in ("NONE", "UNKNOWN") else said or None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
