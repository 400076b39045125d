"""The live teacher: a frozen vision-language model with tools, one diagnosis at a time.

First view, rounds of tool calls, a forced final answer, validation, leak gate, at most one
correction of each kind (spec ffr §2, §10).  No failure of model, provider, tool or video raises.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ffr.config.teacher import TeacherConfig
from ffr.errors import UserError
from ffr.patches.looks import ToolLook
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.size import seconds_covered
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.assemble import Draft, assemble
from ffr.teacher.chat import CallFailed, ChatModel, ChatReply, ToolRequest
from ffr.teacher.conversation import Conversation
from ffr.teacher.draft_size import draft_size, fit_pixels_budget
from ffr.teacher.final_answer import FinalAnswerError, parse_final_answer
from ffr.teacher.health import TeacherHealth
from ffr.teacher.leakage import check_patch
from ffr.teacher.leakage.blind import BlindTest
from ffr.teacher.pictures import FirstView, FirstViews, Picture, encode_frames
from ffr.teacher.prompts import retry_text, system_prompt, task_text
from teacher_tools.media import MediaError, resolve_media
from teacher_tools.runner import ToolRunner
from teacher_tools.totals import Totals

__all__ = ["BudgetSpentError", "OpenAITeacher"]

_MAX_CALLS_A_ROUND = 8


class BudgetSpentError(UserError):
    """A budget of the teacher is spent and ``teacher.on_budget_spent`` is ``stop``."""


@dataclass
class _Cost:
    counters: Counter[str] = field(default_factory=Counter)
    size: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    looks: list[ToolLook] = field(default_factory=list)


@dataclass(frozen=True)
class _Problem:
    """A final answer that cannot be used; ``reason`` is told to the teacher."""

    kind: NoPatch
    reason: str


class OpenAITeacher:
    """Asks a model; use it from one event loop.

    Args:
        config: budgets, limits, ``see_gt`` and the leak gate.
        client: the model, wherever it runs.
        runner: runs tools; only those of its toolset exist for the model.
        media: where images of accepted patches go.
        media_root: folder that every video must lie under.
        concurrency: most diagnoses at once; default ``config.concurrency``.
        max_diagnoses: budget; default ``config.max_calls``.
        blind: tests patches that passed the rules of the leak gate.
    """

    def __init__(
        self,
        config: TeacherConfig,
        client: ChatModel,
        runner: ToolRunner,
        media: MediaStore,
        media_root: Path,
        *,
        concurrency: int | None = None,
        max_diagnoses: int | None = None,
        blind: BlindTest | None = None,
    ) -> None:
        self.health = TeacherHealth(config.abort_failure_rate)
        self.views = FirstViews(config.first_view_frames, config.first_view_max_pixels)
        self._config = config
        self._client = client
        self._runner = runner
        self._media = media
        self._media_root = media_root
        self._slots = asyncio.Semaphore(concurrency or config.concurrency)
        self._budget = max_diagnoses if max_diagnoses is not None else config.max_calls
        self._blind = blind
        self._spent = 0
        self._schemas = runner.toolset.openai_schemas() if config.max_tool_rounds else []
        self._system = system_prompt(
            frames=config.first_view_frames,
            tools=bool(self._schemas),
            rounds=config.max_tool_rounds,
            images=config.max_images,
            words=config.patch_max_words,
            evidence=config.patch_max_frames,
            seconds=config.patch_max_seconds,
        )

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        """Explain one failure.

        Raises:
            TeacherFailingError: the teacher failed more often than the configuration allows.
            BudgetSpentError: a budget is spent and the configuration says to stop then.
            StoreError: the images of the patch cannot be written.
        """
        self.health.check()
        asked = time.monotonic()
        longest = self._config.step_deadline_s
        try:
            async with asyncio.timeout(longest):
                await self._slots.acquire()
        except TimeoutError:
            late = f"no free place within step_deadline_s={longest:g}" if longest else ""
            return self._not_asked(NoPatch(reason="deadline", detail=late), asked)
        try:
            if self._budget is not None and self._spent >= self._budget:
                detail = f"teacher.max_calls={self._budget} diagnoses were made"
                return self._not_asked(NoPatch(reason="budget_spent", detail=detail), asked)
            self._spent += 1
            started = time.monotonic()
            limit = self._config.deadline_s
            if longest is not None:
                limit = min(limit, asked + longest - started)
            cost = _Cost()
            outcome = await self._within_deadline(failed, cost, limit)
        finally:
            self._slots.release()
        if not cost.counters["calls"]:
            self._spent -= 1  # nobody was asked
        self._count(outcome)
        return Diagnosis(
            outcome,
            "live",
            seconds=time.monotonic() - started,
            tool_calls=tuple((n, c, cost.failures[n]) for n, c in sorted(cost.calls.items())),
            counters=tuple(
                sorted({**{n: float(c) for n, c in cost.counters.items()}, **cost.size}.items())
            ),
            looks=tuple(cost.looks),
        )

    async def aclose(self) -> None:
        """Close connections and end the tool workers."""
        await self._client.aclose()
        if self._blind is not None:
            await self._blind.aclose()
        await asyncio.to_thread(self._runner.close)

    def _not_asked(self, refusal: NoPatch, asked: float) -> Diagnosis:
        self._count(refusal)
        return Diagnosis(refusal, "none", seconds=time.monotonic() - asked)

    def _count(self, outcome: EvidencePatch | NoPatch) -> None:
        self.health.record(outcome)
        if (
            isinstance(outcome, NoPatch)
            and outcome.reason == "budget_spent"
            and self._config.on_budget_spent == "stop"
        ):
            raise BudgetSpentError(
                f"{outcome.detail}; raise the budget and continue the run, or set "
                "teacher.on_budget_spent=go_on to train on without new patches"
            )

    async def _within_deadline(
        self, failed: FailedRollout, cost: _Cost, limit: float
    ) -> EvidencePatch | NoPatch:
        try:
            async with asyncio.timeout(limit):
                return await self._explain(failed, cost, ends_at=time.monotonic() + limit)
        except TimeoutError:
            return NoPatch(reason="deadline", detail=f"not done within {limit:g} s (deadline_s)")
        except CallFailed as error:
            return NoPatch(reason=error.reason, detail=error.detail)
        except (MediaError, OSError) as error:
            return NoPatch(reason="media_error", detail=str(error))

    async def _explain(
        self, failed: FailedRollout, cost: _Cost, *, ends_at: float
    ) -> EvidencePatch | NoPatch:
        self._client.check_available()
        path = await asyncio.to_thread(resolve_media, failed.question.video, self._media_root)
        view = await self.views.get(path)
        talk = self._open(failed, view)
        reply = await self._use_tools(talk, path, cost, ends_at)
        corrections = {"invalid_output": 1, "leak": self._config.leak.retries}
        while True:
            result = self._judge(reply, talk, failed, view.duration_s, cost)
            if isinstance(result, Draft) and self._blind is not None:
                result = await self._judge_blindly(self._blind, result, failed, cost, ends_at)
            if isinstance(result, Draft):
                cost.counters["frames_dropped"] += result.frames_dropped
                return await asyncio.to_thread(self._keep, result, cost)
            if not corrections.get(result.kind.reason):
                return result.kind
            corrections[result.kind.reason] -= 1
            cost.counters["corrections"] += 1
            talk.add_refused(reply, retry_text(result.reason))
            reply = await self._ask(talk, cost, ends_at, may_call_tools=False)

    def _open(self, failed: FailedRollout, view: FirstView) -> Conversation:
        task = task_text(
            failed.question,
            failed.response_text,
            duration_s=view.duration_s,
            see_gt=self._config.see_gt,
        )
        return Conversation(self._system, view, task, final=not self._schemas)

    async def _use_tools(
        self, talk: Conversation, path: Path, cost: _Cost, ends_at: float
    ) -> ChatReply:
        """Let the model call tools until it answers or its rounds or images are spent."""
        totals = Totals(
            frames=self._config.max_images,
            pixels=self._config.max_tool_pixels,
            seconds=self._config.max_tool_seconds,
        )
        for rounds_left in range(self._config.max_tool_rounds if self._schemas else 0, 0, -1):
            reply = await self._ask(talk, cost, ends_at, may_call_tools=True)
            if not reply.tool_requests:
                return reply
            talk.add_tool_calls(reply)
            results: list[tuple[str, bool, str, list[Picture]]] = []
            for number, request in enumerate(reply.tool_requests):
                if number >= _MAX_CALLS_A_ROUND:
                    refusal = f"at most {_MAX_CALLS_A_ROUND} calls are allowed in one round"
                    results.append((request.id, False, refusal, []))
                    continue
                ok, text, pictures = await self._run_tool(request, path, totals, cost)
                results.append((request.id, ok, text, pictures))
                cost.looks.append(
                    ToolLook.of(
                        request.name, request.arguments, ok=ok, message=text, pictures=pictures
                    )
                )
            spent = rounds_left == 1 or totals.frames_left <= 0
            talk.add_results(results, final=spent)
            if spent:
                break
        return await self._ask(talk, cost, ends_at, may_call_tools=False)

    async def _run_tool(
        self, request: ToolRequest, path: Path, totals: Totals, cost: _Cost
    ) -> tuple[bool, str, list[Picture]]:
        name = request.name if request.name in self._runner.toolset else "unknown"
        cost.calls[name] += 1
        result = await self._runner.call(request.name, request.arguments, path, totals=totals)
        if result.evidence is None:
            cost.failures[name] += 1
            cost.counters[f"tool_{result.boundary or 'refused'}"] += 1
            return False, result.message, []
        pictures = await encode_frames(result.evidence.frames)
        cost.counters["tool_images"] += len(pictures)
        cost.counters["tool_pixels"] += result.evidence.pixels
        return True, result.message, pictures

    async def _ask(
        self, talk: Conversation, cost: _Cost, ends_at: float, *, may_call_tools: bool
    ) -> ChatReply:
        return await self._client.complete(
            talk.messages,
            tools=self._schemas,
            may_call_tools=may_call_tools,
            ends_at=ends_at,
            counters=cost.counters,
        )

    def _judge(
        self,
        reply: ChatReply,
        talk: Conversation,
        failed: FailedRollout,
        duration_s: float,
        cost: _Cost,
    ) -> Draft | _Problem:
        try:
            if reply.tool_requests:
                raise FinalAnswerError("no tool calls are left; answer now")
            if reply.refusal:
                raise FinalAnswerError("the answer was declined")
            if reply.cut_off:
                raise FinalAnswerError("the message was cut off; be shorter")
            draft = assemble(
                parse_final_answer(reply.content),
                talk.images,
                duration_s=duration_s,
                max_frames=self._config.patch_max_frames,
                max_words=self._config.patch_max_words,
            )
            self._check_seconds(draft)
        except FinalAnswerError as error:
            cost.counters["invalid_rejected"] += 1
            return _Problem(NoPatch(reason="invalid_output", detail=str(error)), str(error))
        if not self._config.leak.enabled:
            return draft
        verdict = check_patch(failed.question, draft.patch, failed.response_text)
        if verdict.passed:
            return draft
        cost.counters["leak_rejected"] += 1
        cost.counters.update(f"leak_{rule}" for rule in verdict.rules)
        return _Problem(NoPatch(reason="leak", detail=", ".join(verdict.rules)), verdict.reason)

    async def _judge_blindly(
        self, blind: BlindTest, draft: Draft, failed: FailedRollout, cost: _Cost, ends_at: float
    ) -> Draft | _Problem:
        found = await blind.check(failed.question, draft.patch, cost.counters, ends_at=ends_at)
        if found.verdict == "clean":
            return draft
        if found.verdict == "leak":
            cost.counters["leak_rejected"] += 1
            return _Problem(
                NoPatch(reason="leak", detail="blind_test"),
                "somebody who never saw the video can answer from it",
            )
        if blind.config.on_unknown == "pass":
            cost.counters["blind_unknown_passed"] += 1
            return draft
        refusal = NoPatch(reason="blind_unknown", detail="too many calls of the blind test failed")
        return _Problem(refusal, refusal.detail)

    def _check_seconds(self, draft: Draft) -> None:
        most, covered = self._config.patch_max_seconds, seconds_covered(draft.patch)
        if most is not None and covered > most + 1e-6:
            raise FinalAnswerError(
                f"the times point at {covered:.1f} s of video; at most {most:g} s are allowed, "
                "cite fewer frames or times closer together"
            )

    def _keep(self, draft: Draft, cost: _Cost) -> EvidencePatch:
        draft, scaled = fit_pixels_budget(draft, self._config.patch_max_pixels)
        cost.counters["frames_scaled"] += scaled
        cost.size = draft_size(draft).counters()
        for jpeg in draft.jpegs.values():
            self._media.put(jpeg)
        return draft.patch
