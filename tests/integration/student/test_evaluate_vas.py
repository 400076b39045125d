"""VAS-A and VAS-C of a real checkpoint on real files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ffr.config.student import FramesConfig, PromptConfig, StudentConfig
from ffr.data.question import Question, ReferenceEvent
from ffr.evaluate.vas_a import vas_a
from ffr.evaluate.vas_c import ReplacedVideos, vas_c
from rewards.video_r2.encoders import LexicalEncoder
from student.forced import ForcedStudent
from student.frames import sample_video
from student.generate import BatchedStudent
from student.prompt import render_question
from student.prompt_parts import StudentPrompt
from teacher_tools.media.errors import MediaNotFoundError

FRAMES = FramesConfig(count=4, exact_size=(32, 32), size_multiple=16)
RESPONSE = "<think>At 5.0 seconds a red cross appears.</think><answer>red cross</answer>"


@pytest.fixture(scope="module")
def question() -> Question:
    event = ReferenceEvent(start_s=4.6, end_s=5.2, text="a red cross appears")
    return Question(id="q", video="grey.mp4", question="What appears at 5.0 seconds?",
                    answer_type="text", answer="red cross", events=(event,))  # fmt: skip


@pytest.fixture
def batched(checkpoint: Any) -> Iterator[BatchedStudent]:
    config = StudentConfig(
        path=str(checkpoint.folder), dtype="float32", max_response_tokens=12, frames=FRAMES
    )
    student = BatchedStudent.load(checkpoint.folder, config, temperature=0.0)
    yield student
    student.close()


def shown(question: Question, mp4: Path, checkpoint: Any) -> StudentPrompt:
    return render_question(
        question.asked, sample_video(mp4, FRAMES), PromptConfig(style="compact"),
        write_frame_times=checkpoint.processor.write_frame_times,
    )  # fmt: skip


def test_vas_a_is_the_mean_over_reasoning_tokens_and_heads(
    checkpoint: Any, batched: BatchedStudent, question: Question, mp4: Path
) -> None:
    student = ForcedStudent.sharing(batched)
    prompt = shown(question, mp4, checkpoint)
    score = vas_a(student, prompt, RESPONSE)
    processor = checkpoint.processor
    encoded, ids = processor.encode(prompt), student.response_ids(RESPONSE)
    texts = [processor.decode([i]) for i in ids]
    wanted = range(texts.index("<think>") + 1, texts.index("</think>"))
    whole = replace(encoded, prompt_ids=encoded.prompt_ids + ids, key="whole")
    student.model.set_attn_implementation("eager")
    with torch.inference_mode():
        inputs = processor.batch([whole])
        weights = student.model(**inputs, output_attentions=True).attentions[-1][0]
    rows = [len(encoded.prompt_ids) + i - 1 for i in wanted]
    video = np.array(whole.prompt_ids) == processor.hf.video_token_id
    expected = weights[:, rows].double().numpy()[..., video].sum(-1)
    assert score.vas == pytest.approx(100 * expected.mean(), abs=1e-3)
    assert score.per_token == pytest.approx(expected.mean(0), abs=1e-5)
    assert len(score.per_token) == len(wanted)
    everything = vas_a(student, prompt, RESPONSE, tokens="response")
    assert len(everything.per_token) == len(ids)
    assert vas_a(student, prompt, "red cross").vas is None


async def test_vas_c_asks_the_same_model_about_other_pixels(
    checkpoint: Any, batched: BatchedStudent, question: Question, mp4: Path
) -> None:
    student = ForcedStudent.sharing(batched)
    prompt = shown(question, mp4, checkpoint)
    replaced = await ReplacedVideos(FRAMES, mp4.parent).grey(prompt)
    asked: list[StudentPrompt] = []

    async def answer(given: StudentPrompt) -> str:
        asked.append(given)
        return "<think>I see nothing.</think><answer>blue circle</answer>"

    found = await vas_c(question, prompt, RESPONSE, replaced, answer, student=student,
                        encoder=LexicalEncoder())  # fmt: skip
    assert asked == [replaced]
    assert (found.answer_changed, found.times_changed, found.changed) == (True, True, True)
    assert (found.accuracy_drop, found.tar_drop) == (1.0, 1.0)
    before, after = (
        student.log_probs(checkpoint.processor.encode(p), student.response_ids(RESPONSE))
        for p in (prompt, replaced)
    )
    assert found.log_prob_drop == pytest.approx(np.mean(before) - np.mean(after))
    assert found.log_prob_drop != 0
    plain = await vas_c(question, prompt, RESPONSE, replaced, answer)
    assert (plain.tar_drop, plain.log_prob_drop) == (None, None)


async def test_the_real_student_answers_replaced_prompts(
    checkpoint: Any, batched: BatchedStudent, question: Question, mp4: Path
) -> None:
    prompt = shown(question, mp4, checkpoint)
    videos = ReplacedVideos(FRAMES, mp4.parent)

    async def answer(given: StudentPrompt) -> str:
        return (await batched.answer(given)).text

    own = await answer(prompt)
    same = await vas_c(question, prompt, own, prompt, answer)
    assert same.changed in (None, False)
    assert same.accuracy_drop == 0.0
    grey = await asyncio.gather(videos.grey(prompt), videos.other(prompt, "grey.mp4"))
    assert (grey[0].videos[0].frames == 128).all()
    # The file itself as its own donor gives its own frames back.
    assert np.array_equal(grey[1].videos[0].frames, prompt.videos[0].frames)
    with pytest.raises(MediaNotFoundError):
        await videos.other(prompt, "missing.mp4")
