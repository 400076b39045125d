"""Our configuration as verl's tree, for every shipped config; the contract with verl; dry runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ffr.cli.train import split_words
from ffr.config.load import dump_config, load_config
from ffr.config.schema import RunConfig
from ffr.errors import UserError
from ffr.run.folder import RunFolder

CONFIGS = Path(__file__).parents[3] / "configs"
LAYERS = ("paper_arm.yaml", "plain_grpo.yaml")
CACHING_JOBS = {"cache_demo.yaml"}
RUNS = sorted({p.name for p in CONFIGS.glob("*.yaml")} - CACHING_JOBS)


def shipped(name: str, *overrides: str) -> RunConfig:
    base = [CONFIGS / "quickstart.yaml"] if name in LAYERS else []
    return load_config([*base, CONFIGS / name], overrides)


def compose(config: RunConfig) -> Any:
    from ffr.train.verl.compose import GrpoPaths, grpo_tree

    run = Path("/nowhere/run")
    return grpo_tree(
        config,
        GrpoPaths(run_dir=run, model=run / "m", train=run / "t.jsonl", validation=run / "v.jsonl",
                  media_root=run, store_dir=run / "patches", checkpoints=run / "c"),
    )  # fmt: skip


def test_the_installed_verl_keeps_the_contract():
    from ffr.train.verl.contract import check

    assert check() == []


@pytest.mark.parametrize(
    ("module", "name", "parameters", "problem"),
    [
        ("verl.trainer.main_ppo", "run_ppo", ("config", "task_runner_class"), None),
        ("verl.trainer.main_ppo", "run_pppo", (), "is gone"),
        ("verl.trainer.main_ppo", "TaskRunnerV1.no_such_part.run", (), "is gone"),
        ("verl.trainer.main_pppo", "run_ppo", (), "cannot be imported"),
        ("verl.trainer.main_ppo", "run_ppo", ("config", "colour"), "no longer takes colour"),
    ],
)
def test_a_broken_contract_is_named(monkeypatch, module, name, parameters, problem):
    from ffr.train.verl import contract

    monkeypatch.setattr(contract, "CONTRACT", (contract.Touch(module, name, parameters),))
    found = contract.check()
    if problem is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(f"{module}.{name}: ")
        assert problem in found[0]


def test_another_verl_is_named(monkeypatch):
    from ffr.train.verl import contract

    monkeypatch.setattr(contract, "version", lambda _name: "0.10.0")
    assert contract.check() == ["verl 0.10.0 is installed, tested is 0.9.1"]


@pytest.mark.parametrize("name", RUNS)
def test_every_shipped_config_composes_and_verl_accepts_it(name):
    from ffr.train.verl.validate import validate_grpo

    config = shipped(name)
    assert "grpo" in config.stages
    tree = compose(config)
    validate_grpo(tree)
    actor = tree.actor_rollout_ref
    assert actor.rollout.n == config.grpo.group_size
    assert tree.trainer.total_training_steps == config.grpo.steps
    assert actor.actor.use_kl_loss == (config.grpo.kl_coef > 0)
    assert not tree.trainer.val_before_train


@pytest.mark.parametrize(
    "name", ["quickstart.yaml", "ffr_qwen3_vl_4b_lora.yaml", "ffr_qwen3_vl_8b.yaml"]
)
def test_every_key_we_set_is_one_verl_reads(name):
    """A misspelt key of ours would be added to the tree without a word."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module

    from ffr.train.verl import compose as module

    config = shipped(name)
    with initialize_config_module(config_module="verl.trainer.config", version_base=None):
        stock = {k: hydra_compose(config_name=k) for k in ("ppo_trainer", "sft_trainer_engine")}
    run = Path("/nowhere")
    paths = module.GrpoPaths(run_dir=run, model=run, train=run, validation=run, media_root=run,
                             store_dir=run, checkpoints=run)  # fmt: skip
    ours = {
        "ppo_trainer": module._grpo_values(config, paths),
        "sft_trainer_engine": module._sft_values(config, run, run, run, run, run),
    }
    unknown = {key for name, values in ours.items() for key in strangers(values, stock[name])}
    # Not in verl's YAML, but fields of its dataclasses, free slots, or Ray's own arguments.
    assert unknown <= {
        "actor_rollout_ref.rollout.agent.agent_loop_manager_class",
        "actor_rollout_ref.rollout.enable_sleep_mode",
        "actor_rollout_ref.rollout.custom",
        "actor_rollout_ref.rollout.name",  # mandatory, so without a value in verl's YAML
        "actor_rollout_ref.actor.fsdp_config.mixed_precision",
        "actor_rollout_ref.ref.fsdp_config.mixed_precision",
        "actor_rollout_ref.model.override_config.attn_implementation",
        "model.override_config.attn_implementation",
        "engine.mixed_precision",
        "data.ffr",
        "ray_kwargs.ray_init.runtime_env.env_vars",
        *(f"ray_kwargs.ray_init.{key}" for key in ours["ppo_trainer"]["ray_kwargs"]["ray_init"]),
    }


def strangers(values: Any, tree: Any, prefix: str = "") -> list[str]:
    """Dotted keys of ``values`` that ``tree`` does not have."""
    found = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        if tree is None or key not in tree:
            found.append(path)
        elif isinstance(value, dict) and value:
            found += strangers(value, tree[key], f"{path}.")
    return found


def test_settings_that_verl_keeps_in_two_places_agree():
    actor = compose(
        shipped("quickstart.yaml", "grpo.clip_ratio=0.1", "grpo.max_grad_norm=3")
    ).actor_rollout_ref.actor
    assert actor.clip_ratio == actor.clip_ratio_low == actor.clip_ratio_high == 0.1
    assert actor.grad_clip == actor.optim.clip_grad == 3


def test_the_verl_block_wins_over_what_we_derive():
    tree = compose(shipped("quickstart.yaml", "verl.actor_rollout_ref.actor.optim.lr=7e-6"))
    assert tree.actor_rollout_ref.actor.optim.lr == 7e-6
    assert compose(shipped("quickstart.yaml")).actor_rollout_ref.actor.optim.lr == 1e-4


def test_workers_count_for_each_node_and_several_nodes_join_a_cluster():
    """A Ray of its own would wait for the other nodes for ever."""
    one = compose(shipped("quickstart.yaml", "hardware.rollout_workers=3"))
    assert one.actor_rollout_ref.rollout.agent.num_workers == 3
    assert one.ray_kwargs.ray_init.address == "local"
    two = compose(shipped("quickstart.yaml", "hardware.rollout_workers=3", "hardware.nodes=2"))
    assert two.actor_rollout_ref.rollout.agent.num_workers == 6
    assert (two.trainer.nnodes, two.trainer.n_gpus_per_node) == (2, 1)
    joined = two.ray_kwargs.ray_init
    assert joined.address == "auto"
    assert joined.get("num_cpus") is None  # Ray refuses it from a driver that joins
    assert joined.get("num_gpus") is None
    gpus = compose(shipped("ffr_qwen3_vl_8b.yaml", "hardware.nodes=4")).ray_kwargs.ray_init
    assert gpus.address == "auto"


@pytest.mark.parametrize(
    ("batch", "most", "ranks", "micro"), [(32, 32, 1, 32), (32, 32, 2, 16), (32, 12, 2, 8),
                                          (6, 4, 1, 3), (5, 4, 1, 1)]
)  # fmt: skip
def test_sft_micro_batches_divide_a_ranks_share(batch, most, ranks, micro):
    """verl asserts that they do, and would drop what ranks cannot share."""
    from ffr.train.verl.compose import sft_tree

    words = [f"sft.batch_size={batch}", f"sft.micro_batch_size={most}", f"hardware.nodes={ranks}"]
    run = Path("/nowhere")
    paths = {"model": run, "records": run, "media_root": run, "run_dir": run, "checkpoints": run,
             "patch_media": run}  # fmt: skip
    tree = sft_tree(shipped("quickstart.yaml", *words), **paths)
    assert tree.data.micro_batch_size_per_gpu == micro
    assert tree.data.train_batch_size == batch
    with pytest.raises(UserError, match=rf"sft\.batch_size={batch} cannot be shared by 7 ranks"):
        sft_tree(shipped("quickstart.yaml", *words, "hardware.nodes=7"), **paths)


@pytest.mark.parametrize(
    ("key", "unknown"),
    [
        ("actor_rollout_ref.actor.optim.lrr", "actor_rollout_ref.actor.optim.lrr"),
        ("actor_rollout_ref.actr.lr", "actor_rollout_ref.actr"),
        ("trainr.nnodes", "trainr"),
    ],
)
def test_an_unknown_verl_key_is_named(key, unknown):
    with pytest.raises(UserError, match=rf"^verl: .* not in struct full_key: {unknown} "):
        compose(shipped("quickstart.yaml", f"verl.{key}=1"))


def test_a_plus_adds_what_only_verls_dataclass_knows(tmp_path):
    from ffr.train.verl.validate import validate_grpo

    key = "actor_rollout_ref.rollout.enable_rollout_routing_replay"
    with pytest.raises(UserError, match="enable_rollout_routing_replayy"):
        compose(shipped("quickstart.yaml", f"verl.{key}y=true"))
    layer = tmp_path / "plus.yaml"
    layer.write_text("verl: {actor_rollout_ref: {rollout: {+enable_prefix_caching: false, "
                     "+disable_log_stats: false}}}\n")  # fmt: skip
    config = load_config([CONFIGS / "quickstart.yaml", layer])
    tree = compose(config)
    validate_grpo(tree)
    assert tree.actor_rollout_ref.rollout.enable_prefix_caching is False

    words = [str(CONFIGS / "quickstart.yaml"), "verl.+actor_rollout_ref.rollout.no_such_field=1"]
    paths, overrides = split_words(words)
    tree = compose(load_config(paths, overrides))
    assert tree.actor_rollout_ref.rollout.no_such_field == 1
    with pytest.raises(UserError, match=r"verl refuses the configuration: .*no_such_field"):
        validate_grpo(tree)


def test_verls_own_complaint_is_passed_on():
    from ffr.train.verl.validate import validate_grpo

    tree = compose(shipped("quickstart.yaml", "grpo.questions_per_step=3",
                           "hardware.devices_per_node=2", "grpo.group_size=3"))  # fmt: skip
    with pytest.raises(UserError, match=r"real_train_batch_size \(9\) must be divisible"):
        validate_grpo(tree)


@pytest.mark.parametrize(
    "setting",
    [
        "algorithm.use_kl_in_reward=true", "algorithm.adv_estimator=rloo",
        "algorithm.norm_adv_by_std_in_grpo=false", "algorithm.+filter_groups.enable=true",
        "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        "trainer.v1.trainer_mode=separate_async", "trainer.v1.sampler.custom_sampler.name=x",
        "actor_rollout_ref.rollout.n=4", "+reward.custom_reward_function.path=x.py",
    ],
)  # fmt: skip
def test_a_verl_key_without_effect_here_is_refused(setting):
    """Advantages, mini-batches and the queue are ours: such a key would be ignored silently."""
    key = setting.partition("=")[0].replace("+", "")
    with pytest.raises(UserError, match=rf"verl\.{key}"):
        compose(shipped("quickstart.yaml", f"verl.{setting}"))


def test_sft_composes_with_its_own_block():
    from ffr.train.verl.compose import sft_tree

    run = Path("/nowhere")
    places = {"model": run, "records": run, "media_root": run, "run_dir": run, "checkpoints": run}
    config = shipped("quickstart.yaml", "verl.sft.optim.lr=3e-3")
    tree = sft_tree(config, **places)
    assert tree.optim.lr == 3e-3
    assert tree.data.ffr.schedule_steps == config.sft.schedule_steps
    assert tree.trainer.total_training_steps == config.sft.steps
    assert compose(config).actor_rollout_ref.actor.optim.lr == 1e-4
    with pytest.raises(UserError, match=r"optim\.lrr"):
        sft_tree(shipped("quickstart.yaml", "verl.sft.optim.lrr=1"), **places)


@pytest.mark.parametrize("name", ["quickstart.yaml", "ffr_qwen2_5_vl_7b.yaml"])
def test_a_dry_run_shows_tree_budget_and_command(name, capsys):
    from ffr.train.dry_run import dry_run

    dry_run(shipped(name), f"ffr-train configs/{name}")
    said = capsys.readouterr().out
    assert said.index("# configuration") < said.index("# verl tree of stage grpo")
    assert said.index("# budget (upper bounds)") < said.index("# command")
    assert said.endswith(f"# command\nffr-train configs/{name}\n")
    assert "group_size: 8" in said
    assert "ffr_sync" in said
    assert ("# verl tree of stage sft" in said) == (name == "quickstart.yaml")


def test_a_dry_run_for_machines(capsys):
    from ffr.train.dry_run import dry_run

    config = shipped("quickstart.yaml")
    dry_run(config, "the command", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["command"] == "the command"
    assert RunConfig.model_validate_json(json.dumps(shown["config"])) == config
    assert shown["verl"]["grpo"]["actor_rollout_ref"]["rollout"]["n"] == 8
    assert shown["budget"]["rows_per_question"] == 12


def test_a_raised_number_of_steps_goes_on_and_evaluates_again(tmp_path, monkeypatch):
    """``grpo.steps`` may change in a run folder: then nothing of the old end may stay."""
    from ffr.train import stages as module
    from ffr.train.checkpoints import seal, step_folder
    from ffr.train.prepare import Inputs
    from ffr.train.stage_state import StageState

    test = tmp_path / "test.jsonl"
    test.write_text("{}\n{}\n")
    inputs = Inputs(media_root=tmp_path, store=tmp_path, sft=None, train=test, validation=None,
                    test=test, skipped_rows=0)  # fmt: skip
    started: list[list[str]] = []

    def process(arguments: list[str], **_more: Any) -> None:
        started.append(arguments)
        folder = Path(arguments[2])
        if arguments[1] == "ffr.evaluate.main":
            (folder / "eval").mkdir(exist_ok=True)
            for job in arguments[3:]:
                table = {"all": {"accuracy": 0.5, "n": 2.0, "skipped": 0.0}}
                (folder / "eval" / f"{job.partition('=')[0]}.json").write_text(json.dumps(table))
            return
        tree = OmegaConf.load(folder / "verl" / "grpo.yaml")
        checkpoints = Path(tree.trainer.default_local_dir)
        steps = tree.trainer.total_training_steps
        step_folder(checkpoints, steps).mkdir(parents=True)
        seal(checkpoints, steps)

    monkeypatch.setattr(module, "run_stage_process", process)

    def launch(*overrides: str) -> list[str]:
        started.clear()
        config = shipped("quickstart.yaml", "stages=[grpo, eval]", *overrides)
        folder = RunFolder.create(tmp_path / "run", dump_config(config))
        stages = module.Stages(config, folder, inputs, StageState(folder.path / "stages.json"),
                               None, "auto")  # fmt: skip
        stages.grpo(tmp_path / "model")
        stages.evaluate_all(start=tmp_path / "model")
        return [" ".join([a[1], *(job.partition("=")[0] for job in a[3:])]) for a in started]

    train, evaluation = "ffr.train.verl.grpo_main", "ffr.evaluate.main"
    everything = f"{evaluation} before after patched_before patched_after"
    assert launch("grpo.steps=4") == [train, everything]
    assert launch("grpo.steps=4") == []
    assert launch("grpo.steps=6") == [train, f"{evaluation} after patched_after"]
    assert launch("grpo.steps=6", "eval.limit=1") == [everything]
    with pytest.raises(UserError, match=r"step 6, past grpo\.steps=5"):
        launch("grpo.steps=5")
