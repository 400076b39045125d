"""Charades-STA: a sentence and the stretch of video it describes.

Schema (the published ``charades_sta_train.txt`` and ``_test.txt``): one line
``VIDEO START END##SENTENCE``, seconds from the start; videos are ``VIDEO.mp4``.

A sentence is no question, so one is made of it: for the whole stretch, scored by temporal IoU, or
for one of its ends, a number.  The stretch also stays in ``gold_spans`` and ``events``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ffr.data.bad_rows import RowError
from ffr.data.formats.fields import media_path, seconds, text_of
from ffr.data.formats.made import Made
from ffr.data.question import Question, ReferenceEvent
from ffr.geometry import Span
from student.time_span import format_span

__all__ = ["Ask", "CharadesSta"]

Ask = Literal["start", "end", "span"]


@dataclass(frozen=True)
class CharadesSta:
    """Lines of Charades-STA.

    Attributes:
        ask: ``span``: a question for start and end; ``start`` or ``end``: a regression question
            in seconds.
        folder: put before each file name.
    """

    ask: Ask = "span"
    folder: str = ""
    columns: tuple[str, ...] | None = ("video", "start", "end", "sentence")

    def convert(self, record: Mapping[str, Any], line: int) -> Made:
        """See ``Format``."""
        video = text_of(record, "video")
        start, end = seconds(record.get("start"), "start"), seconds(record.get("end"), "end")
        if end < start or (end == start and self.ask == "span"):
            how = "has no length" if end == start else "ends before it starts"
            raise RowError(f"the stretch {start} to {end} {how}", "times")
        sentence = text_of(record, "sentence").strip()
        if not sentence:
            raise RowError("there is no sentence after '##'")
        what = f'this: "{sentence}"'
        match self.ask:
            case "start":
                question = f"How many seconds after the start of the video begins {what}"
                answer = f"{start:g}"
            case "end":
                question = f"How many seconds after the start of the video ends {what}"
                answer = f"{end:g}"
            case "span":
                question = f"From which second to which second of the video happens {what}"
                answer = format_span(start, end)
        return Made(
            Question(
                id=f"{video}-{line}",
                video=media_path(f"{self.folder}{video}.mp4", ""),
                question=question,
                answer_type="span" if self.ask == "span" else "regression",
                answer=answer,
                gold_spans=(Span(start_s=start, end_s=end),),
                events=(ReferenceEvent(start_s=start, end_s=end, text=sentence),),
            )
        )

    def identity(self, record: Mapping[str, Any]) -> str | None:
        """The video's name."""
        return str(record.get("video"))[:200]
