"""Every preset with every launcher: what is written, and that shellcheck finds nothing in it.

After a wanted change: `FFR_UPDATE_SNAPSHOTS=1 pytest tests/unit/launch`, then read the diff.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ffr.config.load import load_config
from ffr.launch.plan import LAUNCHERS

ROOT = Path(__file__).parents[3]
SNAPSHOTS = Path(__file__).parent / "snapshots"
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
VARIANTS = {
    "slurm_with_teacher": (
        "slurm", "hardware.nodes=4", "launch.teacher={nodes: 2, tensor_parallel: 4}",
        "launch.setup=[module load cuda, . .venv/bin/activate]",
        "launch.environment={NCCL_SOCKET_IFNAME: ib0}",
        "launch.slurm={partition: gpu, account: vlm, cpus_per_node: 96}",
        "launch.slurm.options=[--reservation=a]",
    ),
    "sky_on_two_nodes": (
        "sky", "hardware.nodes=2", "output=/runs/x", "launch.sky.volumes={/runs: ffr-runs}",
        "launch.sky.secrets=[VLLM_API_KEY]", "launch.sky.infra=kubernetes",
    ),
}  # fmt: skip


def presets() -> list[tuple[str, str]]:
    found = []
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())
        if "hardware" in raw and "processes" not in raw:
            on_cpu = raw["hardware"].get("platform") == "cpu"
            found += [(path.stem, x) for x in (("local",) if on_cpu else LAUNCHERS)]
    return found


def scripts(plan) -> dict[str, str]:
    return {name: text for name, text in plan.files.items() if name != "config.yaml"}


def compare(name: str, plan) -> None:
    text = "".join(f"=== {file}\n{content}" for file, content in scripts(plan).items())
    text += f"=== submitted with\n{' '.join(plan.submit)}\n"
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("FFR_UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert path.is_file(), f"no snapshot of {name}; see the top of {__file__}"
    assert text == path.read_text()


def check_shell(plan, folder: Path) -> None:
    files = [folder / name for name in scripts(plan) if not name.endswith(".yaml")]
    for file in files:
        file.write_text(plan.files[file.name])
    # SC1091: it cannot follow what the user's own setup lines source.
    done = subprocess.run(
        [SHELLCHECK, "--shell=bash", "--exclude=SC1091", *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("preset", "launcher"), presets())
def test_a_presets_scripts(plan, tmp_path, preset, launcher):
    made = plan(launcher, preset=preset)
    compare(f"{preset}-{launcher}", made)
    check_shell(made, tmp_path)


@pytest.mark.parametrize("name", VARIANTS)
def test_scripts_with_more_to_do(plan, tmp_path, name):
    launcher, *overrides = VARIANTS[name]
    made = plan(launcher, *overrides)
    compare(name, made)
    check_shell(made, tmp_path)


def test_the_paper_preset_is_among_them():
    assert ("ffr_qwen2_5_vl_7b", "slurm") in presets()
    assert ("quickstart", "local") in presets()


def test_the_resolved_configuration_is_the_run_itself(plan, tmp_path):
    made = plan("slurm", "grpo.steps=7")
    made = type(made)(tmp_path / "here", made.files, made.submit)
    written = {path.name: path for path in made.write()}
    config = load_config([written["config.yaml"]])
    assert config.grpo.steps == 7
    assert config.output == "runs/ffr_qwen3_vl_8b"


def test_a_served_teacher_gets_a_key_of_its_own(plan, tmp_path):
    made = plan("slurm", "launch.teacher={}", "teacher.api_key_env=OPENAI_API_KEY")
    path = tmp_path / "config.yaml"
    path.write_text(made.files["config.yaml"])
    assert load_config([path]).teacher.api_key_env == "VLLM_API_KEY"
    assert "OPENAI_API_KEY" not in made.files["job.sbatch"]


def test_sky_yaml_means_what_was_set(plan):
    made = plan(*VARIANTS["sky_on_two_nodes"])
    task = yaml.safe_load(made.files["sky.yaml"])
    assert task["num_nodes"] == 2
    assert task["resources"]["accelerators"] == "H100:8"
    assert task["secrets"] == {"VLLM_API_KEY": None}
    assert task["volumes"] == {"/runs": "ffr-runs"}


def test_hostile_values_stay_values(plan, tmp_path):
    nasty = "a'b\"; touch pwned; $(touch pwned) `touch pwned`"
    made = plan(
        "local", f"launch.workdir={json.dumps(nasty)}",
        f"launch.environment={{EVIL: {json.dumps(nasty)}}}", "teacher.kind=none",
    )  # fmt: skip
    script = made.files["local.sh"].replace("exec ffr-train", 'printf "%s" "$EVIL" #')
    (tmp_path / nasty).mkdir()
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == nasty
    assert not list(tmp_path.rglob("pwned"))
