"""What happened to each item, on disk: a manifest, and one line per item."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffr.config.protocol import EvalProtocol
from ffr.evaluate.lmms.answering import Answer
from ffr.evaluate.lmms.task_item import TaskItem
from ffr.evaluate.protocol import protocol_content, protocol_hash
from ffr.patches.files import write_atomic
from ffr.run.jsonl import append_line, read_lines
from ffr.run.manifest import package_versions

__all__ = ["Record"]


class Record:
    """A folder with the answers of one model under one protocol; another launch goes on with it.

    Args:
        folder: made if it is missing.
        rank: of this process; each writes files of its own.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self._folder = folder
        suffix = "" if rank == 0 else f".rank{rank}"
        self._items = folder / f"items{suffix}.jsonl"
        self._manifest = folder / f"manifest{suffix}.json"
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def begin(
        self, protocol: EvalProtocol, model: Mapping[str, Any], execution: Mapping[str, Any],
        versions: Mapping[str, str],
    ) -> int:  # fmt: skip
        """Go on with answers of the same model, protocol and settings, or start anew.

        Args:
            protocol: how is asked.
            model: see ``ffr.evaluate.manifest``.
            execution: settings that can change an answer.
            versions: of packages, beside our own list.

        Returns:
            The number of answers that are there.
        """
        identity = {
            "protocol_sha256": protocol_hash(protocol),
            "model": {k: v for k, v in model.items() if k not in ("base_url", "path")},
            "execution": dict(execution),
        }
        if _identity(self._manifest) == identity:
            lines, _ = read_lines(self._items)
            self._known = {(str(x.get("task")), str(x.get("item"))): x for x in lines}
            return len(self._known)
        manifest = {
            "schema_version": 1,
            "identity": identity,
            "protocol_name": protocol.name,
            "protocol": protocol_content(protocol),
            "model": dict(model),
            "versions": {**package_versions(), **versions},
            "python": platform.python_version(),
        }
        write_atomic(self._items, b"")
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        write_atomic(self._manifest, text.encode() + b"\n")
        return 0

    def known(self, item: TaskItem) -> Answer | None:
        """The answer of an earlier launch to the same question about the same video."""
        line = self._known.get((item.task, item.name))
        if line is None or line.get("failure") is not None or item.asked is None:
            return None
        same = (line.get("question"), line.get("options"), line.get("video"))
        if same != (item.text.question, list(item.text.options), item.asked.video):
            return None
        return Answer(item, str(line["reply"]), line.get("answer"), None, None)

    def add(self, answers: Sequence[Answer]) -> None:
        """One line per answer; the last line of an item counts."""
        for answer in answers:
            append_line(self._items, _line(answer))


def _identity(manifest: Path) -> object:
    try:
        found = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return None
    return found.get("identity") if isinstance(found, dict) else None


def _line(answer: Answer) -> dict[str, Any]:
    item, reply = answer.item, answer.raw
    raw = None if reply is None else reply.raw
    election = None if reply is None else reply.election
    return {
        "task": item.task,
        "item": item.name,
        "video": None if item.asked is None else item.asked.video,
        "question": item.text.question,
        "options": item.text.options,
        "removed": item.text.removed,
        "reply": answer.reply,
        "answer": answer.answer,
        "failure": None if answer.failure is None else answer.failure.model_dump(),
        "response": None if raw is None else raw.text,
        "truncated": raw is not None and raw.truncated,
        "prompt_tokens": 0 if raw is None else raw.prompt_tokens,
        "completion_tokens": 0 if raw is None else raw.completion_tokens,
        "election": None if election is None else election.model_dump(mode="json"),
    }
