"""Think-Answer Consistency: four readings with coverage and intervals (spec video_r2 §3).

``strict`` is ours and primary: the share of responses whose reasoning concludes what they answer,
whatever is right.  ``parsed`` is the same among those where both can be read.  ``correct`` (among
right answers, the reasoning concludes the right one too) is what the published tables most likely
show; ``agree`` (both right or both wrong) is the released code's correlation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffr.data.question import Question
from rewards.accuracy import accuracy, is_right
from rewards.video_r2.agreement import same_conclusion
from rewards.video_r2.conclusion import rules_conclusion
from rewards.video_r2.judging import Judge
from rewards.video_r2.resampling import Estimate, Pair, macro_ratio, merged, ratio
from student.parse import ParsedResponse

__all__ = [
    "MacroTac", "ReleasedConsistency", "TacReport", "TacRow", "judged_row", "macro_tac",
    "released_consistency", "tac_report", "tac_row",
]  # fmt: skip


@dataclass(frozen=True)
class TacRow:
    """What one response concludes and answers.

    Attributes:
        concluded: the reasoning's conclusion; ``None`` when missing or ambiguous.
        answered: the answer; ``None`` when malformed.
        same: whether both say the same; ``None`` when that cannot be told.
        think_right: the conclusion is the gold answer.
        answer_right: the answer is.
        by: who read the conclusion: ``rules``, ``judge`` or ``nobody``.
        problem: why a judge could not be had, else "".
    """

    concluded: str | None
    answered: str | None
    same: bool | None
    think_right: bool
    answer_right: bool
    by: str = "rules"
    problem: str = ""


@dataclass(frozen=True)
class TacReport:
    """The four readings, coverage and counts of one benchmark.

    Attributes:
        strict: of all responses.
        parsed: of those compared.
        correct: of those with a right answer.
        agree: of all responses.
        coverage: share compared.
        counts: ``n``, ``tp``, ``tn``, ``fp`` (reasoning right, answer wrong), ``fn``,
            ``no_conclusion``, ``no_answer``, ``not_comparable``, ``by_<who>``,
            ``judge_<problem>``.
    """

    strict: Estimate
    parsed: Estimate
    correct: Estimate
    agree: Estimate
    coverage: Estimate
    counts: Mapping[str, int]


@dataclass(frozen=True)
class MacroTac:
    """Unweighted means over benchmarks, as the published tables average."""

    strict: Estimate
    parsed: Estimate
    correct: Estimate
    agree: Estimate
    coverage: Estimate


@dataclass(frozen=True)
class ReleasedConsistency:
    """The released summary's other numbers; ``None`` where a denominator is empty."""

    consistency_accuracy: float | None
    consistency_error: float | None
    correlation: float | None
    disagreement: float | None
    signed_disagreement: float | None
    consistency_score: float | None
    mixer: float | None
    signed_mixer: float | None


def tac_row(question: Question, parsed: ParsedResponse, concluded: str | None = None) -> TacRow:
    """The row of one response.

    Args:
        question: with the gold answer, which ``strict`` and ``parsed`` do not depend on.
        parsed: the response, from the one parser.
        concluded: what somebody else read as the conclusion; default: the rules read it.
    """
    by = "judge" if concluded else "rules"
    said = concluded or rules_conclusion(parsed.think, question)
    same = None
    if said is not None and parsed.answer is not None:
        same = same_conclusion(said, parsed.answer, question)
    return TacRow(
        concluded=said,
        answered=parsed.answer,
        same=same,
        think_right=_right(said, question),
        answer_right=_right(parsed.answer, question),
        by="nobody" if said is None else by,
    )


async def judged_row(question: Question, parsed: ParsedResponse, judge: Judge) -> TacRow:
    """The row of one response: rules, and a judge only where they found no conclusion.

    Missing reasoning is decided before any call.  A judge that fails leaves the conclusion missing
    and is named in ``problem``.
    """
    row = tac_row(question, parsed)
    if not parsed.think or row.concluded is not None:
        return row
    judged = await judge.conclusion(question.asked, parsed.think)
    if judged.value:
        return tac_row(question, parsed, judged.value)
    return TacRow(
        None, row.answered, None, False, row.answer_right, by="nobody", problem=judged.problem
    )


def tac_report(
    rows: Sequence[TacRow], *, clusters: Sequence[str] | None = None, seed: int = 0,
    resamples: int = 2000,
) -> TacReport:  # fmt: skip
    """TAC of one benchmark.

    Args:
        rows: one a response.
        clusters: name of each row's cluster (its video), which is resampled as a whole.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    parts = _parts(rows)
    estimates = {
        name: ratio(merged(p, clusters), seed=seed, resamples=resamples)
        for name, p in parts.items()
    }
    return TacReport(**estimates, counts=_counts(rows))


def macro_tac(
    benchmarks: Mapping[str, Sequence[TacRow]], *, seed: int = 0, resamples: int = 2000
) -> MacroTac:
    """Macro means over benchmarks with intervals."""
    parts = {name: _parts(rows) for name, rows in benchmarks.items()}
    return MacroTac(
        **{
            reading: macro_ratio(
                {name: part[reading] for name, part in parts.items()},
                seed=seed, resamples=resamples,
            )
            for reading in ("strict", "parsed", "correct", "agree", "coverage")
        }
    )  # fmt: skip


def released_consistency(
    rows: Sequence[TacRow], *, alpha: float = 0.7, gamma: float = 2.0
) -> ReleasedConsistency:
    """The released summary of one benchmark (spec video_r2 §3.1).

    Args:
        rows: one a response.
        alpha: weight of the curved part of the mixer.
        gamma: its exponent.
    """
    count = _counts(rows)
    n, tp, tn, fp, fn = (count[name] for name in ("n", "tp", "tn", "fp", "fn"))
    if not n:
        return ReleasedConsistency(*[None] * 8)
    think, answer, same = (tp + fp) / n, (tp + fn) / n, (tp + tn) / n
    sign = (think > answer) - (think < answer)
    mixer = alpha * (1 - same**gamma) + (1 - alpha) * (1 - same)
    right = tp + fn
    return ReleasedConsistency(
        consistency_accuracy=tp / right if right else None,
        consistency_error=fn / right if right else None,
        correlation=same,
        disagreement=(fp + fn) / n,
        signed_disagreement=sign * (fp + fn) / n,
        consistency_score=(think - answer) / min(think, answer) if min(think, answer) else None,
        mixer=mixer,
        signed_mixer=sign * mixer,
    )


def _right(said: str | None, question: Question) -> bool:
    return is_right(accuracy(said, question), question.answer_type)


def _parts(rows: Sequence[TacRow]) -> dict[str, list[Pair]]:
    return {
        "strict": [(float(r.same is True), 1.0) for r in rows],
        "parsed": [(float(r.same is True), float(r.same is not None)) for r in rows],
        "correct": [
            (float(r.think_right and r.answer_right), float(r.answer_right)) for r in rows
        ],
        "agree": [(float(r.think_right == r.answer_right), 1.0) for r in rows],
        "coverage": [(float(r.same is not None), 1.0) for r in rows],
    }


def _counts(rows: Sequence[TacRow]) -> dict[str, int]:
    counts = Counter({"n": len(rows), "tp": 0, "tn": 0, "fp": 0, "fn": 0})
    for row in rows:
        right = row.answer_right
        counts[("tp" if right else "fp") if row.think_right else ("fn" if right else "tn")] += 1
        counts[f"by_{row.by}"] += 1
        if row.problem:
            counts[f"judge_{row.problem}"] += 1
        if row.concluded is None:
            counts["no_conclusion"] += 1
        if row.answered is None:
            counts["no_answer"] += 1
        if row.same is None and row.concluded is not None and row.answered is not None:
            counts["not_comparable"] += 1
    return dict(counts)
