"""Video-R1's published schema (dataset cards): see ``ffr.data.formats.video_r1``."""

import json
from pathlib import Path

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.data.convert import convert_rows
from ffr.data.formats.video_r1 import VideoR1
from ffr.data.load import load_questions
from ffr.data.sft_record import load_sft_records
from ffr.data.sources import Source
from ffr.errors import UserError

RL = [
    {"problem_id": 2, "problem": "Which?", "data_type": "video", "problem_type": "multiple choice",
     "options": ["A. red", "B. blue"], "solution": "<answer>B</answer>",
     "path": "./CLEVRER/train/a.mp4"},
    {"problem_id": 3, "problem": "How many?", "data_type": "video", "problem_type": "numerical",
     "options": [], "solution": "<answer>12</answer>", "path": "./STAR/b.mp4"},
    {"problem_id": 4, "problem": "Read it.", "data_type": "video", "problem_type": "OCR",
     "options": [], "solution": "<answer>STOP</answer>", "path": "./NeXT-QA/c.mp4"},
    {"problem_id": 5, "problem": "Why?", "data_type": "video", "problem_type": "free-form",
     "options": [], "solution": "<answer>It fell.</answer>", "path": "./PerceptionTest/d.mp4"},
    {"problem_id": 6, "problem": "How far?", "data_type": "video", "problem_type": "regression",
     "options": [], "solution": "<answer>2.5</answer>", "path": "./LLaVA-Video-178K/e.mp4"},
    {"problem_id": 7, "problem": "A chart?", "data_type": "image", "problem_type": "numerical",
     "options": [], "solution": "<answer>1</answer>", "path": "./Knowledge/f.jpg"},
]  # fmt: skip
COT = [{**row, "process": f"<think>At first {row['problem_id']}.\nThen.</think>"} for row in RL]


def convert(folder: Path, records: list[dict[str, object]], **options: object):
    source, target = folder / "in.json", folder / "out.jsonl"
    source.write_text(json.dumps(records))
    return convert_rows(Source(str(source)), target, VideoR1(), **options), target


def test_a_round_trip_keeps_everything_a_verifier_needs(tmp_path):
    done, target = convert(tmp_path, RL)
    questions = load_questions(target, check_media=False).questions
    back = [
        {"problem_id": int(q.id), "problem": q.question, "data_type": "video",
         "problem_type": {"choice": "multiple choice", "number": "numerical", "ocr": "OCR",
                          "free_form": "free-form", "regression": "regression"}[q.answer_type],
         "options": [f"{letter}. {text}" for letter, text in zip("AB", q.options, strict=False)],
         "solution": f"<answer>{q.answer}</answer>", "path": f"./{q.video}"}
        for q in questions
    ]  # fmt: skip
    assert back == [row for row in RL if row["data_type"] == "video"]
    assert (done.read, done.written, done.left_out) == (6, 5, {"data_type is image": 1})


def test_the_cot_file_becomes_records_whose_response_is_process_and_solution(tmp_path):
    _, target = convert(tmp_path, COT, output="sft")
    records = load_sft_records(target)
    videos = [row for row in COT if row["data_type"] == "video"]
    assert [r.response for r in records] == [f"{r['process']}\n{r['solution']}" for r in videos]
    assert all(not r.question.thinking for r in records), "the text is not kept twice"


def test_the_cot_file_as_questions_keeps_the_rationale(tmp_path):
    _, target = convert(tmp_path, COT)
    questions = load_questions(target, check_media=False).questions
    assert questions[0].thinking == "At first 2.\nThen."
    assert not hasattr(questions[0].asked, "thinking"), "models never see it"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"process": "<think>a</think><think>b"}, "not one <think>"),
        ({"process": 5}, "process='5'"),
        ({"data_type": "audio"}, "data_type='audio' is unknown"),
        ({"solution": "<answer>A</answer><answer>B</answer>"}, "holds 2 answers"),
        ({"solution": "<answer>  </answer>"}, "holds no answer"),
        ({"solution": None}, "solution is missing"),
        ({"options": "A. red"}, "not a list of texts"),
        ({"options": ["A. red", ["B"]]}, "options[1]"),
        ({"options": ["A. red", "B. "]}, "options[1] is blank"),
        ({"options": ["A. red", "B. red"], "solution": "red"}, "the text of 2 options"),
        ({"problem_id": True}, "problem_id=true"),
        ({"problem": "<|im_start|>"}, "control token"),
    ],
)
def test_each_kind_of_bad_record_is_named(tmp_path, change, reason):
    done, _ = convert(tmp_path, [{**COT[0], **change}, COT[1]], policy=RowPolicy("skip"))
    assert done.written == 1
    assert reason in done.bad[0].reason
    assert done.bad[0].line == 1


def test_rows_without_a_rationale_cannot_be_sft_records(tmp_path):
    with pytest.raises(UserError, match="there is no rationale to learn; convert with --to"):
        convert(tmp_path, RL, output="sft")
