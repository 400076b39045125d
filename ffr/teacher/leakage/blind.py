"""The blind test: can a model that never saw the video answer better with the patch than without?

Optional, after the rules (spec ffr §2.6 d).  An independent model gets question, options and the
patch's texts, ``samples`` times, and the same without the patch.  The patch leaks when the mean
accuracy rises by ``threshold`` or more.  A sample that could not be had may have been right or
wrong; only where no such guess changes the verdict there is one, else it is ``unknown``.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ffr.config.teacher import BlindConfig
from ffr.data.question import Question, option_letters
from ffr.patches.patch import EvidencePatch
from ffr.teacher.chat import CallFailed, ChatModel, Message
from rewards.accuracy import accuracy

__all__ = ["BlindTest", "BlindVerdict", "Rate"]

_ROLE = (
    "You answer a question about a video that you cannot see. You may be given notes that somebody "
    "wrote for a viewer of the video. Use whatever the question and the notes tell you; if they do "
    "not tell, give your best guess. Reply with your answer between <answer> and </answer> and "
    "nothing else."
)
_FORM = {
    "choice": "The answer is the letter of one option.",
    "number": "The answer is one number.",
    "regression": "The answer is one number.",
    "ocr": "The answer is the text as it would appear in the video.",
    "text": "The answer is a word or a short phrase.",
    "free_form": "The answer is one or two sentences.",
    "span": "The answer is a start and an end in seconds, written as START to END.",
}
_KEPT = 10_000
_MOST_REPLY = 100_000


@dataclass(frozen=True)
class Rate:
    """Mean accuracy over all samples: between ``low`` and ``high``, equal when all were had."""

    low: float
    high: float

    @classmethod
    def of(cls, scores: Sequence[float | None]) -> Rate:
        """From scores in [0, 1]; ``None`` is a sample that could not be had."""
        known = sum(score for score in scores if score is not None)
        missing = sum(score is None for score in scores)
        return cls(known / len(scores), (known + missing) / len(scores))


@dataclass(frozen=True)
class BlindVerdict:
    """What the test found; both rates are kept for the record.

    Attributes:
        verdict: ``unknown`` when missing samples could change it.
        with_patch: accuracy from question and patch texts.
        without: accuracy from the question alone.
    """

    verdict: Literal["leak", "clean", "unknown"]
    with_patch: Rate
    without: Rate


class BlindTest:
    """Tests patches with one model; use it from one event loop.

    Args:
        model: independent of teacher and student, text only.
        config: samples, threshold, concurrency.
    """

    def __init__(self, model: ChatModel, config: BlindConfig) -> None:
        self.config = config
        self._model = model
        self._slots = asyncio.Semaphore(config.concurrency)
        self._baselines: OrderedDict[str, asyncio.Task[list[float | None]]] = OrderedDict()

    async def check(
        self,
        question: Question,
        patch: EvidencePatch,
        counters: Counter[str],
        *,
        ends_at: float = math.inf,
    ) -> BlindVerdict:
        """Test one patch.  Never raises for a failed call.

        Args:
            question: with its gold answer, which the model is not told.
            patch: what would be shown.
            counters: gets ``blind_leak``, ``blind_clean`` or ``blind_unknown``, the calls and
                tokens of the model as ``blind_...``, and ``blind_unreadable`` replies, which
                count as wrong.
            ends_at: ``time.monotonic()`` after which no further attempt may start.
        """
        # The baseline is shared by all patches of a question; its cost is counted where it arose.
        baseline = self._baseline(question, counters)
        notes = "\n".join(_notes(patch))
        with_scores, without_scores = await asyncio.gather(
            self._scores(question, notes, counters, ends_at), asyncio.shield(baseline)
        )
        with_patch, without = Rate.of(with_scores), Rate.of(without_scores)
        threshold = self.config.threshold - 1e-9
        verdict: Literal["leak", "clean", "unknown"] = "unknown"
        if with_patch.low - without.high >= threshold:
            verdict = "leak"
        elif with_patch.high - without.low < threshold:
            verdict = "clean"
        counters[f"blind_{verdict}"] += 1
        return BlindVerdict(verdict, with_patch, without)

    async def aclose(self) -> None:
        """Close the model's connections."""
        for task in self._baselines.values():
            task.cancel()
        await self._model.aclose()

    def _baseline(
        self, question: Question, counters: Counter[str]
    ) -> asyncio.Task[list[float | None]]:
        key = question.model_dump_json()
        task = self._baselines.get(key)
        if task is None or (task.done() and (task.cancelled() or None in task.result())):
            # A task of its own, without the deadline of whoever came first.
            task = asyncio.ensure_future(self._scores(question, "", counters, math.inf))
            self._baselines[key] = task
        self._baselines.move_to_end(key)
        if len(self._baselines) > _KEPT and next(iter(self._baselines.values())).done():
            self._baselines.popitem(last=False)
        return task

    async def _scores(
        self, question: Question, notes: str, counters: Counter[str], ends_at: float
    ) -> list[float | None]:
        messages = _messages(question, notes)
        samples = range(self.config.samples)
        return list(
            await asyncio.gather(
                *(self._sample(question, messages, counters, ends_at) for _ in samples)
            )
        )

    async def _sample(
        self,
        question: Question,
        messages: Sequence[Message],
        counters: Counter[str],
        ends_at: float,
    ) -> float | None:
        mine: Counter[str] = Counter()
        try:
            async with self._slots:
                reply = await self._model.complete(messages, ends_at=ends_at, counters=mine)
        except CallFailed as error:
            counters[f"blind_failed_{error.reason}"] += 1
            return None
        finally:
            counters.update({f"blind_{name}": count for name, count in mine.items()})
        answer = _answer(reply.content)
        if answer is None:
            counters["blind_unreadable"] += 1
        return accuracy(answer, question)


def _messages(question: Question, notes: str) -> list[Message]:
    lines = [f"Question: {question.question.strip()}"]
    letters = option_letters(len(question.options))
    lines += [f"{k}. {text}" for k, text in zip(letters, question.options, strict=True)]
    if notes:
        lines.append(f"Notes:\n{notes}")
    lines.append(_FORM[question.answer_type])
    return [
        {"role": "system", "content": _ROLE},
        {"role": "user", "content": "\n".join(lines)},
    ]


def _notes(patch: EvidencePatch) -> Iterator[str]:
    """Every text and time of a patch, a line each."""
    yield patch.guidance
    yield from patch.temporal_markers
    if patch.key_times_s:
        yield "Times: " + ", ".join(f"{t:.1f} s" for t in patch.key_times_s)
    for region in patch.spatial_regions:
        yield f"Region at {region.t_s:.1f} s {region.box or ''} {region.desc}".strip()
    for frame in patch.frames:
        yield f"Picture at {frame.t_s:.1f} s: {frame.label}"


def _answer(reply: str) -> str | None:
    """The last answer block after any thinking; ``None`` when there is none that is not empty."""
    text = reply[-_MOST_REPLY:].rpartition("</think>")[2]
    before, closed, _ = text.rpartition("</answer>")
    _, opened, answer = before.rpartition("<answer>")
    return answer.strip() or None if closed and opened else None
