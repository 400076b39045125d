"""A run that does not fit is told what to change, and the change is enough."""

import re

import pytest

from ffr.preflight.fits import memory_checks

FULL = "ffr_qwen2_5_vl_7b"


def device_check(config, shape, size=80e9):
    found = memory_checks(config, shape, device_bytes=size, host_bytes=1e12)
    return next(check for check in found if check.name == "GPU memory, grpo")


def keys_of(fix: str) -> list[list[str]]:
    """The settings each alternative names."""
    text = fix.removeprefix("set all of ").removeprefix("set ")
    ways = (
        text.split("; or ")
        if not fix.startswith("set all of")
        else [text.replace(", verl", " verl")]
    )
    return [re.findall(r"[a-z_.0-9]+=(?:\{[^}]*\}|[\w.]+)", way) for way in ways]


@pytest.mark.parametrize(
    "overrides",
    [
        ("grpo.micro_batch_size=32",),
        ("hardware.gpu_memory_utilization=0.9",),
        ("hardware.devices_per_node=2",),
        ("hardware.devices_per_node=1", "grpo.micro_batch_size=4"),
        ("student.max_response_tokens=16384", "grpo.micro_batch_size=2"),
    ],
)
def test_every_way_out_that_is_named_works(preset, seven, overrides):
    refused = device_check(preset(FULL, *overrides), seven)
    assert refused.status == "problem"
    assert "there are 80.0 GB" in refused.found
    assert refused.fix.startswith("set ")
    ways = keys_of(refused.fix)
    assert all(ways)
    for way in ways:
        mended = device_check(preset(FULL, *overrides, *way), seven)
        assert mended.status != "problem", (way, mended)


def test_where_nothing_helps_it_says_so(preset, seven):
    refused = device_check(preset(FULL, "hardware.devices_per_node=1"), seven, size=12e9)
    assert refused.status == "problem"
    assert refused.fix.startswith("use more devices")


def test_the_mildest_value_is_named(preset, seven):
    refused = device_check(preset(FULL, "grpo.micro_batch_size=32"), seven)
    first = keys_of(refused.fix)[0][0]
    size = int(first.partition("=")[2])
    assert first.startswith("grpo.micro_batch_size=")
    twice = device_check(preset(FULL, f"grpo.micro_batch_size={2 * size}"), seven)
    assert twice.status == "problem"


def test_an_engine_without_room_for_one_answer_is_refused(preset, seven):
    config = preset(FULL, "hardware.gpu_memory_utilization=0.2")
    found = memory_checks(config, seven, device_bytes=80e9, host_bytes=1e12)
    room = next(check for check in found if check.name == "rollout engine's cache")
    assert room.status == "problem"
    assert "tensor_model_parallel_size" in room.fix
    wide = "verl.actor_rollout_ref.rollout.tensor_model_parallel_size=4"
    config = preset(FULL, "hardware.gpu_memory_utilization=0.2", wide)
    found = memory_checks(config, seven, device_bytes=80e9, host_bytes=1e12)
    assert next(c for c in found if c.name == "rollout engine's cache").status == "ok"


def test_without_a_gpu_to_compare_with_the_check_says_how_to_name_one(preset, seven):
    found = next(iter(memory_checks(preset(FULL), seven, device_bytes=None, host_bytes=1e12)))
    assert found.status == "warning"
    assert "preflight.device_memory_gb" in found.fix
