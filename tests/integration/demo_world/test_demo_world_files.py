"""Generating, reusing, resuming and repairing a world of real mp4 files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import av
import pytest
from av.video.frame import PictureType

from ffr.config.schema import DemoWorldConfig
from ffr.data.load import load_questions
from ffr.data.sft_record import load_sft_records
from ffr.demo.layout import FRAME_SIDE, SPLITS, plan_video
from ffr.demo.render import render_video
from ffr.demo.world import DemoWorldPaths, generate_demo_world
from ffr.errors import UserError

SIZES = {"sft": 10, "train": 8, "validation": 3, "test": 6}


def config(path: Path, **changes: int) -> DemoWorldConfig:
    return DemoWorldConfig(path=str(path), **{**SIZES, "seed": 5, **changes})


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoWorldPaths:
    return generate_demo_world(config(tmp_path_factory.mktemp("demo") / "world"))


def test_videos_are_h264_at_their_rate_and_length(world: DemoWorldPaths) -> None:
    for split, number in (("sft", 0), ("train", 1), ("test", 0), ("validation", 0)):
        plan = plan_video(5, split, number)  # type: ignore[arg-type]
        with av.open(str(world.root / "videos" / plan.name)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width) == ("h264", FRAME_SIDE)
            assert stream.average_rate == plan.fps
            frames = list(container.decode(video=0))
        assert len(frames) == plan.frame_count
        times = [frame.time for frame in frames]
        assert times == pytest.approx([plan.time_s(i) for i in range(len(times))], abs=1e-4)
        assert {PictureType(frame.pict_type).name for frame in frames} == {"I", "P", "B"}


def test_equal_plans_give_equal_bytes() -> None:
    plan = plan_video(5, "train", 0)
    assert render_video(plan) == render_video(plan)
    assert render_video(plan) != render_video(plan_video(6, "train", 0))


def test_splits_have_their_sizes_and_share_no_video(world: DemoWorldPaths) -> None:
    videos = {}
    for split in ("train", "validation", "test"):
        loaded = load_questions(world.split(split), world.root, "fail")
        assert len(loaded.questions) == SIZES[split]
        videos[split] = {question.video for question in loaded.questions}
        assert all(question.gold_spans for question in loaded.questions)
    records = load_sft_records(world.sft)
    assert len(records) == SIZES["sft"]
    videos["sft"] = {record.question.video for record in records}
    names = [name for split in SPLITS for name in videos[split]]
    assert len(set(names)) == len(names)
    digests = [hashlib.sha256((world.root / name).read_bytes()).hexdigest() for name in names]
    assert len(set(digests)) == len(digests)


def test_the_manifest_counts_what_is_there(world: DemoWorldPaths) -> None:
    manifest = json.loads(world.manifest.read_text())
    assert manifest["complete"] is True
    assert manifest["settings"] == {**SIZES, "seed": 5}
    assert {split: sum(n.values()) for split, n in manifest["questions"].items()} == SIZES
    assert set(manifest["files"]) == set(contents(world.root)) - {"manifest.json"}
    assert {"av", "numpy", "pillow", "python"} <= set(manifest["versions"])


def test_a_second_world_is_identical_and_the_first_is_reused(
    world: DemoWorldPaths, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}
    calls: list[int] = []
    assert generate_demo_world(config(world.root), lambda done, _: calls.append(done)) == world
    assert not calls
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before
    twin = generate_demo_world(config(tmp_path / "twin"), lambda done, _: calls.append(done))
    assert contents(twin.root) == contents(world.root)
    assert calls == list(range(1, 3 + 2 + 1 + 2 + 1))


def test_an_interrupted_world_is_completed(world: DemoWorldPaths, tmp_path: Path) -> None:
    class InterruptedMakingError(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == 3:
            raise InterruptedMakingError

    root = tmp_path / "world"
    with pytest.raises(InterruptedMakingError):
        generate_demo_world(config(root), stop)
    assert json.loads((root / "manifest.json").read_text())["complete"] is False
    kept = {path: path.stat().st_mtime_ns for path in (root / "videos").iterdir()}
    assert 3 <= len(kept) < 8
    generate_demo_world(config(root))
    assert contents(root) == contents(world.root)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_lost_and_truncated_files_are_made_again(world: DemoWorldPaths, tmp_path: Path) -> None:
    paths = generate_demo_world(config(tmp_path / "world"))
    image = next(paths.media.rglob("*.jpg"))
    video = paths.root / "videos" / "test_00000.mp4"
    for path in (image, video):
        path.write_bytes(path.read_bytes()[:100])
    paths.train.unlink()
    generate_demo_world(config(paths.root))
    assert contents(paths.root) == contents(world.root)


@pytest.mark.parametrize("key", ["seed", "train", "test"])
def test_other_settings_are_refused_and_nothing_is_touched(
    world: DemoWorldPaths, key: str
) -> None:
    before = contents(world.root)
    with pytest.raises(UserError, match=f"{key}=.*data.demo.path"):
        generate_demo_world(config(world.root, **{key: 9}))
    assert contents(world.root) == before


def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds files but no demo world"):
        generate_demo_world(config(tmp_path))
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(UserError, match="not the manifest of a demo world"):
        generate_demo_world(config(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "thesis.txt"]


def test_a_file_in_the_way_is_one_readable_line(tmp_path: Path) -> None:
    (tmp_path / "world").write_text("")
    with pytest.raises(UserError, match="choose another folder") as caught:
        generate_demo_world(config(tmp_path / "world"))
    assert "\n" not in str(caught.value)
