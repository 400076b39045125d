"""Reading single values of foreign records: texts, options, gold answers, paths, times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ffr.data.bad_rows import RowError
from ffr.data.json_rows import clip_value
from ffr.data.question import AnswerType, ReferenceEvent, option_letters
from student.parse import parse_choice, parse_number

__all__ = [
    "content_name", "gold_letter", "infer_type", "media_path", "options_of", "parse_clock",
    "read_events", "seconds", "text_of",
]  # fmt: skip

_OPTION = re.compile(r"^\s*\(?([A-Za-z])[.):]\s*(.*)$", re.DOTALL)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{2}(?:\.\d{1,6})?)", re.ASCII)
_SECONDS = re.compile(r"(\d{1,7}(?:\.\d{1,6})?)\s*s?", re.ASCII)
_MAX_S = 1e7
_SEPARATOR = re.compile(r"\s*(?:-|\u2013|\u2014|\bto\b)\s*")


def text_of(record: Mapping[str, Any], key: str, *, numbers: bool = False) -> str:
    """A text; with ``numbers`` also a number, written out.

    Raises:
        RowError: it is missing or something else.
    """
    value = record.get(key)
    if isinstance(value, str):
        return value
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if value is None:
        raise RowError(f"{key} is missing; every record needs it")
    wanted = "text or a number" if numbers else "text"
    raise RowError(f"{key}={clip_value(value)} is not {wanted}")


def options_of(value: object) -> tuple[str, ...]:
    """Option texts without their letters ``A.``, ``(B)``; letters out of place are kept.

    Raises:
        RowError: it is no list of texts, or one is blank.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise RowError(f"options={clip_value(value)} is not a list of texts", "options")
    texts = []
    for index, option in enumerate(value):
        if isinstance(option, int | float) and not isinstance(option, bool):
            option = str(option)
        if not isinstance(option, str):
            raise RowError(f"options[{index}]={clip_value(option)} is not text", "options")
        texts.append(_without_letter(index, option))
    for index, text in enumerate(texts):
        if not text.strip():
            raise RowError(f"options[{index}] is blank; give its text", "options")
    return tuple(texts)


def gold_letter(answer: str, options: Sequence[str]) -> str:
    """The gold option's letter, from a letter in any usual form or from the option's own text.

    Raises:
        RowError: it names none of the options, or two options have this text.
    """
    if len(options) < 2:
        raise RowError(
            f"a choice question with {len(options)} options; give 2 to 26", "options"
        )
    same = [i for i, option in enumerate(options) if option.strip() == answer.strip()]
    if len(same) > 1:
        raise RowError(f"answer={answer[:60]!r} is the text of {len(same)} options", "answer")
    letter = option_letters(len(options))[same[0]] if same else parse_choice(answer, options)
    if letter is None:
        raise RowError(
            f"answer={answer[:60]!r} is not one of the letters "
            f"{', '.join(option_letters(len(options)))} nor one of the options; mend the record",
            "answer",
        )
    return letter


def infer_type(options: Sequence[str], answer: str) -> AnswerType:
    """The type of a row that declares none: options, else a number, else text (errata 11)."""
    if options:
        return "choice"
    return "number" if parse_number(answer) is not None else "text"


def media_path(path: str, strip_prefix: str) -> str:
    """A path as published, without ``strip_prefix`` and without a leading ``./`` or ``/``.

    Raises:
        RowError: nothing is left.
    """
    short = path.removeprefix(strip_prefix).removeprefix("./").lstrip("/")
    if not short:
        raise RowError(f"path={clip_value(path)} names no video; give a path below the media root")
    return short


def seconds(value: object, name: str) -> float:
    """A number of seconds, as number or text.

    Raises:
        RowError: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MAX_S:
        return float(value)
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value.strip())):
        return float(match.group(1))
    raise RowError(f"{name}={clip_value(value)} is not a number of seconds from 0 to 1e7", "times")


def parse_clock(text: str) -> tuple[float, float] | None:
    """``MM:SS``, ``HH:MM:SS``, plain seconds, or a range of two; start and end in seconds.

    Reversed ranges are swapped; anything else, such as an open end, is ``None``
    (spec video_r2 §2.4, with our stricter grammar of §2.5).
    """
    ends = [_instant(part) for part in _SEPARATOR.split(text.strip())]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends) or not 1 <= len(known) <= 2:
        return None
    return min(known), max(known)


def read_events(value: object) -> tuple[tuple[ReferenceEvent, ...], int]:
    """Reference events by time, and how many entries could not be read.

    Takes Video-R2's dictionary of clock to sentence (also as JSON text, and padded with nulls as
    Arrow does), and lists of ``{start, end, text}``.

    Raises:
        RowError: it is none of these.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RowError("events are text, but not JSON", "times") from error
    if not value:
        return (), 0
    events: list[ReferenceEvent] = []
    unreadable = 0
    if isinstance(value, Mapping):
        for key, sentence in value.items():
            if sentence is None:
                continue  # Arrow gives every row the keys of all rows
            span = parse_clock(key)
            if span is None or not isinstance(sentence, str) or not sentence.strip():
                unreadable += 1
            else:
                events.append(ReferenceEvent(start_s=span[0], end_s=span[1], text=sentence.strip()))
    elif isinstance(value, list | tuple):
        for item in value:
            event = _event(item)
            if event is None:
                unreadable += 1
            else:
                events.append(event)
    else:
        raise RowError(f"events={clip_value(value)} are neither a list nor an object", "times")
    return tuple(sorted(events, key=lambda e: (e.start_s, e.end_s, e.text))), unreadable


def content_name(prefix: str, *parts: str) -> str:
    """A stable id of a record that has none: the same content, the same id, wherever it stands."""
    return f"{prefix}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"


def _without_letter(index: int, text: str) -> str:
    match = _OPTION.match(text)
    expected = option_letters(index + 1)[-1] if index < 26 else "?"
    if match is None or match.group(1).upper() != expected:
        return text
    return match.group(2)


def _instant(text: str) -> float | None:
    if match := _CLOCK.fullmatch(text):
        hours, minutes, rest = match.groups()
        if float(rest) >= 60 or (hours is not None and int(minutes) >= 60):
            return None
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
    match = _SECONDS.fullmatch(text)
    return float(match.group(1)) if match else None


def _event(item: object) -> ReferenceEvent | None:
    if not isinstance(item, Mapping):
        return None
    text = item.get("text")
    start, end = (item.get(f"{name}_s", item.get(name)) for name in ("start", "end"))
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        first = seconds(start, "start")
        last = first if end is None else seconds(end, "end")
        return ReferenceEvent(start_s=min(first, last), end_s=max(first, last), text=text.strip())
    except ValueError:  # RowError, or a time that is not finite
        return None
