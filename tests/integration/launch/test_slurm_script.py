"""The batch script itself, run by bash with stand-ins for the cluster's own commands.

`srun`, `scontrol`, `ray` and the programs of this project write down how they were called; what
is tested is the script's order, its signals and its exit code.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ffr.config.load import load_config
from ffr.launch.plan import make_plan

ROOT = Path(__file__).parents[3]
NOTE = 'echo "$(basename "$0") $*" >> "$LOG"\n'
STAND_INS = {
    "scontrol": NOTE + 'if [ "$1" = show ]; then printf "n%s\\n" 1 2 3; fi\n',
    "srun": NOTE + 'while [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
    "ray": NOTE + '[ "$1" = health-check ] || exec sleep 60\n',
    "vllm": NOTE + 'echo "key ${#VLLM_API_KEY}" >> "$LOG"\nexec sleep 60\n',
    "ffr": NOTE + 'exit "${READY:-0}"\n',
    # Like the real one: SIGTERM ends it in an orderly way, with 130.
    "ffr-train": NOTE + 'trap "kill %1; exit 130" TERM\nsleep "${TRAIN_S:-0}" &\nwait\n'
    'exit "${TRAIN_CODE:-0}"\n',
    "hostname": "echo 10.0.0.1 10.0.0.2\n",
}


@pytest.fixture
def job(tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in STAND_INS.items():
        (programs / name).write_text("#!/usr/bin/env bash\n" + body)
        (programs / name).chmod(0o755)
    config = load_config(
        [ROOT / "configs" / "ffr_qwen3_vl_8b.yaml"], ["hardware.nodes=2", "launch.teacher={}"]
    )
    plan = make_plan(config, "slurm", folder=tmp_path / "job", workdir=tmp_path)
    plan.write()
    log = tmp_path / "log"
    log.touch()

    def start(**variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(plan.folder / "job.sbatch")], text=True, stderr=subprocess.PIPE,
            start_new_session=True,
            env={"PATH": f"{programs}:{os.environ['PATH']}", "LOG": str(log), "SLURM_JOB_ID": "7",
                 "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_CPUS_ON_NODE": "96", "SLURM_PROCID": "0",
                 **variables},
        )  # fmt: skip

    return start, log


def ended(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(timeout=120)
    finally:  # as a batch system does at a job's end: nothing of it stays
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def until(log: Path, text: str) -> None:
    for _ in range(1200):
        if text in log.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} never came:\n{log.read_text()}")


def test_everything_is_up_before_training_starts(job):
    start, log = job
    assert ended(start()) == 0
    calls = log.read_text().splitlines()
    train = next(i for i, call in enumerate(calls) if call.startswith("ffr-train"))
    before = calls[:train]
    assert "ffr launch await-ray 10.0.0.1:6379 --nodes 2 --devices 16 --wait-s 600" in before
    assert any(
        "await-teacher" in c and "teacher.base_url=http://n3:8000/v1" in c for c in before
    )
    assert calls[train].endswith("config.yaml teacher.base_url=http://n3:8000/v1")
    head = next(c for c in calls if c.startswith("srun") and "ray start --head" in c)
    assert "--cpus-per-task=96" in head
    assert "--nodelist=n1 " in head
    assert not any("requeue" in call for call in calls)


def test_the_teacher_is_served_on_its_node_with_a_fresh_key(job):
    start, log = job
    process = start(TRAIN_S="60")
    until(log, "key 32")
    until(log, "ffr-train")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 130
    calls = log.read_text()
    assert "--nodelist=n3 bash" in calls
    assert "vllm serve Qwen/Qwen3-VL-32B-Instruct --host 0.0.0.0 --port 8000" in calls
    assert "requeue" not in calls  # cancelled jobs stay cancelled


def test_the_time_limit_stops_the_run_and_queues_it_again(job):
    start, log = job
    process = start(TRAIN_S="60")
    until(log, "ffr-train")
    process.send_signal(signal.SIGUSR1)
    assert ended(process) == 130
    assert log.read_text().splitlines()[-1] == "scontrol requeue 7"


def test_it_is_not_queued_for_ever(job):
    start, log = job
    process = start(TRAIN_S="60", SLURM_RESTART_COUNT="50")
    until(log, "ffr-train")
    process.send_signal(signal.SIGUSR1)
    assert ended(process) == 130
    assert "requeue" not in log.read_text()


def test_a_teacher_that_is_not_ready_ends_the_job_before_step_0(job):
    start, log = job
    assert ended(start(READY="2")) == 2
    assert "ffr-train" not in log.read_text()


def test_a_failed_run_keeps_its_exit_code(job):
    start, log = job
    assert ended(start(TRAIN_CODE="1")) == 1
    assert "requeue" not in log.read_text()
