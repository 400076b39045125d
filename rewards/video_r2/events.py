"""Timed events: what a dataset says happens when, and what a response claims.

Both come from outside and are checked here: unreadable times are left out and counted, repeated
claims count once (errata ruling 9), and a time that a judge reports must occur in the text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rewards.video_r2.clauses import MAX_WORDS, compress_clause
from rewards.video_r2.sanitiser import read_key, second_key
from rewards.video_r2.timestamps import Extraction, TimeMention, extract_times

__all__ = [
    "Claims", "References", "TimedEvent", "claims_from_judge", "claims_from_text", "keyed_claims",
    "read_references",
]  # fmt: skip

_ROUNDED_S = 1.0  # a judge reports whole seconds


@dataclass(frozen=True)
class TimedEvent:
    """Something that happens from ``start_s`` to ``end_s`` (seconds, ordered), in words."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class References:
    """Reference events of a question; ``n_unreadable`` entries had no readable time or no text."""

    events: tuple[TimedEvent, ...] = ()
    n_unreadable: int = 0


@dataclass(frozen=True)
class Claims:
    """What a response claims to happen when, each claim once, and what was left out.

    Attributes:
        events: with a clause of at most ten words each.
        n_duplicates: same time and same clause as an earlier one.
        n_without_text: times without any content.
        n_out_of_range: starts beyond the video.
        n_unsupported: reported by a judge, but the time is not in the text or unreadable.
    """

    events: tuple[TimedEvent, ...] = ()
    n_duplicates: int = 0
    n_without_text: int = 0
    n_out_of_range: int = 0
    n_unsupported: int = 0


def read_references(grounding: object) -> References:
    """Reference events of a record.

    Args:
        grounding: Video-R2's ``{"MM:SS" or "MM:SS-MM:SS": sentence}``, or our list of
            ``{"start": seconds, "end": seconds, "text": sentence}``; anything else, ``None``
            included, holds no event.
    """
    entries: list[tuple[tuple[float, float] | None, object]] = []
    if isinstance(grounding, Mapping):
        entries = [(read_key(key), text) for key, text in grounding.items()]
    elif isinstance(grounding, Sequence) and not isinstance(grounding, str | bytes):
        entries = [_listed(item) for item in grounding]
    events = [
        TimedEvent(*times, " ".join(text.split()))
        for times, text in entries
        if times is not None and isinstance(text, str) and text.strip()
    ]
    return References(tuple(events), len(entries) - len(events))


def claims_from_text(
    think: str, *, duration_s: float | None, tolerance_s: float, max_words: int = MAX_WORDS
) -> Claims:
    """The claims of a reasoning by rules alone; never raises.

    Args:
        think: untrusted text.
        duration_s: of the video; ``None`` does not check ranges.
        tolerance_s: how far beyond the end a claim may start, seconds.
        max_words: length a clause is cut to.
    """
    found = extract_times(think, duration_s=duration_s, tolerance_s=tolerance_s)
    return _unique(_events(found.mentions, max_words), found)


def claims_from_judge(
    reported: Mapping[str, str],
    think: str,
    *,
    duration_s: float | None,
    tolerance_s: float,
    max_words: int = MAX_WORDS,
) -> Claims:
    """The claims a judge read out of ``think``; times that the text does not mention are dropped.

    Args:
        reported: timestamp keys to clauses, untrusted.
        think: what the judge was shown.
        duration_s: of the video, seconds.
        tolerance_s: how far beyond the end a claim may start, seconds.
        max_words: length a clause is cut to.
    """
    said = sorted({t for m in extract_times(think).mentions for t in (m.start_s, m.end_s)})
    events: list[TimedEvent] = []
    beyond = unsupported = 0
    for key, text in reported.items():
        times = read_key(key)
        if times is None or not all(any(abs(t - s) <= _ROUNDED_S for s in said) for t in times):
            unsupported += 1
        elif duration_s is not None and times[0] > duration_s + tolerance_s:
            beyond += 1
        else:
            events.append(TimedEvent(*times, compress_clause(text, max_words)))
    return _unique(events, Extraction(n_out_of_range=beyond), unsupported)


def keyed_claims(claims: Claims) -> dict[str, str]:
    """The form the released reward takes: whole-second keys; a later claim overwrites."""
    keyed: dict[str, str] = {}
    for event in claims.events:
        start, end = (second_key(round(t)) for t in (event.start_s, event.end_s))
        keyed[start if start == end else f"{start}-{end}"] = event.text
    return keyed


def _events(mentions: Iterable[TimeMention], max_words: int) -> list[TimedEvent]:
    return [TimedEvent(m.start_s, m.end_s, compress_clause(m.clause, max_words)) for m in mentions]


def _unique(events: Iterable[TimedEvent], found: Extraction, unsupported: int = 0) -> Claims:
    kept: dict[tuple[float, float, str], TimedEvent] = {}
    duplicates = bare = 0
    for event in events:
        name = (event.start_s, event.end_s, event.text.casefold())
        if not event.text:
            bare += 1
        elif name in kept:
            duplicates += 1
        else:
            kept[name] = event
    return Claims(tuple(kept.values()), duplicates, bare, found.n_out_of_range, unsupported)


def _listed(item: object) -> tuple[tuple[float, float] | None, object]:
    if not isinstance(item, Mapping):
        return None, None
    start, end = item.get("start"), item.get("end", item.get("start"))
    for value in (start, end):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None, None
        if not math.isfinite(value) or value < 0:
            return None, None
    assert isinstance(start, int | float)
    assert isinstance(end, int | float)
    return (float(min(start, end)), float(max(start, end))), item.get("text")
