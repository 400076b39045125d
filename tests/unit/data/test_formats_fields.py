"""Generic rows by a field map, from JSONL, Parquet and Hugging Face datasets."""

import json
import math
from pathlib import Path

import pytest

from ffr.data.bad_rows import RowPolicy
from ffr.data.convert import Converted, convert_rows
from ffr.data.formats.field_map import FieldMap, parse_fields
from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.data.sources import Source
from ffr.errors import UserError

MAP = {
    "id": "key", "video": "media.path", "question": "prompt", "options": "a,b,c",
    "answer": "gold", "span_start": "from", "span_end": "to", "family": "kind",
}  # fmt: skip
ROW = {
    "key": 7, "media": {"path": "/data/v.mp4", "bytes": None}, "prompt": "What?", "a": "one",
    "b": "two", "c": None, "gold": "two", "from": 1, "to": 2.5, "kind": "easy", "noise": [1],
}  # fmt: skip


def convert(source: str, form: FieldMap, folder: Path) -> tuple[Converted, tuple[Question, ...]]:
    target = folder / "out.jsonl"
    done = convert_rows(Source(source), target, form, policy=RowPolicy("skip"))
    return done, load_questions(target, on_bad_row="skip", check_media=False).questions


def lines(folder: Path, *rows: object) -> str:
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def expect(question: Question) -> None:
    assert question.model_dump(mode="json", exclude_defaults=True) == {
        "id": "7", "video": "v.mp4", "question": "What?", "options": ["one", "two"],
        "answer_type": "choice", "answer": "B", "family": "easy",
        "gold_spans": [{"start_s": 1.0, "end_s": 2.5}],
    }  # fmt: skip


FORM = FieldMap(MAP, strip_prefix="/data/")


def test_json_lines_by_a_map(tmp_path):
    _, (question,) = convert(lines(tmp_path, ROW), FORM, tmp_path)
    expect(question)


def test_parquet_by_a_map_reads_only_what_is_mapped(tmp_path):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    path = tmp_path / "in.parquet"
    rows = [ROW, {**ROW, "key": 8, "from": math.nan}, {**ROW, "key": 9, "gold": None}]
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    done, (question,) = convert(str(path), FORM, tmp_path)
    expect(question)
    assert [(b.line, b.kind) for b in done.bad] == [(2, "json"), (3, "schema")]
    assert "nan is not allowed" in done.bad[0].reason
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="as Parquet"):
        convert(str(path), FORM, tmp_path)


def test_hugging_face_datasets_by_a_map(tmp_path):
    import datasets

    folder = tmp_path / "set"
    datasets.Dataset.from_list([ROW]).save_to_disk(folder)
    _, (question,) = convert(f"hf:{folder}", FORM, tmp_path)
    expect(question)
    with pytest.raises(UserError, match=r"cannot read hf:.*check the name, --split and --subset"):
        convert(f"hf:{tmp_path / 'nowhere'}", FORM, tmp_path)


@pytest.mark.parametrize(
    "options", [["x", "y"], {"A": "x", "B": "y", "C": None}, '["x", "y"]', ["A. x", "B. y"]]
)
@pytest.mark.parametrize(
    ("form", "answer"), [("auto", "B"), ("auto", "(b)"), ("auto", "y"), ("index0", 1),
                         ("index1", "2")],
)  # fmt: skip
def test_options_and_gold_answers_in_their_usual_forms(tmp_path, options, form, answer):
    row = {"id": "a", "video": "v", "question": "q", "options": options, "answer": answer}
    _, (question,) = convert(lines(tmp_path, row), FieldMap({}, form), tmp_path)
    assert (question.options, question.answer) == (("x", "y"), "B")


def test_our_own_rows_come_back_unchanged(tmp_path):
    row = {
        "id": "a", "video": "v.mp4", "question": "q", "answer_type": "ocr", "answer": "x",
        "family": "f", "gold_spans": [{"start_s": 0.0, "end_s": 1.0, "box": [0.0, 0.0, 1.0, 1.0]}],
        "events": [{"start_s": 1.0, "end_s": 2.0, "text": "t"}], "thinking": "so",
    }  # fmt: skip
    _, (question,) = convert(lines(tmp_path, row), FieldMap(), tmp_path)
    assert question.model_dump(mode="json", exclude_defaults=True) == row


def test_a_stretch_of_a_file_is_kept_and_refused_by_training(tmp_path):
    row = {"video": "v", "question": "q", "answer": 3, "clip_start": 2, "clip_end": 4}
    done, none = convert(lines(tmp_path, row), FieldMap(), tmp_path)
    assert (done.written, none) == (1, ())
    assert '"clip":{"start_s":2.0,"end_s":4.0}' in (tmp_path / "out.jsonl").read_text()
    with pytest.raises(UserError, match="cut it out with `ffr data cut` first"):
        load_questions(tmp_path / "out.jsonl", check_media=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"options": "x, y"}, "not a JSON list of options"),
        ({"options": {"1": "x", "2": "y"}}, "letters from A on"),
        ({"options": ["x"]}, "1 options"),
        ({"options": ["x", "y"], "answer": "z"}, "nor one of the options"),
        ({"options": ["x", "y"], "answer": True}, "answer=true is not text"),
        ({"answer": None}, "map answer with --field answer=THEIR_KEY"),
        ({"answer_type": "essay"}, "answer_type='essay' is unknown"),
        ({"answer_type": "number", "options": ["x", "y"]}, "has options but"),
        ({"gold_spans": [[3, 1]]}, "ends before it starts"),
        ({"gold_spans": "x"}, "not a list"),
        ({"gold_spans": [5]}, "neither [start, end] nor an object"),
        ({"gold_spans": [{"start": 0, "end": 1, "box": [2, 0, 1, 1]}]}, "box"),
        ({"span_start": -1, "span_end": 5}, "start=-1"),
        ({"span_start": 1e300}, "start="),
        ({"video": "/"}, "names no video"),
        ({"question": 12.5, "video": ["v"]}, "is not text"),
    ],
)
def test_each_kind_of_bad_row_is_named(tmp_path, change, reason):
    good = {"id": "g", "video": "v", "question": "q", "answer": "x"}
    done, _ = convert(lines(tmp_path, {**good, "id": "b", **change}, good), FieldMap(), tmp_path)
    assert (done.read, done.written) == (2, 1)
    assert (done.bad[0].line, done.bad[0].id) == (1, "b")
    assert reason in done.bad[0].reason


def test_numbers_of_options_must_be_in_range(tmp_path):
    rows = [{"id": str(i), "video": "v", "question": "q", "options": ["x", "y"], "answer": a}
            for i, a in enumerate([0, 1, 2, "B", -1])]  # fmt: skip
    done, questions = convert(lines(tmp_path, *rows), FieldMap({}, "index0"), tmp_path)
    assert [q.answer for q in questions] == ["A", "B"]
    assert "not a number from 0 to 1" in done.bad[0].reason


@pytest.mark.parametrize(
    ("words", "message"),
    [(["x"], "is not OUR_FIELD=THEIR_KEY"), (["colour=x"], "our fields are id, video"),
     (["id=a", "id=b"], "given twice")],
)  # fmt: skip
def test_wrong_maps_are_refused(words, message):
    with pytest.raises(UserError, match=message):
        parse_fields(words)
    assert parse_fields(["id=a.b", "options=x,y"]) == {"id": "a.b", "options": "x,y"}
