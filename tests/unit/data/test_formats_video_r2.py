"""Video-R2's published schema (released code): see ``ffr.data.formats.video_r2``."""

import json
from pathlib import Path

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.data.convert import convert_rows
from ffr.data.formats.video_r2 import VideoR2
from ffr.data.load import load_questions
from ffr.data.sft_record import load_sft_records
from ffr.data.sources import Source

ASK = "Reason aloud between <think> </think> tags, then answer between <answer> </answer> tags."
SAID = "<think>It stops at 00:12, then 00:30-00:35.</think>\n<answer>B</answer>"


def record(question: str, said: str = SAID, **more: object) -> dict[str, object]:
    turns = [{"from": "human", "value": f"<video>\n{question}\n{ASK}"},
             {"from": "assistant", "value": said}]  # fmt: skip
    return {"video": "part/a.mp4", "conversations": turns, **more}


CHOICE = "What stops?\nOptions:\nA. the red car\nB. the blue car"
GRPO = record(
    CHOICE,
    temporal_grounding={"00:12": "It stops.", "00:30-00:35": "It turns.", "01:02:03": "The end."},
)


def convert(folder: Path, *records: object, form: VideoR2 = VideoR2(), **options: object):  # noqa: B008
    source, target = folder / "in.json", folder / "out.jsonl"
    source.write_text(json.dumps(records))
    done = convert_rows(Source(str(source)), target, form, policy=RowPolicy("skip"), **options)
    return done, target


def test_a_grpo_record_gives_question_options_answer_and_events(tmp_path):
    _, target = convert(tmp_path, GRPO)
    (question,) = load_questions(target, check_media=False).questions
    assert question.question == "What stops?"
    assert question.options == ("the red car", "the blue car")
    assert (question.answer_type, question.answer) == ("choice", "B")
    assert question.thinking == "It stops at 00:12, then 00:30-00:35."
    assert [(e.start_s, e.end_s, e.text) for e in question.events] == [
        (12, 12, "It stops."), (30, 35, "It turns."), (3723, 3723, "The end."),
    ]  # fmt: skip


def test_an_sft_record_keeps_the_assistants_words(tmp_path):
    _, target = convert(tmp_path, record(CHOICE), output="sft")
    (made,) = load_sft_records(target)
    assert made.response == SAID


@pytest.mark.parametrize(
    ("said", "kind"), [("12.5", "number"), (".5", "number"), ("a red car", "text")]
)
def test_without_options_the_type_follows_from_the_answer(tmp_path, said, kind):
    _, target = convert(tmp_path, record("How far?", f"<think>x</think><answer>{said}</answer>"))
    (question,) = load_questions(target, check_media=False).questions
    assert (question.question, question.answer_type) == ("How far?", kind)


def test_the_id_follows_from_the_content_and_equal_records_are_doubles(tmp_path):
    other = record(CHOICE.replace("What", "Who"))
    done, target = convert(tmp_path, GRPO, other, record(CHOICE))
    first = [q.id for q in load_questions(target, check_media=False).questions]
    assert len(set(first)) == 2
    assert [(b.line, b.kind) for b in done.bad] == [(3, "duplicate_id")]
    _, target = convert(tmp_path, other, GRPO)
    assert [q.id for q in load_questions(target, check_media=False).questions] == first[::-1]


def test_arrows_nulls_json_text_and_our_own_list_are_the_same_events(tmp_path):
    padded = {**GRPO["temporal_grounding"], "00:13": None}
    ours = [{"start": 30, "end": 35.0, "text": "It turns."}, {"start": 12.0, "text": "It stops."},
            {"start_s": 3723, "end_s": 3723, "text": "The end."}]  # fmt: skip
    rows = [{**GRPO, "video": f"{i}.mp4", "temporal_grounding": value}
            for i, value in enumerate([padded, json.dumps(padded), ours])]  # fmt: skip
    _, target = convert(tmp_path, GRPO, *rows)
    events = {q.events for q in load_questions(target, check_media=False).questions}
    assert len(events) == 1


def test_unreadable_events_are_counted_not_guessed(tmp_path):
    grounding = {"00:75": "a", "12:34-end": "b", "0:5": "c", "00:10": "", "00:20": "kept"}
    done, target = convert(tmp_path, {**GRPO, "temporal_grounding": grounding})
    (question,) = load_questions(target, check_media=False).questions
    assert [e.text for e in question.events] == ["kept"]
    assert done.notes == {"unreadable event": 4}


def test_an_instruction_without_tags_is_cut_at_its_first_words(tmp_path):
    row = record("What?")
    row["conversations"][0]["value"] = "<video>What?\nFirst think hard.\nThen use <answer> tags."
    _, target = convert(tmp_path, row, form=VideoR2(instruction="First think"))
    assert load_questions(target, check_media=False).questions[0].question == "What?"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"video": ["a.mp4", "b.mp4"]}, "not one path"),
        ({"conversations": []}, "conversations=0"),
        ({"conversations": [1, 2]}, "not a turn of the human"),
        ({"conversations": None}, "conversations=null"),
        ({"temporal_grounding": 5}, "neither a list nor an object"),
        ({"temporal_grounding": "{"}, "not JSON"),
    ],
)
def test_each_kind_of_bad_record_is_named(tmp_path, change, reason):
    done, _ = convert(tmp_path, {**GRPO, **change}, record("Good?", SAID.replace("B", "b")))
    assert reason in done.bad[0].reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (record(CHOICE, "<answer>B</answer>"), "not one think block and one answer block"),
        (record(CHOICE, SAID.replace(">B<", ">Z<")), "not one of the letters A, B"),
        (record(""), "cannot be told from its instruction"),
    ],
)
def test_answers_that_cannot_be_gold_are_named(tmp_path, row, reason):
    done, _ = convert(tmp_path, GRPO, row)
    assert reason in done.bad[0].reason


def test_pictures_are_left_out_and_counted(tmp_path):
    picture = {"image": "a.jpg", "conversations": GRPO["conversations"]}
    done, _ = convert(tmp_path, GRPO, picture)
    assert done.left_out == {"the record is about a picture": 1}
