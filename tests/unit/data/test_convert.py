import json
from pathlib import Path

import pytest

from ffr.data.convert import convert_video_r1
from ffr.data.load import load_questions
from ffr.errors import UserError

RECORD = {
    "problem_id": 7,
    "path": "./NeXT-QA/a.mp4",
    "data_type": "video",
    "problem_type": "multiple choice",
    "problem": "What?",
    "options": ["A. one", "B. two", "C. A cat"],
    "solution": "<answer>B</answer>",
}


def convert(tmp_path: Path, *records: object, **options: object):
    source, target = tmp_path / "in.json", tmp_path / "out.jsonl"
    source.write_text(json.dumps(records))
    result = convert_video_r1(source, target, **options)
    return result, load_questions(target, check_media=False).questions


def test_choices_lose_their_letters_and_keep_the_gold_one(tmp_path):
    _, (question,) = convert(tmp_path, RECORD)
    assert question.options == ("one", "two", "A cat")
    assert (question.id, question.answer, question.answer_text) == ("7", "B", "two")
    assert question.video == "NeXT-QA/a.mp4"


@pytest.mark.parametrize("solution", ["<answer> b </answer>", "(B)", "B.", "<answer>B.</answer>"])
def test_gold_letters_are_read_in_all_their_forms(tmp_path, solution):
    _, (question,) = convert(tmp_path, {**RECORD, "solution": solution})
    assert question.answer == "B"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("numerical", "number"), ("OCR", "ocr"), ("free-form", "free_form"),
     ("regression", "regression")],
)  # fmt: skip
def test_other_types_keep_the_answer_as_text(tmp_path, theirs, ours):
    record = {**RECORD, "problem_type": theirs, "options": [], "solution": "<answer>12</answer>"}
    _, (question,) = convert(tmp_path, record)
    assert (question.answer_type, question.answer, question.options) == (ours, "12", ())


def test_an_option_that_only_begins_like_a_letter_is_kept_whole(tmp_path):
    record = {**RECORD, "options": ["B. one", "A. two"]}
    _, (question,) = convert(tmp_path, record)
    assert question.options == ("B. one", "A. two"), "letters that do not fit their place stay"


def test_jsonl_is_read_too_and_the_prefix_is_cut(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({**RECORD, "path": "/data/v/a.mp4"}) + "\n")
    convert_video_r1(source, target, strip_prefix="/data/v/")
    assert load_questions(target, check_media=False).questions[0].video == "a.mp4"


def test_images_are_counted_and_bad_rows_named(tmp_path):
    bad = {**RECORD, "problem_id": 8, "problem_type": "essay"}
    image = {**RECORD, "data_type": "image"}
    result, questions = convert(tmp_path, RECORD, image, bad, 5, fail=False)
    assert len(questions) == result.written == 1
    assert result.left_out == {"data_type is image": 1}
    assert [(b.line, b.id) for b in result.bad] == [(3, "8"), (4, None)]
    assert "problem_type='essay' is unknown; known are multiple choice" in result.bad[0].reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solution": "<answer>Z</answer>"}, "answer='Z' is not one of the letters"),
        ({"problem": ""}, "is empty"),
        ({"options": []}, "0 options"),
        ({"path": ""}, "video"),
    ],
)
def test_a_row_that_does_not_fit_stops_the_conversion(tmp_path, change, message):
    with pytest.raises(UserError, match="1 of 1 rows are bad") as caught:
        convert(tmp_path, {**RECORD, **change})
    assert message in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_nothing_to_convert_is_an_error(tmp_path):
    with pytest.raises(UserError, match="holds no video question"):
        convert(tmp_path)
    (tmp_path / "bad.json").write_text("[{")
    with pytest.raises(UserError, match="the list ends without"):
        convert_video_r1(tmp_path / "bad.json", tmp_path / "x")
    with pytest.raises(UserError, match="does not exist"):
        convert_video_r1(tmp_path / "gone.json", tmp_path / "x")
