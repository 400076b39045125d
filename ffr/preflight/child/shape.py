"""Exact parameter counts of a checkpoint, without its weights: the model on the meta device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText  # noqa: E402

from ffr.errors import UserError  # noqa: E402
from ffr.preflight.shape import ModelShape  # noqa: E402

__all__ = ["read_shape", "shape_of"]


def read_shape(folder: Path | str) -> ModelShape:
    """The shape of the checkpoint in ``folder``; only its ``config.json`` is read.

    Raises:
        UserError: it describes no video model transformers knows.
    """
    try:
        return shape_of(AutoConfig.from_pretrained(folder))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"student.path={str(folder)!r} describes no video model that can be measured "
            f"({type(error).__name__}: {str(error).splitlines()[0][:200]}); give a Qwen-VL "
            "checkpoint in Hugging Face's form"
        ) from error


def shape_of(config: Any) -> ModelShape:
    """The shape of the model a transformers configuration describes.

    Raises:
        ValueError: transformers has no image-text model for it.
        AttributeError: it lacks a text or a vision part of the usual form.
    """
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    text, vision = config.text_config, config.vision_config
    in_vision = {n: p.numel() for n, p in model.named_parameters() if "visual" in n.split(".")}
    head = model.get_output_embeddings()
    linears = [(n, m) for n, m in model.named_modules()
               if isinstance(m, torch.nn.Linear) and m is not head]  # fmt: skip
    vision_linears = [m for n, m in linears if "visual" in n.split(".")]
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    patch = vision.patch_size**2 * vision.temporal_patch_size
    colours = getattr(vision, "in_channels", None) or getattr(vision, "in_chans", 3)
    return ModelShape(
        name=config.model_type,
        parameters=sum(p.numel() for p in model.parameters()),
        vision=sum(in_vision.values()),
        embedding=model.get_input_embeddings().weight.numel(),
        adapter=sum(m.in_features + m.out_features for _, m in linears),
        vision_adapter=sum(m.in_features + m.out_features for m in vision_linears),
        tied=head is None or head.weight is model.get_input_embeddings().weight,
        vocabulary=text.vocab_size,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        query=heads * width,
        key_value=text.num_key_value_heads * width,
        heads=heads,
        vision_layers=vision.depth,
        vision_hidden=vision.hidden_size,
        vision_intermediate=vision.intermediate_size,
        merge=vision.spatial_merge_size,
        visual_token_values=patch * colours * vision.spatial_merge_size**2,
        max_positions=text.max_position_embeddings,
    )
