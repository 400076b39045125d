"""Does repair teach more? The arms of the learning comparison, over seeds, in one table.

Every arm starts from the same SFT checkpoint and is a run of ``ffr-train`` on
``configs/quickstart.yaml`` with a few overrides; saved checkpoints are then evaluated on
held-out questions without patches.  Finished runs and evaluations are kept, so the script
goes on where it stopped::

    python benchmarks/learning.py --jobs 2          # run what is missing, then print
    python benchmarks/learning.py --only-table      # print what there is
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

EVERY = 30
"""Steps between two evaluated checkpoints."""
STEPS = 2 * EVERY
"""Length of the comparison: half way and after."""
PLAIN_STEPS = 3 * EVERY
"""Plain GRPO runs longer, so that it can be read off at the seconds the other arms took."""

_PAPER = ("repair.when=always", "repair.max_per_question=null", "repair.train_context=patched",
          "advantage.groups=joint")
ARMS: dict[str, tuple[str, ...]] = {
    "plain": ("teacher.kind=none", "advantage.groups=joint", "repair.train_context=patched"),
    "plain_low": ("teacher.kind=none", "advantage.groups=joint", "repair.train_context=patched",
                  "grpo.lr=5e-5"),
    "plain_more": ("teacher.kind=none", "advantage.groups=joint", "repair.train_context=patched",
                   "grpo.group_size=14"),
    "paper": _PAPER,
    "paper_guarded": (*_PAPER, "repair.improvement_guard=always"),
    "split": (*_PAPER[:3], "advantage.groups=split"),
    "split_auto": (*_PAPER[:2], "repair.train_context=auto", "advantage.groups=split"),
    "no_signal": (),
}
PLAIN = ("plain", "plain_low")
"""The arms that run longer."""
TITLES = {
    "plain": "plain GRPO, G = 8",
    "plain_low": "plain GRPO, G = 8, half the learning rate",
    "plain_more": "plain GRPO, G = 14",
    "paper": "FFR as in the paper (joint)",
    "paper_guarded": "joint, repaired only when better",
    "split": "FFR, split groups",
    "split_auto": "split + observability gate",
    "no_signal": "the same, only groups without a right answer (quickstart)",
}


@dataclass(frozen=True)
class Job:
    """One arm with one seed."""

    root: Path
    arm: str
    seed: int

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.root / f"{self.arm}-s{self.seed}"

    @property
    def steps(self) -> int:
        """How long it trains."""
        return PLAIN_STEPS if self.arm in PLAIN else STEPS


def ffr_train(*words: str, log: Path) -> None:
    """Run ``ffr-train configs/quickstart.yaml`` with overrides; raises when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            [sys.executable, "-m", "ffr", "train", "configs/quickstart.yaml", *words],
            stdout=output, stderr=output, check=True,
        )


def prepare(root: Path, tests: int) -> Path:
    """The demo world and the common SFT checkpoint; returns the checkpoint folder."""
    run = root / "sft"
    state = run / "stages.json"
    if not (state.is_file() and json.loads(state.read_text())["stages"].get("sft", {}).get("done")):
        ffr_train("stages=[sft]", f"data.demo.test={tests}", f"data.demo.path={root / 'world'}",
                  "--output", str(run), log=root / "logs" / "sft.log")
    return Path(json.loads(state.read_text())["stages"]["sft"]["model"])


def train(job: Job, start: Path, tests: int) -> None:
    """Train one arm with one seed, if that is not done yet."""
    state = job.folder / "stages.json"
    if state.is_file() and json.loads(state.read_text())["stages"].get("grpo", {}).get("done"):
        return
    print(f"training {job.arm} seed {job.seed}", flush=True)
    ffr_train(
        "stages=[grpo]", "student.tiny=null", f"student.path={start}", f"seed={job.seed}",
        f"data.demo.test={tests}", f"data.demo.path={job.root / 'world'}",
        f"store.path={job.root / 'patches'}", f"grpo.steps={job.steps}",
        f"grpo.save_every={EVERY}", "grpo.keep_checkpoints=100", *ARMS[job.arm],
        "--output", str(job.folder), log=job.root / "logs" / f"{job.folder.name}.log",
    )


def evaluate(root: Path, jobs: list[Job], start: Path) -> None:
    """Evaluate every checkpoint that has no result yet, in this process."""
    from ffr.config.load import load_config
    from ffr.data.question import Question
    from ffr.demo.server import DemoTeacherServer
    from ffr.evaluate.checkpoint import open_student
    from ffr.evaluate.evaluator import evaluate as answer_all
    from ffr.evaluate.evaluator import protocol_of_run
    from ffr.evaluate.single_pass import SinglePass
    from ffr.patches.store import PatchStore
    from ffr.teacher.build import build_teacher

    config = load_config(
        [Path("configs/quickstart.yaml")],
        ["student.tiny=null", f"student.path={start}", f"store.path={root / 'patches'}"],
    )
    world = root / "world"
    text = (world / "test.jsonl").read_text(encoding="utf-8")
    questions = [Question.model_validate_json(line) for line in text.split("\n") if line]
    visible = [q for q in questions if q.family == "visible"]
    hidden = [q for q in questions if q.family != "visible"]
    wanted = [(start, root / "sft" / "learning.json", True)]
    for job in jobs:
        for step in range(EVERY, job.steps + 1, EVERY):
            folder = job.folder / "checkpoints" / "grpo" / f"global_step_{step}"
            wanted.append((folder / "actor" / "huggingface", job.folder / f"learning_{step}.json",
                           step == STEPS))
    wanted = [(m, out, patched) for m, out, patched in wanted
              if (m / "config.json").is_file() and not out.is_file()]
    if not wanted:
        return

    async def run(base_url: str) -> None:
        for model, out, patched in wanted:
            student = open_student(
                config.student, model, world, batch_size=100, device="cpu",
                patch_media=PatchStore(root / "patches").media, frame_cache=root / "frames",
            )
            result: dict[str, Any] = {}
            teacher = build_teacher(
                config.teacher, config.store, store_dir=root / "patches", media_root=world,
                base_url=base_url,
            )
            try:
                for name, group, with_patch in (
                    ("plain", visible, False), ("hidden", hidden, False),
                    ("patched", [*visible[:100], *hidden[:100]], True),
                ):
                    if with_patch and not patched:
                        continue
                    asker = SinglePass(
                        student.renderer, student.source, protocol_of_run(config).sampling,
                        teacher if with_patch else None, exclusive=True,
                    )
                    rows = await answer_all(
                        group, asker, protocol_of_run(config), batch_size=100, at_once=2
                    )
                    right = [bool(row.right) for row in rows if row.right is not None]
                    result[name] = sum(right) / len(right)
                    result[f"n_{name}"] = len(right)
            finally:
                await teacher.aclose()
            out.write_text(json.dumps(result))
            print(f"evaluated {out.parent.name} {out.stem}: {result}", flush=True)

    with DemoTeacherServer() as server:
        asyncio.run(run(server.base_url))


def evaluate_apart(job: Job, tests: int) -> None:
    """Evaluate one job's checkpoints in a process of its own."""
    subprocess.run(
        [sys.executable, __file__, "--evaluate-only", "--root", str(job.root),
         "--tests", str(tests), "--arms", job.arm, "--seeds", str(job.seed)], check=True,
    )


def _metrics(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    steps = {line["step"]: line for line in lines if "accuracy/first_pass" in line}
    return [steps[step] for step in sorted(steps)]


def table(root: Path, jobs: list[Job]) -> str:
    """The comparison as Markdown: equal steps, equal sequences, equal seconds."""
    first = json.loads((root / "sft" / "learning.json").read_text())
    out = [f"{first['n_plain']} held-out visible questions without patches; start "
           f"{first['plain']:.3f}, with patch {first['patched']:.3f}", "",
           f"| arm | seeds | {EVERY} steps | {STEPS} steps | with patch, {STEPS} | sequences | "
           "seconds | repair success, first → last 20 steps | asked per rollout, first → last 20 |",
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    seconds_of: dict[str, float] = {}
    for arm in ARMS:
        last = f"learning_{STEPS}.json"
        done = [j for j in jobs if j.arm == arm and (j.folder / last).is_file()]
        if not done:
            continue
        cells = []
        for step in (EVERY, STEPS):
            files = [j.folder / f"learning_{step}.json" for j in done]
            cells.append(_spread([json.loads(f.read_text())["plain"] for f in files]))
        patched = [json.loads((j.folder / last).read_text())["patched"] for j in done]
        metrics = [_metrics(j.folder)[:STEPS] for j in done]
        sequences = statistics.mean(sum(m["generated/sequences"] for m in run) for run in metrics)
        seconds = statistics.mean(sum(m["timing_s/step"] for m in run[1:]) for run in metrics)
        seconds_of[arm] = seconds
        out.append(
            f"| {TITLES[arm]} | {len(done)} | {' | '.join(cells)} | {_spread(patched)} | "
            f"{sequences:.0f} | {seconds:.0f} | {_ends(metrics, 'repair/success_rate')} | "
            f"{_ends(metrics, 'repair/intervention_ratio')} |"
        )
    out += ["", *_equal_seconds(jobs, seconds_of)]
    return "\n".join(out)


def _equal_seconds(jobs: list[Job], seconds_of: dict[str, float]) -> list[str]:
    """Plain GRPO read off at the seconds each other arm took for its steps."""
    lines = []
    for arm, seconds in seconds_of.items():
        for baseline in PLAIN:
            runs = [j for j in jobs if j.arm == baseline and (j.folder / "summary.json").is_file()]
            values = [v for j in runs if (v := _accuracy_at(j, seconds)) is not None]
            if values and arm not in PLAIN:
                lines.append(f"- {TITLES[baseline]}, after the {seconds:.0f} s of "
                             f"“{TITLES[arm]}”: {_spread(values)}")
    return lines


def _accuracy_at(job: Job, seconds: float) -> float | None:
    """Accuracy at a time, between the evaluated checkpoints around it; None beyond the last."""
    metrics, elapsed, before = _metrics(job.folder), 0.0, None
    start = json.loads((job.root / "sft" / "learning.json").read_text())["plain"]
    points = [(0.0, start)]
    for index, line in enumerate(metrics, start=1):
        elapsed += line["timing_s/step"] if index > 1 else 0.0
        path = job.folder / f"learning_{index}.json"
        if path.is_file():
            points.append((elapsed, json.loads(path.read_text())["plain"]))
    for time_s, value in points:
        if time_s >= seconds:
            if before is None:
                return float(value)
            share = (seconds - before[0]) / (time_s - before[0])
            return float(before[1] + share * (value - before[1]))
        before = (time_s, value)
    return None


def _spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


def _ends(metrics: list[list[dict[str, Any]]], key: str) -> str:
    def mean(lines: list[dict[str, Any]]) -> float | None:
        found = [line[key] for line in lines if isinstance(line.get(key), int | float)]
        return statistics.mean(found) if found else None

    first = [m for run in metrics if (m := mean(run[:20])) is not None]
    last = [m for run in metrics if (m := mean(run[-20:])) is not None]
    if not first or not last:
        return "–"
    return f"{statistics.mean(first):.2f} → {statistics.mean(last):.2f}"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("runs/learning"))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--tests", type=int, default=800, help="test questions in the world")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--evaluate-only", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    root = given.root.resolve()
    jobs = [Job(root, arm, seed) for seed in given.seeds for arm in given.arms]
    if not given.only_table:
        start = prepare(root, given.tests)
        if given.evaluate_only:
            evaluate(root, jobs, start)
            return
        evaluate(root, [], start)
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(lambda job: train(job, start, given.tests), jobs))
            list(pool.map(partial(evaluate_apart, tests=given.tests), jobs))
    text = table(root, jobs)
    (root / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
