"""Put the rows of a group into verl's queue in one call.

verl's own post-processing puts one trajectory a call and takes several outputs of a call for turns
of one trajectory (one reward for all).  A group's rows are trajectories of their own; one round
trip for all of them instead of one each saves a tenth of a small model's step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transfer_queue as tq
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from ffr.train.verl.one_stream import one_visual_stream

__all__ = ["put_rows"]


async def put_rows(
    worker: Any, outputs: Sequence[AgentLoopOutput], prompt: dict[str, Any], *, partition: str
) -> None:
    """Queue ``outputs`` as sessions 0, 1, ... of a prompt, with the fields and tags of verl's own.

    Args:
        worker: the agent-loop worker, for its multimodal inputs and M-RoPE positions.
        outputs: rows with their rewards, at least one.
        prompt: the prompt's fields; ``uid`` and ``global_steps`` are needed.
        partition: ``train`` or ``val``.
    """
    fields, tags = [], []
    for session, output in enumerate(outputs):
        ids = torch.tensor([*output.prompt_ids, *output.response_ids], dtype=torch.int64)
        media = worker._compute_multi_modal_inputs(output, ids)
        positions = worker._compute_position_ids(ids[None], torch.ones_like(ids)[None], media)
        ids, media = one_visual_stream(worker.processor, ids, media)
        field: dict[str, Any] = {**output.as_dict(), **prompt, "session_id": session}
        field.pop("multi_modal_data", None)  # raw pixels are not stored
        field |= {
            "loss_mask": field["response_mask"], "input_ids": ids,
            "position_ids": positions.squeeze(0), "multi_modal_inputs": media,
        }  # fmt: skip
        fields.append(field)
        lengths = len(output.prompt_ids), len(output.response_ids)
        tags.append(
            {
                "status": "success", "prompt_len": lengths[0], "response_len": lengths[1],
                "seq_len": sum(lengths), "global_steps": prompt["global_steps"],
                "min_global_steps": output.extra_fields.get("min_global_steps"),
                "max_global_steps": output.extra_fields.get("max_global_steps"),
            }
        )
    await tq.async_kv_batch_put(
        keys=[f"{prompt['uid']}_{session}_0" for session in range(len(outputs))],
        fields=list_of_dict_to_tensordict(fields),
        tags=tags,
        partition_id=partition,
    )
