"""Patches from gold spans: real frames of the right moments, times only, and the gate on top."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.data.question import Question
from ffr.demo.layout import VideoPlan
from ffr.demo.questions import question_about
from ffr.geometry import Span
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.store import PatchStore
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.annotations import AnnotationsTeacher
from ffr.teacher.build import build_teacher, key_maker
from ffr.teacher.stored import StoredTeacher
from teacher_tools.runner import ToolRunner

CONFIG = TeacherConfig(kind="annotations")


Diagnose = Callable[..., Awaitable[Diagnosis]]


@pytest.fixture
def diagnose(runner: ToolRunner, media_root: Path, tmp_path: Path) -> Diagnose:
    """One diagnosis by a teacher over the store, with tool workers shared by all tests."""

    async def run(question: Question, config: TeacherConfig = CONFIG) -> Diagnosis:
        store = PatchStore(tmp_path / "store")
        live = AnnotationsTeacher(config, runner, store.media, media_root)
        teacher = StoredTeacher(store, key_maker(config, runner.toolset), media_root, live, "live")
        return await teacher.diagnose(FailedRollout(question, "I guess.", "wrong"))

    return run


def asked(plan: VideoPlan, *spans: Span, **more: Any) -> Question:
    values = {"id": "q", "video": f"videos/{plan.name}", "question": "What happens?",
              "answer_type": "text", "answer": "zyx", "gold_spans": spans}  # fmt: skip
    return Question(**{**values, **more})


def patch_of(diagnosis: Diagnosis) -> EvidencePatch:
    assert isinstance(diagnosis.outcome, EvidencePatch), diagnosis.outcome
    return diagnosis.outcome


async def test_every_family_of_the_demo_world(
    plan: VideoPlan, diagnose: Diagnose, tmp_path: Path
) -> None:
    for item in plan.objects:
        question = question_about(plan, item)
        span = question.gold_spans[0]
        patch = patch_of(await diagnose(question))
        assert 1 <= len(patch.frames) <= 4
        for frame in patch.frames:
            assert span.start_s - 0.15 <= frame.t_s <= span.end_s + 0.15
        text = patch.model_dump_json()
        assert item.colour not in text
        assert item.shape not in text
        crops = [frame for frame in patch.frames if frame.box is not None]
        assert bool(crops) == (span.box is not None)
        for crop in crops:
            jpeg = PatchStore(tmp_path / "store").media.get(crop.image_sha256)
            pixels = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
            assert (pixels.max(axis=2) - pixels.min(axis=2)).max() > 60  # the coloured object


async def test_spans_share_the_frames_and_the_guidance_names_times_only(
    plan: VideoPlan, diagnose: Diagnose, tmp_path: Path
) -> None:
    spans = (Span(start_s=1.0, end_s=2.0), Span(start_s=6.0, end_s=6.0))
    diagnosis = await diagnose(asked(plan, *spans))
    patch = patch_of(diagnosis)
    assert patch.guidance == "Look closely at the video from 1.0 s to 2.0 s, then at 6.0 s."
    assert patch.key_times_s == (1.5, 6.0)
    assert len(patch.frames) == 4
    assert sum(f.t_s < 3 for f in patch.frames) == 2
    assert diagnosis.tool_calls == (("clip", 2, 0),)
    assert [p.t_s for look in diagnosis.looks for p in look.shown] == [f.t_s for f in patch.frames]
    counters = dict(diagnosis.counters)
    assert counters["patch_frames"] == 4
    assert counters["patch_pixels"] > 0
    assert diagnosis.source == "live"


async def test_rows_without_usable_spans_are_counted_and_never_stored(
    plan: VideoPlan, diagnose: Diagnose, tmp_path: Path
) -> None:
    for spans in ((), (Span(start_s=50, end_s=60),)):
        result = await diagnose(asked(plan, *spans))
        assert isinstance(result.outcome, NoPatch)
        assert (result.outcome.reason, result.source) == ("no_annotation", "none")
    assert not list((tmp_path / "store" / "records").rglob("*.json"))
    many = [Span(start_s=float(i), end_s=i + 0.5) for i in range(6)]
    counters = dict((await diagnose(asked(plan, *many))).counters)
    assert counters["spans_dropped"] == 2


async def test_the_gate_judges_annotations_too(
    plan: VideoPlan, diagnose: Diagnose, tmp_path: Path
) -> None:
    span = Span(start_s=1.0, end_s=2.0)
    when = asked(plan, span, question="When does it begin, in seconds?", answer_type="number",
                 answer="1.5")  # fmt: skip
    result = await diagnose(when)
    assert isinstance(result.outcome, NoPatch)
    assert result.outcome.reason == "leak"


async def test_the_store_follows_the_spans_and_replays(
    plan: VideoPlan, diagnose: Diagnose, media_root: Path, tmp_path: Path
) -> None:
    first = asked(plan, Span(start_s=1.0, end_s=2.0))
    moved = asked(plan, Span(start_s=3.0, end_s=4.0))
    patches = [patch_of(await diagnose(q)) for q in (first, moved)]
    assert patches[0] != patches[1]
    folders = {"store_dir": tmp_path / "store", "media_root": media_root}
    for config in (CONFIG, TeacherConfig(kind="replay", model="annotations")):
        teacher = build_teacher(config, StoreConfig(), **folders)
        for question, patch in zip((first, moved), patches, strict=True):
            again = await teacher.diagnose(FailedRollout(question, "Hm.", "wrong"))
            assert (again.outcome, again.source) == (patch, "store")
        await teacher.aclose()


async def test_the_pixel_budget_scales_images_down(
    plan: VideoPlan, diagnose: Diagnose, tmp_path: Path
) -> None:
    question = asked(plan, Span(start_s=1.0, end_s=2.0))
    small = CONFIG.model_copy(update={"patch_max_pixels": 8192})
    diagnosis = await diagnose(question, small)
    patch = patch_of(diagnosis)
    media = PatchStore(tmp_path / "store").media
    sizes = [Image.open(io.BytesIO(media.get(f.image_sha256))).size for f in patch.frames]
    assert len(sizes) == 4
    assert 4000 < sum(w * h for w, h in sizes) <= 8192
    assert dict(diagnosis.counters)["patch_pixels"] == sum(w * h for w, h in sizes)
    assert dict(diagnosis.counters)["frames_scaled"] == 4


@pytest.mark.parametrize("video", ["gone.mp4", "../secret.mp4", "broken.mp4"])
async def test_bad_media_is_a_counted_refusal(
    plan: VideoPlan, diagnose: Diagnose, video: str
) -> None:
    question = asked(plan, Span(start_s=1.0, end_s=2.0), video=video)
    result = await diagnose(question)
    assert isinstance(result.outcome, NoPatch)
    assert result.outcome.reason == "media_error"
