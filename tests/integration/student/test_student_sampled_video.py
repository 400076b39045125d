from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ffr.config.student import FramesConfig
from student.frame_cache import FrameCache
from student.frames import sample_video
from teacher_tools.media.errors import MediaError

CONFIG = FramesConfig(count=8, exact_size=(32, 32))


def test_frames_are_those_on_screen_at_the_middles_of_the_slots(mp4: Path) -> None:
    video = sample_video(mp4, CONFIG)
    assert video.frames.shape == (8, 32, 32, 3)
    assert video.frames.dtype == np.uint8
    assert video.axis.times_s == pytest.approx([0.5 + i for i in range(8)])
    assert video.axis.source_fps == pytest.approx(10.0)
    assert video.axis.duration_s == pytest.approx(8.0)
    shown = video.frames.mean(axis=(1, 2, 3))
    expected = [2 * round(t * 10) + 20 for t in video.axis.times_s]
    assert shown == pytest.approx(expected, abs=3)


def test_more_frames_than_one_chunk_and_than_the_video_has(mp4: Path) -> None:
    video = sample_video(mp4, CONFIG.model_copy(update={"count": 100}))
    assert video.frames.shape[0] == len(video.axis.times_s) == 100
    shown = video.frames.mean(axis=(1, 2, 3))
    assert shown == pytest.approx([2 * round(t * 10) + 20 for t in video.axis.times_s], abs=3)


def test_a_rate_decides_the_number_and_the_disk_cache_keeps_it(mp4: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"fps": 0.5})  # the video has 8 s
    first, second = (FrameCache(config, folder=tmp_path) for _ in range(2))
    assert first.get(mp4).axis.times_s == pytest.approx([1.0, 3.0, 5.0, 7.0])
    assert np.array_equal(second.get(mp4).frames, first.get(mp4).frames)
    assert (second.counts.disk_hits, second.counts.decoded) == (1, 0)
    assert FrameCache(CONFIG, folder=tmp_path).get(mp4).frames.shape[0] == 8


def test_sizes_come_from_the_pixel_budget(mp4: Path) -> None:
    config = FramesConfig(count=2, size_multiple=16, max_pixels=64 * 64)
    assert sample_video(mp4, config).frames.shape == (2, 64, 64, 3)


def test_the_clock_is_burnt_into_the_frames(mp4: Path) -> None:
    plain = sample_video(mp4, CONFIG).frames
    clocked = sample_video(mp4, CONFIG.model_copy(update={"clock_overlay": True})).frames
    changed = (plain != clocked).any(axis=(1, 2, 3))
    assert changed.all()


def test_subtitles_beside_the_file_are_burnt_in_while_they_are_said(
    mp4: Path, tmp_path: Path
) -> None:
    config = FramesConfig(count=8, exact_size=(128, 128), subtitle_overlay=True)
    video = tmp_path / "clip.mp4"
    video.write_bytes(mp4.read_bytes())
    folder = tmp_path / "cache"
    cache = FrameCache(config, folder=folder)
    silent = cache.get(video).frames
    assert np.array_equal(
        silent, sample_video(video, config.model_copy(update={"subtitle_overlay": False})).frames
    )
    cue = "1\n00:00:02,000 --> 00:00:03,600\n{}\n"
    (tmp_path / "clip.srt").write_text(cue.format("a red kite"))
    said = cache.get(video).frames
    # Frames lie at 0.5, 1.5, 2.5, ... seconds.
    assert (said != silent).any(axis=(1, 2, 3)).tolist() == [t in (2, 3) for t in range(8)]
    (tmp_path / "clip.srt").write_text(cue.format("a blue car"))
    assert not np.array_equal(cache.get(video).frames, said)
    other = FrameCache(config, folder=folder)
    assert np.array_equal(other.get(video).frames, cache.get(video).frames)
    assert other.counts.disk_hits == 1
    (tmp_path / "clip.srt").write_text("")
    with pytest.raises(MediaError, match=r"subtitles 'clip\.srt'"):
        cache.get(video)


def test_files_that_are_no_video_are_media_errors(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    for path in (text, tmp_path / "absent.mp4"):
        cache = FrameCache(CONFIG)
        for _ in range(2):  # a failure is not remembered as a result
            with pytest.raises(MediaError):
                cache.get(path)


def test_concurrent_asks_decode_once(mp4: Path) -> None:
    cache = FrameCache(CONFIG)
    barrier = threading.Barrier(8)

    def ask() -> int:
        barrier.wait()
        return id(cache.get(mp4))

    with ThreadPoolExecutor(8) as pool:
        ids = {f.result() for f in [pool.submit(ask) for _ in range(8)]}
    assert len(ids) == 1
    assert cache.counts.decoded == 1
    with pytest.raises(ValueError, match="read-only"):
        cache.get(mp4).frames[0] = 0


def test_memory_is_bounded_and_a_changed_file_is_sampled_anew(mp4: Path, tmp_path: Path) -> None:
    copies = [tmp_path / f"{i}.mp4" for i in range(3)]
    for copy in copies:
        copy.write_bytes(mp4.read_bytes())
    one = sample_video(mp4, CONFIG).frames.nbytes
    cache = FrameCache(CONFIG, max_bytes=2 * one)
    for copy in copies:
        cache.get(copy)
    cache.get(copies[2])
    assert (cache.counts.decoded, cache.counts.memory_hits) == (3, 1)
    cache.get(copies[0])  # the least recently used one was dropped
    assert cache.counts.decoded == 4
    copies[0].write_bytes(mp4.read_bytes() + b"\0")
    cache.get(copies[0])
    assert cache.counts.decoded == 5


def test_the_folder_serves_other_processes_and_names(mp4: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    first = FrameCache(CONFIG, folder=folder).get(mp4)
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(mp4.read_bytes())
    second = FrameCache(CONFIG, folder=folder)
    video = second.get(moved)
    assert (second.counts.disk_hits, second.counts.decoded) == (1, 0)
    assert np.array_equal(video.frames, first.frames)
    assert video.axis == first.axis
    other_plan = FrameCache(CONFIG.model_copy(update={"count": 4}), folder=folder)
    assert other_plan.get(mp4).frames.shape[0] == 4
    assert other_plan.counts.decoded == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", None])
def test_a_damaged_entry_is_counted_and_decoded_again(
    mp4: Path, tmp_path: Path, damage: bytes | None
) -> None:
    FrameCache(CONFIG, folder=tmp_path).get(mp4)
    (entry,) = tmp_path.rglob("*.npz")
    good = entry.read_bytes()
    entry.write_bytes(good[: len(good) // 2] if damage is None else damage)
    cache = FrameCache(CONFIG, folder=tmp_path)
    assert cache.get(mp4).frames.shape == (8, 32, 32, 3)
    assert (cache.counts.disk_errors, cache.counts.decoded) == (1, 1)
    again = FrameCache(CONFIG, folder=tmp_path)
    again.get(mp4)
    assert again.counts.disk_hits == 1


def test_an_unwritable_folder_does_not_stop_the_run(mp4: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is needed")
    cache = FrameCache(CONFIG, folder=blocked)
    assert cache.get(mp4).frames.shape[0] == 8
    assert cache.counts.disk_errors >= 1
