"""The memory formulas against published counts and against each other."""

import pytest

from ffr.preflight.fits import memory_checks
from ffr.preflight.memory import device_memory, engine_room, host_memory, kv_bytes_per_token
from ffr.preflight.settings import read_settings

FULL = "ffr_qwen2_5_vl_7b"
LORA = "ffr_qwen3_vl_4b_lora"
UPDATE, ANSWER = "the policy is updated", "the engine answers"
STATE = ("weights", "gradients", "optimiser")


def update(config, shape):
    return device_memory(shape, read_settings(config, shape), 80e9).phases[UPDATE]


def test_adam_in_full_takes_sixteen_bytes_a_parameter(preset, seven):
    """ZeRO's count: 16 bytes a parameter, shared by all ranks that shard them."""
    for devices in (1, 8):
        parts = update(preset(FULL, f"hardware.devices_per_node={devices}"), seven)
        assert sum(parts[name] for name in STATE) * devices == 16 * seven.parameters


def test_two_nodes_share_what_one_holds_alone(preset, seven):
    one, two = (update(preset(FULL, f"hardware.nodes={n}"), seven) for n in (1, 2))
    assert [two[name] / one[name] for name in STATE] == [0.5, 0.5, 0.5]
    assert two["activations"] == one["activations"]


def test_lora_trains_its_own_weights_only(preset, four):
    parts = update(preset(LORA), four)
    adapters, frozen = 64 * (four.adapter - four.vision_adapter), 64 * four.vision_adapter
    assert parts["optimiser"] == 8 * adapters
    assert parts["gradients"] == 4 * adapters
    assert parts["weights"] == 4 * (four.parameters + adapters + frozen)


def test_a_frozen_tower_needs_no_gradients(preset, seven):
    parts = update(preset(FULL, "grpo.freeze_vision=true"), seven)
    assert parts["gradients"] * 8 == 4 * (seven.parameters - seven.vision)


def test_half_precision_weights_halve_their_state(preset, seven):
    key = "verl.actor_rollout_ref.actor.fsdp_config.model_dtype=bf16"
    parts = update(preset(FULL, key), seven)
    assert sum(parts[name] for name in STATE) * 8 == 8 * seven.parameters


def test_megatron_splits_weights_by_tensor_and_the_optimiser_by_all_ranks(preset, seven):
    key = "verl.actor_rollout_ref.actor.megatron.tensor_model_parallel_size=4"
    parts = update(preset(FULL, "hardware.strategy=megatron", key), seven)
    assert parts["weights"] * 4 == 2 * seven.parameters
    assert parts["gradients"] * 4 == 4 * seven.parameters
    assert parts["optimiser"] * 8 == 12 * seven.parameters


def test_offloading_moves_the_state_to_the_host_while_the_engine_answers(preset, seven):
    actor = "verl.actor_rollout_ref.actor.fsdp_config"
    off = (f"{actor}.param_offload=true", f"{actor}.optimizer_offload=true")
    here, there = (read_settings(preset(FULL, *keys), seven) for keys in ((), off))
    before, after = (device_memory(seven, s, 80e9).phases[ANSWER] for s in (here, there))
    saved = sum(before.values()) - sum(after.values())
    assert saved == 12 * seven.parameters / 8
    hosts = [host_memory(seven, s).phases["a checkpoint is written"] for s in (here, there)]
    assert hosts[1]["offloaded"] - hosts[0]["offloaded"] == 8 * saved


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ("grpo.micro_batch_size=2", "activations"),
        ("grpo.micro_batch_size=2", "logits"),
        ("student.max_response_tokens=2048", "logits"),
        ("student.attention=eager", "activations"),
        ("student.frames.count=32", "activations"),
        ("student.dtype=float32", "logits"),
    ],
)
def test_more_work_a_pass_keeps_more(preset, seven, more, part):
    assert update(preset(FULL, more), seven)[part] > update(preset(FULL), seven)[part]


def test_a_measured_prompt_replaces_the_bound(preset, seven):
    config = preset(FULL)
    assert read_settings(config, seven).tokens == 1024 + 512 + 256 + 1024
    assert read_settings(config, seven, prompt_tokens=1100).tokens == 1100 + 1024
    assert read_settings(config, seven, prompt_tokens=9999).tokens == 4096 + 1024


def test_keys_and_values_of_the_seven_billion_model(preset, seven):
    """28 layers x 4 heads of 128, key and value, two bytes each: 57,344 bytes a token."""
    assert kv_bytes_per_token(seven, 2) == 57_344
    settings = read_settings(preset(FULL), seven)
    room = engine_room(seven, settings, 80e9)
    assert room == pytest.approx((40e9 - 3e9 - 16.584e9) / (57_344 * settings.tokens), rel=1e-3)


def test_tied_embeddings_are_read_by_every_rank(preset, four, seven):
    def read(shape):
        s = read_settings(preset(FULL), shape)
        return host_memory(shape, s).phases["the checkpoint is read"]["whole copies"]

    assert read(seven) == 4 * seven.parameters
    assert read(four) == 8 * 4 * four.parameters


@pytest.mark.parametrize("name", [FULL, LORA])
def test_shipped_presets_fit_their_machines(preset, seven, four, name):
    shape = seven if name == FULL else four
    found = list(memory_checks(preset(name), shape, device_bytes=80e9, host_bytes=1000e9))
    assert [c.name for c in found if c.status == "problem"] == []
    assert len(found) == 3


def test_without_a_gpu_the_whole_run_lies_in_the_nodes_memory(preset, four):
    config = preset(
        LORA, "hardware.platform=cpu", "hardware.rollout=transformers", "student.dtype=float32"
    )
    found = host_memory(four, read_settings(config, four))
    assert set(found.phases) == {UPDATE, ANSWER}
    assert found.phases[UPDATE]["weights and optimiser"] > 4 * four.parameters
    assert found.phases[ANSWER]["keys and values"] > 0
    (check,) = memory_checks(config, four, device_bytes=None, host_bytes=16e9)
    assert (check.name, check.status) == ("host memory of a node, grpo", "problem")
