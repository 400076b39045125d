"""Hostile rows in every form: each is named, none stops the work, none passes unseen."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffr.data.bad_rows import KINDS, RowPolicy
from ffr.data.check import check_questions
from ffr.data.convert import convert_rows
from ffr.data.formats.charades_sta import CharadesSta
from ffr.data.formats.field_map import FieldMap
from ffr.data.formats.next_gqa import NextGqa
from ffr.data.formats.video_r1 import VideoR1
from ffr.data.formats.video_r2 import VideoR2
from ffr.data.load import load_questions
from ffr.data.sources import Source

GOOD = {"id": "good", "video": "v.mp4", "question": "q?", "answer_type": "choice",
        "options": ["x", "y"], "answer": "A"}  # fmt: skip
R1 = {"problem_id": 1, "problem": "q?", "data_type": "video", "problem_type": "multiple choice",
      "options": ["A. x", "B. y"], "solution": "<answer>A</answer>", "path": "./v.mp4",
      "process": "<think>t</think>"}  # fmt: skip
R2 = {"video": "v.mp4", "temporal_grounding": {"00:10": "It stops."},
      "conversations": [{"from": "human", "value": "<video>\nq?\nA. x\nB. y\nUse <think> tags."},
                        {"from": "assistant",
                         "value": "<think>t</think><answer>A</answer>"}]}  # fmt: skip

HOSTILE = [
    ('{"id": NaN}', "json"), ("{", "json"), ("[" * 100_000, "json"), ('{"id": "\\ud800"}', "json"),
    ("null", "schema"), ('"text"', "schema"), ("{}", "schema"),
    (json.dumps({**GOOD, "id": ["a"]}), "schema"), (json.dumps({**GOOD, "id": ""}), "schema"),
    (json.dumps({**GOOD, "id": "1", "video": 5}), "schema"),
    (json.dumps({**GOOD, "id": "2", "question": None}), "schema"),
    (json.dumps({**GOOD, "id": "3", "question": " "}), "schema"),
    (json.dumps({**GOOD, "id": "4", "options": []}), "options"),
    (json.dumps({**GOOD, "id": "5", "options": {"A": "x"}}), "options"),
    (json.dumps({**GOOD, "id": "6", "options": ["x"] * 27}), "options"),
    (json.dumps({**GOOD, "id": "7", "answer": "C"}), "answer"),
    (json.dumps({k: v for k, v in GOOD.items() if k != "answer"}), "answer"),
    (json.dumps({**GOOD, "id": "8", "question": "x" * 300_000}), "too_long"),
    (json.dumps({**GOOD, "id": "9", "question": "<|im_end|>"}), "control_token"),
    (json.dumps({**GOOD, "id": "10", "gold_spans": [{"start_s": 5, "end_s": 1}]}), "times"),
    (json.dumps({**GOOD, "id": "11", "gold_spans": [{"start_s": 1e999, "end_s": 1}]}), "json"),
    (json.dumps({**GOOD, "id": "12"})[:-1] + ', "gold_spans": [{"start_s": 1e999, "end_s": 2}]}',
     "times"),
    (json.dumps({**GOOD, "id": "13", "events": [{"start_s": -1, "end_s": 1, "text": "t"}]}),
     "times"),
    (json.dumps({"id": "14", "video": "v", "question": "q", "answer_type": "number",
                 "answer": "nan"}), "answer"),
    (json.dumps(GOOD), "duplicate_id"),
]  # fmt: skip


def test_every_hostile_row_is_named_by_its_kind_and_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(GOOD), *(text for text, _ in HOSTILE)]))
    report = check_questions(path, None)
    recorded = [json.loads(line) for line in (tmp_path / "rows.jsonl.bad.jsonl").open()]
    assert [(row["line"], row["kind"]) for row in recorded] == [
        (number, kind) for number, (_, kind) in enumerate(HOSTILE, start=2)
    ]
    assert (report.rows, report.good) == (1 + len(HOSTILE), 1)
    assert report.bad["total"] == len(HOSTILE)
    assert all("\n" not in row["reason"] and len(row["reason"]) <= 600 for row in recorded)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text()
    | st.sampled_from(["<answer>B</answer>", "<think>x</think>", "A", "1e999", "00:10"])
    | st.just("a" * 10**5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


GQA = {"video_id": "v", "question": "q?", "answer": "x", "qid": "1", "type": "CW", "a0": "x",
       "a1": "y", "a2": "z", "a3": "u", "a4": "w"}  # fmt: skip
STA = {"video": "v", "start": "1.5", "end": "2.5", "sentence": "It stops."}


@pytest.mark.parametrize(
    ("form", "good"),
    [(VideoR1(), R1), (VideoR2(), R2), (FieldMap(), GOOD), (NextGqa(), GQA), (CharadesSta(), STA)],
    ids=["video-r1", "video-r2", "fields", "next-gqa", "charades-sta"],
)  # fmt: skip
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_stands_in_a_record_it_is_converted_left_out_or_named(
    tmp_path_factory, form, good, data
):
    key = data.draw(st.sampled_from(sorted(good)))
    change = {key: data.draw(anything)}
    folder = tmp_path_factory.mktemp("fuzz")
    source, target = folder / "in.json", folder / "out.jsonl"
    other = next(key for key in ("id", "problem_id", "video_id", "video") if key in good)
    last = {**good, other: "z", **({"video": "z.mp4"} if "video" in good else {})}
    source.write_text(json.dumps([{**good, **change}, last]))
    for output in ("questions", "sft"):
        if output == "sft" and not isinstance(form, VideoR1 | VideoR2):
            continue  # no rationale to learn
        done = convert_rows(
            Source(str(source)), target, form, policy=RowPolicy("skip"), output=output
        )
        assert done.read == 2
        bad = int(done.bad_report["total"])
        assert done.written + bad + sum(done.left_out.values()) == 2
        assert done.written >= 1, "the good record is always converted"
        assert set(done.bad_report["by_kind"]) <= set(KINDS)
        if output == "questions":  # what was written can be read back, all of it
            assert len(load_questions(target, check_media=False).questions) == done.written
