import json

import pytest

ROW = {"question": "q?", "answer_type": "text", "answer": "x"}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(
        json.dumps({**ROW, "id": f"q{i}", "video": f"v{i % 20}.mp4"}) + "\n" for i in range(40)
    ))  # fmt: skip
    return path


def test_filter_by_recorded_rates_and_its_manifest(run, rows, tmp_path):
    rates = tmp_path / "rates.jsonl"
    rates.write_text("".join(
        json.dumps({"id": f"q{i}", "n": 8, "right": i % 9}) + "\n" for i in range(36)
    ))  # fmt: skip
    target = tmp_path / "kept.jsonl"
    result = run("ffr", "data", "filter", rows, target, "--rollouts", rates)
    assert result.code == 0, result.err
    assert "32 questions, 4 of them never right" in result.out
    manifest = json.loads((tmp_path / "kept.jsonl.manifest.json").read_text())
    assert manifest["rows"] == 32
    assert manifest["counts"]["found"]["unmeasured"] == 4
    assert run("ffr", "data", "manifest", target, "--verify").code == 0


def test_split_says_what_each_part_got(run, rows, tmp_path):
    result = run("ffr", "data", "split", rows, tmp_path / "p", "--parts", "a=0.5,b=0.5", "--json")
    found = json.loads(result.out)
    assert sum(found["rows"].values()) == 40
    assert sum(found["groups"].values()) == 20
    assert (tmp_path / "p" / "a.jsonl.manifest.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("split", "--parts", "a=1"), "two or more shares"),
        (("split", "--group", "x", "--by-content"), "give either --group or --by-content"),
        (("filter",), "give either --rollouts PATH or --endpoint"),
        (("filter", "--rollouts", "x", "--steps", "9:1"), "is not FIRST:LAST"),
        (("filter", "--rollouts", "gone.jsonl"), "does not exist"),
        (("convert", "--format", "fields", "--field", "x=y"), "our fields are"),
        (("convert", "--on-bad-row", "limit x"), "give fail, skip, or 'limit N'"),
        (("cut",), ""),
    ],
)
def test_what_is_wrong_is_one_line_with_code_2(run, rows, tmp_path, words, message):
    if words[0] == "cut":
        rows.write_text(rows.read_text() + json.dumps({**ROW, "id": "q0", "video": "v"}) + "\n{")
        message = "2 of 42 rows are bad"
    result = run("ffr", "data", words[0], rows, tmp_path / "out", *words[1:])
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").is_file()


def test_convert_to_sft_and_back_into_a_check(run, tmp_path):
    source = tmp_path / "in.json"
    record = {
        "problem_id": 1, "path": "./a.mp4", "data_type": "video", "problem_type": "free-form",
        "options": [], "problem": "Why?", "solution": "<answer>it fell</answer>",
        "process": "<think>It was pushed.</think>",
    }  # fmt: skip
    source.write_text(json.dumps([record, {**record, "problem_id": 2, "problem": ""}]))
    target = tmp_path / "sft.jsonl"
    words = ("ffr", "data", "convert", source, target, "--to", "sft", "--on-bad-row", "limit 1")
    result = run(*words)
    assert result.code == 0, result.err
    assert "1 SFT records" in result.out
    assert "bad rows: 1 (1 schema)" in result.out
    made = json.loads(target.read_text())
    assert made["response"] == "<think>It was pushed.</think>\n<answer>it fell</answer>"
