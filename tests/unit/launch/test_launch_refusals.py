"""What cannot be launched is refused before anything is written, with the fix."""

import pytest

from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.errors import UserError
from ffr.run.same_config import may_change

SKY = ("hardware.nodes=2", "launch.sky.volumes={/runs: disk}")


@pytest.mark.parametrize(
    ("launcher", "overrides", "said"),
    [
        ("local", ["hardware.nodes=2"], "set it to 1"),
        ("slurm", ["hardware.platform=cpu"], "platform=cpu"),
        ("slurm", ["hardware.nodes=2", "stages=[sft, grpo]"], "stages=[sft]"),
        ("ray", ["launch.teacher={}"], "launch.teacher is for slurm"),
        ("slurm", ["launch.teacher={}", "teacher.kind=none"], "kind='none'"),
        ("slurm", ["launch.teacher={tensor_parallel: 3}"], "divisor of 8"),
        ("sky", [*SKY], "give --output a place there"),
        ("sky", [*SKY, "output=/runs2/x"], "give --output a place there"),
        ("sky", ["launch.sky.managed=true"], "outlives a preemption"),
        ("local", ["launch.templates=nowhere"], "not a folder"),
    ],
)
def test_refused(plan, launcher, overrides, said):
    with pytest.raises(UserError, match=said.replace("[", r"\[").replace("]", r"\]")):
        plan(launcher, *overrides)


def test_a_folder_no_directive_can_hold(plan):
    with pytest.raises(UserError, match="#SBATCH"):
        plan("slurm", folder="/shared/my folder")


@pytest.mark.parametrize(
    "override",
    [
        "launch.slurm.partition='gpu\n#SBATCH --uid=0'",
        'launch.slurm.partition="a; rm"',
        "launch.slurm.time=forever",
        "launch.slurm.options=[reservation=x]",
        'launch.workdir="/a\\nb"',
        "launch.environment={'A B': x}",
        "launch.sky.secrets=[sk-123]",
        'launch.ray.address="http://x; rm -rf"',
    ],
)
def test_values_that_would_not_stay_in_their_line(plan, override):
    with pytest.raises(UserError):
        plan("slurm", override)


def test_keys_are_refused_and_not_repeated(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("student: {path: x}\nlaunch: {environment: {HF_TOKEN: hf_secretvalue}}\n")
    with pytest.raises(UserError, match="HF_TOKEN") as caught:
        load_config([path])
    assert "hf_secretvalue" not in str(caught.value)


def test_a_users_template_wins(plan, tmp_path):
    (tmp_path / "local.sh.j2").write_text("#!/bin/sh\necho {{ config.name | sh }}\n")
    made = plan("local", f"launch.templates={tmp_path}")
    assert made.files["local.sh"] == "#!/bin/sh\necho ffr_qwen3_vl_8b\n"
    assert plan("ray", f"launch.templates={tmp_path}").files["ray.sh"].startswith("#!/usr/bin/env")


@pytest.mark.parametrize("text", ["{{ nothing_of_the_kind }}", "{% if %}"])
def test_a_faulty_template_is_named(plan, tmp_path, text):
    (tmp_path / "local.sh.j2").write_text(text)
    with pytest.raises(UserError, match=r"local\.sh\.j2"):
        plan("local", f"launch.templates={tmp_path}")


def test_a_run_may_go_on_from_another_launcher(tmp_path):
    assert may_change("launch.slurm.partition")
    assert may_change("launch.teacher")
    path = tmp_path / "run.yaml"
    path.write_text("student: {path: x}\n")
    assert load_config([path]).launch == RunConfig.model_fields["launch"].default
