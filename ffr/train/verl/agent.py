"""Agent-loop workers: one coroutine per question drives the engine-free repair loop.

verl's own worker starts ``n`` independent trajectories; repair decides over the whole
group (whom to repair, which attempt to train, the baselines), so the group is the unit
here.  Rows reach the queue only when the whole group is done: never half a group.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import Counter
from typing import Any

import ray
import transfer_queue as tq
from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ, AgentLoopWorkerTQ

from ffr.config.load import load_config
from ffr.data.question import Question
from ffr.patches.store import PatchStore, local_image_cache
from ffr.repair.components import build_components
from ffr.repair.loop import RepairLoop
from ffr.repair.rows import TrainRow
from ffr.run.folder import RunFolder
from ffr.teacher.build import build_teacher
from ffr.train.rendering import PromptRenderer
from ffr.train.verl.engine_request import EngineRequests
from ffr.train.verl.engine_student import EngineStudent
from ffr.train.verl.positions import rope_kwargs
from ffr.train.verl.queue_rows import put_rows
from student.processor import PromptTooLongError
from teacher_tools.media.errors import MediaError

__all__ = ["RepairManager", "RepairWorker"]

logger = logging.getLogger(__name__)


class RepairWorker(AgentLoopWorkerTQ.__ray_metadata__.modified_class):  # type: ignore[misc]
    """Runs groups of rollouts, repairs included, and queues their rows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        custom = self.config.actor_rollout_ref.rollout.custom.ffr
        self._folder = RunFolder.open(custom.run_dir)
        self._records, self._attempt = self._folder.rollout_log(), self._folder.attempt
        self._run = load_config([self._folder.config_path])
        store = self._run.store
        cache = local_image_cache(store.local_cache, store.local_cache_gb)
        self._renderer = PromptRenderer(
            self._run.student,
            media_root=custom.media_root,
            model_path=self.config.actor_rollout_ref.model.path,
            patch_media=PatchStore(custom.store_dir, cache=cache).media,
            frame_cache=custom.get("frame_cache"),
        )
        self._requests = EngineRequests(
            self.config.actor_rollout_ref.rollout.name, self._renderer.processor
        )
        self._teacher = build_teacher(
            self._run.teacher,
            self._run.store,
            store_dir=custom.store_dir,
            media_root=custom.media_root,
            base_url=custom.get("teacher_base_url"),
            share=1.0 / self.config.actor_rollout_ref.rollout.agent.num_workers,
        )
        self._components = build_components(
            self._run.reward, judge_cache=self._folder.path / "judge_replies"
        )
        self._judged: Counter[str] = Counter()
        # verl asks the processor for what its own call of get_rope_index leaves out.
        self.processor.get_rope_index_kwargs = rope_kwargs

    async def _run_prompt(
        self, prompt: dict[str, Any], sampling_params: dict[str, Any],
        trajectory: dict[str, Any], trace: bool = False,
    ) -> None:
        uid = prompt["uid"]
        validate = bool(trajectory["validate"])
        partition = "val" if validate else "train"
        await tq.async_kv_put(key=uid, partition_id=partition, tag={"status": "running"})
        tag: dict[str, Any] = {"status": "finished"}
        try:
            await self._run_group(prompt, sampling_params, int(trajectory["step"]), validate)
        except asyncio.CancelledError:
            raise
        except (MediaError, PromptTooLongError) as error:
            tag = self._bad_question(prompt, int(trajectory["step"]), error)
        except Exception as error:  # noqa: BLE001 - recorded; the trainer ends the run
            # Whatever went wrong in the engine ends the run (replay.py); it must say what it was.
            logger.error("group %s failed:\n%s", uid, traceback.format_exc())
            tag = {"status": "failure", "error": f"{type(error).__name__}: {error}"[:2000]}
        await tq.async_kv_put(key=uid, partition_id=partition, tag=tag)

    def _bad_question(
        self, prompt: dict[str, Any], step: int, error: Exception
    ) -> dict[str, Any]:
        """A question that turned out unusable: skipped and recorded, or the end of the run."""
        question_id = Question.model_validate_json(prompt["question_json"]).id
        policy = self._run.data.row_policy
        if policy.mode == "fail":
            return {"status": "failure", "error": f"question {question_id}: {error}"[:2000]}
        self._folder.append_event(
            {"event": "group_skipped", "step": step, "id": question_id, "reason": str(error)}
        )
        skipped = len(self._folder.skipped_questions()) if policy.mode == "limit" else 0
        if skipped > policy.limit:
            reason = f"{skipped} questions could not be used, data.on_bad_row bears {policy.limit}"
            return {"status": "failure", "error": f"{reason}; the last: {question_id}: {error}"}
        return {"status": "finished"}  # a whole group without rows: the step goes on without it

    async def _run_group(
        self, prompt: dict[str, Any], sampling_params: dict[str, Any], step: int, validate: bool
    ) -> None:
        question = Question.model_validate_json(prompt["question_json"])
        student = EngineStudent(
            client=self.llm_client,
            renderer=self._renderer,
            requests=self._requests,
            sampling_params=sampling_params,
            seed_parts=(self._run.seed, step, question.id, validate),
        )
        loop = RepairLoop(
            student=student,
            teacher=self._teacher,
            render=self._renderer,
            config=self._run.repair,
            reward=self._run.reward,
            advantage=self._run.advantage,
            group_size=self._run.grpo.group_size,
            components=self._components.scorer if self._components else None,
            count_tokens=self._renderer.processor.count_tokens,
        )
        if validate:
            count = self.config.actor_rollout_ref.rollout.val_kwargs.n
            rows = (await loop.run_first_pass_only(question, count=count)).rows
        else:
            result = await loop.run_group(question, group=prompt["uid"])
            record = result.record.at(step, self._attempt)
            self._records.append(record.model_copy(update={"judge": self._newly_judged()}))
            # Rows without gradient are not worth a forward pass; one stays: no group is empty.
            rows = tuple(row for row in result.rows if row.live) or result.rows[:1]
        outputs = [await self._output(row, prompt["global_steps"]) for row in rows]
        await put_rows(self, outputs, prompt, partition="val" if validate else "train")

    def _newly_judged(self) -> dict[str, int]:
        """What the judge counted since the last record; the sum over records is exact."""
        if self._components is None:
            return {}
        now = Counter(self._components.metrics())
        new, self._judged = now - self._judged, now
        return dict(new)

    async def _output(self, row: TrainRow, global_step: int) -> AgentLoopOutput:
        encoded = await self._renderer.encode(row.context)
        rollout = row.rollout
        return AgentLoopOutput(
            prompt_ids=list(encoded.prompt_ids),
            response_ids=list(rollout.token_ids),
            response_mask=[int(row.live)] * len(rollout.token_ids),
            multi_modal_data={"processed": encoded.tensors},
            num_turns=2,
            metrics=AgentLoopMetrics(),
            reward_score=row.terms.total,
            extra_fields={
                "ffr_advantage": row.advantage,
                "reward_extra_info": {"acc": row.terms.accuracy},
                "min_global_steps": global_step,
                "max_global_steps": global_step,
            },
        )

    def _compute_multi_modal_inputs(
        self, output: AgentLoopOutput, input_ids: Any
    ) -> dict[str, Any]:
        # The tensors the rollout was generated with, not a second run of the processor.
        # The key's presence makes verl compute M-RoPE positions from token types; it pops it.
        return {**output.multi_modal_data["processed"], "mm_token_type_ids": True}


class RepairManager(AgentLoopManagerTQ):  # type: ignore[misc]
    """Starts :class:`RepairWorker` actors instead of verl's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(RepairWorker)
