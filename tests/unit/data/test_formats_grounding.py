"""NExT-GQA and Charades-STA in their published schemas: see their modules in formats."""

import json
from pathlib import Path

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.data.convert import convert_rows
from ffr.data.formats.charades_sta import CharadesSta
from ffr.data.formats.next_gqa import NextGqa, read_side_file
from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.data.sources import Source
from ffr.errors import UserError

CSV = """video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
10001787725,1000,640,480,why did she wave,to greet,1,CW,to hide,to greet,to run,"to eat, sleep",3
10001787725,1000,640,480,what came next,sat down,3,TN,sat down,ran,fell,waved,left
"""
SPANS = {"10001787725": {"duration": 34, "fps": 29.97,
         "location": {"1": [[1.2, 5.8]], "3": [[20.0, 23.5], [12.1, 17.1]]}}}  # fmt: skip
STA = "AO8RW 0.0 6.9##a person is putting a book on a shelf.\nY6R7T 20.8 30.0##person laughs.\n"


def convert(source: Path, form: object, **options: object) -> tuple[Question, ...]:
    target = source.with_name("out.jsonl")
    convert_rows(Source(str(source)), target, form, **options)
    return load_questions(target, check_media=False).questions


def test_next_gqa_gives_options_answer_and_sorted_spans(tmp_path):
    source = tmp_path / "val.csv"
    source.write_text(CSV)
    first, second = convert(source, NextGqa(SPANS, {"10001787725": "1164/10001787725"}))
    assert (first.id, first.video) == ("10001787725_1", "1164/10001787725.mp4")
    assert first.options == ("to hide", "to greet", "to run", "to eat, sleep", "3")
    assert (first.answer, first.family) == ("B", "CW")
    assert [(s.start_s, s.end_s) for s in first.gold_spans] == [(1.2, 5.8)]
    assert [(s.start_s, s.end_s) for s in second.gold_spans] == [(12.1, 17.1), (20.0, 23.5)]


def test_next_gqa_without_side_files_is_the_training_split(tmp_path):
    source = tmp_path / "train.csv"
    source.write_text(CSV)
    first, _ = convert(source, NextGqa())
    assert (first.video, first.gold_spans) == ("10001787725.mp4", ())


def test_next_qas_own_answer_numbers_are_read_too(tmp_path):
    source = tmp_path / "val.csv"
    source.write_text(CSV.replace(",to greet,1,", ",1,1,"))
    assert convert(source, NextGqa())[0].answer == "B"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",to greet,1,", ",to fly,1,", "the text of no option"),
        ("wave,", "wave,,", "14 columns, the header has 13"),
        ("10001787725,1000", "999,1000", "not in the video map"),
        ("why did she wave", "", "is empty"),
    ],
)
def test_bad_csv_rows_are_named(tmp_path, old, new, reason):
    source = tmp_path / "val.csv"
    source.write_text(CSV.replace(old, new, 1))
    form = NextGqa(SPANS, {"10001787725": "a"})
    done = convert_rows(Source(str(source)), tmp_path / "o", form, policy=RowPolicy("skip"))
    assert done.written == 1
    assert done.bad[0].line == 2
    assert reason in done.bad[0].reason


@pytest.mark.parametrize("location", [{"1": [[5, 1]]}, {"1": [5]}, {"1": 5}, [], {"1": [["x", 2]]}])
def test_spans_that_are_none_are_named(tmp_path, location):
    source = tmp_path / "val.csv"
    source.write_text(CSV)
    spans = {"10001787725": {"location": location}}
    with pytest.raises(UserError, match="span"):
        convert(source, NextGqa(spans))


def test_side_files_must_be_objects(tmp_path):
    path = tmp_path / "map.json"
    path.write_text("[]")
    with pytest.raises(UserError, match="not one JSON object"):
        read_side_file(path)
    path.write_text(json.dumps(SPANS))
    assert read_side_file(path) == SPANS


@pytest.mark.parametrize(
    ("ask", "kind", "answer"),
    [("start", "regression", "20.8"), ("end", "regression", "30"), ("span", "span", "20.8 to 30")],
)
def test_charades_sta_asks_for_a_time_and_keeps_the_stretch(tmp_path, ask, kind, answer):
    source = tmp_path / "charades_sta_train.txt"
    source.write_text(STA)
    first, second = convert(source, CharadesSta(ask, "v/"))
    assert (second.id, second.video) == ("Y6R7T-2", "v/Y6R7T.mp4")
    assert (second.answer_type, second.answer) == (kind, answer)
    assert "person laughs." in second.question
    assert [(s.start_s, s.end_s) for s in first.gold_spans] == [(0.0, 6.9)]
    back = "".join(
        f"{q.id.split('-')[0]} {q.events[0].start_s} {q.events[0].end_s}##{q.events[0].text}\n"
        for q in (first, second)
    )
    assert back == STA


@pytest.mark.parametrize(
    ("line", "reason"),
    [("no hashes", "is not 'VIDEO START END##SENTENCE'"), ("A 5 1##x", "ends before it starts"),
     ("A 5 5##x", "has no length"),
     ("A x 1##x", "start="), ("A 0 1##  ", "no sentence"), ("A nan 1##x", "start="),
     ("A 0 1e99##x", "end=")],
)  # fmt: skip
def test_bad_charades_lines_are_named(tmp_path, line, reason):
    source = tmp_path / "sta.txt"
    source.write_text(f"{line}\n{STA}")
    form, policy = CharadesSta(), RowPolicy("skip")
    done = convert_rows(Source(str(source)), tmp_path / "o", form, policy=policy)
    assert done.written == 2
    assert reason in done.bad[0].reason
