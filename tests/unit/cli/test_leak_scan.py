"""``ffr leak check`` on a patch store and on a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from ffr.repair.record import (
    AttemptRecord,
    DiagnosisRecord,
    GroupRecord,
    OutcomeRecord,
    Timings,
)
from ffr.run.folder import RunFolder

QUESTION = {
    "id": "q1",
    "video": "v.mp4",
    "question": "Why does the woman leave?",
    "answer": "rain comes through the roof",
    "answer_type": "free_form",
}
OPEN = "The rain comes from above; look at the roof."
CLEAN = "Look up between 3.0 and 4.0 seconds."


def patch(guidance: str) -> EvidencePatch:
    return EvidencePatch(error_types=("spatial",), guidance=guidance)


def fill(root: Path) -> None:
    store = PatchStore(root)
    held = [patch(CLEAN), patch(OPEN), NoPatch(reason="leak"), NoPatch(reason="timeout")]
    for number, outcome in enumerate(held):
        told = {"patch": outcome} if isinstance(outcome, EvidencePatch) else {"failure": outcome}
        attempts = 0 if "patch" in told else 1
        store.put(
            f"{number:064x}",
            StoredDiagnosis.model_validate({**told, "attempts": attempts, "question_id": "q1"}),
        )
    store.put("f" * 64, StoredDiagnosis(patch=patch(CLEAN), question_id="unheard of"))
    path = store.path("e" * 64)
    path.parent.mkdir(parents=True)
    path.write_text("torn")


def questions(path: Path, **changes: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**QUESTION, **changes}) + "\n")
    return path


def test_a_store_is_scanned(run: Any, tmp_path: Path) -> None:
    fill(tmp_path / "store")
    asked = questions(tmp_path / "q.jsonl")
    found = json.loads(
        run("ffr", "leak", "check", tmp_path / "store", "--questions", asked, "--json").out
    )
    assert (found["checked"], found["refused"], found["leak_rate"]) == (2, 1, 0.5)
    assert found["by_rule"] == {"partial_text": 1}
    assert found["left_out"] == {"unknown_question": 1, "damaged": 1}
    assert found["failures"] == {"leak": 1, "timeout": 1}
    assert found["patches"] == [
        {"key": f"{1:064x}", "question_id": "q1", "rules": ["partial_text"]}
    ]
    shown = run("ffr", "leak", "check", tmp_path / "store", "--questions", asked).out
    assert "2 patches checked, 1 refused: leak rate 0.5000" in shown
    assert "left out: damaged 1, unknown_question 1" in shown
    # A check changes nothing.
    assert PatchStore(tmp_path / "store").path("e" * 64).read_text() == "torn"


def test_a_store_without_judged_patches_has_no_rate(run: Any, tmp_path: Path) -> None:
    fill(tmp_path / "store")
    asked = questions(tmp_path / "q.jsonl", id="other")
    words = ("ffr", "leak", "check", tmp_path / "store", "--questions", asked)
    assert json.loads(run(*words, "--json").out)["leak_rate"] is None
    assert "leak rate not available" in run(*words).out


def group(response: str, guidance: str) -> GroupRecord:
    first = AttemptRecord(
        text=response, answer="x", accuracy=0, format=1, right=False, tokens=1, finish_reason="stop"
    )
    diagnosis = DiagnosisRecord(
        source="live", seconds=1, patch_id=patch(guidance).patch_id, counters={"leak_rejected": 2.0}
    )
    return GroupRecord(
        step=1,
        attempt=1,
        group="g",
        question_id="q1",
        answer_type="free_form",
        gold="-",
        row_budget=1,
        outcomes=(OutcomeRecord(index=0, first=first, diagnosis=diagnosis),),
        rows=(),
        timings=Timings(first_pass=1, repair=1, total=2),
    )


@pytest.mark.parametrize(
    ("response", "refused"), [("It is dry.", 1), ("Rain comes through the roof, I guess.", 0)]
)
def test_a_run_folder_knows_its_questions_store_and_responses(
    run: Any, tmp_path: Path, response: str, refused: int
) -> None:
    folder = RunFolder.create(tmp_path / "run", "seed: 1\n")
    fill(tmp_path / "elsewhere")
    (folder.path / "inputs.json").write_text(json.dumps({"store": str(tmp_path / "elsewhere")}))
    questions(folder.path / "data" / "train.jsonl")
    folder.rollout_log().append(group(response, OPEN))
    found = json.loads(run("ffr", "leak", "check", folder.path, "--json").out)
    assert (found["checked"], found["refused"]) == (2, refused)
    assert (found["shown"], found["refused_when_made"]) == (1, 2)
    shown = run("ffr", "leak", "check", folder.path).out
    assert "the run showed 1 different patches; its gate refused 2 when made" in shown


def test_what_is_missing_is_named(run: Any, tmp_path: Path) -> None:
    fill(tmp_path / "store")
    (tmp_path / "empty").mkdir()
    cases = [
        ((tmp_path / "store",), "name the question file with --questions"),
        ((tmp_path / "empty",), "holds no patch store"),
        ((tmp_path / "gone.jsonl",), "does not exist"),
        ((RunFolder.create(tmp_path / "run", "a: 1\n").path,), "holds no data folder"),
    ]
    one = questions(tmp_path / "one.jsonl")
    other = questions(tmp_path / "two.jsonl", answer="a phone call")
    cases += [
        ((tmp_path / "store", "--questions", one, "--questions", other), "differs from that of"),
        ((one, "--questions", one), "--questions is for a patch store"),
    ]
    for words, message in cases:
        result = run("ffr", "leak", "check", *words)
        assert result.code == 2
        assert message in result.err
        assert result.err.count("\n") == 1
