"""What a repair costs in time: one teacher latency a step, not one per failure.

Two short runs of ``ffr-train`` on the quickstart's configuration, every failure repaired
and nothing read from the store; they differ only in the latency of the teacher's server::

    ratio = step(L) / (step(0) + rounds x L)

where ``step(0)`` holds first pass, tools, second pass and update.  A third run without a
teacher gives the share of a step that is model work.

    python benchmarks/repair_overhead.py [--latency 2.0] [--steps 8]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

_FIRST = 3
"""Steps before this one warm caches and are not counted."""


def run(folder: Path, steps: int, *words: str) -> list[dict[str, Any]]:
    """Metrics of the counted steps of a run; trains it when the folder has none."""
    metrics = folder / "metrics.jsonl"
    if not (folder / "summary.json").is_file():
        subprocess.run(
            [sys.executable, "-m", "ffr", "train", "configs/quickstart.yaml",
             f"grpo.steps={steps}", f"grpo.save_every={steps}", *words, "--output", str(folder)],
            check=True,
        )
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [line for line in lines if "timing_s/step" in line and line["step"] >= _FIRST]


def _sft(folder: Path) -> Path:
    """The quickstart's SFT checkpoint, trained when the folder has none."""
    if not (folder / "summary.json").is_file():
        subprocess.run(
            [sys.executable, "-m", "ffr", "train", "configs/quickstart.yaml", "stages=[sft]",
             "--output", str(folder)], check=True,
        )
    return Path(json.loads((folder / "stages.json").read_text())["stages"]["sft"]["model"])


def main() -> None:
    """Run what is missing and print the ratios."""
    from ffr.demo.server import DemoTeacherServer

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("runs/repair_overhead"))
    parser.add_argument("--latency", type=float, default=2.0, help="of one request, seconds")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--model", type=Path, help="checkpoint to start from; default: train one")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENAI_API_KEY", "none")
    root = given.root.resolve()
    model = given.model.resolve() if given.model else _sft(root / "start")
    common = ("stages=[grpo]", "student.tiny=null", f"student.path={model}")
    live = (*common, "repair.when=always", "repair.max_per_question=null", "store.read=false",
            "teacher.kind=openai", "teacher.concurrency=64", "teacher.call_timeout_s=300",
            "teacher.deadline_s=600", "eval.with_patches=false")
    results: dict[float, list[dict[str, Any]]] = {}
    for latency in (0.0, given.latency):
        with DemoTeacherServer(latency_s=latency) as server:
            results[latency] = run(
                root / f"latency_{latency:g}", given.steps, *live,
                f"teacher.base_url={server.base_url}",
            )
    plain = run(root / "plain", given.steps, *common, "teacher.kind=none")

    def mean(latency: float, key: str) -> float:
        return statistics.mean(line[key] for line in results[latency])

    failures = mean(given.latency, "repair/asked")
    rounds = mean(given.latency, "teacher/calls") / mean(given.latency, "repair/teacher_calls")
    base, slow = mean(0.0, "timing_s/step"), mean(given.latency, "timing_s/step")
    one = base + rounds * given.latency
    print(f"{failures:.0f} failures a step, {rounds:.1f} requests a diagnosis, "
          f"{given.latency:g} s a request")
    print(f"step without latency {base:.2f} s, with {slow:.2f} s, one latency more {one:.2f} s")
    print(f"ratio {slow / one:.3f} (at most 1.1); one latency per failure would be "
          f"{(base + failures * rounds * given.latency) / one:.1f}")
    share = statistics.mean(line["perf/model_work_share"] for line in plain)
    print(f"model work in a step without repairs: {share:.2f} (at least 0.80)")


if __name__ == "__main__":
    main()
