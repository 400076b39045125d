"""The frame and token budget a dry run prints."""

import pytest

from ffr.config.load import load_config
from ffr.errors import UserError
from ffr.train.budget import budget

BASE = """
student:
  path: somewhere
  frames: {count: 16, max_pixels: 100352, size_multiple: 28, patch_max_pixels: 100352}
  max_prompt_tokens: 4096
  max_response_tokens: 1024
grpo: {questions_per_step: 8, group_size: 8}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(BASE)
    return lambda *overrides: load_config([path], overrides)


def test_the_papers_numbers(config):
    found = budget(config())
    assert found.video_tokens == 8 * 128  # 16 frames in pairs, 128 tokens each
    assert found.patch_tokens == 4 * 128
    assert found.prompt_tokens_bound == 1024 + 512 + 256
    assert found.rows_per_question == 8
    assert found.rows_per_step == 64
    assert found.generated_sequences_per_step == 8 * 16
    assert found.teacher_calls_per_step == 64
    assert found.tokens_per_step_bound == 64 * (1792 + 1024)


def test_an_odd_frame_fills_a_pair(config):
    assert budget(config("student.frames.count=5")).video_tokens == 3 * 128


def test_exact_sizes_win(config):
    found = budget(config("student.frames.exact_size=[56, 84]"))
    assert found.video_tokens == 8 * 6
    assert found.patch_tokens == 4 * 128


def test_without_teacher_there_is_no_patch_and_no_second_answer(config):
    found = budget(config("teacher.kind=none"))
    assert found.patch_tokens == found.teacher_calls_per_step == 0
    assert found.generated_sequences_per_step == 64


def test_fewer_repairs_cost_less(config):
    arm = ("repair.max_per_question=3", "advantage.groups=split")
    found = budget(config(*arm))
    assert found.rows_per_question == 11
    assert found.generated_sequences_per_step == 8 * 11


def test_text_only_patches_have_no_images(config):
    found = budget(config("student.prompt.patch_render=structured"))
    assert (found.patch_images, found.patch_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        ("student.max_prompt_tokens=1200", "cannot hold 1024 video tokens and 512 patch tokens"),
        ("student.frames.count=64", "cannot hold 4096 video tokens and 512 patch tokens"),
        ("student.frames.max_pixels=1003520", "cannot hold 10240 video tokens"),
    ],
)
def test_a_prompt_that_cannot_fit_is_refused(config, change, numbers):
    with pytest.raises(UserError, match=numbers) as refused:
        budget(config(change))
    assert "student.max_prompt_tokens=" in str(refused.value)
    assert "raise it above" in str(refused.value)
