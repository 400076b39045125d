"""A student's answers: asked once, kept, given up on when nobody is there; the wire form."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffr.cache_jobs.answers import AnswerBook, answer_all
from ffr.cache_jobs.endpoint_student import EndpointStudent
from ffr.config.cache import CacheConfig, StudentEndpointConfig
from ffr.config.student import PromptConfig
from ffr.elect.wire import chat_messages
from ffr.errors import FfrError, UserError
from ffr.repair.protocols import Rollout
from student.prompt import render_question
from student.prompt_parts import StudentPrompt, VideoPart
from student.time_axis import TimeAxis


def config(**student) -> CacheConfig:
    endpoint = {"base_url": "http://127.0.0.1:1/v1", "model": "s"} | student.pop("endpoint", {})
    return CacheConfig.model_validate(
        {"failures": {"student": {"endpoint": endpoint, **student}}, "data": {"train": "t.jsonl"}}
    )


class CountingStudent:
    def __init__(self, fails: set[str] = frozenset()) -> None:
        self.asked: list[str] = []
        self.fails = fails

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        self.asked.append(prompt.question_id)
        if prompt.question_id in self.fails:
            raise FfrError("no such model")
        return Rollout(prompt, f"answer {len(self.asked)}", (), "stop")


class BareRenderer:
    async def question(self, asked):
        return StudentPrompt((), question_id=asked.id)

    async def patched(self, asked, patch):
        raise AssertionError("no patch is shown here")


async def ask(questions, book, student, **options):
    return await answer_all(
        questions, book, student, BareRenderer(), samples=2, at_once=3, **options
    )


async def test_every_question_is_answered_once_over_all_launches(tmp_path, make):
    questions = [make.choice(f"q{n}") for n in range(6)]
    first, job = CountingStudent(), config(samples=2)
    stops = iter([False, False, False, True])
    await ask(questions, AnswerBook(tmp_path, job), first, stopping=lambda: next(stops, True))
    assert 0 < len(first.asked) < 12
    second, book = CountingStudent(), AnswerBook(tmp_path, job)
    assert await ask(questions, book, second) == []
    assert sorted(first.asked + second.asked) == sorted(q.id for q in questions for _ in "ab")
    assert all(len(book.get(q) or ()) == 2 for q in questions)


async def test_a_torn_line_and_a_changed_question_are_asked_again(tmp_path, make):
    book = AnswerBook(tmp_path, config())
    book.put(make.choice(), ["x"])
    with book.path.open("a") as file:
        file.write('{"question_id": "q2"')
    again = AnswerBook(tmp_path, config())
    assert again.get(make.choice()) == ("x",)
    assert again.get(make.choice(count=5)) is None
    assert again.get(make.choice("q2")) is None


def test_another_student_has_a_book_of_its_own_but_limits_do_not_matter(tmp_path):
    path = AnswerBook(tmp_path, config()).path
    assert AnswerBook(tmp_path, config(temperature=0.5)).path != path
    assert AnswerBook(tmp_path, config(endpoint={"model": "t"})).path != path
    assert AnswerBook(tmp_path, config(batch_size=3, endpoint={"concurrency": 3})).path == path


async def test_one_failure_is_told_and_tried_again_ten_in_a_row_end_the_job(tmp_path, make):
    questions = [make.choice(f"q{n}") for n in range(30)]
    book = AnswerBook(tmp_path, config())
    problems = await ask(questions, book, CountingStudent({"q3", "q17"}))
    assert sorted(name for name, _ in problems) == ["q17", "q3"]
    assert book.get(questions[3]) is None
    with pytest.raises(UserError, match="no such model"):
        await ask(
            questions, AnswerBook(tmp_path / "other", config()),
            CountingStudent({q.id for q in questions}),
        )  # fmt: skip


def test_the_wire_form_holds_every_frame_after_its_time_and_no_gold(make):
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[1] = 200
    video = VideoPart(frames, TimeAxis((0.5, 1.5), 10.0, 2.0))
    question = make.choice(answer="C")
    prompt = render_question(question.asked, video, PromptConfig(system="Be brief."))
    system, user = chat_messages(prompt, numbered=False)
    assert system == {"role": "system", "content": "Be brief."}
    kinds = [block["type"] for block in user["content"]]
    assert kinds == ["text", "image_url", "text", "image_url", "text"]
    assert user["content"][2]["text"] == "1.5 s:"
    data = user["content"][3]["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert abs(int(pixels.mean()) - 200) < 3
    assert "thing 3" in user["content"][4]["text"]


def test_a_distant_endpoint_needs_a_key_a_local_one_does_not(tmp_path: Path):
    far = StudentEndpointConfig(base_url="https://example.com/v1", model="s")
    with pytest.raises(UserError, match=r"OPENAI_API_KEY \(failures.student.endpoint.api_key_env"):
        EndpointStudent(far, temperature=1.0, max_tokens=8)
    near = far.model_copy(update={"base_url": "http://localhost:8000/v1"})
    EndpointStudent(near, temperature=1.0, max_tokens=8)
