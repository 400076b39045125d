from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from ffr.config.student import PromptConfig, StudentConfig, TinyModelConfig
from ffr.data.question import AskedQuestion
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, PatchFrame
from student import torchvision_shim
from student.model import load_model
from student.processor import PromptTooLongError, StudentProcessor
from student.prompt import render_patched, render_question
from student.prompt_parts import StudentPrompt, VideoPart
from student.time_axis import TimeAxis
from student.tiny.model import build_tiny_student

ASKED = AskedQuestion(
    id="q", video="v.mp4", question="What appears at 5.0 seconds?", answer_type="text"
)
COMPACT = PromptConfig(style="compact")
PATCH = EvidencePatch(
    error_types=("temporal",),
    guidance="Look at the whole frame from 4.6 to 4.8 seconds.",
    frames=tuple(
        PatchFrame(t_s=4.6 + i / 10, image_sha256=c * 64) for i, c in enumerate("abcd")
    ),
)


def video(seed: int = 0, frames: int = 8) -> VideoPart:
    rng = np.random.default_rng(seed)
    times = tuple(0.5 + i for i in range(frames))
    pixels = rng.integers(0, 256, (frames, 32, 32, 3), dtype=np.uint8)
    return VideoPart(pixels, TimeAxis(times, 10.0, float(frames)))


def images(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {c * 64: rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for c in "abcd"}


def plain(processor: StudentProcessor, seed: int = 0) -> StudentPrompt:
    return render_question(
        ASKED, video(seed), COMPACT, write_frame_times=processor.write_frame_times
    )


def patched(processor: StudentProcessor, seed: int = 0, image_seed: int = 0) -> StudentPrompt:
    return render_patched(
        ASKED, video(seed), PATCH, images(image_seed), COMPACT,
        write_frame_times=processor.write_frame_times,
    )


def logits(checkpoint: Any, *prompts: StudentPrompt) -> torch.Tensor:
    encoded = [checkpoint.processor.encode(p) for p in prompts]
    with torch.inference_mode():
        return checkpoint.model(**checkpoint.processor.batch(encoded)).logits[:, -1]


def test_the_folder_is_an_ordinary_checkpoint(checkpoint: Any) -> None:
    processor = AutoProcessor.from_pretrained(checkpoint.folder)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder)
    model, info = AutoModelForImageTextToText.from_pretrained(
        checkpoint.folder, output_loading_info=True
    )
    assert not any(info.values())
    assert model.config.model_type == checkpoint.family
    assert model.config.text_config.vocab_size == len(tokenizer) == len(processor.tokenizer)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert 500_000 < model.num_parameters() < 5_000_000
    assert not processor.video_processor.do_resize
    assert not processor.image_processor.do_resize
    assert not processor.video_processor.do_sample_frames
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (checkpoint.folder / "chat_template.jinja").is_file()
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_tags_survive_and_control_tokens_do_not(checkpoint: Any) -> None:
    tokenizer = checkpoint.processor.tokenizer
    text = "<think>at <keyframes>5.0</keyframes></think><answer>red cross</answer>"
    ids = tokenizer(text + "<|im_end|>").input_ids
    assert checkpoint.processor.decode(ids) == text
    for tag in ("<think>", "</think>", "<answer>", "</answer>", "<keyframes>", "</keyframes>"):
        assert len(tokenizer(tag).input_ids) == 1


def test_any_text_is_encoded_and_digits_are_single(checkpoint: Any) -> None:
    tokenizer = checkpoint.processor.tokenizer
    for text in ("é漢字 🎬 \u202e tab\t\r\n", "12.5 seconds", "ünseen wörds"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert tokenizer.convert_ids_to_tokens(tokenizer("1234").input_ids) == ["1", "2", "3", "4"]


def test_the_same_config_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from ffr.config.student import TinyModelConfig\n"
        "from student.tiny.model import build_tiny_student\n"
        "for family in ('qwen3_vl', 'qwen2_5_vl'):\n"
        "    build_tiny_student(TinyModelConfig(family=family, seed=3),\n"
        "        pathlib.Path(sys.argv[1]) / family, ['red cross', 'blue circle'] * 2)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], check=True)

    def digests(folder: Path) -> dict[str, str]:
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}

    corpus = ["red cross", "blue circle"] * 2
    for family in ("qwen3_vl", "qwen2_5_vl"):
        config = TinyModelConfig.model_validate({"family": family, "seed": 3})
        here = build_tiny_student(config, tmp_path / "here" / family, iter(corpus))
        assert digests(here) == digests(tmp_path / "there" / family)
        other = config.model_copy(update={"seed": 4})
        build_tiny_student(other, tmp_path / "other" / family, corpus)
        weights = "model.safetensors"
        assert digests(here)[weights] != digests(tmp_path / "other" / family)[weights]


def test_the_torchvision_shim_can_be_called_again() -> None:
    torchvision_shim.install()
    torchvision_shim.install()
    assert "torchvision" in sys.modules
    for operator in ("nms", "qnms"):
        assert hasattr(torch.ops.torchvision, operator)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"hidden_size": 130}, "hidden_size=130"), ({"vision_hidden_size": 40}, "multiple of 16")],
)
def test_impossible_shapes_are_one_readable_line(
    change: dict[str, int], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        build_tiny_student(TinyModelConfig(**change), tmp_path, [])


def test_prompt_with_video_and_evidence_goes_through_the_model(checkpoint: Any) -> None:
    both = logits(checkpoint, plain(checkpoint.processor), patched(checkpoint.processor))
    assert both.isfinite().all()
    alone = logits(checkpoint, plain(checkpoint.processor))
    assert torch.allclose(both[0], alone[0], atol=1e-4)  # left padding changes nothing


def test_changing_one_evidence_image_changes_the_logits(checkpoint: Any) -> None:
    base = logits(checkpoint, patched(checkpoint.processor))[0]
    again = logits(checkpoint, patched(checkpoint.processor))[0]
    other = logits(checkpoint, patched(checkpoint.processor, image_seed=1))[0]
    assert torch.equal(base, again)
    assert (base - other).abs().max() > 1e-3


def test_changing_the_video_changes_the_logits(checkpoint: Any) -> None:
    base = logits(checkpoint, plain(checkpoint.processor))[0]
    other = logits(checkpoint, plain(checkpoint.processor, seed=1))[0]
    assert (base - other).abs().max() > 1e-3


def test_the_plain_prompt_is_a_token_prefix_of_the_patched_one(checkpoint: Any) -> None:
    processor = checkpoint.processor
    short = processor.encode(plain(processor)).prompt_ids
    long = processor.encode(patched(processor)).prompt_ids
    shared = next(i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b)
    tail = len(processor.tokenizer("<|im_end|>\n<|im_start|>assistant\n").input_ids)
    assert shared >= len(short) - tail - 1  # the last word may join the patch's line break


def test_prompts_are_short(checkpoint: Any) -> None:
    processor = checkpoint.processor
    assert len(processor.encode(plain(processor)).prompt_ids) <= 95
    assert len(processor.encode(patched(processor)).prompt_ids) <= 160


def test_true_times_are_in_the_token_text(checkpoint: Any) -> None:
    processor = checkpoint.processor
    axis = TimeAxis((0.533, 1.1, 7.25, 7.4, 9.0), 29.97, 10.0)
    part = VideoPart(video(0, 5).frames, axis)
    prompt = render_question(
        ASKED, part, COMPACT, write_frame_times=processor.write_frame_times
    )
    text = processor.tokenizer.decode(processor.encode(prompt).prompt_ids)
    if checkpoint.family == "qwen3_vl":
        assert not processor.write_frame_times
        for t in axis.group_times_s(2):
            assert f"<{t:.1f} seconds>" in text
        assert text.count(" seconds>") == 3
    else:
        assert "Frames at 0.5, 1.1, 7.2, 7.4, 9.0 s." in text
    assert axis.video_metadata()["frames_indices"] == [533, 1100, 7250, 7400, 9000]


def test_ids_and_tensors_agree_with_the_rollout_servers_route(checkpoint: Any) -> None:
    processor = StudentProcessor(checkpoint.folder)
    prompt = patched(processor)
    whole = processor.encode(prompt)
    split = processor.encode_expanded(whole.prompt_ids, *processor.raw_media(prompt))
    assert split.prompt_ids == whole.prompt_ids
    assert split.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, split.tensors[name]), name


def test_equal_prompts_are_preprocessed_once_and_the_cache_is_bounded(checkpoint: Any) -> None:
    processor = StudentProcessor(checkpoint.folder)
    first = processor.encode(plain(processor))
    assert processor.encode(plain(processor)) is first
    assert processor.encode(plain(processor, seed=1)).key != first.key
    small = StudentProcessor(checkpoint.folder, cache_bytes=first.nbytes + 1)
    kept = small.encode(plain(small))
    small.encode(plain(small, seed=1))
    assert small.encode(plain(small)) is not kept


def test_a_prompt_over_budget_names_tokens_and_limit(checkpoint: Any) -> None:
    processor = StudentProcessor(checkpoint.folder, max_prompt_tokens=50)
    with pytest.raises(PromptTooLongError, match=r"id='q' has \d+ tokens.*max_prompt_tokens is 50"):
        processor.encode(plain(processor))


def test_frames_off_the_patch_grid_are_a_readable_error(checkpoint: Any) -> None:
    part = VideoPart(np.zeros((2, 30, 32, 3), dtype=np.uint8), TimeAxis((0.0, 1.0), 1.0, 2.0))
    prompt = render_question(ASKED, part, COMPACT)
    with pytest.raises(UserError, match=r"30x32 pixels .*size_multiple to 16"):
        checkpoint.processor.encode(prompt)


def test_folders_without_a_student_are_user_errors(tmp_path: Path) -> None:
    for call in (
        lambda: StudentProcessor(tmp_path),
        lambda: load_model(tmp_path, StudentConfig(path=str(tmp_path))),
    ):
        with pytest.raises(UserError, match=str(tmp_path)):
            call()
