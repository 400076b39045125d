"""Keep the questions that teach: neither solved nor, most of them, hopeless (spec ffr §7)."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ffr.data.bad_rows import BadRows, RowPolicy
from ffr.data.output import writing_lines
from ffr.data.rates import Rate
from ffr.data.stream import Tally, stream_questions
from ffr.errors import UserError

__all__ = ["FilterReport", "RateBand", "filter_questions"]

_TINY = 1e-9


@dataclass(frozen=True)
class RateBand:
    """Which questions are kept.

    Attributes:
        low: lowest pass rate that is kept; 1/8 is one right answer of eight.
        high: highest pass rate that is kept.
        all_fail: share of the result that are questions nobody got right, where repair is the
            only signal; they are drawn by a hash of ``seed`` and id.
        min_samples: attempts from which a rate counts.
        unmeasured: what to do with questions without enough attempts.
        seed: of the draw.
    """

    low: float = 1 / 8
    high: float = 7 / 8
    all_fail: float = 0.2
    min_samples: int = 1
    unmeasured: Literal["drop", "keep"] = "drop"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise UserError(f"pass rates {self.low} to {self.high}: give 0 < low <= high <= 1")
        if not 0 <= self.all_fail < 1:
            raise UserError(f"share of all-fail questions {self.all_fail}: give 0 up to below 1")

    def place(self, rate: Rate | None) -> str:
        """``in_band``, ``all_fail``, ``too_hard``, ``too_easy`` or ``unmeasured``."""
        if rate is None or rate.n < self.min_samples:
            return "unmeasured"
        if rate.right == 0:
            return "all_fail"
        if rate.share < self.low - _TINY:
            return "too_hard"
        return "too_easy" if rate.share > self.high + _TINY else "in_band"


@dataclass(frozen=True)
class FilterReport:
    """Rows by what became of them.

    Attributes:
        found: rows by place in the band.
        all_fail_kept: how many of the all-fail questions were kept.
        strangers: measured ids that no row has.
    """

    written: int
    found: Mapping[str, int]
    all_fail_kept: int
    strangers: int
    bad: Mapping[str, object]


def filter_questions(
    source: Path,
    target: Path,
    rates: Mapping[str, Rate],
    band: RateBand,
    *,
    policy: RowPolicy = RowPolicy(),  # noqa: B008 - frozen
) -> FilterReport:
    """Write the rows of ``source`` that ``band`` keeps to ``target``, in order.

    Raises:
        UserError: no row is kept, more rows are bad than ``policy`` bears, or a file cannot be
            read or written.
    """
    found = Counter[str]()
    failed: list[str] = []
    known = 0
    tally = Tally()
    with BadRows(str(source), policy, target.with_name(f"{target.name}.bad.jsonl")) as bad:
        for _, question in stream_questions(source, bad, tally):
            rate = rates.get(question.id)
            known += rate is not None
            place = band.place(rate)
            found[place] += 1
            if place == "all_fail":
                failed.append(question.id)
        bad.settle(tally.rows)
        report = bad.report()
    wanted = round(found["in_band"] * band.all_fail / (1 - band.all_fail))
    drawn = set(heapq.nsmallest(wanted, failed, key=lambda name: _draw(band.seed, name)))
    written = 0
    with writing_lines(target) as write:
        for _, question in stream_questions(source, None):
            place = band.place(rates.get(question.id))
            if (
                place == "in_band"
                or (place == "all_fail" and question.id in drawn)
                or (place == "unmeasured" and band.unmeasured == "keep")
            ):
                write(question.model_dump_json(exclude_defaults=True))
                written += 1
        if not written:
            places = ", ".join(f"{n} {place}" for place, n in sorted(found.items())) or "no row"
            raise UserError(f"{source}: no question is kept ({places}); widen the band")
    return FilterReport(written, dict(found), len(drawn), len(rates) - known, report)


def _draw(seed: int, identity: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{identity}".encode(), digest_size=16).digest()
