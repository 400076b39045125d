"""The patches of a store for its page: details in chunks, and an index that is there at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ffr.data.question import Question
from ffr.patches.files import StoreError
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.size import patch_size
from ffr.report.bundle import Bundle
from ffr.report.footage import Footage, Wanted
from ffr.report.group_data import moments, patch_data, question_data
from ffr.report.outcomes import error_mask
from ffr.report.pictures import reencode
from ffr.report.store_source import StoreSource

__all__ = ["StoreBrowser"]

_CHUNK = 40
_SEARCH_CHARS = 600
_TITLE_CHARS = 140


@dataclass
class _Index:
    """One entry for each patch, column by column; ``leak``: ``y``, ``n`` or ``?`` (unknown)."""

    key: list[str] = field(default_factory=list)
    patch_id: list[str] = field(default_factory=list)
    question: list[str] = field(default_factory=list)
    title: list[str] = field(default_factory=list)
    family: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    teacher: list[str] = field(default_factory=list)
    leak: list[str] = field(default_factory=list)
    state: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    search: list[str] = field(default_factory=list)


class StoreBrowser:
    """Takes the patches of a store, in order, and ``finish``es with the index.

    Args:
        source: gives questions, marks and leak verdicts.
        bundle: takes chunks and images.
        footage: of the videos.
        images: show the images of patches.

    Attributes:
        leaks: rule of the gate to the number of patches that break it.
        unjudged: patches whose question is not known.
    """

    def __init__(
        self, source: StoreSource, bundle: Bundle, footage: Footage, *, images: bool
    ) -> None:
        self.leaks: Counter[str] = Counter()
        self.leaking = 0
        self.unjudged = 0
        self._source, self._bundle, self._footage = source, bundle, footage
        self._images = images
        self._index = _Index()
        self._page: list[dict[str, Any]] = []
        self._chunks = 0

    @property
    def patches(self) -> int:
        """How many were added."""
        return len(self._index.key)

    def add(self, key: str, record: StoredDiagnosis, patch: EvidencePatch) -> None:
        """One more patch."""
        source = self._source
        question = source.questions.get(record.question_id)
        rules = source.rules(question, patch)
        state, marks = source.marks(key, patch.patch_id)
        self.unjudged += rules is None
        self.leaking += bool(rules)
        self.leaks.update(rules or ())
        index = self._index
        index.key.append(key)
        index.patch_id.append(patch.patch_id)
        index.question.append(record.question_id)
        index.title.append(question.question[:_TITLE_CHARS] if question else "")
        index.family.append(question.family if question else "")
        index.errors.append(str(error_mask(patch)))
        index.teacher.append(record.teacher_model)
        index.leak.append("?" if rules is None else "y" if rules else "n")
        index.state.append(state)
        index.frames.append(len(patch.frames))
        index.search.append(_words(record, patch, question))
        wanted = Wanted(question.video if question else "", moments(record.looks, patch))
        self._page.append({
            "key": key,
            "patch_id": patch.patch_id,
            "question_id": record.question_id,
            "question": self._question(question, wanted),
            "patch": patch_data(record, patch, self._pictures(patch)),
            "tools": {name: [calls, failed] for name, calls, failed in record.tool_calls},
            "size": vars(patch_size(patch, lambda _sha: 0)),
            "rules": None if rules is None else list(rules),
            "state": state,
            "marks": [mark.model_dump(mode="json", exclude={"patch_id"}) for mark in marks],
        })  # fmt: skip
        if len(self._page) >= _CHUNK:
            self._flush()

    def finish(self) -> str:
        """Write what is left and the index; returns the index chunk's name."""
        if self._page:
            self._flush()
        self._bundle.chunk("store-index", {**vars(self._index), "chunk_size": _CHUNK})
        return "store-index"

    def _question(self, question: Question | None, wanted: Wanted) -> dict[str, Any] | None:
        if question is None:
            return None
        return {**question_data(question), "footage": self._footage.show(wanted)}

    def _pictures(self, patch: EvidencePatch) -> dict[str, str | None]:
        return {f.image_sha256: self._picture(f.image_sha256) for f in patch.frames}

    def _picture(self, sha: str) -> str | None:
        if not self._images or self._footage.full:
            return None
        try:
            encoded = reencode(self._source.store.media.get(sha))
        except (StoreError, ValueError):
            return None
        return self._bundle.image(encoded) if encoded else None

    def _flush(self) -> None:
        self._bundle.chunk(f"patches-{self._chunks}", self._page)
        self._chunks += 1
        self._page = []


def _words(record: StoredDiagnosis, patch: EvidencePatch, question: Question | None) -> str:
    """What the search looks at: ids, texts of the question and of the patch; not the answer."""
    found = [record.question_id, patch.guidance, *patch.temporal_markers]
    found += [region.desc for region in patch.spatial_regions]
    found += [frame.label for frame in patch.frames]
    if question is not None:
        found += [question.question, question.video, *question.options]
    return " ".join(dict.fromkeys(text for text in found if text))[:_SEARCH_CHARS].lower()
