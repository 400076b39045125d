"""Comparing evaluations: pairing by item, refusing what is unlike, listing who won where."""

from __future__ import annotations

import json
import sys

import pytest

from ffr.cli.main import main
from ffr.errors import UserError
from ffr.evaluate.compare import compare, read_evaluated
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.rows import Failure


@pytest.fixture
def three(finished, row):
    base = [row(i, right=i < 4) for i in range(8)]
    better = [row(i, right=i != 1, family="b" if i > 5 else "a") for i in range(8)]
    return finished("base", base), finished("better", better), finished("same", base)


def test_items_are_paired(three):
    found = compare(read_evaluated(three[:2]))
    (one,) = found["comparisons"]
    assert (one["wins"], one["ties"], one["losses"]) == (4, 3, 1)
    assert one["accuracy"]["base"] == 0.5
    assert one["accuracy"]["other"] == 7 / 8
    assert one["accuracy"]["difference"]["value"] == pytest.approx(3 / 8)
    assert one["accuracy"]["mcnemar"] == {"only_base": 1, "only_other": 4, "p": 0.375}
    assert one["accuracy"]["permutation"]["p"] == pytest.approx(0.375)  # the same test, exactly
    assert [item["question_id"] for item in one["first_losses"]] == ["q1"]
    assert [item["question_id"] for item in one["first_wins"]] == ["q4", "q5", "q6", "q7"]
    assert one["first_wins"][0]["base"] == "B"
    assert one["unlike"] == []


def test_several_are_compared_with_the_first_and_adjusted(three):
    found = compare(read_evaluated(three))
    assert [c["other"]["name"] for c in found["comparisons"]] == ["better", "same"]
    better, same = found["comparisons"]
    assert better["accuracy"]["p_holm"] == pytest.approx(2 * 0.375)
    assert same["accuracy"]["p_holm"] == 1.0
    assert (same["wins"], same["losses"]) == (0, 0)
    json.dumps(found, allow_nan=False)


def test_unlike_protocols_and_data_are_refused_by_key(finished, row):
    rows = [row(i) for i in range(3)]
    base = finished("base", rows)
    fewer = finished("fewer", rows, load_protocol("demo", ["metrics=[]", "frames.count=4"]))
    reworded = finished("reworded", rows, words="Really?")
    with pytest.raises(UserError, match=r"fewer are unlike: protocol frames.count: 8 against 4"):
        compare(read_evaluated([base, fewer]))
    with pytest.raises(UserError, match=r"data: \w{12} \(3 items\) against \w{12}"):
        compare(read_evaluated([base, reworded]))
    (forced,) = compare(read_evaluated([base, fewer]), allow_unlike=True)["comparisons"]
    assert forced["unlike"] == ["protocol frames.count: 8 against 4"]
    named = finished("named", rows, load_protocol("demo", ["metrics=[]", "name=mine"]))
    assert compare(read_evaluated([base, named]))["comparisons"][0]["unlike"] == []


def test_only_shared_items_are_compared_when_data_differ(finished, row):
    base = finished("base", [row(i) for i in range(3)])
    other = finished("other", [row(i) for i in (2, 1, 9)])
    (one,) = compare(read_evaluated([base, other]), allow_unlike=True)["comparisons"]
    assert (one["items"], one["only_in_base"], one["only_in_other"]) == (2, 1, 1)
    nothing = finished("nothing", [row(i) for i in (7, 8)])
    with pytest.raises(UserError, match="no item in common"):
        compare(read_evaluated([base, nothing]), allow_unlike=True)


def test_a_failed_item_loses(finished, row):
    failed = row(1, right=None, answer=None, accuracy=None, score=None, response=None,
                 failure=Failure(kind="endpoint", detail="status 500"))  # fmt: skip
    base, other = finished("base", [row(0), row(1)]), finished("other", [row(0), failed])
    (one,) = compare(read_evaluated([base, other]))["comparisons"]
    assert one["losses"] == 1
    assert one["first_losses"][0]["other"] == "failed: status 500"


def test_what_is_no_finished_evaluation_is_named(three, tmp_path):
    with pytest.raises(UserError, match="two folders or more"):
        read_evaluated(three[:1])
    with pytest.raises(UserError, match="given twice"):
        read_evaluated([three[0], three[0]])
    with pytest.raises(UserError, match=r"no finished evaluation \(no scores.json\)"):
        read_evaluated([three[0], tmp_path])
    (three[1] / "items.jsonl").write_text('{"index": 0}\n')
    with pytest.raises(UserError, match=r"items.jsonl line 1 is no evaluated item \(question_id"):
        read_evaluated(three[:2])


def test_folders_of_one_name_are_told_apart(finished, row):
    paths = [finished(f"{name}/eval", [row(0)]) for name in ("a", "b")]
    assert [e.name for e in read_evaluated(paths)] == ["a/eval", "b/eval"]


def test_the_command_prints_and_writes(three, tmp_path, monkeypatch, capsys):
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ffr", "compare", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    code, out, err = run(*three[:2])
    assert (code, err) == (0, "")
    assert "better: 4 wins, 3 ties, 1 losses" in out
    assert "+37.5" in out
    assert "won q4 (gold A): B -> A" in out
    written = json.loads((three[1] / "comparison.json").read_text())
    code, out, _ = run(*three[:2], "--json", "--out", tmp_path / "own.json")
    assert json.loads(out) == written == json.loads((tmp_path / "own.json").read_text())
    code, out, _ = run(*three, "--table", "latex")
    assert out.startswith(r"\begin{tabular}")
    code, _, err = run(three[0], tmp_path / "missing")
    assert code == 2
    assert err.count("\n") == 1
