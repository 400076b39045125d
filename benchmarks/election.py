"""Does the election earn its votes? Every rule on the same candidates, at equal number and cost.

For each seed a student answers questions of a demo world once greedily and once under each of the
eight views; every rule then counts the same recorded candidates, so differences are differences
of the rule. The referee is the rule-based one: a tiny student cannot judge frames::

    python benchmarks/election.py --model CHECKPOINT --world FOLDER [--questions 200] [--seeds 3]

``--family`` picks the questions; the default is what the student's own frames can answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ffr.config.elect import (
    BudgetConfig,
    ElectConfig,
    OutlierConfig,
    RefereeConfig,
    ViewsConfig,
    VoteConfig,
)
from ffr.config.rler import EvidenceConfig
from ffr.config.student import FramesConfig, PromptConfig, StudentConfig
from ffr.data.question import Question
from ffr.elect.candidate import CandidateReader, RawCandidate
from ffr.elect.election import Election, hold_election
from ffr.elect.local import LocalSource
from ffr.elect.referee import Claim
from ffr.elect.video_poll import VideoPoll, sample_for_election
from ffr.elect.views import View, view_schedule
from rewards.accuracy import accuracy, is_right
from rewards.rler import read_response

RULE = RefereeConfig(by="rule")
OFF = RefereeConfig(when="off")
PLAIN = OutlierConfig(enabled=False)


@dataclass(frozen=True)
class Replay:
    """A poll over recorded candidates."""

    reader: CandidateReader
    raws: Sequence[RawCandidate]

    async def candidates(self, views: Sequence[View]) -> list[RawCandidate]:
        """The recorded responses to the views."""
        return [self.raws[view.number - 1] for view in views]

    async def check(self, claim: Claim) -> RawCandidate:
        """Only rule-based referees are measured."""
        raise RuntimeError(f"no model referee here, asked about {claim.answer!r}")


@dataclass(frozen=True)
class Score:
    """One rule on one seed."""

    right: tuple[bool, ...]
    elections: tuple[Election, ...]

    @property
    def accuracy(self) -> float:
        """Share right."""
        return statistics.fmean(self.right)

    @property
    def candidates(self) -> float:
        """Mean candidates a question."""
        return statistics.fmean(e.generated for e in self.elections)

    @property
    def tokens(self) -> float:
        """Mean tokens a question, prompts included."""
        return statistics.fmean(e.prompt_tokens + e.completion_tokens for e in self.elections)


def settings(model: Path, length_high: float, seed: int, **sections: Any) -> ElectConfig:
    """The demo student's settings with one seed and the given sections changed."""
    sections = {"referee": RULE, "views": ViewsConfig(max_new_tokens=40), **sections}
    return ElectConfig(
        seed=seed,
        evidence=EvidenceConfig(citation="times", length_unit="tokens", length_high=length_high),
        frames=FramesConfig(count=8, exact_size=(32, 32), size_multiple=16),
        prompt=PromptConfig(style="compact", ask_keyframes=True),
        student=StudentConfig(path=str(model), dtype="float32", max_prompt_tokens=512),
        **sections,
    )


def fixed(count: int) -> BudgetConfig:
    """Exactly ``count`` candidates."""
    return BudgetConfig(first=min(3, count), most=count, early_stop=False)


def rules() -> dict[str, dict[str, Any]]:
    """Name of a rule to the sections it changes."""
    found: dict[str, dict[str, Any]] = {}
    for count in (3, 5, 8):
        budget = {"budget": fixed(count)}
        plain = {**budget, "referee": OFF, "outliers": PLAIN}
        found[f"majority, {count} candidates"] = {**plain, "vote": VoteConfig(weights="uniform")}
        found[f"confidence-weighted, {count}"] = {**plain, "vote": VoteConfig(weights="confidence")}
        found[f"election, {count}"] = budget
    found["election, adaptive"] = {}
    found["  without evidence weights"] = {"vote": VoteConfig(weights="uniform")}
    found["  without agreement (lambda 0)"] = {"vote": VoteConfig(agreement=0.0)}
    found["  without outlier removal"] = {"outliers": PLAIN}
    found["  two-sided outliers (parity)"] = {"outliers": OutlierConfig(side="both")}
    found["  without referee"] = {"referee": OFF}
    found["  without early stop"] = {"budget": BudgetConfig(early_stop=False)}
    return found


async def record(
    questions: Sequence[Question], world: Path, config: ElectConfig, source: LocalSource
) -> tuple[list[VideoPoll], list[list[RawCandidate]], float]:
    """Polls, candidates under every view, and the seconds the model took."""
    polls = [
        VideoPoll(q.asked, sample_for_election(world / q.video, config), source, config)
        for q in questions
    ]
    started = time.monotonic()
    views = view_schedule(config)
    raws: list[list[RawCandidate]] = []
    for part in _parts(polls, 40):
        raws += await asyncio.gather(*(poll.candidates(views) for poll in part))
    return polls, raws, time.monotonic() - started


async def count(
    polls: Sequence[VideoPoll], raws: Sequence[Sequence[RawCandidate]],
    questions: Sequence[Question], config: ElectConfig,
) -> Score:  # fmt: skip
    """Hold the elections of one rule over recorded candidates."""
    elections = [
        await hold_election(Replay(p.reader, r), config) for p, r in zip(polls, raws, strict=True)
    ]
    return _graded(elections, questions)


def _graded(elections: Sequence[Election], questions: Sequence[Question]) -> Score:
    return Score(
        tuple(
            is_right(accuracy(e.answer, q), q.answer_type)
            for e, q in zip(elections, questions, strict=True)
        ),
        tuple(elections),
    )


async def count_same(
    polls: Sequence[VideoPoll], raws: Sequence[Sequence[RawCandidate]],
    questions: Sequence[Question], like: Score, config: ElectConfig,
) -> Score:  # fmt: skip
    """Another vote over exactly the candidates the adaptive election drew for each question."""
    parts = [
        await count(
            [p], [r], [q],
            config.model_copy(update={"budget": fixed(e.generated), "referee": OFF,
                                      "outliers": PLAIN}),
        )
        for p, r, q, e in zip(polls, raws, questions, like.elections, strict=True)
    ]  # fmt: skip
    return Score(tuple(p.right[0] for p in parts), tuple(p.elections[0] for p in parts))


async def whole_response(
    polls: Sequence[VideoPoll], raws: Sequence[Sequence[RawCandidate]],
    questions: Sequence[Question], make: Callable[..., ElectConfig],
) -> dict[str, Score]:  # fmt: skip
    """The rules that use confidence, with that of the whole response instead of the answer."""
    told = [Replay(replace(p.reader, span="response"), r) for p, r in zip(polls, raws, strict=True)]
    found = {}
    for name, sections in rules().items():
        if name.startswith(("confidence", "election")):
            elections = [await hold_election(replay, make(**sections)) for replay in told]
            found[f"{name}; response's confidence"] = _graded(elections, questions)
    return found


async def one_seed(
    questions: Sequence[Question], world: Path, model: Path, seed: int, source: LocalSource,
    length_high: float,
) -> tuple[dict[str, Score], dict[str, float]]:  # fmt: skip
    """All rules on one seed, and what it cost."""

    def make(**sections: Any) -> ElectConfig:
        return settings(model, length_high, seed, **sections)

    single = make(mode="single")
    polls, greedy, _ = await record(questions, world, single, source)
    _, full, seconds = await record(questions, world, make(), source)
    heat = ViewsConfig(max_new_tokens=40, crops=False, brightness=False)
    _, heated, _ = await record(questions, world, make(views=heat), source)
    scores = {"single greedy pass": await count(polls, greedy, questions, single)}
    first = ViewsConfig(max_new_tokens=40, diverse=False)
    scores["single pass, first view (diversity off)"] = await count(
        polls, full, questions, make(views=first)
    )
    started = time.process_time()
    for name, sections in rules().items():
        scores[name] = await count(polls, full, questions, make(**sections))
    counting = (time.process_time() - started) / len(rules())
    scores["  temperature only (no crops, brightness)"] = await count(
        polls, heated, questions, make(views=heat)
    )
    scores |= await whole_response(polls, full, questions, make)
    adaptive = scores["election, adaptive"]
    for name, weights in (("majority", "uniform"), ("confidence-weighted", "confidence")):
        scores[f"{name}, the same candidates"] = await count_same(
            polls, full, questions, adaptive, make(vote=VoteConfig(weights=weights))
        )
    any_right = [
        any(is_right(accuracy(read.answer, q), q.answer_type)
            for r in raws if (read := read_response(r.text, p.scale, make().evidence)).answer)
        for p, raws, q in zip(polls, full, questions, strict=True)
    ]  # fmt: skip
    live = [
        await hold_election(VideoPoll(p.asked, p.video, source, make()), make()) for p in polls[:20]
    ]
    same = [a.answer == b.answer for a, b in zip(live, adaptive.elections, strict=False)]
    return scores, {
        "any of 8 right": statistics.fmean(any_right),
        "live elections like replayed ones": statistics.fmean(same),
        "model seconds a question": seconds / len(questions) / 8 * adaptive.candidates,
        "orchestrator seconds a question": counting / len(questions),
    }


def show(runs: Sequence[Mapping[str, Score]], questions: int) -> None:
    """The table: mean and spread over seeds."""
    best = [run["election, adaptive"] for run in runs]
    print(f"{'rule':44} accuracy  spread  candidates  tokens   +/-")
    for name in runs[0]:
        scores = [run[name] for run in runs]
        means = [s.accuracy for s in scores]
        spread = statistics.stdev(means) if len(means) > 1 else 0.0
        won = sum(a and not b for s, e in zip(scores, best, strict=True)
                  for a, b in zip(s.right, e.right, strict=True))  # fmt: skip
        lost = sum(b and not a for s, e in zip(scores, best, strict=True)
                   for a, b in zip(s.right, e.right, strict=True))  # fmt: skip
        print(
            f"{name:44}   {statistics.fmean(means):.3f}    {spread:.3f}     "
            f"{statistics.fmean(s.candidates for s in scores):5.2f}   "
            f"{statistics.fmean(s.tokens for s in scores):7.1f}  +{won}/-{lost}"
        )
    p = statistics.fmean(s.accuracy for s in best)
    error = math.sqrt(p * (1 - p) / questions)
    print("+/-: questions won and lost against the adaptive election, all seeds together; standard "
          f"error of one accuracy on {questions} questions {error:.3f}")
    elections = [e for s in best for e in s.elections]
    rights = [r for s in best for r in s.right]
    before = [r for run in runs for r in run["  without referee"].right]
    turned = [i for i, e in enumerate(elections) if e.referee and e.referee.overturned]
    print(
        f"adaptive: {statistics.fmean(e.generated for e in elections):.2f} candidates (paper: 3.1)"
        f", {statistics.fmean(e.stopped_early for e in elections):.1%} stopped early, "
        f"{sum(bool(e.dropped) for e in elections)} elections with an outlier; referee overturned "
        f"{len(turned)} of {len(elections)}: {sum(rights[i] and not before[i] for i in turned)} "
        f"to right, {sum(before[i] and not rights[i] for i in turned)} to wrong"
    )


def describe(runs: Sequence[Mapping[str, Score]]) -> None:
    """How much the evidence terms vary at all; a constant term cannot decide anything."""
    votes = [p.vote for run in runs for e in run["election, 8"].elections for p in e.polled]
    for name in ("frame_sensitive", "transparency", "repetition", "confidence", "score"):
        values = [getattr(v, name) for v in votes if hasattr(v, name)]
        print(f"{name:16} mean {statistics.fmean(values):.3f}, sd {statistics.stdev(values):.3f}")
    print(f"invalid candidates: {sum(not hasattr(v, 'score') for v in votes)} of {len(votes)}")


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


async def typical_length(
    questions: Sequence[Question], world: Path, model: Path, source: LocalSource
) -> float:
    """Twice the median length of the reasoning, in tokens: the hump lies on the usual length."""
    config = settings(model, 768.0, 0, mode="single")
    polls, raws, _ = await record(questions, world, config, source)
    lengths = [
        (source.count_tokens or len)(read_response(r[0].text, p.scale, config.evidence).think)
        for p, r in zip(polls, raws, strict=True)
    ]
    return max(2.0, 2 * statistics.median(lengths))


async def measure(given: argparse.Namespace) -> None:
    """Run all seeds and print."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    lines = (given.world / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [Question.model_validate_json(line) for line in lines if line]
    if given.family != "all":
        rows = [q for q in rows if q.family == given.family]
    questions = rows[: given.questions]
    source = LocalSource.load(settings(given.model, 768.0, 0), max_batch=64)
    try:
        high = given.length_high or await typical_length(
            rows[given.questions : given.questions + 50] or questions, given.world, given.model,
            source,
        )  # fmt: skip
        results = [
            await one_seed(questions, given.world, given.model, seed, source, high)
            for seed in range(given.seeds)
        ]
    finally:
        await source.aclose()
    runs = [scores for scores, _ in results]
    print(f"{len(questions)} questions ({given.family}), seeds 0..{given.seeds - 1}, "
          f"length_high {high:g} tokens")
    show(runs, len(questions))
    describe(runs)
    costs = {name: statistics.fmean(c[name] for _, c in results) for name in results[0][1]}
    for name, value in costs.items():
        print(f"{name}: {value:.4f}")
    share = costs["orchestrator seconds a question"] / costs["model seconds a question"]
    print(f"orchestrator beside model time: {share:.2%} (at most 2 %)")
    if given.json:
        given.json.write_text(json.dumps(
            {name: [run[name].accuracy for run in runs] for name in runs[0]}, indent=2))


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="checkpoint of the student")
    parser.add_argument("--world", type=Path, default=Path("data/demo"), help="demo world")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--family", default="visible", help="visible, temporal, spatial or all")
    parser.add_argument("--length-high", type=float, help="default: twice the usual length")
    parser.add_argument("--json", type=Path, help="also write the accuracies here")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
