"""Scores as a table for a terminal, for Markdown and for LaTeX."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Style", "render", "score_table"]

Style = Literal["text", "markdown", "latex"]
Row = tuple[str, ...]

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
_WIDTH = 200


def score_table(scores: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """Header and rows of the table of one evaluation; per cent with 95 % intervals.

    Args:
        scores: content of ``scores.json``.
    """
    header = ("", "n", "accuracy", "95 %", "score", "95 %")
    return header, list(_rows(scores))


def render(header: Row, rows: Sequence[Row], style: Style, title: str = "") -> str:
    """A table as text; the first column is left-aligned, the others right."""
    if style == "latex":
        return _latex(header, rows)
    table = Table(
        title=title if style == "text" and title else None, title_justify="left",
        box=box.MARKDOWN if style == "markdown" else box.SIMPLE_HEAD,
    )  # fmt: skip
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index == 0 else "right")
    for row in rows:
        cells = [c.replace("|", "\\|") for c in row] if style == "markdown" else list(row)
        table.add_row(*cells)
    out = io.StringIO()
    Console(file=out, width=_WIDTH, markup=False, highlight=False, no_color=True).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n")).strip("\n") + "\n"


def _rows(scores: Mapping[str, Any]) -> Iterator[Row]:
    accuracy, score = scores["accuracy"], scores["score"]
    names = {
        "micro": "all items (micro)", "macro_family": "mean of families (macro)",
        "macro_type": "mean of answer types (macro)", "answered_only": "items with a response",
    }  # fmt: skip
    for key, name in names.items():
        yield _row(name, accuracy[key], score[key])
    for part, name in (("by_family", "family"), ("by_type", "type")):
        for key in accuracy[part]:
            yield _row(f"{name} {key}", accuracy[part][key], score[part][key])
    if scores["mra"]["n"]:
        yield ("mean relative accuracy", str(scores["mra"]["n"]), "", "", *_cells(scores["mra"]))
    for key, name in (("truncated", "cut off"), ("no_answer", "without a readable answer")):
        yield (name, str(scores[key]["n"]), *_cells(scores[key]), "", "")
    tac = scores["metrics"].get("tac")
    if tac is not None:
        for key in ("strict", "parsed", "correct", "agree", "coverage"):
            yield (f"TAC {key}", f"{tac[key]['n']:.0f}", *_cells(tac[key]), "", "")
    cited = scores["metrics"].get("citations")
    if cited is not None and cited["items_with_reference"]:
        for key in ("precision", "recall", "citing"):
            yield (f"citations {key}", f"{cited[key]['n']:.0f}", *_cells(cited[key]), "", "")
    vas = scores["metrics"].get("vas_j")
    if vas is not None:
        yield ("VAS-J", f"{vas['vas']['n']:.0f}", *_cells(vas["vas"], 1.0), "", "")
    looked = scores["metrics"].get("vas_a")
    if looked is not None:
        yield ("VAS-A", f"{looked['vas']['n']:.0f}", *_cells(looked["vas"], 1.0), "", "")
    for kind, found in scores["metrics"].get("vas_c", {}).items():
        for key, name in (("reliance", "reliance"), ("accuracy_drop", "accuracy drop")):
            value = found[key]
            yield (f"VAS-C {kind}: {name}", f"{value['n']:.0f}", *_cells(value, 1.0), "", "")


def _row(name: str, accuracy: Mapping[str, Any], score: Mapping[str, Any]) -> Row:
    return (name, str(accuracy["n"]), *_cells(accuracy), *_cells(score))


def _cells(found: Mapping[str, Any], scale: float = 100.0) -> tuple[str, str]:
    if found["value"] is None:
        return "–", ""
    span = ""
    if found["low"] is not None:
        span = f"{scale * found['low']:.1f}–{scale * found['high']:.1f}"
    return f"{scale * found['value']:.1f}", span


def _latex(header: Row, rows: Sequence[Row]) -> str:
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule",
        *(" & ".join(map(_escaped, row)) + r" \\" for row in (header,)), r"\midrule",
        *(" & ".join(map(_escaped, row)) + r" \\" for row in rows),
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _escaped(cell: str) -> str:
    return "".join(_LATEX.get(c, c) for c in cell).replace("–", "--")
