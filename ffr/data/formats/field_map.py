"""Any flat or nested records, by a map from our fields to theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from ffr.data.bad_rows import RowError
from ffr.data.formats.fields import (
    content_name,
    gold_letter,
    infer_type,
    media_path,
    options_of,
    read_events,
    seconds,
)
from ffr.data.formats.made import Made
from ffr.data.json_rows import clip_value
from ffr.data.question import AnswerType, Question, option_letters
from ffr.errors import UserError
from ffr.geometry import Span

__all__ = ["FIELDS", "AnswerForm", "FieldMap", "parse_fields"]

FIELDS = (
    "id", "video", "question", "options", "answer", "answer_type", "family", "gold_spans",
    "span_start", "span_end", "events", "thinking", "clip_start", "clip_end",
)  # fmt: skip
"""What can be mapped; what is not is looked for under its own name."""

AnswerForm = Literal["auto", "index0", "index1"]
"""``auto``: letter or text of an option; ``index0``, ``index1``: its number, from 0 or 1."""


@dataclass(frozen=True)
class FieldMap:
    """Records by a field map.

    Attributes:
        fields: our field to their key; ``a.b`` goes into objects, ``x,y,z`` collects several keys
            into a list of options.
        answer_form: how choice answers are written.
        strip_prefix: beginning of each path to cut off.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    answer_form: AnswerForm = "auto"
    strip_prefix: str = ""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Top-level keys of the mapped fields."""
        keys = (key for name in FIELDS for key in self.fields.get(name, name).split(","))
        return tuple(dict.fromkeys(key.split(".")[0] for key in keys))

    def convert(self, record: Mapping[str, Any], line: int) -> Made:
        """See ``Format``; without an id one follows from the content."""
        del line
        options = self._options(record)
        answer = self._text(record, "answer")
        declared = self._text(record, "answer_type", "")
        if declared and declared not in get_args(AnswerType):
            raise RowError(
                f"answer_type={declared[:60]!r} is unknown; known are "
                f"{', '.join(get_args(AnswerType))}"
            )
        answer_type = cast(AnswerType, declared) if declared else infer_type(options, answer)
        if answer_type == "choice":
            answer = self._gold(answer, options)
        video = media_path(self._text(record, "video"), self.strip_prefix)
        question = self._text(record, "question")
        events, unreadable = read_events(self._get(record, "events"))
        return Made(
            Question(
                id=self._text(record, "id", "")
                or content_name("row", video, question, *options, answer),
                video=video,
                question=question,
                options=options,
                answer_type=answer_type,
                answer=answer,
                family=self._text(record, "family", ""),
                gold_spans=self._spans(record),
                events=events,
                thinking=self._text(record, "thinking", ""),
                clip=self._span(record, "clip_start", "clip_end"),
            ),
            ("unreadable event",) * unreadable,
        )

    def identity(self, record: Mapping[str, Any]) -> str | None:
        """The mapped id."""
        value = self._get(record, "id")
        return str(value)[:200] if isinstance(value, str | int) else None

    def _get(self, record: Mapping[str, Any], name: str) -> Any:
        return _dig(record, self.fields.get(name, name))

    def _text(self, record: Mapping[str, Any], name: str, default: str | None = None) -> str:
        key = self.fields.get(name, name)
        value = _dig(record, key)
        if value is None:
            if default is None:
                raise RowError(f"{key} is missing; map {name} with --field {name}=THEIR_KEY")
            return default
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise RowError(f"{key}={clip_value(value)} is not text", _kind(name))
        return value

    def _options(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        key = self.fields.get("options", "options")
        if "," in key:
            found = [_dig(record, part) for part in key.split(",")]
            return options_of([v for v in found if v is not None and v != ""])
        value = _dig(record, key)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise RowError(
                    f"{key}={value[:60]!r} is text, but not a JSON list of options", "options"
                ) from error
        if isinstance(value, Mapping):
            kept = {k: v for k, v in value.items() if v is not None}
            if tuple(sorted(kept)) != option_letters(len(kept)):
                raise RowError(f"{key} is an object with keys {clip_value(list(kept))}; "
                               "letters from A on are understood", "options")  # fmt: skip
            value = [kept[letter] for letter in sorted(kept)]
        return options_of(value)

    def _gold(self, answer: str, options: Sequence[str]) -> str:
        if self.answer_form == "auto":
            return gold_letter(answer, options)
        first = int(self.answer_form[-1])
        place = int(answer) - first if answer.strip().isascii() and answer.strip().isdigit() else -1
        if not 0 <= place < min(26, len(options)):
            raise RowError(
                f"answer={answer[:60]!r} is not a number from {first} to "
                f"{first + len(options) - 1}", "answer",
            )  # fmt: skip
        return option_letters(len(options))[place]

    def _spans(self, record: Mapping[str, Any]) -> tuple[Span, ...]:
        one = self._span(record, "span_start", "span_end")
        if one is not None:
            return (one,)
        value = self._get(record, "gold_spans")
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise RowError(f"gold_spans={clip_value(value)} is not a list", "times")
        return tuple(_one_span(item) for item in value)

    def _span(self, record: Mapping[str, Any], start: str, end: str) -> Span | None:
        first, last = self._get(record, start), self._get(record, end)
        if first is None and last is None:
            return None
        return _span(first, last)


def parse_fields(words: Sequence[str]) -> dict[str, str]:
    """``OUR=THEIRS`` words as a map.

    Raises:
        UserError: a word of another form, an unknown field, or one given twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, key = word.partition("=")
        if not equals or not key or name not in FIELDS:
            raise UserError(
                f"--field {word!r} is not OUR_FIELD=THEIR_KEY; our fields are {', '.join(FIELDS)}"
            )
        if name in found:
            raise UserError(f"--field {name} is given twice; keep one")
        found[name] = key
    return found


def _dig(record: Mapping[str, Any], key: str) -> Any:
    if key in record:
        return record[key]
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _one_span(item: object) -> Span:
    if isinstance(item, Mapping):
        known = {"start_s": item.get("start_s", item.get("start")),
                 "end_s": item.get("end_s", item.get("end"))}  # fmt: skip
        span = _span(known["start_s"], known["end_s"])
        box = item.get("box")
        return span if box is None else Span(start_s=span.start_s, end_s=span.end_s, box=box)
    if isinstance(item, list | tuple) and len(item) == 2:
        return _span(item[0], item[1])
    raise RowError(f"span {clip_value(item)} is neither [start, end] nor an object", "times")


def _span(start: object, end: object) -> Span:
    first, last = seconds(start, "start"), seconds(end, "end")
    if last < first:
        raise RowError(f"the stretch {first} to {last} ends before it starts", "times")
    return Span(start_s=first, end_s=last)


def _kind(name: str) -> str:
    return name if name in ("answer", "options") else "schema"
