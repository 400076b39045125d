"""``ffr-train ... --dry-run``: what would run, without running it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.preflight.run import Report
from ffr.train.budget import budget

__all__ = ["dry_run"]


def dry_run(
    config: RunConfig, command: str, *, as_json: bool = False, report: Report | None = None
) -> None:
    """Print the resolved configuration, verl's tree, the budget and the exact command.

    Args:
        config: resolved.
        command: as it was typed.
        as_json: one JSON document.
        report: what the checks before step 0 find.

    Raises:
        UserError: the configuration does not compose with verl's own configuration classes.
    """
    trees = _trees(config)
    limits = asdict(budget(config))
    if as_json:
        told = {"config": config.model_dump(mode="json"), "verl": trees, "budget": limits,
                "preflight": report.as_json() if report else None, "command": command}  # fmt: skip
        print(json.dumps(told, indent=2))
        return
    print("# configuration\n" + dump_config(config))
    for name, tree in trees.items():
        print(f"# verl tree of stage {name}\n{OmegaConf.to_yaml(OmegaConf.create(tree))}")
    print("# budget (upper bounds)")
    for key, value in limits.items():
        print(f"{key}: {value}")
    if report is not None:
        verdict = "would be refused" if report.problems else "nothing would stop the run"
        print(f"# checks before step 0: {verdict}")
        for check in report.checks:
            fix = f" -> {check.fix}" if check.fix else ""
            print(f"{check.status}: {check.name}: {check.found}{fix}")
    print(f"# command\n{command}")


def _trees(config: RunConfig) -> dict[str, Any]:
    from ffr.train.verl.compose import GrpoPaths, grpo_tree, sft_tree
    from ffr.train.verl.validate import validate_grpo

    run = Path(config.output or Path("runs") / config.name)
    start = Path(config.student.path or run / "student")
    data, trees = config.data, {}
    media = Path(data.media_root or (data.demo.path if data.demo else "."))
    if "sft" in config.stages:
        tree = sft_tree(
            config, model=start, records=Path(data.sft or media / "sft.jsonl"), media_root=media,
            run_dir=run, checkpoints=run / "checkpoints" / "sft",
        )
        trees["sft"] = OmegaConf.to_container(tree, resolve=True)
        start = run / "checkpoints" / "sft" / f"global_step_{config.sft.steps}" / "huggingface"
    if "grpo" in config.stages:
        tree = grpo_tree(
            config,
            GrpoPaths(
                run_dir=run, model=start, train=run / "data" / "train.jsonl",
                validation=run / "data" / "validation.jsonl", media_root=media,
                store_dir=Path(config.store.path or run / "patches"),
                checkpoints=run / "checkpoints" / "grpo", frame_cache=run / "cache" / "frames",
                teacher_base_url=config.teacher.base_url,
            ),
        )
        validate_grpo(tree)
        trees["grpo"] = OmegaConf.to_container(tree, resolve=True)
    return trees
