"""Evaluations over the stages of a run: accuracy, TAC, VAS, whatever an evaluation measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffr.report.source import SCORES, Source
from ffr.run.summary import EVALUATIONS

__all__ = ["stage_data"]

_FIRST = ("accuracy", "tac", "vas")
_NOT_VALUES = {"n", "skipped"}
_SCORED = ("accuracy", "score", "mra", "truncated", "no_answer", "malformed")


def stage_data(source: Source) -> dict[str, Any] | None:
    """``{"names", "metrics", "families", "values"}``; ``None`` without any evaluation.

    ``values[metric][family]`` has one value (or null) for each name: ``before``, ``after`` and so
    on first, evaluations of other names after them in the order they were made, then folders that
    ``ffr eval`` made in ``eval/``, or the folder itself if it is one.
    """
    tables = {path.stem: _table(path) for path in _in_order(source.path / "eval")}
    for folder in (source.path, *sorted((source.path / "eval").glob("*/"))):
        name = source.name if folder == source.path else folder.name
        tables[name] = tables.get(name) or _scores(folder / SCORES)
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


def _scores(path: Path) -> dict[str, dict[str, float]]:
    """Family to metric to value, of a ``scores.json`` of ``ffr eval``."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    table: dict[str, dict[str, float]] = {"all": {}}
    for name in _SCORED:
        part = found.get(name)
        whole = part.get("micro", part) if isinstance(part, dict) else None
        families = part.get("by_family", {}) if isinstance(part, dict) else {}
        for family, interval in {"all": whole, **families}.items():
            if isinstance(interval, dict) and isinstance(interval.get("value"), int | float):
                table.setdefault(str(family), {})[name] = float(interval["value"])
    metrics = found.get("metrics")
    table["all"] |= dict(_numbers(metrics if isinstance(metrics, dict) else {}))
    if isinstance(found.get("items"), int):
        table["all"]["n"] = float(found["items"])
    return table


def _numbers(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and isinstance(value.get("value"), int | float):
            found.append((f"{prefix}{name}", float(value["value"])))  # with its interval
        elif isinstance(value, dict):
            found += _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found.append((f"{prefix}{name}", float(value)))
    return found
