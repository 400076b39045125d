"""Run by a test in a process of its own: memory of real training steps, measured by the kernel.

Builds a Qwen3-VL without a checkpoint, does two steps of AdamW on rows with one image each, and
prints the growth of the process's peak resident memory and the model's shape as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from ffr.preflight.child.shape import shape_of

IMAGE = 5


def peak_bytes(which: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) * 1024
    raise RuntimeError(which)


def main(rows: int, tokens: int, checkpointing: bool) -> None:
    torch.set_num_threads(1)
    text = {
        "vocab_size": 4000, "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8,
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4,
                            "mrope_section": [12, 10, 10], "mrope_interleaved": True},
    }  # fmt: skip
    vision = {
        "depth": 4, "hidden_size": 128, "intermediate_size": 384, "num_heads": 4,
        "out_hidden_size": 512, "num_position_embeddings": 256, "patch_size": 8,
        "deepstack_visual_indexes": [1],
    }  # fmt: skip
    config = Qwen3VLConfig(
        text_config=text, vision_config=vision, image_token_id=IMAGE, tie_word_embeddings=False
    )
    gc.collect()
    before = peak_bytes("VmRSS")
    model = Qwen3VLForConditionalGeneration(config).float().train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    visual = 64
    ids = torch.randint(10, 4000, (rows, tokens))
    ids[:, 4 : 4 + visual] = IMAGE
    grid = torch.tensor([[1, 16, 16]] * rows)
    pixels = torch.randn(rows * 256, 2 * 3 * 64)
    kinds = (ids == IMAGE).long()
    for _ in range(2):
        logits = model(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
            image_grid_thw=grid, mm_token_type_ids=kinds,
        ).logits  # fmt: skip
        chosen = torch.log_softmax(logits, -1).gather(-1, ids[..., None])
        (-chosen.mean()).backward()
        del logits, chosen
        optimiser.step()
        optimiser.zero_grad()
    grown = peak_bytes("VmHWM") - before
    shape = asdict(shape_of(config))
    print(json.dumps({"grown": grown, "visual": visual, "shape": shape}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "checkpointing")
