"""Compare evaluations of the same items under the same protocol, item by item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffr.errors import UserError
from ffr.evaluate.folder import EvalFolder, read_json
from ffr.evaluate.paired import difference, holm, mcnemar, permutation
from ffr.evaluate.protocol import differing_keys
from ffr.evaluate.rows import ItemRow, read_items

__all__ = ["Evaluated", "compare", "read_evaluated", "unlike"]

Pair = tuple[ItemRow, ItemRow]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A finished evaluation.

    Attributes:
        name: for tables, unique among those compared.
        path: its folder.
        scores: content of ``scores.json``.
        items: its rows in order.
    """

    name: str
    path: Path
    scores: Mapping[str, Any]
    items: Sequence[ItemRow]


def read_evaluated(paths: Sequence[Path]) -> list[Evaluated]:
    """Finished evaluations, named after their folders.

    Raises:
        UserError: fewer than two, one is not finished, cannot be read, or is named twice.
    """
    if len(paths) < 2:
        raise UserError(f"{len(paths)} evaluations cannot be compared; give two folders or more")
    real = [path.resolve() for path in paths]
    if len(set(real)) < len(real):
        raise UserError("the same folder is given twice; give each evaluation once")
    short = [path.name for path in real]
    found = []
    for path, whole in zip(paths, real, strict=True):
        folder = EvalFolder(path)
        if not folder.scores_path.is_file():
            raise UserError(
                f"{path} holds no finished evaluation (no scores.json); give a folder of "
                "`ffr eval`, or start that command again to finish it"
            )
        name = whole.name if short.count(whole.name) == 1 else f"{whole.parent.name}/{whole.name}"
        found.append(
            Evaluated(name, path, read_json(folder.scores_path), read_items(folder.items_path))
        )
    return found


def unlike(base: Evaluated, other: Evaluated) -> list[str]:
    """Why two evaluations cannot be compared fairly: keys of protocol and data that differ."""
    one, two = (e.scores["manifest"]["identity"] for e in (base, other))
    reasons = [f"protocol {key}" for key in differing_keys(one["protocol"], two["protocol"])]
    if one["data_sha256"] != two["data_sha256"]:
        reasons.append(
            f"data: {one['data_sha256'][:12]} ({one['items']} items) against "
            f"{two['data_sha256'][:12]} ({two['items']} items)"
        )
    return reasons


def compare(
    evaluated: Sequence[Evaluated], *, allow_unlike: bool = False, first: int = 20, seed: int = 0
) -> dict[str, Any]:
    """Every evaluation against the first one, as plain JSON data.

    Args:
        evaluated: the base, then the others.
        allow_unlike: compare different protocols or data too, over the items both have.
        first: items listed of wins and losses.
        seed: of bootstrap and permutation.

    Raises:
        UserError: protocols or data differ, or no item is in both.
    """
    base, *others = evaluated
    comparisons = []
    for other in others:
        reasons = unlike(base, other)
        if reasons and not allow_unlike:
            shown = "; ".join(reasons[:6]) + (f"; and {len(reasons) - 6} more" * (len(reasons) > 6))
            raise UserError(
                f"{base.name} and {other.name} are unlike: {shown}. Evaluate both under one "
                "protocol and on the same data, or compare all the same with --allow-unlike"
            )
        comparisons.append({**_one(base, other, first, seed), "unlike": reasons})
    for name in ("accuracy", "score"):
        adjusted = holm([c[name]["permutation"]["p"] for c in comparisons])
        for comparison, p in zip(comparisons, adjusted, strict=True):
            comparison[name]["p_holm"] = p
    return {"schema_version": 1, "base": _who(base), "comparisons": comparisons}


def _one(base: Evaluated, other: Evaluated, first: int, seed: int) -> dict[str, Any]:
    pairs = _paired(base, other)
    found: dict[str, Any] = {
        "other": _who(other),
        "items": len(pairs),
        "videos": len({a.video for a, _ in pairs}),
        "only_in_base": len(base.items) - len(pairs),
        "only_in_other": len(other.items) - len(pairs),
        "accuracy": _measure(pairs, _right, seed),
        "score": _measure(pairs, _graded, seed),
    }
    found["accuracy"]["mcnemar"] = mcnemar(
        [bool(a.right) for a, _ in pairs], [bool(b.right) for _, b in pairs]
    ).model_dump()
    groups: dict[str, Callable[[ItemRow], str]] = {
        "by_family": lambda row: row.family or "none", "by_type": lambda row: row.answer_type,
    }  # fmt: skip
    for name, group in groups.items():
        found[name] = {
            key: {
                "accuracy": _measure(some, _right, seed), "score": _measure(some, _graded, seed),
            }
            for key in sorted({group(a) for a, _ in pairs})
            for some in [[pair for pair in pairs if group(pair[0]) == key]]
        }  # fmt: skip
    wins = [pair for pair in pairs if _graded(pair[1]) > _graded(pair[0])]
    losses = [pair for pair in pairs if _graded(pair[1]) < _graded(pair[0])]
    found["wins"], found["losses"] = len(wins), len(losses)
    found["ties"] = len(pairs) - len(wins) - len(losses)
    found["first_wins"] = [_shown(pair) for pair in wins[:first]]
    found["first_losses"] = [_shown(pair) for pair in losses[:first]]
    return found


def _paired(base: Evaluated, other: Evaluated) -> list[Pair]:
    known = {row.question_id: row for row in other.items}
    pairs = [(row, known[row.question_id]) for row in base.items if row.question_id in known]
    if not pairs:
        raise UserError(f"{base.name} and {other.name} have no item in common; nothing to compare")
    return pairs


def _measure(
    pairs: Sequence[Pair], value: Callable[[ItemRow], float], seed: int
) -> dict[str, Any]:
    base, other = [value(a) for a, _ in pairs], [value(b) for _, b in pairs]
    videos = [a.video for a, _ in pairs]
    return {
        "base": sum(base) / len(base),
        "other": sum(other) / len(other),
        "difference": difference(base, other, videos, seed=seed).model_dump(),
        "permutation": permutation(base, other, videos, seed=seed).model_dump(),
    }


def _who(evaluated: Evaluated) -> dict[str, Any]:
    manifest = evaluated.scores["manifest"]
    return {
        "name": evaluated.name,
        "folder": str(evaluated.path),
        "model": manifest["model"],
        "protocol": manifest["protocol_name"],
        "protocol_sha256": manifest["identity"]["protocol_sha256"],
        "data_sha256": manifest["identity"]["data_sha256"],
        "execution": manifest["identity"]["execution"],
    }


def _shown(pair: Pair) -> dict[str, Any]:
    base, other = pair
    return {
        "question_id": base.question_id, "video": base.video, "family": base.family,
        "gold": base.gold, "base": _said(base), "other": _said(other),
        "base_score": _graded(base), "other_score": _graded(other),
    }  # fmt: skip


def _said(row: ItemRow) -> str | None:
    return row.answer if row.failure is None else f"failed: {row.failure.detail}"


def _right(row: ItemRow) -> float:
    return float(bool(row.right))


def _graded(row: ItemRow) -> float:
    return row.score or 0.0
