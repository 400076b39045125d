"""VAS-C: whether the response changes when the video does (spec video_r2 §4.3).

The same question is asked again with grey frames, or with the frames of another video, on the same
time axis.  Of the three forms of VAS this alone tests reliance on the video.  Here is the
arithmetic; who answers and how the video is replaced is elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ffr.data.question import Question
from rewards.accuracy import accuracy
from rewards.video_r2.agreement import same_conclusion
from rewards.video_r2.events import TimedEvent
from rewards.video_r2.matching import gap_s, maximum_matching
from rewards.video_r2.resampling import Estimate, Pair, macro_ratio, merged, ratio
from rewards.video_r2.timestamps import extract_times
from student.parse import ParsedResponse

__all__ = ["CounterfactualReport", "CounterfactualRow", "counterfactual_report",
           "counterfactual_row", "macro_reliance"]  # fmt: skip

_SLACK = 1e-9


@dataclass(frozen=True)
class CounterfactualRow:
    """One question answered with its own video and with a replaced one.

    Attributes:
        answer_changed: ``None`` when the original response has no answer, so that nothing can
            change; losing an answer is a change.
        times_changed: whether the reasoning cites other times; ``None`` without a reasoning in
            the original.
        accuracy_drop: accuracy with the video minus accuracy without, in [-1, 1].
        tar_drop: the same of TAR; ``None`` where either is not available.
        log_prob_drop: mean log-probability a token of the *original* response loses, nats;
            positive when the video made the response likelier; ``None`` when not measured.
    """

    answer_changed: bool | None
    times_changed: bool | None
    accuracy_drop: float
    tar_drop: float | None = None
    log_prob_drop: float | None = None

    @property
    def changed(self) -> bool | None:
        """VAS-C's indicator: the answer or the cited times change; ``None`` without an answer."""
        if self.answer_changed is None:
            return None
        return self.answer_changed or bool(self.times_changed)


@dataclass(frozen=True)
class CounterfactualReport:
    """VAS-C of one benchmark and one way of replacing the video.

    Attributes:
        reliance: 100 times the share of ``changed``, in [0, 100]; the score itself.
        answer_changed: the same of the answer alone.
        times_changed: the same of the cited times alone.
        accuracy_drop: mean, in points.
        tar_drop: mean, in points.
        log_prob_drop: mean over responses, nats a token.
        counts: ``n`` and ``no_answer``.
    """

    reliance: Estimate
    answer_changed: Estimate
    times_changed: Estimate
    accuracy_drop: Estimate
    tar_drop: Estimate
    log_prob_drop: Estimate
    counts: Mapping[str, int]


def counterfactual_row(
    question: Question,
    original: ParsedResponse,
    replaced: ParsedResponse,
    *,
    tars: tuple[float | None, float | None] = (None, None),
    log_probs: tuple[Sequence[float], Sequence[float]] = ((), ()),
    tolerance_s: float = 2.0,
) -> CounterfactualRow:
    """Compare two responses to one question.

    Args:
        question: with the gold answer.
        original: the response to the video itself.
        replaced: the response to the replaced video.
        tars: TAR of both; ``None`` where there is none.
        log_probs: of the tokens of the original response, given each video.
        tolerance_s: a cited time that moves by no more has not changed, seconds.

    Raises:
        UserError: the gold answer cannot be scored.
        ValueError: the two lists of log-probabilities differ in length.
    """
    ours, theirs = log_probs
    if len(ours) != len(theirs):
        raise ValueError(
            f"log_probs have {len(ours)} and {len(theirs)} tokens; give those of one response"
        )
    drop = None
    if ours:
        drop = (sum(ours) - sum(theirs)) / len(ours)
    return CounterfactualRow(
        answer_changed=_answer_changed(question, original.answer, replaced.answer),
        times_changed=_times_changed(original.think, replaced.think, tolerance_s),
        accuracy_drop=accuracy(original.answer, question) - accuracy(replaced.answer, question),
        tar_drop=None if None in tars else float(tars[0] or 0.0) - float(tars[1] or 0.0),
        log_prob_drop=drop,
    )


def counterfactual_report(
    rows: Sequence[CounterfactualRow], *, clusters: Sequence[str] | None = None, seed: int = 0,
    resamples: int = 2000,
) -> CounterfactualReport:  # fmt: skip
    """Sum up; a quantity without any row is not available, never 0.

    Args:
        rows: one a question.
        clusters: name of each row's cluster (its video), which is resampled as a whole.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """

    def mean(of: Callable[[CounterfactualRow], float | None], scale: float = 100.0) -> Estimate:
        names = clusters
        if names is not None:
            named = zip(names, rows, strict=True)
            names = [name for name, row in named if of(row) is not None]
        pairs = merged(_pairs(rows, of, scale), names)
        return ratio(pairs, seed=seed, resamples=resamples)

    counts = Counter({"n": len(rows), "no_answer": sum(r.answer_changed is None for r in rows)})
    return CounterfactualReport(
        reliance=mean(lambda r: r.changed),
        answer_changed=mean(lambda r: r.answer_changed),
        times_changed=mean(lambda r: r.times_changed),
        accuracy_drop=mean(lambda r: r.accuracy_drop),
        tar_drop=mean(lambda r: r.tar_drop),
        log_prob_drop=mean(lambda r: r.log_prob_drop, 1.0),
        counts=dict(counts),
    )


def macro_reliance(
    benchmarks: Mapping[str, Sequence[CounterfactualRow]], *, seed: int = 0, resamples: int = 2000
) -> Estimate:
    """Unweighted mean of ``reliance`` over benchmarks with its interval."""
    parts = {name: _pairs(rows, lambda r: r.changed) for name, rows in benchmarks.items()}
    return macro_ratio(parts, seed=seed, resamples=resamples)


def _pairs(
    rows: Sequence[CounterfactualRow],
    of: Callable[[CounterfactualRow], float | None],
    scale: float = 100.0,
) -> list[Pair]:
    values = [of(row) for row in rows]
    return [(scale * float(value), 1.0) for value in values if value is not None]


def _answer_changed(question: Question, before: str | None, after: str | None) -> bool | None:
    if before is None:
        return None
    if after is None:
        return True
    same = same_conclusion(before, after, question.asked)
    # Where no rule can compare two texts, only equal ones are the same answer.
    return before.strip() != after.strip() if same is None else not same


def _times_changed(before: str | None, after: str | None, tolerance_s: float) -> bool | None:
    if before is None:
        return None
    ours, theirs = _times(before), _times(after or "")
    if len(ours) != len(theirs):
        return True
    fits = [
        [j for j, b in enumerate(theirs) if gap_s(a, b) <= tolerance_s + _SLACK] for a in ours
    ]
    return maximum_matching(fits) < len(ours)


def _times(think: str) -> list[TimedEvent]:
    """Each stretch of time a reasoning cites, once."""
    found = {(m.start_s, m.end_s) for m in extract_times(think).mentions}
    return [TimedEvent(start, end, "") for start, end in sorted(found)]
