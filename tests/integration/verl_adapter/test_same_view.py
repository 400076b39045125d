"""The same pixels reach the model in SFT, RL and evaluation, clock and subtitles included."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from ffr.config.student import FramesConfig
from ffr.data.sft_record import SftRecord
from ffr.patches.patch import NoPatch
from student.frames import sample_video
from student.prompt import control_token

ANSWER = "<think>I look at 1.6 s.</think><answer>B</answer>"
FRAMES = {"count": 4, "exact_size": [64, 96], "size_multiple": 16}
OVERLAYS = {"clock_overlay": True, "subtitle_overlay": True}


@pytest.fixture(scope="module")
def subtitles(media_root: Path) -> Iterator[None]:
    """Of the first video; other tests do not ask for them."""
    file = media_root / "a.srt"
    file.write_text("1\n00:00:01,000 --> 00:00:02,000\na red kite\n")
    yield
    file.unlink()


@pytest.fixture(scope="module")
def scene(start_job: Any, subtitles: None) -> Any:
    return start_job(
        student={
            "frames": FRAMES | OVERLAYS, "prompt": {"style": "compact"},
            "max_prompt_tokens": 300, "max_response_tokens": 40, "dtype": "float32",
        },
        sft={"train_line_break": True},
    )  # fmt: skip


@pytest.fixture(scope="module")
def record(questions: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sft") / "sft.jsonl"
    path.write_text(SftRecord(question=questions[0], response=ANSWER).model_dump_json())
    return path


def sft_row(scene: Any, record: Path, media_root: Path) -> dict[str, Any]:
    from ffr.train.verl.sft_dataset import SftDataset

    model = scene.tree.actor_rollout_ref.model.path
    ffr = {"run_dir": str(scene.folder.path), "media_root": str(media_root), "model": model}
    config = OmegaConf.create({"max_length": 400, "ffr": ffr})
    row: dict[str, Any] = SftDataset(str(record), None, config, processor=scene.agent.processor)[0]
    return row


def test_three_stages_one_view(
    scene: Any, kit: Any, questions: Any, record: Path, media_root: Path, checkpoint: Any,
    stock_models: Any,
) -> None:  # fmt: skip
    from ffr.evaluate.checkpoint import open_checkpoint
    from ffr.evaluate.evaluator import evaluate, protocol_of_run
    from ffr.evaluate.single_pass import SinglePass
    from ffr.train.verl.hf_rollout import HfServer

    seen: dict[str, tuple[list[int], torch.Tensor]] = {}
    row = sft_row(scene, record, media_root)
    length = len(row["input_ids"]) - int(row["loss_mask"].sum())
    seen["sft"] = (row["input_ids"][:length].tolist(),
                   row["multi_modal_inputs"]["pixel_values_videos"])  # fmt: skip

    # RL: what the update trains on, and what the rollout engine's model is fed.
    client = kit.Client(scene.agent._renderer.processor, [ANSWER] * 4)
    scene.submit("s1q0", questions[0], client, kit.Teacher(NoPatch(reason="teacher_off")))
    batch = scene.sample(1)
    (update, *_) = scene.get(batch, "multi_modal_inputs")
    (ids, *_) = scene.get(batch, "prompts")
    seen["update"] = (ids.tolist(), update["pixel_values_videos"])
    scene.clear()
    sampling = {"max_tokens": 2, "temperature": 0.0}
    server = HfServer(str(checkpoint[1]), {"dtype": "float32", "response_length": 2,
                                           "max_num_seqs": 4})  # fmt: skip
    request = client.requests[0]
    with stock_models(), fed(server._generator.model) as inputs:
        scene.run(server.generate("r", request["prompt_ids"], sampling,
                                  video_data=request["video_data"]))  # fmt: skip
    seen["rollout"] = inputs[0]

    # As `ffr eval` does it with the protocol a run writes for its last stage.
    protocol = protocol_of_run(scene.config)
    model = open_checkpoint(protocol, checkpoint[1], media_root, batch_size=1, device="cpu",
                            dtype="float32")  # fmt: skip
    asker = SinglePass(model.renderer, model.source, protocol.sampling, exclusive=True)
    with stock_models(), fed(model.generator.model) as inputs:
        (answered,) = asyncio.run(evaluate(questions[:1], asker, protocol))
    asyncio.run(model.source.aclose())
    assert answered.failure is None
    seen["evaluation"] = inputs[0]

    first_ids, first_pixels = seen["sft"]
    for stage, (tokens, pixels) in seen.items():
        assert tokens == first_ids, stage
        assert torch.equal(pixels, first_pixels), stage


class fed:  # noqa: N801 - reads as a verb
    """What a model's forward passes with pixels get: ids and video pixels of each."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __enter__(self) -> list[tuple[list[int], torch.Tensor]]:
        found: list[tuple[list[int], torch.Tensor]] = []

        def keep(_module: Any, _args: Any, given: dict[str, Any]) -> None:
            if given.get("pixel_values_videos") is not None:
                found.append((given["input_ids"][0].tolist(), given["pixel_values_videos"]))

        self._handle = self._model.register_forward_pre_hook(keep, with_kwargs=True)
        return found

    def __exit__(self, *_: object) -> None:
        self._handle.remove()


def test_the_view_has_clock_and_subtitles(scene: Any, media_root: Path) -> None:
    """Else the test above would hold for frames without any."""
    frames = FramesConfig.model_validate(FRAMES | {"exact_size": (64, 96)})
    shown = sample_video(media_root / "a.mp4", scene.config.student.frames).frames
    clock = sample_video(media_root / "a.mp4", frames.model_copy(update={"clock_overlay": True}))
    bare = sample_video(media_root / "a.mp4", frames).frames
    assert (clock.frames != bare).any(axis=(1, 2, 3)).all()
    # Frames at 0.5625, 1.6875, ... seconds: the second is within the cue.
    assert (shown != clock.frames).any(axis=(1, 2, 3)).tolist() == [False, True, False, False]


def test_labels_are_response_end_token_and_line_break_token_by_token(
    scene: Any, questions: Any, record: Path, media_root: Path
) -> None:
    """Against the chat template's own rendering of the whole conversation (12.4 (2))."""
    row = sft_row(scene, record, media_root)
    processor = scene.agent._renderer.processor
    prompt = asyncio.run(scene.agent._renderer.question(questions[0].asked))
    turns = [*prompt.chat_messages(),
             {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]}]  # fmt: skip
    text = processor.hf.apply_chat_template(turns, tokenize=False)
    assert text.endswith(f"{ANSWER}<|im_end|>\n")
    _, videos = processor.raw_media(prompt)
    whole = processor.hf(
        text=[text], return_tensors="pt", **processor._media_arguments([], videos)
    )["input_ids"][0]
    assert row["input_ids"].tolist() == whole.tolist()
    labels = [token for token, kept in zip(whole.tolist(), row["loss_mask"].tolist(), strict=True)
              if kept]  # fmt: skip
    written = processor.tokenizer.encode(ANSWER, add_special_tokens=False)
    assert labels == [*written, processor.tokenizer.convert_tokens_to_ids("<|im_end|>"),
                      *processor.tokenizer.encode("\n")]  # fmt: skip
    mask = row["loss_mask"].tolist()
    assert mask == [0] * (len(mask) - len(labels)) + [1] * len(labels)
    # No token of the prompt, of a role header or of the video is trained.
    untrained = processor.hf.tokenizer.decode(whole[: -len(labels)])
    assert untrained.endswith("<|im_start|>assistant\n")
    assert processor.hf.video_token_id not in labels
    assert control_token(processor.hf.tokenizer.decode(labels)) == "<|im_end|>"
