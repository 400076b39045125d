"""One request of lmms-eval as an item: an id, a question and a video, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.data.question import AnswerType, AskedQuestion
from ffr.evaluate.lmms.task_text import TaskText, read_task_text
from ffr.evaluate.rows import Failure
from teacher_tools.media import MediaError, resolve_media

__all__ = ["TaskItem", "read_item"]


@dataclass(frozen=True)
class TaskItem:
    """What is asked.

    Attributes:
        task: the benchmark's name.
        name: of the item in it: the document's own id where it has one, which also decides about
            its random stream, else split and number.
        text: the prompt taken apart.
        asked: the question; ``None`` when it cannot be asked.
        failure: then why.
    """

    task: str
    name: str
    text: TaskText
    asked: AskedQuestion | None
    failure: Failure | None = None


def read_item(
    task: str, split: str, number: int, document: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]], *, media_root: Path, open_type: AnswerType = "text",
) -> TaskItem:  # fmt: skip
    """The item of one request.

    Args:
        task: the benchmark's name.
        split: of its data.
        number: of the document in it.
        document: only its ``id`` is read; it also holds the gold answer.
        messages: chat messages with one video and text.
        media_root: folder every video must lie under.
        open_type: answer type of questions without options.
    """
    own = document.get("id")
    name = own if isinstance(own, str) and own else f"{split}/{number}"
    contents = [content for message in messages for content in _contents(message)]
    words = [str(c["text"]) for c in contents if c.get("type") == "text"]
    media = [c for c in contents if c.get("type") != "text"]
    text = read_task_text("\n".join(words))
    problem = _media_problem(media)
    if problem is not None:
        return TaskItem(task, name, text, None, Failure(kind="media", detail=problem))
    video = str(Path(media[0]["url"]).absolute())
    try:
        resolve_media(video, media_root)
        asked = AskedQuestion(
            id=name, video=video, question=text.question, options=text.options,
            answer_type="choice" if text.options else open_type,
        )  # fmt: skip
    except MediaError as error:
        return TaskItem(task, name, text, None, Failure(kind="media", detail=str(error)))
    except ValidationError as error:
        words_of = "; ".join(e["msg"] for e in error.errors(include_url=False)[:3])
        return TaskItem(task, name, text, None, Failure(kind="prompt", detail=words_of))
    return TaskItem(task, name, text, asked)


def _contents(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content", ())
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _media_problem(media: Sequence[Mapping[str, Any]]) -> str | None:
    kinds = sorted({str(c.get("type")) for c in media})
    if len(media) != 1 or kinds != ["video"]:
        given = f"{len(media)} of {', '.join(kinds)}" if media else "none"
        return f"one video file is needed, the task gives {given}"
    url = media[0].get("url")
    if not isinstance(url, str | Path) or "://" in str(url):
        return f"one video file is needed, the task gives {str(url)[:200]!r}"
    if media[0].get("start_time") is not None or media[0].get("end_time") is not None:
        return "the task asks about a stretch of its video; cut such videos first"
    return None
