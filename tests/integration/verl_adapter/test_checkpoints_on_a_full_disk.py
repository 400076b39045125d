"""The real worker writes a real checkpoint where there is no room for it."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("clean")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.fixture
def trainer(job: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The job's trainer, keeping one checkpoint, its data read up to a known place."""
    found = job.trainer
    loader = SimpleNamespace(state_dict=lambda: {"read": 16})
    monkeypatch.setattr(found, "train_dataloader", loader, raising=False)
    monkeypatch.setattr(found, "_keep", 1)
    step = found.global_steps
    yield found
    found.global_steps = step
    shutil.rmtree(found._checkpoints, ignore_errors=True)


def test_it_is_named_with_what_is_left_and_the_last_one_stays(trainer):
    from ffr.train.checkpoints import latest_step
    from ffr.train.verl.checkpointing import CheckpointError

    checkpoints = trainer._checkpoints
    trainer.global_steps = 2
    trainer._save_checkpoint()
    weights = (checkpoints / "global_step_2/actor/huggingface/model.safetensors").read_bytes()
    trainer.global_steps = 3
    with largest_file(100_000), pytest.raises(CheckpointError) as failed:
        trainer._save_checkpoint()
    said = str(failed.value)
    assert said.startswith(f"the checkpoint of step 3 could not be written to {checkpoints}, which")
    assert "GB free" in said
    assert said.endswith("then the same command goes on from step 2")
    assert "\n" not in said
    assert latest_step(checkpoints) == 2
    kept = checkpoints / "global_step_2/actor/huggingface/model.safetensors"
    assert kept.read_bytes() == weights

    trainer._save_checkpoint()  # there is room again
    assert latest_step(checkpoints) == 3
    assert [path.name for path in checkpoints.glob("global_step_*")] == ["global_step_3"]


def test_what_was_read_for_a_step_that_was_given_up_is_read_again(trainer):
    """A stop comes while the rollouts of step 5 are made: step 4 is saved, with its place."""
    trainer._position = {"read": 12}  # noted when step 5 began
    trainer.global_steps = 4
    try:
        trainer._save_checkpoint()
    finally:
        trainer._position = None
    saved = torch.load(trainer._checkpoints / "global_step_4" / "data.pt", weights_only=False)
    assert saved == {"read": 12}
