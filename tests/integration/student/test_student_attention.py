"""VAS-A's model part: equal to eager attention over everything, whatever the kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModelForImageTextToText,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ffr.config.student import PromptConfig, TinyModelConfig
from ffr.data.question import AskedQuestion
from ffr.errors import UserError
from rewards.video_r2.vas_attention import attention_score
from student.forced import ForcedStudent
from student.processor import EncodedPrompt, StudentProcessor
from student.prompt import render_question
from student.prompt_parts import Message, StudentPrompt, TextPart, VideoPart
from student.response_tokens import think_tokens
from student.time_axis import TimeAxis
from student.tiny.model import build_tiny_student

RESPONSE = "<think>at <keyframes>5.0</keyframes></think><answer>red cross</answer>"


def prompt(processor: Any, seed: int = 0, frames: int = 6) -> EncodedPrompt:
    asked = AskedQuestion(
        id="q", video="v.mp4", question="What appears at 5.0 seconds?", answer_type="text"
    )
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, 32, 48, 3), dtype=np.uint8)
    axis = TimeAxis(tuple(0.5 + t for t in range(frames)), 10.0, float(frames))
    return processor.encode(
        render_question(
            asked, VideoPart(pixels, axis), PromptConfig(style="compact"),
            write_frame_times=processor.write_frame_times,
        )
    )  # fmt: skip


def eager_weights(model: Any, processor: Any, whole: EncodedPrompt) -> list[torch.Tensor]:
    """All attention of all layers, (H, L, L) each, as the library's own eager kernel gives it."""
    with torch.inference_mode():
        inputs = processor.batch([whole])
        return [a[0] for a in model(**inputs, output_attentions=True).attentions]


def eager(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()


def check_against(weights: torch.Tensor, layer: Any, ids: Any, rows: list[int], video: int) -> None:
    wanted = weights[:, rows].transpose(0, 1).double().numpy()  # rows, heads, keys
    is_video = np.array(ids) == video
    assert np.abs(layer.video - wanted[..., is_video].sum(-1)).max() < 1e-5
    assert np.abs(layer.sink - wanted[..., 0]).max() < 1e-5


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_it_equals_the_full_attention_of_every_layer(checkpoint: Any, kernel: str) -> None:
    processor = checkpoint.processor
    stock = eager(checkpoint.folder)
    model = checkpoint.model if kernel == "sdpa" else stock
    student = ForcedStudent(model, processor)
    source = prompt(processor)
    ids = student.response_ids(RESPONSE)
    tokens = list(range(0, len(ids), 2))
    # Chunks of three rows: the last one is not full.
    found = student.attention(source, ids, tokens, layers=(0, 1, -1), chunk_rows=3)
    whole = replace(source, prompt_ids=source.prompt_ids + ids, key="whole")
    weights = eager_weights(stock, processor, whole)
    assert [layer.layer for layer in found] == [0, 1, 2]
    rows = [len(source.prompt_ids) - 1 + t for t in tokens]
    for layer in found:
        assert layer.video.shape == (len(tokens), 4)
        check_against(weights[layer.layer], layer, whole.prompt_ids, rows,
                      processor.hf.video_token_id)  # fmt: skip
        assert layer.visible_keys.tolist() == [row + 1 for row in rows]
        assert set(layer.visible_video.tolist()) == {
            whole.prompt_ids.count(processor.hf.video_token_id)
        }
        assert layer.video.min() > 0
    score = attention_score(found[-1].video, found[-1].sink, found[-1].visible_keys,
                            found[-1].visible_video)  # fmt: skip
    assert score.vas is not None
    assert 0 < score.vas < 100


def test_watching_changes_nothing_and_leaves_nothing_behind(checkpoint: Any) -> None:
    student = ForcedStudent(checkpoint.model, checkpoint.processor)
    source = prompt(checkpoint.processor)
    ids = student.response_ids(RESPONSE)
    modules = [layer.self_attn for layer in checkpoint.model.model.language_model.layers]
    before = [dict(vars(m)) for m in modules]
    first = student.log_probs(source, ids)
    student.attention(source, ids, range(len(ids)))
    with pytest.raises(ValueError, match="one whole sequence"):
        broken_pass(checkpoint, student, source)
    assert [dict(vars(m)) for m in modules] == before
    assert student.log_probs(source, ids) == first


def broken_pass(checkpoint: Any, student: ForcedStudent, source: EncodedPrompt) -> None:
    from student.attention import watched_attention

    positions, is_video = torch.tensor([3]), torch.zeros(5, dtype=torch.bool)
    with torch.inference_mode(), watched_attention(
        checkpoint.model, layers=(-1,), positions=positions, is_video=is_video
    ):  # fmt: skip
        checkpoint.model(**checkpoint.processor.batch([source]))


def test_a_kernel_that_reads_its_own_name_finds_it(checkpoint: Any) -> None:
    """FlashAttention's does; it is not there without a GPU."""
    names = []

    def nosy(module: Any, *given: Any, **options: Any) -> Any:
        names.append(module.config._attn_implementation)
        return sdpa_attention_forward(module, *given, **options)

    AttentionInterface.register("ffr_nosy", nosy)
    AttentionMaskInterface.register("ffr_nosy", sdpa_mask)
    model = AutoModelForImageTextToText.from_pretrained(checkpoint.folder, dtype=torch.float32)
    source = prompt(checkpoint.processor)
    usual = ForcedStudent(checkpoint.model, checkpoint.processor)
    ids = usual.response_ids(RESPONSE)
    (expected,) = usual.attention(source, ids, [1, 2])
    model.set_attn_implementation("ffr_nosy")
    student = ForcedStudent(model.eval(), checkpoint.processor)
    (found,) = student.attention(source, ids, [1, 2])
    assert names
    assert set(names) == {"ffr_nosy"}
    assert np.abs(found.video - expected.video).max() < 1e-6


def test_text_alone_has_no_attention_on_video(checkpoint: Any) -> None:
    """Acceptance list 12.4 (9)."""
    processor = checkpoint.processor
    student = ForcedStudent(checkpoint.model, processor)
    text = processor.encode(StudentPrompt((Message("user", (TextPart("What appears?"),)),)))
    (layer,) = student.attention(text, student.response_ids(RESPONSE), [0, 3])
    score = attention_score(layer.video, layer.sink, layer.visible_keys, layer.visible_video)
    assert (score.vas, score.lift) == (0.0, None)


def sliding_qwen2_vl(theirs: Any, window: int) -> Any:
    """The oldest family, which may slide: full attention in layer 0, a window in layer 1."""
    text = {
        "vocab_size": theirs.text_config.vocab_size, "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "use_sliding_window": True, "sliding_window": window, "max_window_layers": 1,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
        "pad_token_id": theirs.text_config.pad_token_id, "tie_word_embeddings": True,
    }  # fmt: skip
    vision = {"depth": 1, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "patch_size": 8,
              "mlp_ratio": 2}  # fmt: skip
    ids = {name: getattr(theirs, name) for name in (
        "image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")}
    torch.manual_seed(1)
    config = Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    model = Qwen2VLForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model


def test_sliding_windows_are_respected(tmp_path: Path) -> None:
    # Its prompts are those of Qwen2.5-VL.
    folder = build_tiny_student(TinyModelConfig(family="qwen2_5_vl"), tmp_path, [RESPONSE] * 2)
    processor = StudentProcessor(folder)
    window = 30
    model = sliding_qwen2_vl(AutoConfig.from_pretrained(folder), window)
    source = prompt(processor)
    source = replace(source, tensors={k: v for k, v in source.tensors.items()
                                      if k != "second_per_grid_ts"})  # fmt: skip
    student = ForcedStudent(model, processor)
    ids = student.response_ids(RESPONSE)
    tokens = list(range(0, len(ids), 3))
    found = student.attention(source, ids, tokens, layers=(0, 1), chunk_rows=2)
    model.set_attn_implementation("eager")
    whole = replace(source, prompt_ids=source.prompt_ids + ids, key="whole")
    weights = eager_weights(model, processor, whole)
    rows = [len(source.prompt_ids) - 1 + t for t in tokens]
    for layer in found:
        check_against(weights[layer.layer], layer, whole.prompt_ids, rows,
                      processor.hf.video_token_id)  # fmt: skip
    assert found[0].visible_keys.tolist() == [row + 1 for row in rows]
    assert found[1].visible_keys.tolist() == [window] * len(rows)
    is_video = np.array(whole.prompt_ids) == processor.hf.video_token_id
    assert found[1].visible_video.tolist() == [
        int(is_video[row - window + 1 : row + 1].sum()) for row in rows
    ]
    assert found[1].visible_video[-1] < found[0].visible_video[-1]


def test_what_cannot_be_read_is_refused(checkpoint: Any) -> None:
    student = ForcedStudent(checkpoint.model, checkpoint.processor)
    source = prompt(checkpoint.processor)
    ids = student.response_ids(RESPONSE)
    with pytest.raises(UserError, match="layer 3 is not allowed; the model has layers 0 to 2"):
        student.attention(source, ids, [0], layers=(3,))
    with pytest.raises(ValueError, match="must ascend within 0 to"):
        student.attention(source, ids, [0, len(ids)])
    with pytest.raises(ValueError, match="must ascend"):
        student.attention(source, ids, [2, 1])
    assert student.attention(source, ids, []) == ()
    with pytest.raises(ValueError, match=r"control token '<\|im_end\|>'"):
        student.response_ids("<think>a</think><|im_end|>")
    with pytest.raises(ValueError, match="vision token"):
        student.log_probs(source, (*ids[:2], checkpoint.processor.hf.video_token_id, ids[2]))
    with pytest.raises(UserError, match="Sequential"):
        ForcedStudent(torch.nn.Sequential(), checkpoint.processor)


def test_log_probs_are_those_of_the_whole_sequence(checkpoint: Any) -> None:
    processor = checkpoint.processor
    student = ForcedStudent(checkpoint.model, processor)
    source = prompt(processor)
    ids = student.response_ids(RESPONSE)
    whole = replace(source, prompt_ids=source.prompt_ids + ids, key="whole")
    with torch.inference_mode():
        logits = checkpoint.model(**processor.batch([whole])).logits[0]
    start = len(source.prompt_ids)
    scores = logits[start - 1 : -1].log_softmax(-1)
    expected = scores.gather(-1, torch.tensor(ids)[:, None])[:, 0]
    assert student.log_probs(source, ids) == pytest.approx(expected.tolist(), abs=1e-4)
    assert student.log_probs(source, ()) == ()


def test_think_tokens_write_the_reasoning_and_no_tag(checkpoint: Any) -> None:
    processor = checkpoint.processor
    student = ForcedStudent(checkpoint.model, processor)
    ids = student.response_ids(RESPONSE)
    found = think_tokens(ids, processor.decode)
    assert processor.decode([ids[i] for i in found]) == "at <keyframes>5.0</keyframes>"
    assert len(found) < len(ids)
    for malformed in ("at 5.0", "<think>a</think><think>b</think><answer>c</answer>",
                      "<think></think><answer>red</answer>"):  # fmt: skip
        assert len(think_tokens(student.response_ids(malformed), processor.decode)) == 0


def test_think_tokens_where_tags_are_ordinary_text() -> None:
    """Tokens of three characters: tag ends and content share tokens; shared ones are content."""
    text = "<think>I look at 01:45.</think> <answer>B</answer>"
    pieces = [text[i : i + 3] for i in range(0, len(text), 3)]
    found = think_tokens(range(len(pieces)), lambda ids: "".join(pieces[i] for i in ids))
    assert "".join(pieces[i] for i in found) == ">I look at 01:45.<"
