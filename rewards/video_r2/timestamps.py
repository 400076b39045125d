"""Times mentioned in free text: the grammar of spec video_r2 §2.5 with errata ruling 8.

``clock := [HH:]MM:SS[.frac]``, ``unit := NUMBER seconds`` (also ``M min S s``), ranges of either
(``00:10-00:14``, ``12 to 15 seconds``, ``between A and B``), and the entries of this project's own
``<keyframes>`` tags.  A clock with am or pm, a ratio such as ``2:1`` and ``59:60`` are no times;
what follows in, for, after, within or lasts is a duration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rewards.video_r2.clauses import clauses_of_sentence, sentence_spans

__all__ = ["Extraction", "TimeMention", "extract_times"]

_MAX_CHARS = 200_000
_NUM = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,6})(?:\.[0-9]{1,6})?"
_SECONDS = r"(?:seconds?|secs?|s)"
_HEDGE = r"(?:(?:about|around|approximately|roughly|the)\s+)?"
_SEP = rf"(?:\s*[-–—]\s*|\s+(?:to|until|till|through)\s+{_HEDGE})"
_POINT = re.compile(
    rf"""
    <keyframes>(?P<tag>[^<]{{0,2000}})</keyframes>
  | (?<![0-9:.A-Za-z])
    (?:(?P<h>[0-9]{{1,2}}):(?P<hm>[0-5]?[0-9])|(?P<m>[0-9]{{1,3}})):(?P<s>[0-5][0-9](?:\.[0-9]{{1,6}})?)
    (?!:?[0-9]) (?P<day>\s*(?:[ap](?:\.\s?)?m\b|o'clock))?
  | (?<![\w.:,$/])
    (?:(?P<min>[0-9]{{1,4}})\s?(?:minutes?|mins?|m)\b,?\s*(?:and\s+)?(?P<msec>{_NUM})\s?{_SECONDS}\b
      |(?:(?P<left>{_NUM})(?P<join>{_SEP}|\s+and\s+))?
       (?P<num>{_NUM})(?:(?P<space>\s?){_SECONDS}\b|-{_SECONDS}(?=[\s-](?:mark|point)\b)))
    (?![/\w]) (?P<mark>[\s-](?:mark|point)\b)? (?!\s+(?:later|long|ago|apart|earlier|each)\b)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SEPARATOR = re.compile(_SEP, re.IGNORECASE)
_AND = re.compile(rf"\s+and\s+{_HEDGE}", re.IGNORECASE)
_BETWEEN = re.compile(rf"\bbetween\s+{_HEDGE}\Z", re.IGNORECASE)
_DURATION = re.compile(
    r"\b(?:in|for|after|within|last(?:s|ed|ing)?)\s+"
    r"(?:(?:about|around|approximately|roughly|nearly|almost|only|just|the|another|first|last|next)"
    r"\s+){0,3}\Z",
    re.IGNORECASE,
)
_ENTRY = re.compile(
    r"(?:(?:([0-9]{1,3}):)?([0-9]{1,3}):)?([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*s?(?:ec(?:onds?)?)?"
)
_LOOK_BACK = 60


@dataclass(frozen=True)
class TimeMention:
    """A stretch of time that a text speaks of.

    Attributes:
        start_s: seconds; not after ``end_s``.
        end_s: seconds; equal to ``start_s`` for a moment.
        clause: what the text says happens then, without the time; "" when it says nothing.
        char_span: place of ``surface`` in the text.
        surface: the time as written.
    """

    start_s: float
    end_s: float
    clause: str
    char_span: tuple[int, int]
    surface: str


@dataclass(frozen=True)
class Extraction:
    """The mentions of a text, in its order, and what was left out.

    Attributes:
        mentions: in the order of the text.
        n_out_of_range: dropped because they start beyond the duration plus the tolerance.
        n_durations: excluded as lengths of time.
        n_day_clocks: excluded as times of day.
        too_long: the text has more than 200,000 characters and was not read.
    """

    mentions: tuple[TimeMention, ...] = ()
    n_out_of_range: int = 0
    n_durations: int = 0
    n_day_clocks: int = 0
    too_long: bool = False


@dataclass
class _Found:
    """A time on its way to a mention."""

    start_s: float
    end_s: float
    span: tuple[int, int]
    family: str
    day: bool = False
    marked: bool = False


def extract_times(
    text: str, *, duration_s: float | None = None, tolerance_s: float = 2.0
) -> Extraction:
    """Every time a text mentions, with its clause; never raises.

    Args:
        text: reasoning, untrusted.
        duration_s: of the video; mentions that start after ``duration_s + tolerance_s`` are
            dropped and counted; ends are not clipped.
        tolerance_s: see above.
    """
    if len(text) > _MAX_CHARS:
        return Extraction(too_long=True)
    kept: list[_Found] = []
    durations = days = beyond = 0
    for found in _ranges(text, list(_points(text))):
        before = text[max(0, found.span[0] - _LOOK_BACK) : found.span[0]]
        if found.day:
            days += 1
        elif not found.marked and _DURATION.search(before):
            durations += 1
        elif duration_s is not None and found.start_s > duration_s + tolerance_s:
            beyond += 1
        else:
            kept.append(found)
    clauses = _clauses(text, kept)
    mentions = tuple(
        TimeMention(
            f.start_s, f.end_s, clause, f.span, text[f.span[0] : f.span[1]].strip()
        )
        for f, clause in zip(kept, clauses, strict=True)
    )
    return Extraction(mentions, beyond, durations, days)


def _points(text: str) -> Iterator[_Found]:
    for match in _POINT.finditer(text):
        if match["tag"] is not None:
            yield from _tagged(match)
        elif match["s"] is not None:
            minutes = int(match["hm"] if match["h"] is not None else match["m"])
            seconds = 3600.0 * int(match["h"] or 0) + 60.0 * minutes + float(match["s"])
            end = match.end() if match["day"] is None else match.start("day")
            day = match["day"] is not None
            yield _Found(seconds, seconds, (match.start(), end), "clock", day=day)
        elif match["min"] is not None:
            rest = _number(match["msec"])
            if rest < 60.0:
                seconds = 60.0 * int(match["min"]) + rest
                yield _Found(seconds, seconds, match.span(), "unit")
        else:
            yield from _unit(text, match)


def _unit(text: str, match: re.Match[str]) -> Iterator[_Found]:
    """``N seconds``, ``N to N seconds``; ``between N and N seconds``; not ``1980s``."""
    if match["space"] == "" and re.fullmatch(r"[0-9]{4}s", text[match.start("num") : match.end()]):
        return
    end = _number(match["num"])
    start, begin = end, match.start("num")
    if match["left"] is not None:
        joined_by_and = _AND.fullmatch(match["join"]) is not None
        if not joined_by_and or _BETWEEN.search(
            text[max(0, match.start() - _LOOK_BACK) : match.start()]
        ):
            start, begin = _number(match["left"]), match.start()
    span = _from_between(text, (begin, match.end())) if begin < match.start("num") else (
        begin, match.end())
    yield _Found(min(start, end), max(start, end), span, "unit", marked=match["mark"] is not None)


def _tagged(match: re.Match[str]) -> Iterator[_Found]:
    for entry in re.split(r"[,;\n]", match["tag"]):
        read = _ENTRY.fullmatch(entry.strip())
        if read is not None:
            hours, minutes, rest = read.groups()
            seconds = 3600.0 * int(hours or 0) + 60.0 * int(minutes or 0) + float(rest)
            yield _Found(seconds, seconds, match.span(), "tag", marked=True)


def _ranges(text: str, points: list[_Found]) -> Iterator[_Found]:
    """Join neighbours of one kind that a separator connects."""
    index = 0
    while index < len(points):
        first = points[index]
        index += 1
        if index < len(points) and first.family == points[index].family != "tag":
            second = points[index]
            gap = text[first.span[1] : second.span[0]]
            both = first.start_s == first.end_s and second.start_s == second.end_s
            span = _from_between(text, (first.span[0], second.span[1]))
            if both and (
                _SEPARATOR.fullmatch(gap)
                or (_AND.fullmatch(gap) and span[0] < first.span[0])
            ):
                low, high = sorted((first.start_s, second.start_s))
                day, marked = first.day or second.day, first.marked or second.marked
                yield _Found(low, high, span, first.family, day=day, marked=marked)
                index += 1
                continue
        yield first


def _from_between(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The span with a leading "between", if there is one."""
    offset = max(0, span[0] - _LOOK_BACK)
    match = _BETWEEN.search(text[offset : span[0]])
    return (offset + match.start(), span[1]) if match else span


def _clauses(text: str, found: list[_Found]) -> list[str]:
    """One clause for each time, from its own sentence."""
    clauses: list[str] = []
    index = 0
    for begin, end in sentence_spans(text):
        spans: list[tuple[int, int]] = []
        while index < len(found) and found[index].span[0] < end:
            spans.append(found[index].span)
            index += 1
        if spans:
            clauses += clauses_of_sentence(text, (begin, end), spans)
    clauses += [""] * (len(found) - len(clauses))
    return clauses


def _number(text: str) -> float:
    return float(text.replace(",", ""))
