import json
from pathlib import Path

import pytest

CASE = {
    "id": "one",
    "question": "What colour is the car?",
    "options": ["red", "green", "blue"],
    "answer": "B",
    "answer_type": "choice",
    "student_response": "<think>hm</think><answer>A</answer>",
    "patch": {
        "error_types": ["spatial"],
        "guidance": "Look at the street from 2.0 to 3.0 seconds.",
    },
}
LEAK = {**CASE, "id": "two", "patch": {**CASE["patch"], "guidance": "The car is green."}}


def write(tmp_path: Path, *cases: object) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(c) + "\n" for c in cases))
    return path


def test_each_case_gives_one_line_of_json(run, tmp_path):
    result = run("ffr", "leak", "check", write(tmp_path, CASE, LEAK), "--json")
    assert result.code == 0
    one, two = map(json.loads, result.out.splitlines())
    assert one == {"id": "one", "passed": True, "rules": []}
    assert (two["id"], two["passed"]) == ("two", False)
    assert "gold_text" in two["rules"]


def test_people_see_the_refused_ones_and_a_count(run, tmp_path):
    result = run("ffr", "leak", "check", write(tmp_path, CASE, LEAK))
    assert "two: " in result.out
    assert "it contains the text of the answer" in result.out
    assert result.out.endswith("2 patches: 1 pass, 1 refused\n")


def test_an_open_question_may_have_null_options(run, tmp_path):
    case = {**CASE, "options": None, "answer_type": "text", "answer": "green"}
    result = run("ffr", "leak", "check", write(tmp_path, case), "--json")
    assert json.loads(result.out)["passed"] is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": None}, "line 2: patch:"),
        ({"answer": "Z"}, "line 2: id='one': answer='Z' is not one of the letters A, B, C"),
        ({"extra": 1}, "line 2: extra:"),
        ({"patch": {**CASE["patch"], "error_types": []}}, "line 2: patch.error_types"),
    ],
)
def test_a_malformed_case_is_named(run, tmp_path, change, message):
    result = run("ffr", "leak", "check", write(tmp_path, CASE, {**CASE, **change}))
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_no_case_at_all_is_an_error(run, tmp_path):
    assert "holds no case" in run("ffr", "leak", "check", write(tmp_path)).err
