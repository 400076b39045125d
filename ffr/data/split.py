"""Split a question file so that no video is in two parts."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ffr.data.bad_rows import BadRows, RowPolicy
from ffr.data.output import writing_lines
from ffr.data.stream import Tally, stream_questions
from ffr.errors import UserError

__all__ = ["SplitReport", "group_by_pattern", "parse_parts", "split_questions"]

GroupOf = Callable[[str], str]
"""Video name to the name of the group that must stay together."""


@dataclass(frozen=True)
class SplitReport:
    """Rows and groups of each part."""

    rows: Mapping[str, int]
    groups: Mapping[str, int]
    bad: Mapping[str, object]


def split_questions(
    source: Path, folder: Path, parts: Mapping[str, float], *, seed: int = 0,
    group_of: GroupOf = str, policy: RowPolicy = RowPolicy(),  # noqa: B008 - frozen
) -> SplitReport:  # fmt: skip
    """Write ``<part>.jsonl`` files; each group of videos is in one of them.

    A group's part follows from a hash of ``seed`` and its name alone: rows that are added later
    never move an old video to another part. The shares are therefore kept on average, not exactly.

    Args:
        source: JSONL of questions.
        folder: for the parts.
        parts: name to share; the shares add up to 1.
        seed: of the hash.
        group_of: which videos belong together; by default each is its own group.
        policy: for rows that are no questions; they are recorded in ``<folder>/bad.jsonl``.

    Raises:
        UserError: the shares are wrong, a part would be empty, or more rows are bad than
            ``policy`` bears.
    """
    edges = _edges(parts)
    rows, groups = Counter[str](), Counter[str]()
    seen: set[str] = set()
    tally = Tally()
    with (
        BadRows(str(source), policy, folder / "bad.jsonl") as bad,
        contextlib.ExitStack() as stack,
    ):
        writers = {
            part: stack.enter_context(writing_lines(folder / f"{part}.jsonl")) for part in parts
        }
        for _, question in stream_questions(source, bad, tally):
            group = group_of(question.video)
            part = _part(edges, _place(seed, group))
            writers[part](question.model_dump_json(exclude_defaults=True))
            rows[part] += 1
            if group not in seen:
                seen.add(group)
                groups[part] += 1
        bad.settle(tally.rows)
        report = bad.report()
        empty = [part for part in parts if not rows[part]]
        if empty:
            raise UserError(
                f"{source}: part {empty[0]!r} would be empty ({len(seen)} groups of videos in "
                "all); give it a larger share, more videos, or another --seed"
            )
    return SplitReport({p: rows[p] for p in parts}, {p: groups[p] for p in parts}, report)


def parse_parts(words: str) -> dict[str, float]:
    """``train=0.9,test=0.1`` as a map.

    Raises:
        UserError: another form, a name that is no file name, or shares that do not add up to 1.
    """
    parts: dict[str, float] = {}
    for word in words.split(","):
        name, _, share = word.strip().partition("=")
        try:
            parts[name] = float(share)
        except ValueError as error:
            raise UserError(f"--parts {word!r} is not NAME=SHARE, such as train=0.9") from error
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise UserError(f"--parts: {name!r} is no plain name; use letters, digits, - and _")
    _edges(parts)
    return parts


def group_by_pattern(pattern: str) -> GroupOf:
    """Group videos by what the first bracket of ``pattern`` matches in their names.

    For sets that cut several clips from one recording: ``^(.+)_[0-9]+[.]mp4$``. A name the pattern
    does not match is its own group.

    Raises:
        UserError: it is no regular expression with a bracket.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--group {pattern!r} is no regular expression: {error}") from error
    if compiled.groups < 1:
        raise UserError(f"--group {pattern!r} has no bracket; put ( ) around the part that counts")

    def group(video: str) -> str:
        match = compiled.search(video)
        return match.group(1) if match and match.group(1) is not None else video

    return group


def _edges(parts: Mapping[str, float]) -> list[tuple[str, float, float]]:
    shares = list(parts.values())
    if (
        len(parts) < 2
        or any(not math.isfinite(share) or share <= 0 for share in shares)
        or abs(math.fsum(shares) - 1) > 1e-6
    ):
        raise UserError(
            f"--parts {dict(parts)}: give two or more shares above 0 that add up to 1"
        )
    sums = [math.fsum(shares[:i]) for i in range(len(shares) + 1)]
    return [(name, *edge) for name, edge in zip(parts, pairwise(sums), strict=True)]


def _part(edges: list[tuple[str, float, float]], place: float) -> str:
    return next((name for name, low, high in edges if low <= place < high), edges[-1][0])


def _place(seed: int, group: str) -> float:
    digest = hashlib.blake2b(f"{seed}\0{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
