"""Find, Fix, Reason for one question: the one coroutine behind training, caching and tests.

First pass of G answers together, verify, decide whom to repair, then per failure: diagnose,
render the patch, answer again, with no barrier between failures, so a step waits for one
teacher latency and not for F of them. Spec ffr §1 and §4, design §6.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.config.rewards import RewardConfig
from ffr.data.question import Question
from ffr.errors import FfrError, UserError
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.arms import build_rows
from ffr.repair.concurrency import gather_or_raise
from ffr.repair.observability import evidence_was_in_view
from ffr.repair.protocols import Diagnosis, FailedRollout, Rollout, Student, Teacher
from ffr.repair.record import GroupRecord, Timings, group_record
from ffr.repair.renderer import PromptOverBudget, Renderer, ShufflingRenderer
from ffr.repair.rows import Outcome, TrainRow, row_budget
from ffr.repair.scoring import ScoredRollout, rollout_context, score_rollout
from ffr.repair.selection import select_failures
from rewards.components.context import GroupContext
from rewards.components.scorer import ComponentScorer
from rewards.rler.terms import TokenCounter
from student.prompt import PatchRenderError
from student.prompt_parts import StudentPrompt

__all__ = ["GroupResult", "RepairLoop"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GroupResult:
    """What one question gives: rows for the update (at most ``budget``) and its record.

    Attributes:
        rows: real rows only, in a fixed order; ``ffr.repair.rows.pad_rows`` fills them up.
        record: for ``rollouts/step_NNNNNN.jsonl``.
        budget: the constant number of rows the engine may reserve for a question.
        plain: the first-pass prompt, which also is the context of plain copies.
    """

    rows: tuple[TrainRow, ...]
    record: GroupRecord
    budget: int
    plain: StudentPrompt


@dataclass(frozen=True, eq=False)
class _FirstPass:
    """First answers, and those to shuffled frames that only set a bar."""

    firsts: list[ScoredRollout]
    shuffled: list[ScoredRollout]
    group: GroupContext


class _Stopwatch:
    """Adds up the seconds spent inside ``with`` blocks, which may overlap."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = 0
        self._since = 0.0

    def __enter__(self) -> None:
        if not self._inside:
            self._since = time.monotonic()
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            self.seconds += time.monotonic() - self._since


class RepairLoop:
    """Runs groups; holds no state between them, so any number may run at once.

    Args:
        student: answers prompts.
        teacher: asked about failures.
        render: writes prompts.
        config: whom to repair and what to train.
        reward: how answers are rewarded.
        advantage: how groups are formed and normalised.
        group_size: G, answers per question.
        components: scores ``reward.components``; needed when there are any.
        count_tokens: the policy's tokenizer as a counter, for components that measure length.

    Raises:
        UserError: the configuration combines options that mean nothing together.
    """

    def __init__(
        self,
        student: Student,
        teacher: Teacher,
        render: Renderer,
        config: RepairConfig,
        reward: RewardConfig,
        advantage: AdvantageConfig,
        group_size: int,
        *,
        components: ComponentScorer | None = None,
        count_tokens: TokenCounter | None = None,
    ) -> None:
        if group_size < 1:
            raise UserError(f"grpo.group_size={group_size} is not allowed; give at least 1")
        if reward.components and components is None:
            raise UserError("reward.components is set but no scorer was given; pass components")
        if components and components.needs_shuffled and not isinstance(render, ShufflingRenderer):
            raise UserError(
                f"the reward component 'temporal_contrast' shuffles frames, which "
                f"{type(render).__name__} cannot; take it out of reward.components"
            )
        self.student = student
        self.teacher = teacher
        self.render = render
        self.config = config
        self.reward = reward
        self.advantage = advantage
        self.group_size = group_size
        self.components = components
        self.count_tokens = count_tokens
        self.row_budget = row_budget(config, advantage, group_size)

    async def run_group(self, question: Question, *, group: str | None = None) -> GroupResult:
        """One question of a training step.

        Args:
            question: with its gold answer, which only the verifier and the teacher get.
            group: label of the baseline group, unique within the batch; default: the question id.

        Raises:
            UserError: unreadable media, or a teacher told to end the run.
            Exception: whatever the student engine raises. A failed teacher call never raises.
        """
        started = time.monotonic()
        plain = await self.render.question(question.asked)
        scoring = _Stopwatch()
        passed = await self._first_pass(question, plain, self.group_size, scoring)
        first_done = time.monotonic()
        outcomes = await self._repair_all(question, plain, passed, scoring)
        done = time.monotonic()
        label = group or question.id
        rows = build_rows(
            outcomes, plain, label, question.answer_type, self.config, self.reward, self.advantage
        )
        timings = Timings(
            first_pass=first_done - started, repair=done - first_done, total=done - started,
            scoring=scoring.seconds,
        )
        record = group_record(
            question, label, outcomes, rows, self.row_budget, timings, shuffled=passed.shuffled
        )
        return GroupResult(rows, record, self.row_budget, plain)

    async def run_first_pass_only(
        self, question: Question, *, count: int | None = None, group: str | None = None
    ) -> GroupResult:
        """Validation and baselines: ``count`` plain answers (default G), never the teacher.

        The rows carry the untaxed rewards and the advantages of plain GRPO.
        """
        started = time.monotonic()
        plain = await self.render.question(question.asked)
        number = self.group_size if count is None else count
        scoring = _Stopwatch()
        passed = await self._first_pass(question, plain, number, scoring)
        seconds = time.monotonic() - started
        outcomes = [Outcome(index, first) for index, first in enumerate(passed.firsts)]
        label = group or question.id
        rows = build_rows(
            outcomes, plain, label, question.answer_type, self.config, self.reward, self.advantage
        )
        timings = Timings(
            first_pass=seconds, repair=0.0, total=seconds, scoring=scoring.seconds
        )
        record = group_record(
            question, label, outcomes, rows, number, timings, "validation", passed.shuffled
        )
        return GroupResult(rows, record, number, plain)

    async def _first_pass(
        self, question: Question, plain: StudentPrompt, count: int, scoring: _Stopwatch
    ) -> _FirstPass:
        prompts = [plain] * count
        prompts += await self._shuffled_prompts(question, count)
        rollouts = await gather_or_raise(self._answer(prompt) for prompt in prompts)
        scored = [score_rollout(rollout, question, self.reward) for rollout in rollouts]
        firsts, shuffled = scored[:count], scored[count:]
        group = GroupContext(
            tuple(first.score.accuracy for first in firsts),
            tuple(other.score.accuracy for other in shuffled),
        )
        firsts = await self._with_components(firsts, question, group, scoring)
        return _FirstPass(firsts, shuffled, group)

    async def _shuffled_prompts(self, question: Question, count: int) -> list[StudentPrompt]:
        """Prompts over shuffled frames, one order for all; they set a bar and are not trained."""
        if self.components is None or not self.components.needs_shuffled:
            return []
        assert isinstance(self.render, ShufflingRenderer)
        number = self.reward.shuffled_rollouts or max(1, count // 2)
        return [await self.render.shuffled(question.asked)] * number

    async def _with_components(
        self,
        scored: Sequence[ScoredRollout],
        question: Question,
        group: GroupContext,
        scoring: _Stopwatch,
        patch: EvidencePatch | None = None,
    ) -> list[ScoredRollout]:
        if self.components is None:
            return list(scored)
        with scoring:
            found = await self.components.score(
                [rollout_context(s, question, group, patch, self.count_tokens) for s in scored]
            )
        return [
            replace(s, score=replace(s.score, components=scores.values), components=scores)
            for s, scores in zip(scored, found, strict=True)
        ]

    async def _answer(self, prompt: StudentPrompt) -> Rollout:
        rollout = await self.student.answer(prompt)
        if not rollout.token_ids:
            raise FfrError(
                f"the student engine returned no token for question {prompt.question_id!r}; "
                "a response holds at least its end token"
            )
        return rollout

    async def _repair_all(
        self,
        question: Question,
        plain: StudentPrompt,
        passed: _FirstPass,
        scoring: _Stopwatch,
    ) -> list[Outcome]:
        firsts = passed.firsts
        outcomes = [Outcome(index, first) for index, first in enumerate(firsts)]
        selection = select_failures(firsts, self.config)
        for index in selection.empty:
            silence = NoPatch(reason="empty_response", detail="the student said nothing")
            outcomes[index] = Outcome(
                index, firsts[index], diagnosis=Diagnosis(silence, "none"), refusal=silence
            )
        repaired = await gather_or_raise(
            self._repair(question, plain, index, firsts[index], passed.group, scoring)
            for index in selection.ask
        )
        for outcome in repaired:
            outcomes[outcome.index] = outcome
        return outcomes

    async def _repair(
        self,
        question: Question,
        plain: StudentPrompt,
        index: int,
        first: ScoredRollout,
        group: GroupContext,
        scoring: _Stopwatch,
    ) -> Outcome:
        started = time.monotonic()
        diagnosis = await self._diagnose(question, first)
        if isinstance(diagnosis.outcome, NoPatch):
            return Outcome(
                index, first, diagnosis, refusal=diagnosis.outcome,
                seconds=time.monotonic() - started,
            )
        patch = diagnosis.outcome
        prompt = await self._render_patched(question, patch)
        if isinstance(prompt, NoPatch):
            return Outcome(
                index, first, diagnosis, patch, refusal=prompt, seconds=time.monotonic() - started
            )
        second = score_rollout(await self._answer(prompt), question, self.reward, patch)
        (second,) = await self._with_components([second], question, group, scoring, patch)
        return Outcome(
            index,
            first,
            diagnosis,
            patch,
            second=second,
            in_view=evidence_was_in_view(patch, plain, self.config),
            seconds=time.monotonic() - started,
        )

    async def _diagnose(self, question: Question, first: ScoredRollout) -> Diagnosis:
        failed = FailedRollout(question, first.rollout.text, first.answer)
        started = time.monotonic()
        try:
            return await self.teacher.diagnose(failed)
        except UserError:
            raise  # a teacher that must end the run says so on purpose
        except Exception as error:  # noqa: BLE001 - a broken teacher must never stop a step
            _log.warning("diagnosis of %s failed", question.id, exc_info=True)
            refusal = NoPatch(
                reason="timeout" if isinstance(error, TimeoutError) else "provider_error",
                detail=f"the teacher raised {type(error).__name__}",
            )
            return Diagnosis(refusal, "none", time.monotonic() - started)

    async def _render_patched(
        self, question: Question, patch: EvidencePatch
    ) -> StudentPrompt | NoPatch:
        try:
            return await self.render.patched(question.asked, patch)
        except PromptOverBudget as error:
            return NoPatch(reason="over_budget", detail=str(error))
        except (PatchRenderError, OSError) as error:
            return NoPatch(reason="media_error", detail=str(error))
