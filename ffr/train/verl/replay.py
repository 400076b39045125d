"""verl's replay buffer, which waits for groups; ours does not wait for the dead."""

from __future__ import annotations

from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from ffr.errors import FfrError
from ffr.train.stop import StopFlag
from ffr.train.verl.liveness import ActorWatch

__all__ = ["GroupFailedError", "WatchedReplayBuffer"]


class GroupFailedError(FfrError):
    """A group of rollouts could not be made; the message says which and why."""


class WatchedReplayBuffer(ReplayBuffer):  # type: ignore[misc]
    """Ends the run when a group failed or the process making it died.

    verl would train on what is left of a failed group; a group with holes has wrong
    baselines, and the cause (an engine error) would return at every step.
    """

    watch: ActorWatch | None = None
    stop: StopFlag | None = None

    def _wait_for_next_poll(self, partition_id: str, last_debug_time: float) -> float:
        if self.watch is not None:
            self.watch.check()
        if self.stop is not None and partition_id == "train":  # before the step's update
            self.stop.raise_if_asked()
        return super()._wait_for_next_poll(partition_id, last_debug_time)  # type: ignore[no-any-return]

    def _select_prompt_uids(
        self, partition_id: str, sampleable_keys: set[str], batch_size: int
    ) -> tuple[list[str], dict[str, Any], dict[str, int]]:
        selected, rows, steps = super()._select_prompt_uids(
            partition_id, sampleable_keys, batch_size
        )
        if not any(key.split("_")[0] in selected for key in rows):
            raise GroupFailedError(
                f"all {len(selected)} questions of this step were skipped; events.jsonl in the run "
                "folder has the reasons: repair the media or take the rows out"
            )
        return selected, rows, steps

    def _sampleable_terminal_keys(self, partition_id: str, eviction_reasons: Any) -> set[str]:
        failed = self.failure_keys[partition_id]
        if failed:
            tags = (tq.kv_list() or {}).get(partition_id, {})
            uid = sorted(failed)[0]
            reason = tags.get(uid, {}).get("error", "no reason was recorded")
            raise GroupFailedError(
                f"{len(failed)} group(s) of rollouts failed; first {uid}: {reason}"
            )
        return super()._sampleable_terminal_keys(partition_id, eviction_reasons)  # type: ignore[no-any-return]
