"""Exact parameter counts from the real classes, without weights, against the published ones."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import Qwen2_5_VLConfig, Qwen3VLConfig

from ffr.errors import UserError
from ffr.preflight.child.shape import read_shape, shape_of

VISION3 = {"patch_size": 16, "num_heads": 16, "num_position_embeddings": 2304}


def qwen25_7b() -> Any:
    rope = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    text = {
        "vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": 18_944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
        "max_position_embeddings": 128_000, "rope_parameters": rope,
        "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
              "out_hidden_size": 3584, "patch_size": 14}  # fmt: skip
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False)


def qwen3(hidden: int, intermediate: int, vision: dict[str, Any], *, tied: bool) -> Any:
    rope = {"rope_type": "default", "mrope_section": [24, 20, 20], "mrope_interleaved": True,
            "rope_theta": 5e6}  # fmt: skip
    text = {
        "vocab_size": 151_936, "hidden_size": hidden, "intermediate_size": intermediate,
        "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": 128, "max_position_embeddings": 262_144, "rope_parameters": rope,
        "tie_word_embeddings": tied,
    }  # fmt: skip
    vision = VISION3 | vision | {"out_hidden_size": hidden}
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (qwen25_7b(), 8_292_166_656),
        (
            qwen3(4096, 12_288, {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304,
                                 "deepstack_visual_indexes": [8, 16, 24]}, tied=False),
            8_767_123_696,
        ),
        (
            qwen3(2560, 9728, {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096,
                               "deepstack_visual_indexes": [5, 11, 17]}, tied=True),
            4_437_815_808,
        ),
    ],
    ids=["Qwen2.5-VL-7B", "Qwen3-VL-8B", "Qwen3-VL-4B"],
)  # fmt: skip
def test_parameters_of_the_published_checkpoints(config, parameters):
    """The sizes of their safetensors in bfloat16, halved."""
    shape = shape_of(config)
    assert shape.parameters == parameters
    text = config.text_config
    assert shape.embedding == text.vocab_size * text.hidden_size
    assert shape.tied == text.tie_word_embeddings
    assert 0 < shape.vision < shape.parameters / 8
    merged = shape.merge**2 * 2 * config.vision_config.patch_size**2 * 3
    assert shape.visual_token_values == merged


def test_adapters_are_counted_as_peft_makes_them(tmp_path):
    from peft import LoraConfig, get_peft_model

    from ffr.config.student import StudentConfig, TinyModelConfig
    from student.model import load_model
    from student.tiny.model import build_tiny_student

    folder = build_tiny_student(TinyModelConfig(hidden_size=64, layers=2), tmp_path, ["a b"] * 2)
    shape = read_shape(folder)
    model = load_model(folder, StudentConfig(path=str(folder), dtype="float32"))
    assert sum(p.numel() for p in model.parameters()) == shape.parameters
    adapted = get_peft_model(model, LoraConfig(r=3, target_modules="all-linear"))
    trained = [(n, p.numel()) for n, p in adapted.named_parameters() if p.requires_grad]
    assert sum(size for _, size in trained) == 3 * shape.adapter
    vision = sum(size for name, size in trained if "visual" in name.split("."))
    assert vision == 3 * shape.vision_adapter


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="describes no video model"):
        read_shape(tmp_path)
