"""There and back: what each published format says can be written again from our rows."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ffr.data.convert import convert_rows
from ffr.data.formats.next_gqa import NextGqa
from ffr.data.formats.video_r2 import VideoR2
from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.data.sft_record import load_sft_records
from ffr.data.sources import Source

ASK = "Give your reasoning between the <think> </think> tags, the answer in <answer> </answer>."


def r2(stem: str, options: list[str], answer: str, **more: Any) -> dict[str, Any]:
    human = "\n".join(["<video>", stem, *options, ASK])
    said = f"<think>The car stops at 00:12, then 00:30-00:35.</think>\n<answer>{answer}</answer>"
    turns = [{"from": "human", "value": human}, {"from": "assistant", "value": said}]
    return {"video": "rel/path.mp4", "conversations": turns, **more}


GRPO = [
    r2("Which car stops?", ["A. the red one", "B. the blue one"], "B",
       temporal_grounding={"00:12": "It stops.", "00:30-00:35": "It turns."}),
    r2("How many cars?", [], "3", temporal_grounding={}),
    r2("What follows?", [], "a turn", temporal_grounding={"01:02": "It goes."}),
]  # fmt: skip


def clock(time_s: float) -> str:
    return f"{int(time_s) // 60:02d}:{int(time_s) % 60:02d}"


def as_r2(question: Question) -> dict[str, Any]:
    options = [f"{x}. {t}" for x, t in zip("ABCD", question.options, strict=False)]
    grounding = {
        clock(e.start_s) if e.start_s == e.end_s else f"{clock(e.start_s)}-{clock(e.end_s)}": e.text
        for e in question.events
    }
    said = f"<think>{question.thinking}</think>\n<answer>{question.answer}</answer>"
    human = "\n".join(["<video>", question.question, *options, ASK])
    turns = [{"from": "human", "value": human}, {"from": "assistant", "value": said}]
    return {"video": question.video, "conversations": turns, "temporal_grounding": grounding}


def questions_of(source: Path, form: Any, **options: Any) -> tuple[Question, ...]:
    target = source.with_name("out.jsonl")
    done = convert_rows(Source(str(source)), target, form, **options)
    assert done.bad_report["total"] == 0
    return load_questions(target, check_media=False).questions


def test_video_r2_grpo_records(tmp_path):
    source = tmp_path / "grpo.json"
    source.write_text(json.dumps(GRPO))
    assert [as_r2(q) for q in questions_of(source, VideoR2())] == GRPO


def test_video_r2_grpo_records_from_parquet_and_what_nobody_reads(tmp_path):
    unread = [{**row, "temporal_captions": "x", "key_frame": 3} for row in GRPO]
    pq.write_table(pa.Table.from_pylist(unread), tmp_path / "grpo.parquet")
    stored = pq.read_table(tmp_path / "grpo.parquet").to_pylist()
    assert None in stored[1]["temporal_grounding"].values(), "Arrow pads the object with nulls"
    questions = questions_of(tmp_path / "grpo.parquet", VideoR2())
    assert [as_r2(q) for q in questions] == GRPO


def test_video_r2_sft_records_keep_the_whole_response(tmp_path):
    source, target = tmp_path / "sft.json", tmp_path / "out.jsonl"
    rows = [{key: value for key, value in row.items() if key != "temporal_grounding"}
            for row in GRPO]  # fmt: skip
    source.write_text(json.dumps(rows))
    convert_rows(Source(str(source)), target, VideoR2(), output="sft")
    records = load_sft_records(target)
    assert [r.response for r in records] == [row["conversations"][1]["value"] for row in rows]


def test_several_turns_are_named_not_cut(tmp_path):
    source = tmp_path / "sft.json"
    row = {**GRPO[0], "conversations": GRPO[0]["conversations"] * 2}
    source.write_text(json.dumps([row]))
    with pytest.raises(Exception, match="conversations=4: give one question and one response"):
        questions_of(source, VideoR2())


HEADER = ["video_id", "frame_count", "width", "height", "question", "answer", "qid", "type",
          "a0", "a1", "a2", "a3", "a4"]  # fmt: skip
CSV = [
    ["10001787725", "1000", "640", "480", "why did she wave", "to greet", "1", "CW", "to hide",
     "to greet", "to run", "to eat, sleep", "3"],
    ["10001787725", "1000", "640", "480", "what came next", "sat down", "3", "TN", "sat down",
     "ran", "fell", "waved", "left"],
]  # fmt: skip
SPANS = {"10001787725": {"duration": 34, "fps": 29.97,
         "location": {"1": [[1.2, 5.8]], "3": [[12.1, 17.1], [20.0, 23.5]]}}}  # fmt: skip
VIDEOS = {"10001787725": "1164/10001787725"}


def test_next_gqa(tmp_path):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER, *CSV])
    source = tmp_path / "val.csv"
    source.write_text(text.getvalue())
    questions = questions_of(source, NextGqa(SPANS, VIDEOS))
    rows = []
    for question in questions:
        video, qid = question.id.split("_")
        rows.append([video, "1000", "640", "480", question.question, question.answer_text, qid,
                     question.family, *question.options])  # fmt: skip
        assert question.video == f"{VIDEOS[video]}.mp4"
        spans = [[s.start_s, s.end_s] for s in question.gold_spans]
        assert spans == SPANS[video]["location"][qid]
    assert rows == CSV
