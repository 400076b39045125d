"""Find, Fix, Reason for one question: the one coroutine behind training, caching and tests.

First pass of G answers together, verify, decide whom to repair, then per failure: diagnose,
render the patch, answer again, with no barrier between failures, so a step waits for one
teacher latency and not for F of them. Spec ffr §1 and §4, design §6.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ffr.config.repair import AdvantageConfig, RepairConfig, RewardConfig
from ffr.data.question import Question
from ffr.errors import FfrError, UserError
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.arms import build_rows
from ffr.repair.concurrency import gather_or_raise
from ffr.repair.observability import evidence_was_in_view
from ffr.repair.protocols import Diagnosis, FailedRollout, Rollout, Student, Teacher
from ffr.repair.record import GroupRecord, Timings, group_record
from ffr.repair.renderer import PromptOverBudget, Renderer
from ffr.repair.rows import Outcome, TrainRow, row_budget
from ffr.repair.scoring import ScoredRollout, score_rollout
from ffr.repair.selection import select_failures
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


class RepairLoop:
    """Runs groups; holds no state between them, so any number may run at once.

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
    ) -> None:
        if group_size < 1:
            raise UserError(f"grpo.group_size={group_size} is not allowed; give at least 1")
        self.student = student
        self.teacher = teacher
        self.render = render
        self.config = config
        self.reward = reward
        self.advantage = advantage
        self.group_size = group_size
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
        firsts = await self._first_pass(question, plain, self.group_size)
        first_done = time.monotonic()
        outcomes = await self._repair_all(question, plain, firsts)
        done = time.monotonic()
        label = group or question.id
        rows = build_rows(
            outcomes, plain, label, question.answer_type, self.config, self.reward, self.advantage
        )
        timings = Timings(
            first_pass=first_done - started, repair=done - first_done, total=done - started
        )
        record = group_record(question, label, outcomes, rows, self.row_budget, timings)
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
        firsts = await self._first_pass(question, plain, number)
        seconds = time.monotonic() - started
        outcomes = [Outcome(index, first) for index, first in enumerate(firsts)]
        label = group or question.id
        rows = build_rows(
            outcomes, plain, label, question.answer_type, self.config, self.reward, self.advantage
        )
        timings = Timings(first_pass=seconds, repair=0.0, total=seconds)
        record = group_record(question, label, outcomes, rows, number, timings, "validation")
        return GroupResult(rows, record, number, plain)

    async def _first_pass(
        self, question: Question, plain: StudentPrompt, count: int
    ) -> list[ScoredRollout]:
        rollouts = await gather_or_raise(self._answer(plain) for _ in range(count))
        return [score_rollout(rollout, question, self.reward) for rollout in rollouts]

    async def _answer(self, prompt: StudentPrompt) -> Rollout:
        rollout = await self.student.answer(prompt)
        if not rollout.token_ids:
            raise FfrError(
                f"the student engine returned no token for question {prompt.question_id!r}; "
                "a response holds at least its end token"
            )
        return rollout

    async def _repair_all(
        self, question: Question, plain: StudentPrompt, firsts: Sequence[ScoredRollout]
    ) -> list[Outcome]:
        outcomes = [Outcome(index, first) for index, first in enumerate(firsts)]
        selection = select_failures(firsts, self.config)
        for index in selection.empty:
            silence = NoPatch(reason="empty_response", detail="the student said nothing")
            outcomes[index] = Outcome(
                index, firsts[index], diagnosis=Diagnosis(silence, "none"), refusal=silence
            )
        repaired = await gather_or_raise(
            self._repair(question, plain, index, firsts[index]) for index in selection.ask
        )
        for outcome in repaired:
            outcomes[outcome.index] = outcome
        return outcomes

    async def _repair(
        self, question: Question, plain: StudentPrompt, index: int, first: ScoredRollout
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
        rollout = await self._answer(prompt)
        return Outcome(
            index,
            first,
            diagnosis,
            patch,
            second=score_rollout(rollout, question, self.reward, patch),
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
