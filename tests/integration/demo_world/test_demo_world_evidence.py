"""What the student can and cannot see in the files, and what a patch adds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ffr.config.schema import DemoWorldConfig
from ffr.config.student import FramesConfig, PromptConfig
from ffr.data.sft_record import SftRecord, load_sft_records
from ffr.demo.layout import STUDENT_FRAMES, STUDENT_SIDE, SlotObject, plan_video
from ffr.demo.observer_sight import look_at
from ffr.demo.records import decode_frames
from ffr.demo.vocabulary import COLOURS, SHAPES
from ffr.demo.world import DemoWorldPaths, generate_demo_world
from ffr.patches.media import MediaStore
from ffr.teacher.leakage import check_patch
from student.frames import sample_video
from student.patch_images import load_patch_images
from student.prompt import render_patched
from student.prompt_parts import VideoPart

FRAMES = FramesConfig(
    count=STUDENT_FRAMES,
    exact_size=(STUDENT_SIDE, STUDENT_SIDE),
    patch_exact_size=(STUDENT_SIDE, STUDENT_SIDE),
)
COMPACT = PromptConfig(style="compact", ask_keyframes=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoWorldPaths:
    root = tmp_path_factory.mktemp("demo") / "world"
    sizes = DemoWorldConfig(path=str(root), sft=48, train=24, validation=1, test=1, seed=9)
    return generate_demo_world(sizes)


def seen(world: DemoWorldPaths, number: int) -> tuple[tuple[SlotObject, ...], VideoPart]:
    plan = plan_video(9, "train", number)
    return plan.objects, sample_video(world.root / "videos" / plan.name, FRAMES)


def coloured(frame: npt.NDArray[np.uint8]) -> int:
    """Pixels that are clearly not grey."""
    values = frame.astype(np.int16)
    return int((values.max(axis=-1) - values.min(axis=-1) > 60).sum())


def test_the_student_sees_visible_objects_and_no_other(world: DemoWorldPaths) -> None:
    most = {"visible": 1024, "temporal": 0, "spatial": 4}
    least = {"visible": 60, "temporal": 0, "spatial": 0}
    for number in range(6):
        objects, video = seen(world, number)
        for slot, item in enumerate(objects):
            for frame in video.frames[2 * slot : 2 * slot + 2]:
                assert least[item.family] <= coloured(frame) <= most[item.family]


def test_a_viewer_of_native_frames_finds_every_object_in_its_box(world: DemoWorldPaths) -> None:
    for number in range(6):
        plan = plan_video(9, "train", number)
        video = (world.root / "videos" / plan.name).read_bytes()
        middles = {(item.first_frame + item.last_frame) // 2: item for item in plan.objects}
        for frame_number, frame in decode_frames(video, set(middles)).items():
            item = middles[frame_number]
            box, gold = look_at(Image.fromarray(frame)).box, plan.span(item).box
            assert box is not None
            assert gold is not None
            assert box == pytest.approx(gold, abs=0.03)


def patched(world: DemoWorldPaths) -> list[SftRecord]:
    return [record for record in load_sft_records(world.sft) if record.patch is not None]


def test_sft_shows_evidence_where_it_is_needed_and_sometimes_elsewhere(
    world: DemoWorldPaths,
) -> None:
    records = load_sft_records(world.sft)
    hidden = [r for r in records if r.question.family != "visible"]
    visible = [r for r in records if r.question.family == "visible"]
    assert len(hidden) == 12
    assert all(r.patch is not None for r in hidden)
    assert sum(r.patch is not None for r in visible) == 6


def test_every_patch_image_shows_the_object_large_enough_for_the_student(
    world: DemoWorldPaths,
) -> None:
    media = MediaStore(world.media)
    for record in patched(world):
        assert record.patch is not None
        assert 1 <= len(record.patch.frames) <= 2
        crops = [frame.box is not None for frame in record.patch.frames]
        assert crops == [record.question.family == "spatial"] * len(crops)
        images = load_patch_images(record.patch, media.get, FRAMES)
        for image in images.values():
            assert image.shape == (STUDENT_SIDE, STUDENT_SIDE, 3)
            assert coloured(image) >= 50
        (span,) = record.question.gold_spans
        assert all(span.start_s - 1e-3 <= t <= span.end_s + 1e-3 for t in record.patch.key_times_s)


def test_patches_and_prompts_give_nothing_away(world: DemoWorldPaths) -> None:
    media = MediaStore(world.media)
    for record in patched(world):
        patch, question = record.patch, record.question
        assert patch is not None
        verdict = check_patch(question, patch, "")
        assert verdict.passed, verdict
        video = sample_video(Path(world.root / question.video), FRAMES)
        images = load_patch_images(patch, media.get, FRAMES)
        text = render_patched(question.asked, video, patch, images, COMPACT).text
        for word in (*COLOURS, *SHAPES):
            assert word in question.options or word not in text


def test_media_hold_jpegs_under_their_hash_and_nothing_else(world: DemoWorldPaths) -> None:
    named = {f.image_sha256 for r in patched(world) if r.patch for f in r.patch.frames}
    files = {path.stem for path in world.media.rglob("*") if path.is_file()}
    assert files == named
    for sha in named:
        image = Image.open(io.BytesIO(MediaStore(world.media).get(sha)))
        assert image.format == "JPEG"
        assert image.width == image.height
