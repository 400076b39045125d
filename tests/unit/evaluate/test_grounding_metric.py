"""mIoU and R1 of questions for a stretch of time, through the rows of an evaluation."""

from pathlib import Path

import pytest

from ffr.data.question import Question
from ffr.elect.candidate import RawCandidate
from ffr.evaluate.make_row import make_row
from ffr.evaluate.metrics.registry import MetricContext, build_metrics
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.reply import Reply
from ffr.evaluate.rows import Failure

PROTOCOL = load_protocol("video16", ["metrics=[grounding]"])


def question(number: int, answer: str = "10 to 20", answer_type: str = "span") -> Question:
    return Question(id=f"q{number}", video=f"v{number % 3}.mp4", question="When?",
                    answer_type=answer_type, answer=answer)  # fmt: skip


async def scored(*pairs: tuple[Question, str | None]):
    metrics = build_metrics(MetricContext(PROTOCOL, Path()))
    rows = []
    for index, (asked, said) in enumerate(pairs):
        reply = Reply(failure=Failure(kind="media", detail="gone"))
        if said is not None:
            reply = Reply(raw=RawCandidate(f"<think>x</think><answer>{said}</answer>"))
        rows.append(await make_row(index, asked, reply, PROTOCOL, metrics))
    return rows, metrics["grounding"].summarise(rows)


async def test_worked_example():
    said = ["10 to 20", "15 to 25", "from 12 s to 20 s", "later"]
    rows, found = await scored(*((question(i), text) for i, text in enumerate(said)))
    ious = [1.0, 1 / 3, 0.8, 0.0]
    assert [row.metrics["grounding"]["iou"] for row in rows] == pytest.approx(ious)
    assert [row.right for row in rows] == [True, False, True, False]
    assert found["miou"]["value"] == pytest.approx(sum(ious) / 4)
    assert [found[f"r1@{t}"]["value"] for t in (0.3, 0.5, 0.7)] == [0.75, 0.5, 0.5]
    assert found["items"] == 4


async def test_other_questions_and_failures_do_not_count():
    _, found = await scored(
        (question(0), "10 to 20"), (question(1), None), (question(2, "3", "number"), "3")
    )
    assert (found["miou"]["value"], found["items"]) == (1.0, 1)
    _, nothing = await scored((question(0, "3", "number"), "3"))
    assert (nothing["miou"]["value"], nothing["items"]) == (None, 0)
