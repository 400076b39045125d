"""NExT-GQA: multiple choice with time spans of the evidence.

Schema (the data set's own instructions): ``train.csv``, ``val.csv``, ``test.csv`` with
``video_id, frame_count, width, height, question, answer, qid, type, a0 .. a4``, the answer as the
option's text; ``gsub_val.json`` and ``gsub_test.json``: video id to ``{"duration", "fps",
"location": {qid: [[start, end], ...]}}`` in seconds; ``map_vid_vidorID.json``: video id to the
video's path without its suffix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ffr.data.bad_rows import RowError
from ffr.data.formats.fields import gold_letter, media_path, options_of, seconds, text_of
from ffr.data.formats.made import Made
from ffr.data.json_rows import clip_value
from ffr.data.question import Question, option_letters
from ffr.errors import UserError
from ffr.geometry import Span

__all__ = ["NextGqa", "read_side_file"]

_OPTIONS = ("a0", "a1", "a2", "a3", "a4")
_MAX_SIDE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class NextGqa:
    """Rows of NExT-GQA.

    Attributes:
        spans: content of the ``gsub`` file; empty for the training split, which has none.
        video_map: content of the map file; empty: the video is ``<video_id>.mp4``.
    """

    spans: Mapping[str, Any] = field(default_factory=dict)
    video_map: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] | None = ("video_id", "question", "answer", "qid", "type", *_OPTIONS)

    def convert(self, record: Mapping[str, Any], line: int) -> Made:
        """See ``Format``; ``family`` is the question's type (CW, CH, TN, TC, TP, ...)."""
        del line
        video, qid = text_of(record, "video_id", numbers=True), text_of(record, "qid", numbers=True)
        options = options_of([text_of(record, key, numbers=True) for key in _OPTIONS])
        spans = self._spans(video, qid)
        note = () if spans or not self.spans else ("question without a span",)
        return Made(
            Question(
                id=f"{video}_{qid}",
                video=self._path(video),
                question=text_of(record, "question"),
                options=options,
                answer_type="choice",
                answer=_gold(text_of(record, "answer", numbers=True), options),
                family=text_of(record, "type") if record.get("type") else "",
                gold_spans=spans,
            ),
            note,
        )

    def identity(self, record: Mapping[str, Any]) -> str | None:
        """Video and question number."""
        return f"{record.get('video_id')}_{record.get('qid')}"[:200]

    def _spans(self, video: str, qid: str) -> tuple[Span, ...]:
        entry = self.spans.get(video)
        if entry is None:
            return ()
        location = entry.get("location") if isinstance(entry, Mapping) else None
        found = location.get(qid, []) if isinstance(location, Mapping) else None
        if not isinstance(found, list):
            raise RowError(f"the spans of video {video!r} are {clip_value(entry)}", "times")
        spans = []
        for pair in found:
            if not isinstance(pair, list) or len(pair) != 2:
                raise RowError(f"span {clip_value(pair)} is not [start, end]", "times")
            start, end = seconds(pair[0], "start"), seconds(pair[1], "end")
            if end < start:
                raise RowError(f"span {clip_value(pair)} ends before it starts", "times")
            spans.append(Span(start_s=start, end_s=end))
        return tuple(sorted(spans, key=lambda s: (s.start_s, s.end_s)))

    def _path(self, video: str) -> str:
        mapped = self.video_map.get(video, None if self.video_map else video)
        if not isinstance(mapped, str):
            raise RowError(f"video_id {video!r} is not in the video map; give the right map")
        path = media_path(mapped, "")
        return path if path.endswith(".mp4") else f"{path}.mp4"


def read_side_file(path: Path) -> dict[str, Any]:
    """A JSON object from a file that goes with a data set.

    Raises:
        UserError: it cannot be read, is no object, or is too large for one.
    """
    try:
        if path.stat().st_size > _MAX_SIDE_BYTES:
            raise UserError(f"{path} is larger than {_MAX_SIDE_BYTES} bytes; is it the right file?")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a readable file") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is not one JSON object; give the file the data set came with")
    return value


def _gold(answer: str, options: tuple[str, ...]) -> str:
    """The text of an option; NExT-QA's own files give its number from 0 instead."""
    if answer not in options and answer in ("0", "1", "2", "3", "4"):
        return option_letters(len(options))[int(answer)]
    if answer.strip() not in [option.strip() for option in options]:
        raise RowError(f"answer={answer[:60]!r} is the text of no option", "answer")
    return gold_letter(answer, options)
