"""summary.json from records and evaluations, and the table made of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError
from ffr.run.summary import read_summary, write_summary
from ffr.run.table import print_summary

STAGES = {"grpo": {"seconds": 12.5, "steps": 2, "done": True, "model": "x"}}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    config = RunConfig.model_validate({"student": {"path": "model"}})
    return RunFolder.create(tmp_path / "run", dump_config(config))


def fill(folder: RunFolder, make_group: Any) -> None:
    log = folder.rollout_log()
    for step, attempt in ((1, 1), (2, 1), (2, 2)):
        log.append(make_group(step, attempt))
    (folder.path / "eval").mkdir()
    for name, share in (("before", 0.4), ("after", 0.6), ("patched_after", 0.9)):
        rows = {
            "all": {"accuracy": share, "n": 10.0, "skipped": 1.0},
            "temporal": {"accuracy": share / 2, "n": 4.0, "skipped": 0.0},
            "spatial": {"accuracy": 0.0, "n": 0.0, "skipped": 1.0},
        }
        (folder.path / "eval" / f"{name}.json").write_text(json.dumps(rows))


def test_summary_holds_what_scripts_rely_on(folder: RunFolder, make_group: Any) -> None:
    fill(folder, make_group)
    made = write_summary(folder, status="ok", stages=STAGES, seconds=100.0)
    found = json.loads(folder.summary_path.read_text())
    assert found["status"] == "ok"
    assert found["stages"] == {"grpo": {"seconds": 12.5, "steps": 2, "done": True}}
    accuracy = found["accuracy"]
    assert (accuracy["before"], accuracy["after"]) == (0.4, 0.6)
    assert (accuracy["patched_before"], accuracy["patched_after"]) == (None, 0.9)
    assert (accuracy["n"], accuracy["skipped"]) == (10, 3)
    assert accuracy["by_family"]["temporal"]["after"] == 0.3
    assert accuracy["by_family"]["spatial"] == {
        "before_sft": None, "before": None, "after": None, "patched_before": None,
        "patched_after": None, "n": 0, "skipped": 3,
    }
    assert found["repair"] == {
        "rollouts": 8, "failed": 6, "teacher_calls": 2, "patches": 2, "succeeded": 2,
        "leak_rejected": 2, "no_patch": {"empty_response": 2, "leak": 2},
    }
    assert found["trained"] == {"original_tokens": 40, "repaired_tokens": 24}
    assert found["tools"] == {"zoom": {"calls": 4, "failures": 2}}
    assert found["store"] == {"hits": 2, "misses": 2}
    assert (found["generated_sequences"], found["seconds"]) == (10, 100.0)
    assert read_summary(folder.path) == read_summary(folder.summary_path) == made


def test_summary_of_a_run_that_did_nothing(folder: RunFolder) -> None:
    summary = write_summary(folder, status="failed", stages={}, seconds=0.0)
    assert summary.accuracy.after is None
    assert summary.repair.rollouts == 0


def test_unreadable_inputs_are_named(folder: RunFolder) -> None:
    (folder.path / "eval").mkdir()
    (folder.path / "eval" / "after.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"after\.json is not JSON.*delete it"):
        write_summary(folder, status="ok", stages={}, seconds=0.0)
    with pytest.raises(RunFolderError, match="cannot read"):
        read_summary(folder.path)
    folder.summary_path.write_text('{"status": "great"}')
    with pytest.raises(RunFolderError, match="no summary of this version"):
        read_summary(folder.path)


def printed(summary: Any, folder: RunFolder) -> str:
    out = io.StringIO()
    print_summary(summary, folder, console=Console(file=out, width=100, highlight=False))
    return out.getvalue()


def test_table_shows_the_numbers_and_the_place(folder: RunFolder, make_group: Any) -> None:
    fill(folder, make_group)
    text = printed(write_summary(folder, status="ok", stages=STAGES, seconds=100.0), folder)
    for part in ("temporal", "0.600", "0.900", "–", "6 (75%)", "2 (100%)", "tool zoom",
                 "4 calls, 2 failed", "no patch: empty response", "1 min 40 s", "grpo 12 s",
                 "tokens trained, repaired answers", str(folder.path)):
        assert part in text


def test_table_of_an_empty_run_is_short(folder: RunFolder) -> None:
    text = printed(write_summary(folder, status="stopped", stages={}, seconds=3.0), folder)
    assert text.splitlines() == [
        "stopped after 3 s",
        f"run folder: {folder.path}",
        f"to look at it: ffr report {folder.path}",
    ]


def test_repair_and_run_need_no_training_library() -> None:
    code = (
        "import sys, ffr.repair.loop, ffr.run.manifest, ffr.run.metrics, ffr.run.table;"
        "bad = {'torch', 'transformers', 'verl', 'ray'} & set(sys.modules);"
        "sys.exit(','.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_further_measures_stand_beside_accuracy(folder: RunFolder, make_group: Any) -> None:
    fill(folder, make_group)
    path = folder.path / "eval" / "after.json"
    table = json.loads(path.read_text())
    table["all"]["tac_strict"] = 0.75
    path.write_text(json.dumps(table))
    (folder.path / "eval" / "before_sft.json").write_text(
        json.dumps({"all": {"accuracy": 0.0, "n": 10.0, "skipped": 0.0, "tac_strict": 0.0}})
    )
    made = write_summary(folder, status="ok", stages=STAGES, seconds=100.0)
    assert made.measures == {"tac_strict": {"before_sft": 0.0, "after": 0.75}}
    console = Console(file=io.StringIO(), width=100)
    print_summary(made, folder, console=console)
    shown = console.file.getvalue()
    assert "before SFT" in shown
    assert "tac_strict" in shown
    assert "0.750" in shown
