"""The SFT stage trains what it is told to: verl's own trainer, in this process, real steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ffr.config.load import dump_config
from ffr.config.student import StudentConfig
from ffr.data.sft_record import SftRecord
from ffr.run.folder import RunFolder
from ffr.train.stages import _merge as stage_merge
from student.model import load_model

ANSWER = "<think>I look at 1.6 s.</think><answer>B</answer>"


@pytest.fixture
def train(
    kit: Any, questions: Any, checkpoint: Any, media_root: Path, one_rank: None, stock_models: Any,
    tmp_path: Path,
) -> Any:  # fmt: skip
    """Train with these settings and give the checkpoint folder; again goes on from there."""
    rows = [SftRecord(question=q, response=ANSWER) for q in questions * 2]
    records = tmp_path / "sft.jsonl"
    records.write_text("".join(row.model_dump_json() + "\n" for row in rows))

    def run(steps: int, **sft: Any) -> Path:
        from ffr.train.verl.compose import sft_tree
        from ffr.train.verl.sft_main import FfrSftTrainer
        from ffr.train.verl.workers import start_cpu_process_group

        config = kit.config(
            tmp_path / "config", checkpoint[1], stages=["sft"], loggers=[],
            data={"sft": str(records)},
            sft={"steps": steps, "batch_size": 2, "micro_batch_size": 2, "lr": 1e-2,
                 "warmup_steps": 0, "schedule_steps": 8, "weight_decay": 0.1, "save_every": 1,
                 **sft},
        )  # fmt: skip
        where = tmp_path / "run"
        if where.exists():
            folder = RunFolder.open(where)
        else:
            folder = RunFolder.create(where, dump_config(config))
        checkpoints = folder.path / "checkpoints" / "sft"
        tree = sft_tree(config, model=checkpoint[1], records=records, media_root=media_root,
                        run_dir=folder.path, checkpoints=checkpoints)  # fmt: skip
        torch.manual_seed(0)
        start_cpu_process_group()
        FfrSftTrainer(config=tree).fit()
        return checkpoints / f"global_step_{steps}" / "huggingface"

    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """By the model's own names: the two families save under others."""
    found: dict[str, torch.Tensor] = load_model(folder, StudentConfig(dtype="float32")).state_dict()
    return found


def visual(name: str) -> bool:
    return "visual" in name.split(".")


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_frozen_vision_tower_stays_bit_for_bit_over_a_resume(train: Any, checkpoint: Any) -> None:
    before = weights(checkpoint[1])
    language = {name for name in before if not visual(name)}
    assert len(before) - len(language) > 10
    first = weights(train(1, freeze_vision=True))
    assert moved(before, first) == language
    second = weights(train(2, freeze_vision=True))
    assert moved(first, second) == language
    assert not moved(before, second) - language


def test_without_freezing_everything_moves(train: Any, checkpoint: Any) -> None:
    changed = moved(weights(checkpoint[1]), weights(train(1)))
    assert {name for name in changed if visual(name)}
    assert {name for name in changed if not visual(name)}


def test_lora_leaves_a_checkpoint_that_merges_into_an_ordinary_one(
    train: Any, checkpoint: Any, tmp_path: Path
) -> None:
    made = train(1, freeze_vision=True, lora={"rank": 4, "alpha": 8})
    target = made.with_name("merged")
    assert stage_merge(made, target) == target
    before, after = weights(checkpoint[1]), weights(target)
    changed = moved(before, after)
    assert changed
    assert all(name.endswith("_proj.weight") and not visual(name) for name in changed)
    assert not moved(after, weights(made))  # which are merged while they are loaded
    # Nothing to merge: the next stage takes the folder as it is.
    assert stage_merge(target, tmp_path / "again") == target
    assert not (tmp_path / "again").exists()
