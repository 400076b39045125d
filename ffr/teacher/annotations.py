"""A teacher without a model: the gold evidence spans a dataset carries become the patch.

For temporal-grounding sets and the like.  Frames come from the same tools a model would call,
the guidance names times only, and the leak gate judges the patch like every other.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ffr.config.teacher import TeacherConfig
from ffr.data.question import Question
from ffr.geometry import RawBox, Span
from ffr.patches.keys import KeyMaker, canonical_hash
from ffr.patches.looks import ToolLook
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.assemble import Draft, assemble
from ffr.teacher.draft_size import draft_size, fit_pixels_budget
from ffr.teacher.final_answer import FinalAnswer, FinalAnswerError, RegionAnswer
from ffr.teacher.health import TeacherHealth
from ffr.teacher.leakage import check_patch
from ffr.teacher.pictures import Picture, encode_frames
from teacher_tools.media import MediaError, VideoReader, resolve_media
from teacher_tools.runner import ToolRunner

__all__ = ["ANNOTATIONS", "TOOLS", "AnnotationKeys", "AnnotationsTeacher", "annotations_hash"]

ANNOTATIONS = "annotations"
"""Who made the patches, in the store's keys."""
TOOLS = ("clip", "zoom")

_LOOK = "Look closely at the video {where}."
_PLACE = "Mind the marked region."
_MAX_SPANS = 4
_INSTANT_S = 0.1  # shorter spans are widened to this, clip shows no moment without length
_LEAST_SIDE = 0.1  # smaller regions are widened to this share of the frame


@dataclass(frozen=True)
class AnnotationKeys(KeyMaker):
    """Request keys that change with the annotated spans."""

    def key(self, video_id: str, question: Question, wrong_answer: str | None) -> str:
        """SHA-256 in hex of the request and the question's spans."""
        spans = [span.model_dump(mode="json") for span in question.gold_spans]
        return canonical_hash([super().key(video_id, question, wrong_answer), spans])


def annotations_hash() -> str:
    """SHA-256 in hex of the fixed wording."""
    return canonical_hash([_LOOK, _PLACE])


class AnnotationsTeacher:
    """Turns ``gold_spans`` of a question into a patch; use it from one event loop.

    Args:
        config: budgets of a patch, deadline, concurrency and the leak gate.
        runner: has ``clip`` and ``zoom``.
        media: where images of patches go.
        media_root: folder that every video must lie under.
    """

    def __init__(
        self, config: TeacherConfig, runner: ToolRunner, media: MediaStore, media_root: Path
    ) -> None:
        self.health = TeacherHealth(config.abort_failure_rate)
        self._config = config
        self._runner = runner
        self._media = media
        self._media_root = media_root
        self._slots = asyncio.Semaphore(config.concurrency)

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        """The patch of a question's spans.

        Raises:
            TeacherFailingError: more failures than the configuration allows.
            StoreError: the images of the patch cannot be written.
        """
        self.health.check()
        counters: Counter[str] = Counter()
        size: dict[str, float] = {}
        calls: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        looks: list[ToolLook] = []
        async with self._slots:
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._config.deadline_s):
                    outcome = await self._explain(
                        failed, counters, size, calls, failures, looks
                    )
            except TimeoutError:
                limit = f"not done within deadline_s={self._config.deadline_s:g}"
                outcome = NoPatch(reason="deadline", detail=limit)
            except (MediaError, OSError) as error:
                outcome = NoPatch(reason="media_error", detail=str(error))
        self.health.record(outcome)
        nothing = isinstance(outcome, NoPatch) and outcome.reason == "no_annotation"
        return Diagnosis(
            outcome,
            "none" if nothing else "live",
            seconds=time.monotonic() - started,
            tool_calls=tuple((n, c, failures[n]) for n, c in sorted(calls.items())),
            counters=tuple(sorted({**{n: float(c) for n, c in counters.items()}, **size}.items())),
            looks=tuple(looks),
        )

    async def aclose(self) -> None:
        """End the tool workers."""
        await asyncio.to_thread(self._runner.close)

    async def _explain(
        self,
        failed: FailedRollout,
        counters: Counter[str],
        size: dict[str, float],
        calls: Counter[str],
        failures: Counter[str],
        looks: list[ToolLook],
    ) -> EvidencePatch | NoPatch:
        given = failed.question.gold_spans
        if not given:
            return NoPatch(reason="no_annotation", detail="the row has no gold_spans")
        path = await asyncio.to_thread(resolve_media, failed.question.video, self._media_root)
        duration_s = await asyncio.to_thread(_duration, path)
        if late := [span for span in given if span.start_s > duration_s]:
            detail = f"gold span at {late[0].start_s:g} s is past the end, {duration_s:.1f} s"
            return NoPatch(reason="no_annotation", detail=detail)
        spans = given[:_MAX_SPANS]
        counters["spans_dropped"] += len(given) - len(spans)
        counters["spans_clipped"] += sum(span.end_s > duration_s for span in spans)
        images: dict[str, Picture] = {}
        for tool, arguments in _calls(spans, self._config.patch_max_frames, duration_s):
            calls[tool] += 1
            asked = json.dumps(arguments)
            result = await self._runner.call(tool, asked, path)
            shown = await encode_frames(result.evidence.frames) if result.evidence else []
            ok = result.evidence is not None
            looks.append(ToolLook.of(tool, asked, ok=ok, message=result.message, pictures=shown))
            if not ok:
                failures[tool] += 1
                return NoPatch(reason="tool_failure", detail=f"{tool}: {result.message}")
            for picture in shown:
                images[f"img_{len(images)}"] = picture
        try:
            draft = assemble(
                _answer(spans, duration_s, tuple(images)),
                images,
                duration_s=duration_s,
                max_frames=self._config.patch_max_frames,
                max_words=self._config.patch_max_words,
            )
        except FinalAnswerError as error:
            return NoPatch(reason="invalid_output", detail=str(error))
        if self._config.leak.enabled:
            verdict = check_patch(failed.question, draft.patch, failed.response_text)
            if not verdict.passed:
                counters["leak_rejected"] += 1
                counters.update(f"leak_{rule}" for rule in verdict.rules)
                return NoPatch(reason="leak", detail=", ".join(verdict.rules))
        return await asyncio.to_thread(self._keep, draft, counters, size)

    def _keep(self, draft: Draft, counters: Counter[str], size: dict[str, float]) -> EvidencePatch:
        draft, scaled = fit_pixels_budget(draft, self._config.patch_max_pixels)
        counters["frames_scaled"] += scaled
        size.update(draft_size(draft).counters())
        for jpeg in draft.jpegs.values():
            self._media.put(jpeg)
        return draft.patch


def _calls(
    spans: Sequence[Span], max_frames: int, duration_s: float
) -> list[tuple[str, dict[str, object]]]:
    """Tool calls whose images together are at most ``max_frames``, spread over the spans."""
    calls: list[tuple[str, dict[str, object]]] = []
    for index, span in enumerate(spans):
        share = max_frames // len(spans) + (index < max_frames % len(spans))
        if not share:
            continue
        if span.box is not None:
            box = _at_least(span.box)
            middle = min((span.start_s + span.end_s) / 2, duration_s)
            calls.append(("zoom", {"t_s": middle, "box": list(box)}))
            share -= 1
        if share:
            start, end = _widened(span, duration_s)
            calls.append(("clip", {"start_s": start, "end_s": end, "frames": share}))
    return calls


def _answer(spans: Sequence[Span], duration_s: float, evidence: tuple[str, ...]) -> FinalAnswer:
    boxed = [span for span in spans if span.box is not None]
    where = ", then ".join(_where(span, duration_s) for span in spans)
    middles = [min((span.start_s + span.end_s) / 2, duration_s) for span in spans]
    return FinalAnswer(
        error_types=("spatial",) if len(boxed) == len(spans) else ("temporal",),
        guidance=" ".join([_LOOK.format(where=where), *([_PLACE] if boxed else [])]),
        key_times_s=tuple(middles),
        spatial_regions=tuple(
            RegionAnswer(t_s=min((s.start_s + s.end_s) / 2, duration_s), box=s.box) for s in boxed
        ),
        evidence=evidence,
    )


def _where(span: Span, duration_s: float) -> str:
    end_s = min(span.end_s, duration_s)
    if end_s - span.start_s < _INSTANT_S:
        return f"at {span.start_s:.1f} s"
    return f"from {span.start_s:.1f} s to {end_s:.1f} s"


def _widened(span: Span, duration_s: float) -> tuple[float, float]:
    end = min(max(span.end_s, span.start_s + _INSTANT_S), duration_s)
    return min(span.start_s, max(0.0, end - _INSTANT_S)), end


def _at_least(box: RawBox) -> RawBox:
    """The box, widened around its middle and kept inside the frame."""
    sides = []
    for low, high in ((box[0], box[2]), (box[1], box[3])):
        half = max(high - low, _LEAST_SIDE) / 2
        middle = min(max((low + high) / 2, half), 1 - half)
        sides.append((max(0.0, middle - half), min(1.0, middle + half)))
    (x0, x1), (y0, y1) = sides
    return x0, y0, x1, y1


def _duration(path: Path) -> float:
    with VideoReader.open(path) as reader:
        return reader.duration_s
