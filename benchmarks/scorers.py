"""What composed rewards cost by rules alone: seconds for 10,000 rollouts, by part.

Responses of about 120 words with three times each, in groups of eight, of every answer type; claims
and events are compared by the lexical encoder unless another is named.

    python benchmarks/scorers.py [--rollouts 10000] [--encoder sentence_transformers] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffr.config.rewards import RewardConfig
from ffr.config.student import PromptConfig
from ffr.config.video_r2 import EncoderConfig
from ffr.data.question import AnswerType, Question, ReferenceEvent
from ffr.repair.protocols import Rollout
from ffr.repair.scoring import rollout_context, score_rollout
from rewards.components.context import GroupContext
from rewards.components.scorer import ComponentScorer, ComponentScores
from rewards.rir import AttemptScore, attempt_terms, missing_components
from rewards.video_r2.encoders import SentenceEncoder, build_encoder
from rewards.video_r2.events import claims_from_text
from rewards.video_r2.tac import tac_report, tac_row
from student.parse import parse_response
from student.prompt import render_question
from student.prompt_parts import VideoPart
from student.time_axis import TimeAxis

REWARD = RewardConfig.model_validate({
    "components": [
        {"name": "tar", "gates": ["consistency"]}, {"name": "inconsistency", "weight": 0.5},
        {"name": "frame_sensitive", "weight": 0.2, "gates": ["accuracy", "format"]},
        {"name": "think_transparency", "weight": 0.3}, {"name": "anti_repetition", "weight": 0.3},
        {"name": "temporal_contrast", "weight": 0.3}, {"name": "length_bonus", "weight": 0.2},
    ],
    "evidence": {"citation": "times", "length_unit": "words"},
})  # fmt: skip
GROUP = 8
DURATION_S = 120.0
_THINGS = ("red kite", "blue car", "green door", "tall man", "small dog", "white van")
_VERBS = ("rises", "stops near the gate", "opens slowly", "turns left", "falls", "waits outside")
_FILLER = (
    "Let me look again at what happens there.", "Hmm, the light changes a little.",
    "The camera pans over the street before anything else moves.",
    "I should check this against the other frames.", "Nothing else seems to matter here.",
)  # fmt: skip
_TYPES: tuple[AnswerType, ...] = ("choice", "number", "text", "ocr", "free_form", "regression")


@dataclass(frozen=True)
class Group:
    """A question with its reference events, and eight responses."""

    question: Question
    responses: tuple[str, ...]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rollouts", type=int, default=10_000)
    parser.add_argument("--encoder", choices=("lexical", "sentence_transformers"),
                        default="lexical")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    encoder = build_encoder(EncoderConfig(kind=options.encoder))
    draw = random.Random(0)
    groups = [make_group(draw, n) for n in range(max(1, options.rollouts // GROUP))]
    count = GROUP * len(groups)
    rows = [(g, r) for g in groups for r in g.responses]
    seconds: dict[str, tuple[float, float]] = {}

    scored: list[tuple[AttemptScore, ComponentScores]] = timed(
        seconds, "reward: base and all components",
        lambda: asyncio.run(score_all(groups, encoder)),
    )  # fmt: skip
    chunks = [scored[i : i + GROUP] for i in range(0, count, GROUP)]
    timed(seconds, "group totals", lambda: [totals(chunk) for chunk in chunks])
    tac = timed(seconds, "TAC with intervals", lambda: tac_report(
        [tac_row(g.question, parse_response(r)) for g, r in rows]))  # fmt: skip
    timed(seconds, "of the reward: times and claims", lambda: [
        claims_from_text(r, duration_s=DURATION_S, tolerance_s=2.0) for _, r in rows])  # fmt: skip

    words = sum(len(r.split()) for _, r in rows) / count
    if options.json:
        print(json.dumps({"rollouts": count, "words": words, "encoder": encoder.name,
                          "seconds": seconds, "tac_strict": tac.strict.value}))  # fmt: skip
        return
    print(f"{count} rollouts of {words:.0f} words, encoder {encoder.name}, one thread")
    for name, (wall, processor) in seconds.items():
        print(f"  {name:40} {processor:7.2f} s processor ({1e3 * processor / count:.3f} ms a "
              f"rollout), {wall:.2f} s wall")  # fmt: skip
    known = sum(c.consistent is not None and c.consistent.value is not None for _, c in scored)
    print(f"  gate known for {known / count:.0%} of them; "
          f"TAC strict {tac.strict.value:.3f}")  # fmt: skip


def timed(
    seconds: dict[str, tuple[float, float]], name: str, work: Callable[[], Any]
) -> Any:
    """Run ``work`` once and note its wall and processor time; they differ on a busy machine."""
    wall, processor = time.perf_counter(), time.process_time()
    done = work()
    seconds[name] = (time.perf_counter() - wall, time.process_time() - processor)
    return done


async def score_all(
    groups: Sequence[Group], encoder: SentenceEncoder
) -> list[tuple[AttemptScore, ComponentScores]]:
    """Every response by rules alone, as the repair loop scores a first pass."""
    scorer = ComponentScorer(REWARD, encoder=encoder)
    video = VideoPart(
        np.zeros((16, 28, 28, 3), np.uint8),
        TimeAxis(tuple((i + 0.5) * DURATION_S / 16 for i in range(16)), 30.0, DURATION_S),
    )
    done: list[tuple[AttemptScore, ComponentScores]] = []
    for group in groups:
        prompt = render_question(group.question.asked, video, PromptConfig())
        rollouts = [
            score_rollout(Rollout(prompt, text, (1,) * 400, "stop"), group.question, REWARD)
            for text in group.responses
        ]
        accuracies = tuple(r.score.accuracy for r in rollouts)
        context = GroupContext(accuracies, accuracies[::2])
        found = await scorer.score([rollout_context(r, group.question, context) for r in rollouts])
        done += [
            (replace(r.score, components=c.values), c)
            for r, c in zip(rollouts, found, strict=True)
        ]
    return done


def totals(chunk: Sequence[tuple[AttemptScore, ComponentScores]]) -> list[float]:
    """What a group's answers earn, compared over what all of them have."""
    terms = [attempt_terms(score, REWARD, "first") for score, _ in chunk]
    missing = missing_components(terms)
    return [row.without(missing).total for row in terms]


def make_group(draw: random.Random, number: int) -> Group:
    """A random question with three events and eight responses about them."""
    kind = _TYPES[number % len(_TYPES)]
    times = sorted(draw.sample(range(5, int(DURATION_S) - 5), 3))
    events = [(t, f"the {draw.choice(_THINGS)} {draw.choice(_VERBS)}") for t in times]
    gold = {"choice": "B", "number": "42", "regression": "12.5"}.get(kind, events[0][1])
    question = Question(
        id=str(number), video="v.mp4", question="What happens first?", answer_type=kind,
        options=_THINGS if kind == "choice" else (), answer=gold,
        events=tuple(ReferenceEvent(start_s=t, end_s=t, text=text) for t, text in events),
    )  # fmt: skip
    responses = tuple(make_response(draw, events, gold) for _ in range(GROUP))
    return Group(question, responses)


def make_response(draw: random.Random, events: Sequence[tuple[int, str]], gold: str) -> str:
    """A reasoning with a time for each event, some of them wrong, and an answer."""
    sentences = []
    for t, text in events:
        said = clock(t + draw.choice((0, 0, 1, 7)))
        sentences += [f"At around {said}, {text}.", *draw.choices(_FILLER, k=4)]
    answer = gold if draw.random() < 0.6 else draw.choice(("C", "7", "a dog"))
    concluded = gold if draw.random() < 0.8 else "A"
    if draw.random() < 0.8:
        sentences.append(f"So the answer is {concluded}.")
    return f"<think>{' '.join(sentences)}</think>\n<answer>{answer}</answer>"


def clock(seconds: int) -> str:
    """``MM:SS``."""
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


if __name__ == "__main__":
    main()
