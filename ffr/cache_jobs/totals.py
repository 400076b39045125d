"""What a job did so far: outcomes, rate, time left, money, and the first offenders of each kind."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from ffr.cache_jobs.items import PATCHED, ItemResult
from ffr.config.teacher import TeacherConfig

__all__ = ["Offender", "Totals", "clock_time", "cost_of"]

_SHOWN = 3


class Offender(BaseModel):
    """One failed item, for people."""

    model_config = ConfigDict(frozen=True)

    question_id: str
    video: str
    detail: str


def cost_of(counters: Mapping[str, float], teacher: TeacherConfig) -> float | None:
    """Money for the counted tokens, or ``None`` when a price is not set."""
    if teacher.price_input is None or teacher.price_output is None:
        return None
    tokens_in, tokens_out = counters.get("tokens_in", 0.0), counters.get("tokens_out", 0.0)
    return (tokens_in * teacher.price_input + tokens_out * teacher.price_output) / 1e6


class Totals:
    """Counts the results of one launch.

    An item that failed and was tried again counts with its last result only; what it cost counts
    every time.

    Args:
        teacher: for its prices.
        clock: monotonic seconds.

    Attributes:
        counters: sums of the diagnoses' own counters (``calls``, ``tokens_in``, ...).
        live: diagnoses a model was asked for.
    """

    def __init__(
        self, teacher: TeacherConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.expected = 0
        self.began: float | None = None
        self._teacher = teacher
        self._clock = clock
        self._last: dict[str, ItemResult] = {}
        self._outcomes: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self.live = 0

    def begin(self, expected: int) -> None:
        """Work starts on so many items."""
        self.expected = expected
        self.began = self._clock()

    def add(self, result: ItemResult) -> None:
        """Count one result."""
        before = self._last.get(result.key)
        if before is not None:
            self._outcomes[before.outcome] -= 1
            self._sources[before.source] -= 1
        keep = result.outcome != PATCHED and self._outcomes[result.outcome] < _SHOWN
        # Of patches and of later offenders only the outcome is kept: jobs are long.
        self._last[result.key] = (
            result if keep else result.model_copy(update={"counters": {}, "detail": ""})
        )
        self._outcomes[result.outcome] += 1
        self._sources[result.source] += 1
        self.counters.update(result.counters)
        self.live += result.source == "live"

    @property
    def done(self) -> int:
        """Items with a result."""
        return len(self._last)

    @property
    def patches(self) -> int:
        """Items that got a patch."""
        return self._outcomes[PATCHED]

    @property
    def hits(self) -> int:
        """Items another writer had stored in the meantime, and joined ones."""
        return self._sources["store"]

    @property
    def failures(self) -> Counter[str]:
        """Items without a patch, by reason."""
        return Counter({k: n for k, n in self._outcomes.items() if n > 0 and k != PATCHED})

    @property
    def offenders(self) -> dict[str, list[Offender]]:
        """The first few failed items of each kind."""
        found: defaultdict[str, list[Offender]] = defaultdict(list)
        for result in self._last.values():
            if result.outcome != PATCHED and len(found[result.outcome]) < _SHOWN:
                found[result.outcome].append(
                    Offender(
                        question_id=result.question_id, video=result.video, detail=result.detail
                    )
                )
        return dict(found)

    @property
    def cost(self) -> float | None:
        """Money spent in this launch, if the prices are known."""
        return cost_of(self.counters, self._teacher)

    @property
    def seconds(self) -> float:
        """Since work began."""
        return 0.0 if self.began is None else self._clock() - self.began

    @property
    def per_minute(self) -> float:
        """Results a minute."""
        return 60.0 * self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds left at this rate; ``None`` before the first result."""
        if not self.done or self.seconds <= 0:
            return None
        return (self.expected - self.done) * self.seconds / self.done

    def line(self) -> str:
        """One line of progress: done, rate, time left, spend, hits, failures."""
        eta = "?" if self.eta_s is None else clock_time(self.eta_s)
        failed = sum(self.failures.values())
        parts = [
            f"{self.done}/{self.expected}",
            f"{self.per_minute:.1f} a minute",
            f"{eta} left",
            self.spend(),
            f"{self.hits} hits",
            f"{failed} failures",
        ]
        return ", ".join(parts)

    def spend(self) -> str:
        """Calls and tokens so far, and money when the prices are known."""
        tokens = int(self.counters["tokens_in"] + self.counters["tokens_out"])
        text = f"{int(self.counters['calls'])} calls, {tokens:,} tokens"
        return text if self.cost is None else f"{text}, cost {self.cost:.2f}"


def clock_time(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
