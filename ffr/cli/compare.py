"""``ffr compare``: evaluations of the same items, paired."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ffr.cli.evaluate import TableStyle
from ffr.cli.shared import AsJson, print_json

__all__ = ["compare_command"]

Row = tuple[str, ...]


def compare_command(
    folders: Annotated[
        list[Path], typer.Argument(metavar="A B [C...]", help="Folders of ffr eval; A is the base.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="JSON file to write; default comparison.json in the last folder.",
                     show_default=False),
    ] = None,
    allow_unlike: Annotated[
        bool, typer.Option("--allow-unlike", help="Compare different protocols or data too.")
    ] = False,
    first: Annotated[int, typer.Option(min=0, help="Items listed of wins and losses.")] = 20,
    seed: Annotated[int, typer.Option(help="Of bootstrap and permutation.")] = 0,
    style: TableStyle = "text",
    as_json: AsJson = False,
) -> None:
    """Compare evaluations item by item; refuses unlike protocols and data."""
    from ffr.evaluate.compare import compare, read_evaluated
    from ffr.evaluate.folder import write_json
    from ffr.evaluate.tables import render

    found = compare(
        read_evaluated(folders), allow_unlike=allow_unlike, first=first, seed=seed
    )
    path = out or folders[-1] / "comparison.json"
    write_json(path, found)
    if as_json:
        print_json(found)
        return
    header = ("against " + found["base"]["name"], "n", "base", "other", "difference", "95 %", "p")
    rows = [row for comparison in found["comparisons"] for row in _rows(comparison)]
    print(render(header, rows, style), end="")
    if style == "text":
        for comparison in found["comparisons"]:
            _print_lists(comparison)
        print(f"saved in {path}")


def _rows(comparison: Mapping[str, Any]) -> list[Row]:
    name, n = comparison["other"]["name"], str(comparison["items"])
    mcnemar = comparison["accuracy"]["mcnemar"]
    rows = [
        _row(f"{name}: accuracy", comparison["accuracy"], comparison["accuracy"]["p_holm"]),
        _row(f"{name}: score", comparison["score"], comparison["score"]["p_holm"]),
        (f"{name}: McNemar, {mcnemar['only_other']} gained, {mcnemar['only_base']} lost", n,
         "", "", "", "", _p(mcnemar["p"])),
    ]  # fmt: skip
    for part, word in (("by_family", "family"), ("by_type", "type")):
        for key, found in comparison[part].items():
            rows.append(_row(f"{name}: accuracy, {word} {key}", found["accuracy"]))
    return rows


def _row(name: str, found: Mapping[str, Any], p: float | None = None) -> Row:
    gap = found["difference"]
    p = found["permutation"]["p"] if p is None else p
    return (
        name, str(gap["n"]), f"{100 * found['base']:.1f}", f"{100 * found['other']:.1f}",
        f"{100 * gap['value']:+.1f}", f"{100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}", _p(p),
    )  # fmt: skip


def _p(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _print_lists(comparison: Mapping[str, Any]) -> None:
    name = comparison["other"]["name"]
    for reason in comparison["unlike"]:
        print(f"unlike: {reason}")
    for key in ("only_in_base", "only_in_other"):
        if comparison[key]:
            print(f"{comparison[key]} items {key.replace('_', ' ')} are left out")
    print(
        f"{name}: {comparison['wins']} wins, {comparison['ties']} ties, "
        f"{comparison['losses']} losses"
    )
    for key, word in (("first_wins", "won"), ("first_losses", "lost")):
        for item in comparison[key][:5]:
            print(f"  {word} {item['question_id']} (gold {_short(item['gold'])}): "
                  f"{_short(item['base'])} -> {_short(item['other'])}")  # fmt: skip


def _short(text: str | None) -> str:
    line = "no answer" if text is None else " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."
