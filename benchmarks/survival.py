"""What a run survives: real kills and a real full disk, then the same command once more.

Each case trains a small student with GRPO and repair through the command a user types, breaks
something after a step, notes how the run ended and what it said, and starts it again:

- ``worker``: SIGKILL to the process that trains;
- ``node``: SIGKILL to one of two Ray nodes with everything on it, which then comes back;
- ``teacher``: SIGKILL to the teacher's server, which stays dead;
- ``disk``: a small file system is filled up between two checkpoints, then freed (Linux with user
  namespaces, or root: the file system is a tmpfs of this process alone).

    python benchmarks/survival.py [worker node teacher disk] [--model FOLDER] [--place FOLDER]

A line a case: how the first launch ended and its last words, the last whole checkpoint at that
moment, where the second launch went on and how it ended. Exit code 1 when anything finished was
lost or nothing clear was said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ffr.train.checkpoints import latest_step

PATIENCE_S = 3600.0
STEPS = 4
FRAMES = {"count": 8, "exact_size": [32, 32], "size_multiple": 16, "patch_exact_size": [32, 32]}
CONFIG: dict[str, Any] = {
    "name": "survival", "seed": 3, "stages": ["grpo"],
    "student": {"frames": FRAMES, "prompt": {"style": "compact", "ask_keyframes": True},
                "max_prompt_tokens": 512, "max_response_tokens": 40, "dtype": "float32"},
    "sft": {"steps": 40, "batch_size": 16, "micro_batch_size": 16, "lr": 2e-3,
            "schedule_steps": 80},
    "grpo": {"steps": STEPS, "questions_per_step": 4, "group_size": 4, "lr": 1e-4,
             "schedule": "constant", "weight_decay": 0.0, "kl_coef": 0.0, "micro_batch_size": 8,
             "save_every": 1, "keep_checkpoints": 2},
    "repair": {"when": "always", "train_context": "auto"},
    "advantage": {"groups": "split"},
    "teacher": {"kind": "demo", "concurrency": 4},
    "hardware": {"platform": "cpu", "devices_per_node": 1, "rollout": "transformers",
                 "rollout_workers": 1, "threads": 1},
}  # fmt: skip


@dataclass
class Place:
    """A folder with the demo world and the checkpoint that cases start from."""

    folder: Path
    model: Path

    def config(self, name: str, **sections: dict[str, Any]) -> Path:
        """Write a case's configuration."""
        world = {"sft": 96, "train": 24, "validation": 4, "test": 16,
                 "path": str(self.folder / "world")}  # fmt: skip
        tree = {**CONFIG, "name": name, "data": {"demo": world}}
        for section, values in sections.items():
            tree[section] = {**tree[section], **values}
        tree["student"] = {**tree["student"], "path": str(self.model)}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path


@dataclass
class Launch:
    """One call of ``ffr-train`` in the background."""

    config: Path
    run: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.run.parent.mkdir(parents=True, exist_ok=True)
        self._said = Path(f"{self.config}.{time.time_ns()}.out")
        with self._said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ffr", "train", str(self.config), "--output", str(self.run)],
                stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **self.environment},
            )  # fmt: skip

    def wait_for_checkpoint(self, step: int) -> None:
        """Until that step is safe."""
        self._until(lambda: (latest_step(self.run / "checkpoints" / "grpo") or 0) >= step)

    def end(self) -> int:
        """Wait for the end; its exit code."""
        return self.process.wait(PATIENCE_S)

    @property
    def said(self) -> list[str]:
        """Its words, without progress, in lines."""
        lines = self._said.read_text(errors="replace").splitlines()
        return [line for line in lines if line.strip() and " · " not in line and "│" not in line]

    def _until(self, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not reached():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.terminate()
                self.process.wait()
                raise RuntimeError(f"the run ended before it could be broken: {self.said[-3:]}")
            time.sleep(0.05)


@dataclass
class Outcome:
    """What came of a case."""

    name: str
    code: int
    words: str
    safe: int
    resumed: str
    status: str
    steps: int

    @property
    def well(self) -> bool:
        """Whether it ended with words or went on, and nothing that was safe was repeated."""
        told = self.code == 0 or bool(self.words)
        went_on = self.code == 0 or f"resuming at step {self.safe}," in self.resumed
        return told and went_on and self.status == "ok" and self.steps == STEPS


def finish(name: str, first: Launch, again: Callable[[], Launch]) -> Outcome:
    """Let the first launch end, start the run once more, and see what both did."""
    code = first.end()
    words = next((x for x in first.said if " ended with code " in x or x.startswith("error")), "")
    safe = latest_step(first.run / "checkpoints" / "grpo") or 0
    second = again()
    second.end()
    resumed = next((line for line in second.said if "resuming at step" in line), "")
    summary = json.loads((first.run / "summary.json").read_text())
    # Not by metrics.jsonl: a kill between a checkpoint and its metrics line costs that line.
    steps = list((first.run / "rollouts").glob("step_*.jsonl"))
    return Outcome(name, code, words, safe, resumed, summary["status"], len(steps))


def worker(place: Place) -> Outcome:
    """Kill the process that trains."""
    config, run = place.config("worker"), place.folder / "worker"
    first = Launch(config, run)
    first.wait_for_checkpoint(2)
    for pid in descendants(first.process.pid, "ray::WorkerDict"):
        os.kill(pid, signal.SIGKILL)
    return finish("worker", first, lambda: Launch(config, run))


def node(place: Place) -> Outcome:
    """Kill one of two nodes."""
    config, run = place.config("node", hardware={"nodes": 2}), place.folder / "node"
    with two_nodes() as (cluster, victim):
        joined = {"RAY_ADDRESS": cluster.address}
        first = Launch(config, run, joined)
        first.wait_for_checkpoint(2)
        cluster.remove_node(victim, allow_graceful=False)

        def again() -> Launch:
            add_node(cluster)
            return Launch(config, run, joined)

        return finish("node", first, again)


def teacher(place: Place) -> Outcome:
    """Kill the teacher's server; training goes on without it."""
    config, run = place.config("teacher", teacher={"breaker_failures": 2}), place.folder / "teacher"
    first = Launch(config, run)
    first.wait_for_checkpoint(2)
    for pid in descendants(first.process.pid, "ffr.demo.server"):
        os.kill(pid, signal.SIGKILL)
    outcome = finish("teacher", first, lambda: Launch(config, run))
    summary = json.loads((run / "summary.json").read_text())
    outcome.words = f"no patch: {json.dumps(summary['repair']['no_patch'])}"
    return outcome


def disk(place: Place) -> Outcome:
    """Fill the file system of the run folder between two checkpoints."""
    if os.environ.get("FFR_SURVIVAL_DISK") != "1":  # a mount that only this process sees
        command = [sys.executable, *sys.argv[:1], "disk", "--json", "--place", str(place.folder),
                   "--model", str(place.model)]  # fmt: skip
        done = subprocess.run(
            ["/usr/bin/env", "unshare", "--map-root-user", "--mount", *command], check=False,
            env={**os.environ, "FFR_SURVIVAL_DISK": "1"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return Outcome(**json.loads(done.stdout.splitlines()[-1]))
    small = place.folder / "disk"
    small.mkdir(exist_ok=True)
    mount = ["/usr/bin/env", "mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(small)]
    subprocess.run(mount, check=True)
    config, run = place.config("disk"), small / "run"
    first = Launch(config, run)
    first.wait_for_checkpoint(2)
    ballast = small / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()

    def again() -> Launch:
        ballast.unlink()
        return Launch(config, run)

    return finish("disk", first, again)


CASES = {"worker": worker, "node": node, "teacher": teacher, "disk": disk}


@contextlib.contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """Two Ray nodes on this machine, one logical device each; and the one that may be killed."""
    from ray._common.utils import reset_ray_address
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    sizes = {"num_cpus": 14, "num_gpus": 1, "object_store_memory": 2**28}
    cluster = Cluster(initialize_head=True, head_node_args={**sizes, "include_dashboard": False})
    reset_ray_address()  # other runs of this machine must not take it for theirs
    try:
        yield cluster, add_node(cluster)
    finally:
        cluster.shutdown()


def add_node(cluster: Any) -> Any:
    """One more node; Ray gives a busy machine 30 s to start it, so three attempts."""
    for _ in range(2):
        with contextlib.suppress(Exception):  # Ray raises just that
            return cluster.add_node(num_cpus=14, num_gpus=1, object_store_memory=2**28)
    return cluster.add_node(num_cpus=14, num_gpus=1, object_store_memory=2**28)


def descendants(pid: int, words: str) -> list[int]:
    """Children and their children whose command line holds ``words``."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found, front = [], {pid}
    while front := {child for child, parent in parents.items() if parent in front}:
        for child in front:
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                found += [child] if words in line else []
    if not found:
        raise RuntimeError(f"no process {words!r} below {pid}")
    return found


def prepare(folder: Path, model: Path | None) -> Place:
    """The demo world, and a student that has learnt the answer format."""
    folder.mkdir(parents=True, exist_ok=True)
    if model is None:
        tree = {**CONFIG, "stages": ["sft"], "data": {"demo": {
            "sft": 96, "train": 24, "validation": 4, "test": 16, "path": str(folder / "world")}},
            "student": {**CONFIG["student"], "tiny": {"family": "qwen3_vl"}}}  # fmt: skip
        (folder / "sft.yaml").write_text(yaml.safe_dump(tree))
        launch = Launch(folder / "sft.yaml", folder / "sft")
        if launch.end():
            raise RuntimeError("\n".join(launch.said[-5:]))
        stages = json.loads((folder / "sft" / "stages.json").read_text())["stages"]
        model = Path(stages["sft"]["model"])
    return Place(folder, model)


def main() -> int:
    """Run the cases that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *CASES])
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: a short SFT")
    parser.add_argument("--place", type=Path, help="folder that stays; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = (options.place or Path(tempfile.mkdtemp(prefix="survival"))).resolve()
    place = prepare(folder, options.model)
    well = True
    for name in options.cases or CASES:
        outcome = CASES[name](place)
        well &= outcome.well
        if options.json:
            print(json.dumps(vars(outcome)), flush=True)
            continue
        print(f"{name}: {'survived' if outcome.well else 'NOT SURVIVED'}\n"
              f"  first launch: code {outcome.code}, safe up to step {outcome.safe}; "
              f"{outcome.words or 'said nothing'}\n"
              f"  second: {outcome.resumed or 'nothing was left to do'}; {outcome.status}, "
              f"{outcome.steps} of {STEPS} steps", flush=True)  # fmt: skip
    if options.place is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
