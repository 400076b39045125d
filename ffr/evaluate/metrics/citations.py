"""Citation precision: do the times a response relies on lie where the evidence is? (ours).

Only items with reference events (``events``, else ``gold_spans``) count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ffr.data.question import Question
from ffr.evaluate.metrics.registry import MetricContext, Seen, register_metric
from ffr.evaluate.rows import ItemRow
from rewards.video_r2.resampling import merged, ratio

__all__ = ["CitationPrecision", "cited_hits"]

NAME = "citations"


class CitationPrecision:
    """Precision and recall of cited times against reference events."""

    def __init__(self, context: MetricContext) -> None:
        self._tolerance_s = context.protocol.citation_tolerance_s

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """Counts of cited times and events, and of those that meet."""
        events = _events(seen.question)
        election = seen.reply.election
        if election is not None:
            cited = [unit.t_s for unit in election.cited if unit.t_s is not None]
        else:
            cited = list(seen.parsed.keyframes_s)
        return cited_hits(cited, events, self._tolerance_s)

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """Over items with reference events; ``None`` where nothing could be counted."""
        found = [
            (row.video, row.metrics[NAME]) for row in rows
            if NAME in row.metrics and row.metrics[NAME]["events"]
        ]  # fmt: skip
        videos = [video for video, _ in found]

        def share(part: str, whole: str) -> dict[str, Any]:
            pairs = [(float(item[part]), float(item[whole])) for _, item in found]
            return asdict(ratio(merged(pairs, videos)))

        citing = [(float(item["cited"] > 0), 1.0) for _, item in found]
        return {
            "precision": share("hits", "cited"),
            "recall": share("events_hit", "events"),
            "citing": asdict(ratio(merged(citing, videos))),
            "tolerance_s": self._tolerance_s,
            "items_with_reference": len(found),
        }


def cited_hits(
    cited_s: Sequence[float], events: Sequence[tuple[float, float]], tolerance_s: float
) -> dict[str, int]:
    """``cited`` (distinct times), ``hits``, ``events`` and ``events_hit``.

    Args:
        cited_s: cited times, seconds.
        events: start and end of each reference event, seconds.
        tolerance_s: a time this far outside an event still hits it.
    """
    times = set(cited_s)

    def meets(t: float, event: tuple[float, float]) -> bool:
        return event[0] - tolerance_s <= t <= event[1] + tolerance_s

    return {
        "cited": len(times),
        "hits": sum(any(meets(t, e) for e in events) for t in times),
        "events": len(events),
        "events_hit": sum(any(meets(t, e) for t in times) for e in events),
    }


def _events(question: Question) -> list[tuple[float, float]]:
    """What the question is about, where the data says so; else everything that happens."""
    if question.gold_spans:
        return [(span.start_s, span.end_s) for span in question.gold_spans]
    return [(event.start_s, event.end_s) for event in question.events]


register_metric(NAME, CitationPrecision)
