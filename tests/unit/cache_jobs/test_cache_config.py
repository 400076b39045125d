"""The configuration of a job: the strict loader, and combinations that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffr.cli.cache_job import _shard
from ffr.config.cache import CacheConfig
from ffr.config.load import dump_config, load_as
from ffr.errors import UserError

ROOT = Path(__file__).parents[3]
GOOD = "data: {train: t.jsonl}\nfailures: {counterfactual: true}\n"


def load(tmp_path: Path, text: str, *overrides: str) -> CacheConfig:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return load_as(CacheConfig, [path], overrides)


def test_the_demo_job_loads_and_survives_a_round_trip(tmp_path):
    config = load_as(CacheConfig, [ROOT / "configs" / "cache_demo.yaml"])
    assert config.failures.counterfactual
    assert config.teacher.kind == "demo"
    dumped = tmp_path / "config.yaml"
    dumped.write_text(dump_config(config))
    assert load_as(CacheConfig, [dumped]) == config


@pytest.mark.parametrize("layer", ["cloud_api", "vllm_qwen3_vl", "vllm_glm_4_5v", "demo"])
def test_the_teacher_layers_of_training_serve_a_job_too(layer):
    paths = [ROOT / "configs" / "cache_demo.yaml", ROOT / "configs" / "teacher" / f"{layer}.yaml"]
    assert load_as(CacheConfig, paths).teacher.kind in ("openai", "demo")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("failures.counterfactal=true", ["unknown key failures.counterfactal",
                                         "did you mean failures.counterfactual"]),
        ("proceses=2", ["unknown key proceses", "did you mean processes"]),
        ("grpo.lr=1e-5", ["unknown key grpo"]),
        ("processes=0", ["processes=0", ">= 1", "default 1"]),
        ("processes='4'", ["processes", "an integer"]),
        ("workers=slurm", ["workers", "local, ray"]),
        ("passes=3", ["passes=3", "<= 2"]),
        ("failures.splits=[]", ["failures.splits"]),
        ("failures.recorded=runs/x", ["failures.recorded", "a list"]),
        ("failures.counterfactual=false", ["no source", "failures.recorded"]),
        ("teacher.kind=none", ["teacher.kind='none'", "makes no patches"]),
        ("teacher.kind=replay", ["teacher.kind='replay'"]),
        ("store.on_miss=skip", ["on_miss='skip'", "cannot fill a store"]),
        ("store.read=false", ["read=False"]),
        ("processes=17", ["processes=17", "teacher.concurrency=16"]),
        ("failures.student={samples: 2}", ["student.path", "failures.student.endpoint"]),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line_that_names_key_value_and_fix(tmp_path, override, words):
    with pytest.raises(UserError) as caught:
        load(tmp_path, GOOD, override)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_a_training_layer_with_data_teacher_and_store_can_be_shared(tmp_path):
    shared = "data: {train: t.jsonl, media_root: m}\nteacher: {model: m1}\nstore: {path: p}\n"
    config = load(tmp_path, shared + "failures: {unanswered: true}\n")
    assert (config.teacher.model, config.store.path) == ("m1", "p")


def test_a_shard_is_one_of_several_parts():
    assert _shard("0/1") == (0, 1)
    assert _shard("3/4") == (3, 4)
    for wrong in ("4/4", "-1/4", "1", "a/b", "0/0", ""):
        with pytest.raises(UserError, match="0 <= I < N"):
            _shard(wrong)
