"""Build a tiny random-initialised Qwen-VL and save it as an ordinary checkpoint.

The classes are those of the real students, so one code path loads both.  Shape and
``initializer_range`` 0.06 are measured (spec tiny_student §2): with the libraries'
default of 0.02 such narrow networks do not learn.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402
from transformers import (  # noqa: E402
    GenerationConfig,
    PreTrainedModel,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from ffr.config.student import TinyModelConfig  # noqa: E402
from ffr.errors import UserError  # noqa: E402
from student.tiny import tokenizer as tk  # noqa: E402

__all__ = ["MERGE_SIZE", "PATCH_SIZE", "build_tiny_student"]

PATCH_SIZE = 8
"""Side of a vision patch, pixels."""
MERGE_SIZE = 2
"""Patches per side that become one token: frame sides must be multiples of 16 pixels."""
_TEMPORAL_PATCH = 2
_INIT = 0.06
_VISION_HEADS = 4


def build_tiny_student(config: TinyModelConfig, folder: Path, corpus: Iterable[str]) -> Path:
    """Make tokenizer, processor and weights, and save them in ``folder``.

    Args:
        config: family, shape and seed; the same configuration and corpus give the same bytes.
        folder: receives config, generation config, tokenizer, chat template, processor
            configuration and safetensors; ``AutoProcessor`` and
            ``AutoModelForImageTextToText`` load it.
        corpus: text the tokenizer learns its words from.

    Returns:
        ``folder``.

    Raises:
        UserError: the shape is impossible.
    """
    _check(config)
    tokenizer = tk.build_tokenizer(corpus)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = _model(config, tokenizer)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=pad, do_sample=True, temperature=1.0, top_k=0, top_p=1.0
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    _processor(config, tokenizer).save_pretrained(folder)
    return folder


def _check(config: TinyModelConfig) -> None:
    head = config.hidden_size // config.heads
    if config.hidden_size % config.heads or head % 2 or head < 8:
        raise UserError(
            f"student.tiny.hidden_size={config.hidden_size} with heads={config.heads} is not "
            "allowed; hidden_size / heads must be an even number of at least 8"
        )
    if config.vision_hidden_size % (4 * _VISION_HEADS):
        raise UserError(
            f"student.tiny.vision_hidden_size={config.vision_hidden_size} is not allowed; "
            f"give a multiple of {4 * _VISION_HEADS}"
        )


def _model(config: TinyModelConfig, tokenizer: Qwen2Tokenizer) -> PreTrainedModel:
    head = config.hidden_size // config.heads
    third = head // 2 // 3
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [head // 2 - 2 * third, third, third],
    }
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),  # no padded tail: engines would mask it differently
        "hidden_size": config.hidden_size,
        "intermediate_size": 3 * config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads // 2 if config.heads % 2 == 0 else config.heads,
        "max_position_embeddings": 32768,
        "initializer_range": _INIT,
        "rope_parameters": rope,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision: dict[str, Any] = {
        "depth": config.vision_layers,
        "hidden_size": config.vision_hidden_size,
        "intermediate_size": 3 * config.vision_hidden_size,
        "num_heads": _VISION_HEADS,
        "patch_size": PATCH_SIZE,
        "spatial_merge_size": MERGE_SIZE,
        "temporal_patch_size": _TEMPORAL_PATCH,
        "out_hidden_size": config.hidden_size,
        "initializer_range": _INIT,
    }
    common: dict[str, Any] = {
        "image_token_id": tokenizer.convert_tokens_to_ids(tk.IMAGE_PAD),
        "video_token_id": tokenizer.convert_tokens_to_ids(tk.VIDEO_PAD),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids(tk.VISION_START),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids(tk.VISION_END),
        "tie_word_embeddings": True,
        "dtype": "float32",
    }
    if config.family == "qwen3_vl":
        rope["mrope_interleaved"] = True
        text["head_dim"] = head
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        return Qwen3VLForConditionalGeneration(
            Qwen3VLConfig(text_config=text, vision_config=vision, **common)
        )
    vision |= {
        "window_size": 8 * PATCH_SIZE,
        "fullatt_block_indexes": [config.vision_layers - 1],
        "tokens_per_second": 2,
    }
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision, **common)
    )


def _processor(config: TinyModelConfig, tokenizer: Qwen2Tokenizer) -> ProcessorMixin:
    """Image and video processors that keep the given sizes: ``student.frames`` chooses them."""
    settings: dict[str, Any] = {
        "do_resize": False,
        "patch_size": PATCH_SIZE,
        "merge_size": MERGE_SIZE,
        "temporal_patch_size": _TEMPORAL_PATCH,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        # Bounds that never bind, for engines that resize whatever the configuration says.
        "size": {"shortest_edge": (PATCH_SIZE * MERGE_SIZE) ** 2, "longest_edge": 1 << 26},
    }
    image = Qwen2VLImageProcessor(**settings)
    if config.family == "qwen3_vl":
        video = Qwen3VLVideoProcessor(**settings, do_sample_frames=False)
        return Qwen3VLProcessor(image, tokenizer, video, chat_template=tk.CHAT_TEMPLATE)
    video = Qwen2VLVideoProcessor(**settings, do_sample_frames=False)
    return Qwen2_5_VLProcessor(image, tokenizer, video, chat_template=tk.CHAT_TEMPLATE)
