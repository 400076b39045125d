"""The judge behind an OpenAI-compatible endpoint: asynchronous, cached, and never in the way.

A call that fails, a reply that cannot be read and a text too long to send are *unknown* with a
name, counted, and no score.  Equal questions under way at the same time are asked once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from ffr.config.video_r2 import JudgeConfig
from ffr.data.question import AskedQuestion
from ffr.judge.cache import ReplyCache, reply_key
from ffr.judge.prompts import Task, harmless, judge_messages, prompt_version, question_fields
from ffr.judge.readings import read_claims, read_conclusion, reply_text
from ffr.teacher.chat import CallFailed, ChatModel
from rewards.video_r2.gate import read_verdict, released_verdict
from rewards.video_r2.judging import Judged
from rewards.video_r2.vas_claims import read_score

__all__ = ["ModelJudge"]

T = TypeVar("T")
_MISSING = "(missing)"


class ModelJudge:
    """Implements ``rewards.video_r2.judging.Judge``; use it from one event loop.

    Args:
        model: who is asked.
        config: limits.
        cache: remembered replies; ``None``: none are.
    """

    def __init__(
        self, model: ChatModel, config: JudgeConfig, cache: ReplyCache | None = None
    ) -> None:
        self.config = config
        self.counters: Counter[str] = Counter()
        """``judge_<task>`` asked, ``judge_<task>_unknown``, ``judge_unknown_<problem>``,
        ``judge_shared``, ``judge_reread`` and what the model counts as ``judge_...``."""
        self._model = model
        self._cache = cache
        self._slots = asyncio.Semaphore(config.concurrency)
        self._under_way: dict[str, asyncio.Task[Judged[str]]] = {}

    async def claims(self, think: str) -> Judged[Mapping[str, str]]:
        """See ``Judge``; no call when there is no digit, as no time can be mentioned then."""
        if not any(character.isdigit() for character in think):
            return Judged({})
        return await self._ask("claims", {"reasoning": think}, read_claims)

    async def consistent(
        self, question: AskedQuestion, think: str, answer: str, *, released: bool = False
    ) -> Judged[bool]:
        """See ``Judge``; an undecided verdict is unknown."""
        fields = question_fields(question)
        del fields["form"]
        fields |= {"reasoning": think or _MISSING, "answer": answer or _MISSING}
        return await self._ask("consistent", fields, released_verdict if released else read_verdict)

    async def conclusion(self, question: AskedQuestion, think: str) -> Judged[str]:
        """See ``Judge``; the question itself is not shown, so that nothing can be inferred."""
        if not think.strip():
            return Judged("")
        fields = question_fields(question)
        del fields["question"]
        return await self._ask("conclusion", fields | {"reasoning": think}, read_conclusion)

    async def grounding(self, prompt: str, think: str) -> Judged[int]:
        """See ``Judge``."""
        return await self._ask("grounding", {"prompt": prompt, "reasoning": think}, read_score)

    def metrics(self) -> dict[str, int]:
        """All counters of judge and cache."""
        cached = self._cache.counters if self._cache else {}
        return {**self.counters, **{f"judge_{name}": n for name, n in cached.items()}}

    async def aclose(self) -> None:
        """End what is under way and close the connections."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._model.aclose()

    async def _ask(
        self, task: Task, fields: Mapping[str, object], read: Callable[[str], T | None]
    ) -> Judged[T]:
        self.counters[f"judge_{task}"] += 1
        said = await self._reply(task, harmless(fields), read)
        value = None if said.value is None else read(said.value)
        if value is not None:
            return Judged(value)
        problem = said.problem or "unreadable"
        self.counters[f"judge_{task}_unknown"] += 1
        self.counters[f"judge_unknown_{problem}"] += 1
        return Judged(None, problem)

    async def _reply(
        self, task: Task, fields: Mapping[str, object], read: Callable[[str], object]
    ) -> Judged[str]:
        """The text of a readable reply: from the cache, from a call under way, or from a new one.

        ``value`` may also be an unreadable text, which is not kept.
        """
        if sum(len(str(value)) for value in fields.values()) > self.config.max_chars:
            return Judged(None, "too_long")
        key = reply_key(
            self.config.model, self.config.temperature, task, prompt_version(task), fields
        )
        # Another reading may find another reply unreadable, so it has calls of its own.
        name = f"{key}/{getattr(read, '__name__', '')}"
        under_way = self._under_way.get(name)
        if under_way is None:
            # A task of its own: whoever came first may be cancelled without harm to the others.
            under_way = asyncio.ensure_future(self._fetch(key, task, fields, read))
            self._under_way[name] = under_way
            under_way.add_done_callback(lambda _: self._under_way.pop(name, None))
        else:
            self.counters["judge_shared"] += 1
        return await asyncio.shield(under_way)

    async def _fetch(
        self,
        key: str,
        task: Task,
        fields: Mapping[str, object],
        read: Callable[[str], object],
    ) -> Judged[str]:
        if self._cache is not None:
            kept = await asyncio.to_thread(self._cache.get, key)
            if kept is not None and read(kept) is not None:
                return Judged(kept)
        ends_at = time.monotonic() + self.config.deadline_s
        messages = judge_messages(task, fields)
        for attempt in range(1 + self.config.reread):
            self.counters["judge_reread"] += attempt > 0
            mine: Counter[str] = Counter()
            try:
                async with asyncio.timeout(max(0.0, ends_at - time.monotonic())):
                    async with self._slots:
                        reply = await self._model.complete(
                            messages, ends_at=ends_at, counters=mine
                        )
            except CallFailed as error:
                return Judged(None, error.reason)
            except TimeoutError:
                return Judged(None, "deadline")
            finally:
                self.counters.update({f"judge_{n}": count for n, count in mine.items()})
            text = reply_text(reply.content)
            if read(text) is not None:
                if self._cache is not None:
                    await asyncio.to_thread(self._cache.put, key, text)
                return Judged(text)
        return Judged(None, "refused" if reply.refusal else "unreadable")
