"""The plug-in in the real lmms-eval: found, run, and equal to ``ffr eval`` item by item."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ffr.cli.main import main

TASKS = Path(__file__).parents[3] / "examples" / "lmms_eval"
LAYOUTS = Path(__file__).parent / "benchmark_layouts.py"


def ours(
    monkeypatch: pytest.MonkeyPatch, world: Any, checkpoint: Path, out: Path, protocol: str
) -> list[dict[str, Any]]:
    """The items of ``ffr eval``."""
    words = ["eval", "--data", world.test, "--protocol", protocol, "--model", checkpoint,
             "--out", out, "--batch-size", 4, "--device", "cpu", "metrics=[]"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["ffr", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    return [json.loads(line) for line in (out / "items.jsonl").read_text().splitlines()]


def theirs(run: Any, checkpoint: Path, name: str, protocol: str) -> tuple[Any, Any, Any]:
    """Samples by number, results and record of lmms-eval."""
    done = run(
        "-m", "lmms_eval", "--model", name, "--batch_size", "4", "--device", "cpu",
        "--model_args", f"pretrained={checkpoint},protocol={protocol},record={name}/record",
        "--tasks", "ffr_demo", "--include_path", str(TASKS), "--log_samples",
        "--output_path", name,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = checkpoint.parent / name
    (samples,) = folder.rglob("*_samples_ffr_demo.jsonl")
    (results,) = folder.rglob("*_results.json")
    lines = map(json.loads, samples.read_text().splitlines())
    found = {sample["doc_id"]: sample for sample in lines}
    record = [json.loads(x) for x in (folder / "record" / "items.jsonl").read_text().splitlines()]
    return found, json.loads(results.read_text()), record


@pytest.mark.parametrize(
    ("name", "protocol"), [("ffr", "demo"), ("ffr_elect", "demo_elect")], ids=["one", "elected"]
)
def test_each_item_has_the_answer_and_score_of_ffr_eval(
    monkeypatch, capsys, beside_lmms_eval, world, checkpoint, tmp_path, name, protocol
):
    items = ours(monkeypatch, world, checkpoint, tmp_path / "eval", protocol)
    capsys.readouterr()
    samples, results, record = theirs(beside_lmms_eval, checkpoint, name, protocol)
    assert [item["index"] for item in items] == sorted(samples)
    for item in items:
        sample = samples[item["index"]]
        assert sample["filtered_resps"] == (item["answer"] or ""), item["question_id"]
        assert sample["accuracy"] == item["accuracy"]
        assert bool(sample["right"]) == item["right"]
    texts = {row["item"]: row["response"] for row in record}
    assert texts == {item["question_id"]: item["response"] for item in items}
    right = sum(item["right"] for item in items)
    assert 0 < right < len(items), "the comparison must see right and wrong answers"
    assert results["results"]["ffr_demo"]["right,none"] == pytest.approx(right / len(items))
    manifest = json.loads((checkpoint.parent / name / "record" / "manifest.json").read_text())
    launched = json.loads((tmp_path / "eval" / "scores.json").read_text())["manifest"]
    same = {**launched["identity"]["execution"], "reply": "answer"}
    assert manifest["identity"]["execution"] == same
    assert manifest["identity"]["protocol_sha256"] == launched["identity"]["protocol_sha256"]
    assert manifest["model"]["weights_sha256"] == launched["model"]["weights_sha256"]


def test_the_ten_benchmarks_prompts_are_read_and_our_replies_scored_by_their_own_code(
    beside_lmms_eval,
):
    done = beside_lmms_eval(str(LAYOUTS))
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 11
    for name, read in found.items():
        assert read["question"].endswith("What does the man lift first?"), name
        assert read["options"][:4] == ["a red cup", "a blue box", "his hat", "the cat"], name
        assert (read["right"], read["wrong"]) == (1.0, 0.0), name
