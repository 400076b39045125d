"""Evaluation: a row per question, in their order, with a reason where there is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffr.config.protocol import EvalProtocol, SamplingSection
from ffr.config.student import PromptConfig
from ffr.data.question import AskedQuestion, Question
from ffr.elect.candidate import RawCandidate
from ffr.elect.source import Request
from ffr.errors import FfrError, UserError
from ffr.evaluate.evaluator import evaluate
from ffr.evaluate.metrics.registry import MetricContext, build_metrics
from ffr.evaluate.records import measures_by_family
from ffr.evaluate.single_pass import SinglePass
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.protocols import Diagnosis, FailedRollout
from student.prompt import render_patched, render_question
from student.prompt_parts import StudentPrompt, VideoPart
from student.time_axis import TimeAxis

PROTOCOL = EvalProtocol(name="test")
PATCH = EvidencePatch(error_types=("temporal",), guidance="Look again.", key_times_s=(1.0,))


class DivergedError(FfrError):
    pass


def question(number: int, **changes: Any) -> Question:
    values = {
        "id": f"q{number}", "video": "v.mp4", "question": "Which one?", "options": ("cat", "dog"),
        "answer_type": "choice", "answer": "AB"[number % 2], "family": "visible",
    } | changes  # fmt: skip
    return Question.model_validate(values)


class Renderer:
    def __init__(self, missing: str = "") -> None:
        self.missing = missing
        self.patched_for: list[str] = []

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        if asked.id == self.missing:
            raise UserError("v.mp4 cannot be read; give another file")
        return render_question(asked, self._video(), PromptConfig())

    async def patched(self, asked: AskedQuestion, patch: EvidencePatch) -> StudentPrompt:
        self.patched_for.append(asked.id)
        return render_patched(asked, self._video(), patch, {}, PromptConfig())

    def _video(self) -> VideoPart:
        return VideoPart(np.zeros((2, 28, 28, 3), np.uint8), TimeAxis((0.5, 1.5), 10.0, 2.0))


class Student:
    """Always says A; the later a question comes, the sooner it is answered."""

    count_tokens = None
    write_frame_times = False

    def __init__(self, broken: Exception | None = None) -> None:
        self.asked: list[StudentPrompt] = []
        self.batches: list[int] = []
        self.most = self.now = 0
        self.broken = broken

    async def generate(self, requests: Sequence[Request]) -> list[RawCandidate]:
        self.batches.append(len(requests))
        self.asked += [request.prompt for request in requests]
        self.now += len(requests)
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02 / (1 + int(requests[0].prompt.question_id[1:])))
        self.now -= len(requests)
        if self.broken is not None:
            raise self.broken
        return [RawCandidate("<think>I look.</think><answer>A</answer>") for _ in requests]

    async def aclose(self) -> None:
        pass


class Teacher:
    def __init__(self, outcome: EvidencePatch | NoPatch = PATCH) -> None:
        self.outcome = outcome
        self.asked: list[FailedRollout] = []

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        self.asked.append(failed)
        return Diagnosis(self.outcome, "live")


def run(questions: list[Question], **options: Any) -> tuple[list[Any], Student, Renderer]:
    student, renderer = options.pop("student", Student()), options.pop("renderer", Renderer())
    teacher = options.pop("teacher", None)
    asker = SinglePass(
        renderer, student, SamplingSection(), teacher, exclusive=options.pop("exclusive", False)
    )
    rows = asyncio.run(evaluate(questions, asker, PROTOCOL, **options))
    return rows, student, renderer


def test_rows_come_in_the_order_of_the_questions():
    seen: list[str] = []
    rows, student, _ = run(
        [question(i) for i in range(6)], on_row=lambda row: seen.append(row.question_id), at_once=6
    )
    assert [row.question_id for row in rows] == [f"q{i}" for i in range(6)]
    assert seen != [row.question_id for row in rows]  # they were answered in another order
    assert sorted(seen) == [row.question_id for row in rows]
    assert [row.right for row in rows] == [True, False] * 3
    assert student.most == 6


def test_at_most_so_many_questions_wait_for_the_student():
    _, student, _ = run([question(i) for i in range(9)], at_once=3)
    assert student.most == 3


def test_a_model_of_this_process_gets_its_batches_whole_and_one_by_one():
    """Whatever finishes when: what is generated together decides how a model rounds."""
    rows, student, _ = run(
        [question(i) for i in range(7)], batch_size=3, at_once=2, exclusive=True,
        renderer=Renderer(missing="q1"),
    )
    assert (student.batches, student.most) == ([2, 3, 1], 3)
    assert [prompt.question_id for prompt in student.asked] == ["q0", "q2", "q3", "q4", "q5", "q6"]
    assert [row.question_id for row in rows] == [f"q{i}" for i in range(7)]


def test_a_question_that_cannot_be_asked_is_a_row_with_the_reason():
    rows, student, _ = run([question(i) for i in range(3)], renderer=Renderer(missing="q1"))
    assert rows[1].failure is not None
    assert rows[1].failure.detail == "UserError: v.mp4 cannot be read; give another file"
    assert rows[1].right is None
    assert rows[1].response is None
    assert [row.failure for row in (rows[0], rows[2])] == [None, None]
    assert [prompt.question_id for prompt in student.asked] == ["q0", "q2"]
    table = measures_by_family(rows)
    assert table["all"] == {"accuracy": 1.0, "n": 2.0, "skipped": 1.0}


def test_plain_evaluation_shows_no_patch():
    rows, student, renderer = run([question(0)])
    assert rows[0].patch_id is None
    assert student.asked[0].patch_id is None
    assert renderer.patched_for == []


def test_patched_evaluation_asks_the_teacher_once_a_question():
    teacher = Teacher()
    rows, student, _ = run([question(i) for i in range(4)], teacher=teacher)
    assert {row.patch_id for row in rows} == {PATCH.patch_id}
    assert {prompt.patch_id for prompt in student.asked} == {PATCH.patch_id}
    assert sorted(failed.question.id for failed in teacher.asked) == ["q0", "q1", "q2", "q3"]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"answer": "A"}, "B"),
        ({"answer": "B"}, "A"),
        ({"answer": "7", "answer_type": "number", "options": ()}, "unknown"),
    ],
)
def test_the_teacher_is_asked_about_a_wrong_answer_whatever_the_student_says(changes, wrong):
    """So every checkpoint is helped by the same patches."""
    teacher = Teacher()
    run([question(0, **changes)], teacher=teacher)
    (failed,) = teacher.asked
    assert failed.wrong_answer == wrong
    assert failed.response_text == f"<think></think><answer>{wrong}</answer>"
    assert failed.wrong_answer != changes["answer"]


def test_no_patch_is_a_skip_with_the_reason():
    nothing = Teacher(NoPatch(reason="store_miss", detail="nobody diagnosed it"))
    rows, student, _ = run([question(0), question(1)], teacher=nothing)
    assert student.asked == []
    reasons = [row.failure.detail for row in rows]
    assert reasons == 2 * ["no patch: store_miss: nobody diagnosed it"]
    table = measures_by_family(rows)
    assert (table["all"]["n"], table["all"]["skipped"]) == (0.0, 2.0)


def test_a_student_that_breaks_down_is_not_a_skip():
    with pytest.raises(RuntimeError, match="the engine is gone"):
        run([question(0)], student=Student(RuntimeError("the engine is gone")))


def test_a_student_that_answers_nothing_any_more_ends_the_evaluation():
    broken = Student(DivergedError("the logits are not numbers"))
    with pytest.raises(UserError, match="8 questions in a row: DivergedError: the logits"):
        run([question(i) for i in range(20)], student=broken, batch_size=4, exclusive=True)
    assert broken.batches == [4, 1, 1, 1, 1, 4, 1, 1, 1, 1]  # one by one, to find the culprit


def test_families_are_counted_apart():
    rows, _, _ = run([question(0), question(1, family="temporal"), question(2, family="temporal")])
    table = measures_by_family(rows)
    assert table["visible"]["accuracy"] == 1.0
    assert table["temporal"]["accuracy"] == 0.5
    assert table["all"]["n"] == 3.0
    assert measures_by_family([]) == {}


def test_further_metrics_are_measured_and_summed_up_by_family():
    protocol = EvalProtocol(name="test", metrics=("tac",))
    metrics = build_metrics(MetricContext(protocol, Path()))
    asker = SinglePass(Renderer(), Student(), SamplingSection())
    questions = [question(0), question(1, family="temporal")]
    rows = asyncio.run(evaluate(questions, asker, protocol, metrics=metrics))
    assert rows[0].metrics["tac"]["concluded"] is None  # "I look." concludes nothing
    table = measures_by_family(rows, metrics)
    assert table["all"]["tac_strict"] == 0.0
    assert table["temporal"]["tac_coverage"] == 0.0
    assert "tac_parsed" not in table["all"]  # nothing could be compared: no value, not 0
    assert "tac_counts" not in table["all"]
