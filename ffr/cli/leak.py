"""``ffr leak``: audit evidence patches for leaked answers, without any model."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.shared import AsJson, print_json
from ffr.data.by_id import questions_by_id
from ffr.errors import UserError
from ffr.patches.walk import need_store
from ffr.repair.record import GroupRecord
from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError
from ffr.teacher.leakage import RULES, check_patch
from ffr.teacher.leakage.audit import StoreAudit, audit_store
from ffr.teacher.leakage.cases import LeakCase, read_cases

__all__ = ["LeakCase", "app"]

app = typer.Typer(no_args_is_help=True, help="Check evidence patches for leaked answers.")


@app.callback()
def _group() -> None:
    """Check evidence patches for leaked answers."""


@app.command("check")
def check(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CASES.jsonl|RUN_DIR|STORE",
            help="JSONL: {id, question, options, answer, answer_type, student_response, patch}; "
            "a run folder; or a patch store.",
        ),
    ],
    questions: Annotated[
        list[Path] | None,
        typer.Option(help="Question file with the gold answers, for a store; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which patches the leak gate refuses, and by which rules."""
    if not source.is_dir():
        if questions:
            raise UserError("--questions is for a patch store; a case file holds its questions")
        _check_cases(source, as_json)
    elif (source / ".ffr-run").is_file():
        _check_run(RunFolder.open(source), questions, as_json)
    else:
        store = need_store(source)
        if not questions:
            raise UserError(
                f"{source} holds patches but not their questions; name the question file with "
                "--questions FILE.jsonl"
            )
        audit = audit_store(store, questions_by_id(questions))
        if as_json:
            print_json(audit.as_json())
        else:
            _show(audit)


def _check_cases(path: Path, as_json: bool) -> None:
    total = refused = 0
    for case in read_cases(path):
        verdict = check_patch(case.as_question(), case.patch, case.student_response)
        total += 1
        refused += not verdict.passed
        if as_json:
            found = {"id": case.id, "passed": verdict.passed, "rules": list(verdict.rules)}
            print(json.dumps(found, ensure_ascii=False))
        elif not verdict.passed:
            print(f"{case.id}: " + "; ".join(f"{rule} ({RULES[rule]})" for rule in verdict.rules))
    if not as_json:
        print(f"{total} patches: {total - refused} pass, {refused} refused")


def _check_run(run: RunFolder, questions: list[Path] | None, as_json: bool) -> None:
    """A run folder holds its questions and responses, and says where its store is."""
    files = questions or sorted((run.path / "data").glob("*.jsonl"))
    if not files:
        raise RunFolderError(
            f"{run.path} holds no data folder; name the question file with --questions FILE.jsonl"
        )
    responses: dict[str, set[str]] = defaultdict(set)
    groups = run.read_all()
    for group in groups:
        for outcome in group.outcomes:
            if outcome.diagnosis is not None and outcome.diagnosis.patch_id is not None:
                responses[outcome.diagnosis.patch_id].add(outcome.first.text)
    audit = audit_store(need_store(_store_of(run)), questions_by_id(files), responses)
    shown, refused = len(responses), _refused_when_made(groups)
    if as_json:
        print_json({**audit.as_json(), "shown": shown, "refused_when_made": refused})
    else:
        _show(audit)
        print(f"the run showed {shown} different patches; its gate refused {refused} when made")


def _store_of(run: RunFolder) -> Path:
    """The store the run used: its own, or the one its configuration names."""
    try:
        named = json.loads((run.path / "inputs.json").read_text(encoding="utf-8"))["store"]
        store = Path(named)
    except (OSError, ValueError, KeyError, TypeError):
        store = run.path / "patches"
    # A run folder may have been moved since.
    return store if store.is_dir() else run.path / "patches"


def _refused_when_made(groups: Iterable[GroupRecord]) -> int:
    """Proposals of a live teacher that the gate refused, corrections included."""
    return int(
        sum(
            outcome.diagnosis.counters.get("leak_rejected") or 0
            for group in groups
            for outcome in group.outcomes
            if outcome.diagnosis is not None and outcome.diagnosis.source == "live"
        )
    )


def _show(audit: StoreAudit) -> None:
    for patch in audit.refused:
        rules = "; ".join(f"{rule} ({RULES[rule]})" for rule in patch.rules)
        print(f"{patch.key[:12]} question {patch.question_id}: {rules}")
    rate = "not available" if audit.leak_rate is None else f"{audit.leak_rate:.4f}"
    print(f"{audit.checked} patches checked, {len(audit.refused)} refused: leak rate {rate}")
    for rule, count in audit.by_rule.items():
        print(f"  {rule}: {count}")
    for title, counts in (("left out", audit.left_out), ("no patch", audit.failures)):
        if counts:
            listed = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
            print(f"{title}: {listed}")
