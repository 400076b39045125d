"""A byte-level BPE tokenizer trained in place, shaped like Qwen's.

Same pre-tokenisation (every digit is a token of its own), control tokens and chat
markup as the real family, so that templates, processors and engines treat it alike.
The reasoning tags are added but not special: they survive ``skip_special_tokens``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from student import torchvision_shim

torchvision_shim.install()

from tokenizers import (  # type: ignore[import-untyped]  # noqa: E402
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)
from tokenizers.trainers import BpeTrainer  # type: ignore[import-untyped]  # noqa: E402
from transformers import Qwen2Tokenizer  # noqa: E402

from student.prompt import prompt_wording  # noqa: E402

__all__ = ["CHAT_TEMPLATE", "CONTROL_TOKENS", "TAGS", "build_tokenizer"]

PAD, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
VISION_PAD, IMAGE_PAD, VIDEO_PAD = "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"
CONTROL_TOKENS = (
    PAD, TURN_START, TURN_END, VISION_START, VISION_END, VISION_PAD, IMAGE_PAD, VIDEO_PAD,
)
TAGS = (
    "<think>", "</think>", "<answer>", "</answer>", "<keyframes>", "</keyframes>",
)

_ROLES = ("system", "user", "assistant")
_MARKUP = re.compile("|".join(map(re.escape, CONTROL_TOKENS + TAGS)))  # never part of a merge

CHAT_TEMPLATE = """\
{%- macro render(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}
{%- for part in content -%}
{%- if part.type == 'video' -%}{{ '<|vision_start|><|video_pad|><|vision_end|>' }}
{%- elif part.type == 'image' -%}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- elif part.type == 'text' -%}{{ part.text }}
{%- else -%}{{ raise_exception('unknown content type ' ~ part.type) }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' + render(message.content) + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def build_tokenizer(corpus: Iterable[str], *, max_merged: int = 384) -> Qwen2Tokenizer:
    """Train a tokenizer on ``corpus`` and on every fixed phrase of the prompts.

    Args:
        corpus: questions, options, guidance and answers, with or without markup.
        max_merged: at most this many tokens beyond the 256 bytes; the vocabulary has no
            unused tail.

    Any text can be encoded (bytes are the fallback).  The same corpus gives the same tokenizer.
    """
    template = _pipeline(Qwen2Tokenizer())
    trainer = BpeTrainer(
        vocab_size=256 + max_merged,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # Wording counts twice: min_frequency would otherwise drop phrases the corpus lacks.
    texts = [*(*_ROLES, *prompt_wording()) * 2, *corpus]
    template.train_from_iterator([piece for t in texts for piece in _MARKUP.split(t)], trainer)
    model: dict[str, Any] = _serialised_model(template)
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token=TURN_END,
        pad_token=PAD,
        unk_token=None,
        model_max_length=32768,
    )
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in TAGS])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _pipeline(reference: Qwen2Tokenizer) -> Tokenizer:
    """An empty BPE with the family's own normaliser, pre-tokeniser and decoder."""
    backend = reference.backend_tokenizer
    fresh = Tokenizer(models.BPE())
    fresh.normalizer = backend.normalizer or normalizers.NFC()
    fresh.pre_tokenizer = backend.pre_tokenizer
    fresh.decoder = decoders.ByteLevel()
    return fresh


def _serialised_model(tokenizer: Tokenizer) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model
