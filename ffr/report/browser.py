"""The rollout browser: groups in chunks, and an index of them that is there at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ffr.data.question import Question
from ffr.patches.files import StoreError
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis
from ffr.repair.record import GroupRecord, OutcomeRecord
from ffr.report.bundle import Bundle
from ffr.report.footage import Footage, Wanted
from ffr.report.group_data import group_data, moments, patch_data, question_data
from ffr.report.outcomes import error_mask, outcome_letter
from ffr.report.pictures import reencode
from ffr.report.source import Source

__all__ = ["Browser"]

_CHUNK_ROLLOUTS = 400
_SEARCH_CHARS = 600
_TITLE_CHARS = 140


@dataclass
class _Index:
    """One entry for each group, column by column."""

    step: list[int] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    question: list[str] = field(default_factory=list)
    family: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    search: list[str] = field(default_factory=list)
    title: list[str] = field(default_factory=list)
    chunk: list[int] = field(default_factory=list)


class Browser:
    """Takes the groups of one run, in order, and ``finish``es with the index.

    Args:
        source: the run; gives questions and patches.
        number: of the run within the report; part of the names of its chunks.
        bundle: takes chunks and images.
        footage: of the run's videos.
        patch_images: show the images of patches.
    """

    def __init__(
        self, source: Source, number: int, bundle: Bundle, footage: Footage, *, patch_images: bool
    ) -> None:
        self.missing_patches: set[str] = set()
        self._source = source
        self._number = number
        self._bundle = bundle
        self._footage = footage
        self._patch_images = patch_images
        self._index = _Index()
        self._chunks = 0
        self._held = 0
        self._page: dict[str, Any] = _page()
        self._wanted: dict[str, tuple[Question, Wanted]] = {}
        self._images: dict[str, str | None] = {}

    def add(self, group: GroupRecord) -> None:
        """One more group."""
        index = self._index
        index.step.append(group.step or 0)
        index.group.append(group.group)
        index.question.append(group.question_id)
        index.family.append(group.family)
        index.outcomes.append("".join(map(outcome_letter, group.outcomes)))
        index.errors.append("".join(str(error_mask(self._patch(o))) for o in group.outcomes))
        index.flags.append(_flags(group))
        index.search.append(self._words(group))
        question = self._source.questions.get(group.question_id)
        index.title.append(question.question[:_TITLE_CHARS] if question else "")
        index.chunk.append(self._chunks)
        self._page["groups"].append(group_data(group))
        self._remember(group)
        self._held += len(group.outcomes)
        if self._held >= _CHUNK_ROLLOUTS:
            self._flush()

    def finish(self) -> str:
        """Write what is left and the index; returns the index chunk's name."""
        if self._held:
            self._flush()
        name = f"index-{self._number}"
        self._bundle.chunk(name, vars(self._index))
        return name

    def _patch(self, outcome: OutcomeRecord) -> EvidencePatch | None:
        patch_id = outcome.diagnosis.patch_id if outcome.diagnosis else None
        record = self._source.patches.get(patch_id) if patch_id else None
        return record.patch if record else None

    def _remember(self, group: GroupRecord) -> None:
        """Note the group's patches and question for the chunk it is in."""
        question = self._source.questions.get(group.question_id)
        if question is not None:
            _, wanted = self._wanted.setdefault(question.id, (question, Wanted(question.video)))
        else:
            wanted = Wanted("")
        for outcome in group.outcomes:
            if outcome.diagnosis is None:
                continue
            patch_id = outcome.diagnosis.patch_id
            record = self._source.patches.get(patch_id) if patch_id else None
            looks = [*outcome.diagnosis.looks, *(record.looks if record else ())]
            wanted.times_s |= moments(looks, record.patch if record else None)
            if patch_id and record is None:
                self.missing_patches.add(patch_id)
            elif patch_id and record is not None and patch_id not in self._page["patches"]:
                self._page["patches"][patch_id] = self._patch_data(record)

    def _patch_data(self, record: StoredDiagnosis) -> dict[str, Any]:
        assert record.patch is not None
        named = {frame.image_sha256 for frame in record.patch.frames}
        return patch_data(record, record.patch, {sha: self._image(sha) for sha in sorted(named)})

    def _image(self, sha: str) -> str | None:
        if sha not in self._images:
            self._images[sha] = self._reencoded(sha)
        return self._images[sha]

    def _reencoded(self, sha: str) -> str | None:
        store = self._source.store
        if store is None or not self._patch_images or self._footage.full:
            return None
        try:
            encoded = reencode(store.media.get(sha))
        except (StoreError, ValueError):
            return None
        return self._bundle.image(encoded) if encoded else None

    def _flush(self) -> None:
        for question, wanted in self._wanted.values():
            self._page["questions"][question.id] = {
                **question_data(question), "footage": self._footage.show(wanted),
            }  # fmt: skip
        self._bundle.chunk(f"groups-{self._number}-{self._chunks}", self._page)
        self._chunks += 1
        self._held = 0
        self._page = _page()
        self._wanted = {}

    def _words(self, group: GroupRecord) -> str:
        """What the quick search looks at: question, options, answers, guidance."""
        question = self._source.questions.get(group.question_id)
        found = [group.question_id, group.gold]
        if question is not None:
            found += [question.question, *question.options, question.video]
        for outcome in group.outcomes:
            found += [a.answer for a in (outcome.first, outcome.second) if a and a.answer]
            patch = self._patch(outcome)
            if patch is not None:
                found.append(patch.guidance)
            if outcome.diagnosis is not None and outcome.diagnosis.no_patch:
                found.append(outcome.diagnosis.no_patch)
        return " ".join(dict.fromkeys(found))[:_SEARCH_CHARS].lower()


def _page() -> dict[str, Any]:
    return {"groups": [], "patches": {}, "questions": {}}


def _flags(group: GroupRecord) -> str:
    """``c`` an answer was cut off, ``m`` one is malformed, ``z`` no gradient, ``v`` validation."""
    attempts = [a for o in group.outcomes for a in (o.first, o.second) if a is not None]
    live = [row for row in group.rows if row.live]
    tests: dict[str, Callable[[], bool]] = {
        "c": lambda: any(a.finish_reason == "length" for a in attempts),
        "m": lambda: any(a.format < 1.0 for a in attempts),
        "z": lambda: bool(live) and all(row.advantage == 0.0 for row in live),
        "v": lambda: group.mode == "validation",
    }
    return "".join(flag for flag, test in tests.items() if test())
