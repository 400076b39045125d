"""``ffr doctor``: what is installed, what will work, what will not and the fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffr.cli.shared import AsJson, print_json

if TYPE_CHECKING:
    from ffr.cli.doctor_checks import Check
    from ffr.preflight.run import Report

__all__ = ["doctor", "what_works"]


def doctor(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG...] [KEY=VALUE...]",
            help="Also check this run, as ffr-train does before step 0.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is installed, what will work here, what will not, and the fix."""
    from ffr.cli.doctor_checks import all_checks

    checks = list(all_checks(Path.cwd()))
    works = what_works(checks)
    report = _preflight(words) if words else None
    if report is not None:  # what the run needs of packages and devices is in its own report
        checks = [c for c in checks if c.group != "packages"]
    healthy = all(check.status != "problem" for check in checks)
    healthy = healthy and (report is None or not report.problems)
    if as_json:
        told = {"ok": healthy, "works": works, "checks": [asdict(c) for c in checks]}
        print_json(told | ({"preflight": report.as_json()} if report else {}))
    else:
        _print([*checks, *(report.checks if report else [])], works)
    if not healthy:
        raise typer.Exit(1)


def _preflight(words: Sequence[str]) -> Report:
    from ffr.cli.train import split_words
    from ffr.config.load import load_config
    from ffr.preflight.run import preflight
    from ffr.preflight.situation import look
    from ffr.train.endpoint import teacher_endpoint

    config = load_config(*split_words(list(words)))
    with look(config) as situation, teacher_endpoint(config) as base_url:
        return preflight(config, situation, base_url=base_url)


def what_works(checks: Sequence[Check]) -> dict[str, str]:
    """For each kind of job ``yes``, or what is missing for it."""
    by_name = {check.name: check for check in checks}

    def missing(names: Sequence[str]) -> str:
        lacking = [n for n in names if n in by_name and not _usable(by_name[n])]
        return "yes" if not lacking else "no: " + ", ".join(lacking)

    tools = ("Python", "av", "numpy", "decoding")
    teacher = (*tools, "openai")
    train = (
        *teacher,
        "torch",
        "torchvision",
        "transformers",
        "verl",
        "tensordict",
        "TransferQueue",
        "ray",
        "peft",
        "entry point torch.backends",
        "entry point verl.plugins",
        "import torch",
        "video processor",
        "write permission",
    )
    devices = by_name.get("devices")
    has_gpu = devices is not None and devices.found != "no GPU"
    on_gpu = missing((*train, "rollout on GPU"))
    return {
        "teacher tools": missing(tools),
        "hosted or local teacher": missing(teacher),
        "training without a GPU (make quickstart)": missing((*train, "H.264 encoder")),
        "training on GPUs": on_gpu if has_gpu else "no: no GPU found",
    }


def _usable(check: Check) -> bool:
    return check.status == "ok" or (
        check.status == "warning" and check.group == "packages" and check.found != "not installed"
    )


def _print(checks: Sequence[Check], works: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    styles = {"ok": "green", "warning": "yellow", "problem": "red"}
    table = Table("", "what", "found", "fix", box=None, pad_edge=False)
    for check in checks:
        cells = (check.status, check.name, check.found, check.fix)
        table.add_row(
            *(Text(c, styles[check.status] if i == 0 else "") for i, c in enumerate(cells))
        )
    console.print(table)
    console.print()
    for job, answer in works.items():
        console.print(Text(f"{job}: {answer}"))
