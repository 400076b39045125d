"""Checkpoints against free space."""

import shutil
from types import SimpleNamespace

import pytest

from ffr.preflight.disk import checkpoint_bytes, disk_check, needed_bytes

FULL, LORA = "ffr_qwen2_5_vl_7b", "ffr_qwen3_vl_4b_lora"


def test_a_checkpoint_holds_weights_moments_and_the_portable_form(preset, seven, four):
    assert checkpoint_bytes(preset(FULL), seven) == (4 + 8 + 4) * seven.parameters
    adapters = 64 * four.adapter
    trained = 64 * (four.adapter - four.vision_adapter)
    expected = 4 * (four.parameters + adapters) + 8 * trained + 4 * four.parameters
    assert checkpoint_bytes(preset(LORA), four) == expected


@pytest.mark.parametrize(("keep", "save_every", "held"), [(2, 50, 3), (5, 50, 6), (2, 1000, 1)])
def test_one_more_than_is_kept_is_there_for_a_time(preset, seven, keep, save_every, held):
    config = preset(FULL, f"grpo.keep_checkpoints={keep}", f"grpo.save_every={save_every}")
    parts = needed_bytes(config, seven)
    assert parts["GRPO checkpoints"] == held * checkpoint_bytes(config, seven)


@pytest.fixture
def free(monkeypatch):
    def set_free(size: float) -> None:
        usage = SimpleNamespace(total=2 * size, used=size, free=size)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)

    return set_free


def test_too_little_space_is_refused_with_both_numbers(preset, seven, free, tmp_path):
    free(100e9)
    check = disk_check(preset(FULL), seven, tmp_path / "not" / "yet" / "there")
    assert check.status == "problem"
    assert f"100.0 GB free in {tmp_path}" in check.found
    assert "GRPO checkpoints 398.0" in check.found
    assert "grpo.keep_checkpoints=2" in check.fix
    free(450e9)
    assert disk_check(preset(FULL), seven, tmp_path).status == "warning"
    free(2e12)
    assert disk_check(preset(FULL), seven, tmp_path).status == "ok"


def test_what_a_resumed_run_holds_already_is_not_needed_again(preset, seven, free, tmp_path):
    held = tmp_path / "checkpoints" / "grpo" / "model.pt"
    held.parent.mkdir(parents=True)
    with held.open("wb") as file:
        file.truncate(350 * 10**9)  # sparse
    free(100e9)
    assert disk_check(preset(FULL), seven, tmp_path).status == "ok"
