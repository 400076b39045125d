"""What vLLM on CPUs cannot do is said before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ffr.config.schema import RunConfig


def run(platform: str, **tiny: Any) -> RunConfig:
    return RunConfig.model_validate(
        {"student": {"tiny": tiny}, "hardware": {"platform": platform, "rollout": "vllm_cpu"}}
    )


def test_the_default_tiny_student_fits() -> None:
    assert run("cpu").hardware.rollout == "vllm_cpu"


@pytest.mark.parametrize(
    ("hidden", "heads", "fits"),
    [(64, 2, True), (96, 3, True), (64, 4, False), (128, 8, False), (144, 3, False)],
)
def test_head_sizes_its_kernels_lack_are_refused(hidden: int, heads: int, fits: bool) -> None:
    if fits:
        run("cpu", hidden_size=hidden, heads=heads)
    else:
        with pytest.raises(ValidationError, match=r"hidden_size / heads must be one of \(32, 64"):
            run("cpu", hidden_size=hidden, heads=heads)


def test_it_does_not_run_on_gpus() -> None:
    with pytest.raises(ValidationError, match="use rollout 'vllm', or platform 'cpu'"):
        run("cuda")
