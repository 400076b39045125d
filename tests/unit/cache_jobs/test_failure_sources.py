"""Where failures come from: recorded ones, a student's answers, every wrong option."""

from __future__ import annotations

import json

import pytest

from ffr.cache_jobs.collect import Collection, counterfactuals, unanswered
from ffr.cache_jobs.recorded import collect_recorded
from ffr.config.rewards import RewardConfig
from ffr.errors import UserError
from ffr.repair.record import AttemptRecord, GroupRecord, OutcomeRecord, Timings


def collection(*questions) -> Collection:
    return Collection({q.id: q for q in questions}, RewardConfig())


def wrongs(found: Collection) -> list[tuple[str, str | None]]:
    return [(f.question.id, f.wrong_answer) for f in found.failures]


def test_counterfactual_is_every_wrong_option_and_never_the_gold_one(make):
    questions = [make.choice("a", "B", count=4), make.text(), make.choice("b", "C", count=3)]
    found = list(counterfactuals(questions))
    assert [(f.question.id, f.wrong_answer) for f in found] == [
        ("a", "A"), ("a", "C"), ("a", "D"), ("b", "A"), ("b", "B"),
    ]  # fmt: skip
    assert found[0].response_text == "<think></think><answer>A</answer>"


def test_unanswered_is_one_failure_a_question_without_an_answer(make):
    found = list(unanswered([make.choice(), make.text()]))
    assert [f.wrong_answer for f in found] == [None, None]
    assert all("<answer>" not in f.response_text for f in found)


def test_equal_wrong_answers_are_one_and_the_first_response_counts(make):
    found = collection(make.choice())
    found.add_response("q1", "<think>long thought</think><answer>A</answer>", "x")
    found.add_response("q1", "<think>other</think><answer> (a) </answer>", "x")
    found.add(counterfactuals([make.choice()]))
    assert wrongs(found) == [("q1", "A"), ("q1", "C"), ("q1", "D")]
    assert "long thought" in found.failures[0].response_text
    assert found.counts["failures"] == 5
    assert found.counts["duplicate"] == 2


def test_a_response_is_judged_as_training_judges_it(make):
    found = collection(make.choice(), make.text())
    found.add_response("q1", "<think>x</think><answer>B</answer>", "x")
    found.add_response("q1", "no tags at all: B", "x")
    found.add_response("q1", "  \n", "place 3")
    found.add_response("t1", "<think>x</think><answer>RED</answer>", "x")
    found.add_response("nobody", "<think>x</think><answer>A</answer>", "place 5")
    assert wrongs(found) == [("q1", None)]
    assert found.counts == {"failures": 1, "right": 2, "empty_response": 1, "unknown_question": 1}
    assert found.offenders["empty_response"] == ["place 3"]
    assert "nobody" in found.offenders["unknown_question"][0]


def group_record(question, *texts: str) -> GroupRecord:
    attempts = [
        AttemptRecord(text=t, answer=None, accuracy=0, format=0, right=False, tokens=3,
                      finish_reason="stop")
        for t in texts
    ]  # fmt: skip
    return GroupRecord(
        step=1, attempt=1, group=question.id, question_id=question.id, answer_type="choice",
        gold=question.answer, row_budget=8, rows=(),
        outcomes=tuple(OutcomeRecord(index=i, first=a) for i, a in enumerate(attempts)),
        timings=Timings(first_pass=0, repair=0, total=0),
    )  # fmt: skip


@pytest.mark.parametrize("inside", ["rollouts", "."])
def test_first_answers_of_a_run_folder_are_read_in_the_order_of_steps(make, tmp_path, inside):
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    record = group_record(make.choice(), make.spoken("A"), make.spoken("B"), make.spoken("D"))
    later = group_record(make.choice(), make.spoken("C"), make.spoken("A"))
    (folder / "step_000002.jsonl").write_text(later.model_dump_json() + "\n{torn")
    (folder / "step_000001.jsonl").write_text(record.model_dump_json() + "\n")
    found = collection(make.choice())
    collect_recorded(tmp_path, found)
    assert wrongs(found) == [("q1", "A"), ("q1", "D"), ("q1", "C")]
    assert found.counts == {"failures": 4, "right": 1, "duplicate": 1, "unreadable_line": 1}


def test_a_file_of_answers_responses_and_evaluation_rows(make, tmp_path):
    rows = [
        {"id": "q1", "answer": "A"},
        {"id": "q1", "answer": "B"},
        {"question_id": "q1", "response": "<think>x</think><answer>D</answer>", "answer": "B"},
        {"question_id": "q1", "family": "", "mode": "plain", "skipped": "no video", "answer": None},
        {"id": 7, "answer": "A"},
        {"id": "q1", "answer": 3},
        json.loads(group_record(make.choice(), make.spoken("C")).model_dump_json()),
        {"outcomes": "none"},
    ]
    path = tmp_path / "answers.jsonl"
    lines = [*(json.dumps(row) for row in rows), "{broken", '{"id": "q1", "answer": NaN}']
    path.write_text("\n".join(lines))
    found = collection(make.choice())
    collect_recorded(path, found)
    assert wrongs(found) == [("q1", "A"), ("q1", "D"), ("q1", "C")]
    assert found.counts["unreadable_line"] == 5
    assert "line 5" in found.offenders["unreadable_line"][0]
    assert found.counts["right"] == 1
    assert found.counts["empty_response"] == 1


def test_records_of_another_data_set_are_refused_as_a_whole(make, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "x", "answer": "A"}\n{"id": "y", "answer": "A"}\n')
    with pytest.raises(UserError, match=r"all 2 answers .* not in data"):
        collect_recorded(path, collection(make.choice()))


def test_a_folder_without_rollouts_and_a_missing_file_say_what_to_give(make, tmp_path):
    with pytest.raises(UserError, match=r"holds no rollouts/step_NNNNNN\.jsonl"):
        collect_recorded(tmp_path, collection(make.choice()))
    with pytest.raises(UserError, match="does not exist"):
        collect_recorded(tmp_path / "none.jsonl", collection(make.choice()))
