"""The GRPO trainer: verl's synchronous V1 trainer with the four things repair needs.

1. Advantages come with the rows: they are computed engine-free per group
   (``rewards.advantage``), because the choice and the baselines need facts that verl's
   estimators never see.
2. A question may contribute any number of rows up to its budget; one optimiser step
   covers them all, padded with masked copies of a short row, never with verl's text-only
   padding (which Qwen2-VL models of transformers 5 cannot run).
3. A dead worker or rollout server ends the run with a message instead of a silent wait, and a
   request to stop with a checkpoint (``checkpointing``).
4. Metrics of the repair loop join the step's metrics.
"""

from __future__ import annotations

import copy
import time
import uuid
from typing import Any

import ray
import torch
import transfer_queue as tq
from omegaconf import DictConfig, open_dict
from tensordict import NonTensorStack, TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.utils import Role
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.utils.metric import reduce_metrics
from verl.utils.py_functional import rename_dict
from verl.utils.tensordict_utils import list_of_dict_to_tensordict
from verl.workers.utils.padding import response_to_nested

from ffr.errors import FfrError
from ffr.train.verl import hf_rollout
from ffr.train.verl.checkpointing import CheckpointingTrainer
from ffr.train.verl.liveness import ActorWatch
from ffr.train.verl.micro_batch import padded_rows
from ffr.train.verl.replay import WatchedReplayBuffer
from ffr.train.verl.rollouts import register_rollout
from ffr.train.verl.tracking import require_all
from ffr.train.verl.workers import FfrActorWorker

__all__ = ["TRAINER_NAME", "FfrTrainer"]

TRAINER_NAME = "ffr_sync"
_POLL_S = 0.05


@register_trainer(TRAINER_NAME)
class FfrTrainer(CheckpointingTrainer):
    """Synchronous GRPO over the rows that the repair workers put into the queue."""

    def __init__(self, config: DictConfig) -> None:
        register_rollout(config.actor_rollout_ref.rollout.name)
        # verl's base class compares the mode with the literal "sync" in several places.
        with open_dict(config):
            config.trainer.v1.trainer_mode = "sync"
        super().__init__(config=config)
        # verl polls every 2 s, which on small models is most of a step.
        self.replay_buffer.poll_interval = _POLL_S
        self._step_began = time.monotonic()
        self._live_rows = 0

    # -- set-up ---------------------------------------------------------------------------

    def _init_resource_pool_mgr(self) -> None:
        super()._init_resource_pool_mgr()
        for role in (Role.Actor, Role.ActorRollout, Role.ActorRolloutRef, Role.RefPolicy):
            if role in self.role_worker_mapping:
                self.role_worker_mapping[role] = ray.remote(FfrActorWorker)

    def fit(self, agent_loop_manager: Any) -> None:
        """Train; raises when a worker or rollout server dies."""
        workers = enumerate(agent_loop_manager.agent_loop_workers)
        servers = enumerate(self.llm_server_manager.server_handles)
        ranks = enumerate(self.actor_rollout_wg.workers)
        watch = ActorWatch(
            {f"agent loop worker {i}": w for i, w in workers}
            | {f"rollout server {i}": s for i, s in servers}
            | {f"training rank {i}": r for i, r in ranks}
        )
        self.replay_buffer.watch, self.replay_buffer.stop = watch, self._stop
        code = 1
        try:
            super().fit(agent_loop_manager)
            code = 0
        except FfrError:
            raise
        except Exception:
            watch.name_the_dead()  # a collective only says that a connection broke
            raise
        finally:  # Ray ends this process without waiting for what a tracker still holds back
            if (tracking := getattr(self, "logger", None)) is not None:
                tracking.finish(exit_code=code)

    def _build_replay_buffer(self) -> Any:
        sampler = self.config.trainer.v1.sampler
        return WatchedReplayBuffer(
            trainer_mode="sync",
            trainer_config=self.config.trainer.v1.get("sync", {}),
            max_off_policy_threshold=sampler.max_off_policy_threshold,
            max_off_policy_strategy=sampler.max_off_policy_strategy,
            sampler_kwargs=sampler.sampler_kwargs,
        )

    # -- one step -------------------------------------------------------------------------

    def _next_train_batch(self, num_prompts: int | None = None) -> TensorDict:
        batch = super()._next_train_batch(num_prompts)
        # verl draws random ids; ours make runs repeatable. Keys are split at "_", so none here.
        batch["uid"] = NonTensorStack(*(f"s{self.global_steps}q{i}" for i in range(len(batch))))
        return batch

    def on_step_begin(self) -> None:
        """Note when the step began; before the first, whether all trackers are there."""
        self._step_began = time.monotonic()
        require_all(self.logger, self.config.trainer.logger)
        super().on_step_begin()

    def _balance_batch(
        self, batch: KVBatchMeta, metrics: dict[str, Any], **_kwargs: Any
    ) -> KVBatchMeta:
        """Sort rows by length and pad their number to what the data-parallel ranks need.

        Rows of equal length share a micro-batch, so that little of a padded forward is waste.
        """
        worker_group = self.actor_rollout_wg
        if "actor" not in worker_group._dispatch_info:
            worker_group._dispatch_info["actor"] = worker_group._query_dispatch_info("actor")
        ranks = max(worker_group._dispatch_info["actor"]) + 1
        actor = self.config.actor_rollout_ref.actor
        per_rank = -(-len(batch) // ranks)
        if not actor.use_dynamic_bsz:
            per_rank = padded_rows(per_rank, actor.ppo_micro_batch_size_per_gpu)
        metrics["repair/padding_rows"] = padding = ranks * per_rank - len(batch)
        batch = _pad_rows(batch, padding)
        lengths = [tag["seq_len"] for tag in batch.tags]
        # The key breaks ties, so that the order, and with it rounding, repeats from run to run.
        order = sorted(range(len(batch)), key=lambda i: (-lengths[i], batch.keys[i]))
        # Dealing the sorted rows out in turn gives every rank the same mix of lengths.
        batch.reorder([order[i] for rank in range(ranks) for i in range(rank, len(order), ranks)])
        return batch

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """Spread each row's own advantage over its response tokens."""
        data = tq.kv_batch_get(
            keys=batch.keys,
            partition_id=batch.partition_id,
            select_fields=["response_mask", "extra_fields"],
        )
        mask = data["response_mask"]
        self._live_rows = int((mask.to_padded_tensor(0).sum(-1) > 0).sum())
        values = torch.tensor(
            [0.0 if tag.get("is_padding") else float(_plain(extra)["ffr_advantage"])
             for tag, extra in zip(batch.tags, list(data["extra_fields"]), strict=True)]
        )
        padded = mask.to_padded_tensor(0).float() * values.unsqueeze(-1)
        fields = TensorDict(
            {name: response_to_nested(padded, mask) for name in ("advantages", "returns")},
            batch_size=len(batch),
        )
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)

    def _update_actor(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """One optimiser step over all rows of the step, however many there are.

        A step without a live row (every group failed alike, every repair too) has nothing to
        learn from: the weights stay as they are.
        """
        if self._live_rows == 0:
            metrics.pop("actor/entropy", None)  # a mean over no token
            metrics |= {"actor/pg_loss": 0.0, "actor/grad_norm": 0.0, "perf/mfu/actor": 0.0}
            return batch
        actor = self.config.actor_rollout_ref.actor
        batch.extra_info.update(
            calculate_entropy=actor.calculate_entropy or actor.entropy_coeff != 0.0,
            distillation_use_topk=False,
            distillation_only=False,
            global_batch_size=self._live_rows,  # what a mean over rows is a mean over
            mini_batch_size=len(batch),
            epochs=actor.ppo_epochs,
            seed=actor.data_loader_seed,
            dataloader_kwargs={"shuffle": False},
            temperature=self.config.actor_rollout_ref.rollout.temperature,
        )
        output = rename_dict(self.actor_rollout_wg.update_actor(batch)["metrics"], "actor/")
        output["perf/mfu/actor"] = output.pop("actor/mfu", 0.0)
        metrics.update(reduce_metrics(output))
        return batch

    def _compute_metrics(
        self, batch: KVBatchMeta, metrics: dict[str, Any], timing_raw: dict[str, float],
        global_steps: int, epoch: int,
    ) -> None:
        super()._compute_metrics(batch, metrics, timing_raw, global_steps=global_steps, epoch=epoch)
        metrics.update(self._log.step_metrics(global_steps))
        if self.config.actor_rollout_ref.rollout.name == hf_rollout.NAME:
            servers = self.llm_server_manager.server_handles
            busy = ray.get([server.busy_seconds.remote() for server in servers])
            metrics["perf/engine_busy_s"] = sum(busy) / len(busy)
            model_s = metrics["perf/engine_busy_s"] + sum(
                timing_raw.get(part, 0.0) for part in ("old_log_prob", "ref", "update_actor")
            )
            metrics["perf/model_work_share"] = model_s / timing_raw["step"]
        self._log.write(global_steps, metrics, seconds=time.monotonic() - self._step_began)


def _plain(value: Any) -> dict[str, Any]:
    """A non-tensor field as it was put: some queue back ends wrap it."""
    return getattr(value, "data", value) if not isinstance(value, dict) else value


def _pad_rows(batch: KVBatchMeta, count: int) -> KVBatchMeta:
    """Append ``count`` masked copies of the shortest row; they carry no loss and no reward."""
    if count == 0:
        return batch
    shortest = min(range(len(batch)), key=lambda i: batch.tags[i]["seq_len"])
    row = tq.kv_batch_get(keys=[batch.keys[shortest]], partition_id=batch.partition_id)[0]
    fields = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a TensorDict
    for name in ("response_mask", "loss_mask"):
        fields[name] = torch.zeros_like(fields[name])
    fields["rm_scores"] = torch.zeros_like(fields["rm_scores"])
    uid = f"pad{uuid.uuid4().hex}"
    fields["uid"] = uid
    keys = [f"{uid}_{i}_0" for i in range(count)]
    tags = [{**copy.deepcopy(batch.tags[shortest]), "is_padding": True} for _ in keys]
    tq.kv_batch_put(
        keys=keys,
        partition_id=batch.partition_id,
        fields=list_of_dict_to_tensordict([copy.deepcopy(fields) for _ in keys]),
        tags=tags,
    )
    return KVBatchMeta(
        keys=batch.keys + keys,
        tags=batch.tags + tags,
        partition_id=batch.partition_id,
        fields=batch.fields,
        extra_info=batch.extra_info,
    )
