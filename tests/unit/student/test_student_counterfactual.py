"""Replacing the video of a prompt, and nothing else of it."""

from __future__ import annotations

import numpy as np

from ffr.config.student import FramesConfig, PromptConfig
from ffr.data.question import AskedQuestion
from student.counterfactual import (
    GREY,
    bare_frames,
    choose_donors,
    grey_video,
    other_video,
    replace_videos,
)
from student.overlay import draw_overlay
from student.prompt import render_question
from student.prompt_parts import VideoPart
from student.time_axis import TimeAxis

PLAIN = FramesConfig(count=4)
CLOCK = FramesConfig(count=4, clock_overlay=True, subtitle_overlay=True)


def video(seed: int, frames: int = 4, size: tuple[int, int] = (64, 96)) -> VideoPart:
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, *size, 3), dtype=np.uint8)
    return VideoPart(pixels, TimeAxis(tuple(0.5 + seed + i for i in range(frames)), 10.0, 60.0))


def test_grey_frames_keep_axis_and_clock() -> None:
    source = video(0)
    plain = grey_video(source, PLAIN)
    assert plain.axis is source.axis
    assert (plain.frames == GREY).all()
    clocked = grey_video(source, CLOCK)
    for frame, t in zip(clocked.frames, source.axis.times_s, strict=True):
        assert np.array_equal(frame, draw_overlay(plain.frames[0], t, CLOCK))
    assert (clocked.frames != GREY).any()


def test_another_video_on_the_axis_and_in_the_size_of_the_first() -> None:
    source, donor = video(0), video(7, frames=10, size=(32, 48))
    changed = other_video(source, donor, PLAIN)
    assert changed.axis is source.axis
    assert changed.frames.shape == source.frames.shape
    same_size = other_video(source, video(7, frames=10), PLAIN)
    # The middle of each fourth of the donor.
    assert all(np.array_equal(same_size.frames[i], video(7, frames=10).frames[j])
               for i, j in enumerate((1, 3, 6, 8)))  # fmt: skip
    few = other_video(source, video(7, frames=2), PLAIN)
    assert np.array_equal(few.frames[1], few.frames[0])
    assert np.array_equal(few.frames[3], video(7, frames=2).frames[1])
    clocked = draw_overlay(video(7).frames[2], source.axis.times_s[2], CLOCK)
    assert np.array_equal(other_video(source, video(7), CLOCK).frames[2], clocked)


def test_donors_are_sampled_without_overlays() -> None:
    bare = bare_frames(CLOCK)
    assert (bare.clock_overlay, bare.subtitle_overlay, bare.count) == (False, False, 4)


def test_all_else_of_the_prompt_stays() -> None:
    asked = AskedQuestion(id="q", video="v.mp4", question="What?", answer_type="text")
    prompt = render_question(asked, video(0), PromptConfig(system="Be brief."))
    changed = replace_videos(prompt, lambda part: grey_video(part, PLAIN))
    assert changed.text == prompt.text
    assert (changed.question_id, changed.patch_id) == (prompt.question_id, prompt.patch_id)
    assert [m.role for m in changed.messages] == ["system", "user"]
    (part,) = changed.videos
    assert (part.frames == GREY).all()
    assert not (prompt.videos[0].frames == GREY).all()


def test_every_question_gets_another_video() -> None:
    videos = ["a", "b", "c", "b", "a", "d"]
    donors = choose_donors(videos, seed=3)
    assert all(d != v for d, v in zip(donors, videos, strict=True))
    assert {d for d in donors if d} == {"a", "b", "c", "d"}
    # The choice belongs to the video: neither order nor repetition changes it.
    again = dict(zip(videos, donors, strict=True))
    backwards = choose_donors(videos[::-1], seed=3)
    assert [again[v] for v in videos[::-1]] == backwards
    assert choose_donors(["a", "a"]) == [None, None]
    assert any(choose_donors(list("abcdefgh"), seed=s) != choose_donors(list("abcdefgh"))
               for s in (1, 2))  # fmt: skip
