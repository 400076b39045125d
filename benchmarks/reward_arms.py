"""What do the rewards of Video-R2 and RLER change? Arms over seeds on the demo world, in one table.

Every arm starts from the same SFT checkpoint and is a run of ``ffr-train`` with other rewards; the
last checkpoint then answers held-out questions greedily and by sampling. Finished runs and
evaluations are kept, so the script goes on where it stopped::

    python benchmarks/reward_arms.py --root runs/reward_arms --seeds 0 1 2
    python benchmarks/reward_arms.py --root runs/reward_arms --only-table
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = 400
"""Questions of the test split; 70 % of them about what the student can see."""
_GATED = (
    "reward.accuracy_weight=1", "reward.format_weight=1",
    "reward.components=[{name: frame_sensitive, weight: 0.2, gates: [accuracy, format]}, "
    "{name: think_transparency, weight: 0.3, gates: [accuracy]}, "
    "{name: anti_repetition, weight: 0.3}]",
)
_ALL = (
    "reward.components=[{name: tar, gates: [consistency]}, {name: inconsistency, weight: 0.5}, "
    "{name: frame_sensitive, weight: 0.2, gates: [accuracy, format]}, "
    "{name: think_transparency, weight: 0.3, gates: [accuracy]}, "
    "{name: anti_repetition, weight: 0.3}]",
    "reward.evidence={citation: times, length_high: 20}",
    "teacher.kind=demo", "repair.train_context=auto", "advantage.groups=split",
)
ARMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "outcome": ("video_r2_cpu", ("reward.components=[]",)),
    "tar": ("video_r2_cpu", ("reward.components=[{name: tar}]",)),
    "tar_gate": ("video_r2_cpu", ()),
    "rler": ("rler_cpu", ()),
    "rler_gated": ("rler_cpu", _GATED),
    "all": ("video_r2_cpu", _ALL),
}
TITLES = {
    "untrained": "before SFT",
    "start": "after SFT",
    "outcome": "GRPO, outcome only",
    "tar": "GRPO + TAR, no gate",
    "tar_gate": "GRPO + TAR · g, λ = 0.5",
    "rler": "GRPO + RLER, the paper's weights",
    "rler_gated": "GRPO + RLER, accuracy 1, length gated",
    "all": "repair (RIR) + TAR · g + RLER",
}
COLUMNS = {
    "visible": "visible right",
    "right": "all right",
    "strict": "TAC strict",
    "correct": "TAC correct",
    "precision": "citation precision",
    "cited": "cited units",
    "repetition": "repetition",
    "length": "think tokens",
    "vas_c": "VAS-C",
}


@dataclass(frozen=True)
class Job:
    """One arm with one seed."""

    root: Path
    arm: str
    seed: int
    steps: int

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.root / f"{self.arm}-s{self.seed}"

    @property
    def model(self) -> Path:
        """The checkpoint after the last step."""
        return (
            self.folder / "checkpoints" / "grpo" / f"global_step_{self.steps}"
            / "actor" / "huggingface"
        )


def ffr_train(config: str, *words: str, log: Path) -> None:
    """Run ``ffr-train configs/<config>.yaml`` with overrides; raises when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            [sys.executable, "-m", "ffr", "train", f"configs/{config}.yaml", *words],
            stdout=output, stderr=output, check=True,
        )


def start_model(root: Path) -> Path:
    """The demo world and the common SFT checkpoint."""
    run = root / "sft"
    state = run / "stages.json"
    if not (state.is_file() and json.loads(state.read_text())["stages"].get("sft", {}).get("done")):
        ffr_train("video_r2_cpu", "stages=[sft]", f"data.demo.test={TESTS}",
                  f"data.demo.path={root / 'world'}", "--output", str(run),
                  log=root / "logs" / "sft.log")
    return Path(json.loads(state.read_text())["stages"]["sft"]["model"])


def train(job: Job, start: Path) -> None:
    """Train one arm with one seed, if that is not done yet."""
    if (job.model / "config.json").is_file():
        return
    config, words = ARMS[job.arm]
    print(f"training {job.arm} seed {job.seed}", flush=True)
    ffr_train(
        config, "stages=[grpo]", "student.tiny=null", f"student.path={start}",
        f"seed={job.seed}", f"data.demo.test={TESTS}", f"data.demo.path={job.root / 'world'}",
        f"store.path={job.root / 'patches'}", f"grpo.steps={job.steps}",
        f"grpo.save_every={job.steps}", *words, "--output", str(job.folder),
        log=job.root / "logs" / f"{job.folder.name}.log",
    )


def evaluate(root: Path, models: Sequence[tuple[Path, Path]]) -> None:
    """Answer the test questions with each model that has no result yet, in this process."""
    from ffr.config.load import load_config
    from ffr.data.question import Question
    from ffr.evaluate.checkpoint import open_student
    from ffr.evaluate.evaluator import evaluate as answer_all
    from ffr.evaluate.evaluator import protocol_of_run
    from ffr.evaluate.single_pass import SinglePass

    text = (root / "world" / "test.jsonl").read_text(encoding="utf-8")
    questions = [Question.model_validate_json(line) for line in text.split("\n") if line]
    for model, out in models:
        if out.is_file() or not (model / "config.json").is_file():
            continue
        config = load_config(
            [Path("configs/video_r2_cpu.yaml")], ["student.tiny=null", f"student.path={model}"]
        )
        result: dict[str, Any] = {}
        for name, temperature, grey in (
            ("greedy", 0.0, False), ("sampled", 1.0, False), ("grey", 0.0, True)
        ):
            student = open_student(
                config.student, model, root / "world", batch_size=100, device="cpu",
                frame_cache=root / "frames",
            )
            renderer: Any = student.renderer
            sampling = protocol_of_run(config).sampling.model_copy(
                update={"temperature": temperature}
            )
            shown: Any = _Grey(renderer, config.student.frames) if grey else renderer
            asker = SinglePass(shown, student.source, sampling, exclusive=True)
            rows = asyncio.run(answer_all(
                questions, asker, protocol_of_run(config), batch_size=100, at_once=2
            ))  # fmt: skip
            pairs = [(q, row.response) for q, row in zip(questions, rows, strict=True)]
            result[name] = scores(pairs, renderer.processor.count_tokens)
        for column in ("greedy", "sampled"):
            result[column]["vas_c"] = result[column]["right"] - result["grey"]["right"]
        out.write_text(json.dumps(result))
        print(f"evaluated {model}: {result['greedy']}", flush=True)


class _Grey:
    """A renderer whose frames are all grey: what is left is not seen (VAS-C)."""

    def __init__(self, inner: Any, frames: Any) -> None:
        self._inner, self._frames = inner, frames

    async def question(self, asked: Any) -> Any:
        from student.counterfactual import grey_video, replace_videos

        prompt = await self._inner.question(asked)
        return replace_videos(prompt, lambda video: grey_video(video, self._frames))


def scores(pairs: Sequence[tuple[Any, str | None]], count_tokens: Any) -> dict[str, float]:
    """Accuracy, consistency, citations, repetition and length over (question, response)."""
    from ffr.config.rler import EvidenceConfig
    from rewards.accuracy import accuracy, is_right
    from rewards.components.context import RolloutContext
    from rewards.components.evidence import read_evidence
    from rewards.video_r2.tac import tac_report, tac_row
    from student.parse import parse_response
    from student.time_axis import TimeAxis

    axis = TimeAxis(tuple(0.5 + i for i in range(8)), 30.0, 8.0)
    right, visible, rows, readings = [], [], [], []
    for question, text in pairs:
        parsed = parse_response(text or "")
        worth = accuracy(parsed.answer, question)
        right.append(is_right(worth, question.answer_type))
        if question.family == "visible":
            visible.append(right[-1])
        rows.append(tac_row(question, parsed))
        readings.append(read_evidence(
            RolloutContext(question, text or "", parsed, parsed.answer, worth, 1.0, right[-1], 0,
                           axis=axis, count_tokens=count_tokens),
            EvidenceConfig(citation="times"),
        ))  # fmt: skip
    tac = tac_report(rows, resamples=200)
    known = [r for r in readings if r is not None]
    precisions = [r.precision for r in known if r.precision is not None]
    return {
        "right": statistics.fmean(right),
        "visible": statistics.fmean(visible),
        "strict": tac.strict.value or 0.0,
        "correct": tac.correct.value or 0.0,
        "precision": statistics.fmean(precisions) if precisions else 0.0,
        "cited": statistics.fmean(r.cited for r in known),
        "repetition": statistics.fmean(r.repetition for r in known),
        "length": statistics.fmean(r.length for r in known),
    }


def table(root: Path, jobs: Sequence[Job], column: str) -> str:
    """The comparison as Markdown: mean and standard deviation over seeds."""
    out = [
        f"| {column} | seeds | {' | '.join(COLUMNS.values())} |",
        f"| {'--- | ' * (len(COLUMNS) + 2)}".rstrip(),
    ]
    for arm, title in TITLES.items():
        files = [root / f"{arm}.json"] if arm not in ARMS else [
            job.folder / "reward_arms.json" for job in jobs if job.arm == arm
        ]
        found = [json.loads(f.read_text())[column] for f in files if f.is_file()]
        if found:
            cells = [_spread([row[key] for row in found]) for key in COLUMNS]
            out.append(f"| {title} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(out)


def _spread(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{deviation}"


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("runs/reward_arms"))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--start", type=Path, help="an SFT checkpoint; default: make one")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--only-table", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    root = given.root.resolve()
    jobs = [Job(root, arm, seed, given.steps) for seed in given.seeds for arm in given.arms]
    if not given.only_table:
        start = given.start or start_model(root)
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(lambda job: train(job, start), jobs))
        made = start.parents[3] / "student"  # the tiny student before any training
        evaluate(root, [(made, root / "untrained.json"), (start, root / "start.json"),
                        *((job.model, job.folder / "reward_arms.json") for job in jobs)])
    text = "\n\n".join(table(root, jobs, column) for column in ("greedy", "sampled"))
    (root / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
