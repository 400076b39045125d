"""Evaluations over the stages of a run: accuracy, TAC, VAS, whatever an evaluation measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffr.report.source import Source
from ffr.run.summary import EVALUATIONS

__all__ = ["stage_data"]

_FIRST = ("accuracy", "tac", "vas")
_NOT_VALUES = {"n", "skipped"}


def stage_data(source: Source) -> dict[str, Any] | None:
    """``{"names", "metrics", "families", "values"}``; ``None`` without any evaluation.

    ``values[metric][family]`` has one value (or null) for each name: ``before``, ``after`` and so
    on first, evaluations of other names after them in the order they were made.
    """
    tables = {path.stem: _table(path) for path in _in_order(source.path / "eval")}
    tables = {name: table for name, table in tables.items() if table}
    if not tables:
        return None
    families = sorted({family for table in tables.values() for family in table} - {"all"})
    metrics = {m for table in tables.values() for row in table.values() for m in row} - _NOT_VALUES
    ordered = sorted(metrics, key=lambda m: (_rank(m), m))
    return {
        "names": list(tables),
        "n": [int(table.get("all", {}).get("n", 0)) for table in tables.values()],
        "metrics": ordered,
        "families": ["all", *families],
        "values": {
            metric: {
                family: [table.get(family, {}).get(metric) for table in tables.values()]
                for family in ("all", *families)
            }
            for metric in ordered
        },
    }


def _rank(metric: str) -> int:
    name = metric.lower()
    return next((i for i, known in enumerate(_FIRST) if known in name), len(_FIRST))


def _in_order(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime, path.name))
    except OSError:
        return []
    known = [folder / f"{name}.json" for name in EVALUATIONS]
    return [*(p for p in known if p in paths), *(p for p in paths if p not in known)]


def _table(path: Path) -> dict[str, dict[str, float]]:
    """Family to metric to value, of the part of the file that has this form."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    table: dict[str, dict[str, float]] = {}
    for family, row in found.items() if isinstance(found, dict) else ():
        if isinstance(row, dict):
            values = dict(_numbers(row))
            if values:
                table[str(family)] = values
    return table


def _numbers(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found.append((f"{prefix}{name}", float(value)))
    return found
