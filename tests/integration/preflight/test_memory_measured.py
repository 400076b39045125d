"""The estimate against the resident memory of real training steps (stated: within a third)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ffr.preflight.memory import update_parts
from ffr.preflight.settings import Settings
from ffr.preflight.shape import ModelShape

STEP = Path(__file__).with_name("train_step.py")


@pytest.mark.parametrize(("rows", "checkpointing"), [(2, False), (3, True)])
def test_the_estimate_is_within_a_third_of_what_is_used(rows, checkpointing):
    how = "checkpointing" if checkpointing else "all"
    done = subprocess.run(
        [sys.executable, str(STEP), str(rows), "320", how],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    shape = ModelShape(**found["shape"])
    settings = Settings(
        on_cpu=True, nodes=1, ranks=1, ranks_per_node=1, tensor_parallel=1, megatron=False,
        model_parallel=1, rows=rows, tokens=320, visual_tokens=found["visual"], compute_bytes=4,
        stored_bytes=4, checkpointing=checkpointing, eager=False, trainable=shape.parameters,
        total=shape.parameters, reference=False, offload_parameters=False,
        offload_optimizer=False, engine="", engine_share=0.0, sequences=0, rows_per_step=0,
        workers_per_node=0,
    )  # fmt: skip
    parts = update_parts(shape, settings)
    del parts["gathered weights"]  # FSDP's, and there is none here
    assert 3 / 4 < sum(parts.values()) / found["grown"] < 4 / 3
