"""Variables of the processes a run starts."""

from __future__ import annotations

import os

from ffr.config.schema import RunConfig

__all__ = ["stage_environment"]


def stage_environment(config: RunConfig) -> dict[str, str]:
    """Variables of the stage processes; the parent's own pass through."""
    found = {"FFR_RUN_ID": f"{config.name}-{os.getpid()}", "TOKENIZERS_PARALLELISM": "false",
             "RAY_DEDUP_LOGS": "0", "HYDRA_FULL_ERROR": "1", "PYTHONUNBUFFERED": "1"}
    if config.hardware.platform == "cpu":
        threads = str(config.hardware.threads or 1)
        found |= {"VERL_PLATFORM": "cpu", "FFR_TORCH_THREADS": threads, "OMP_NUM_THREADS": threads,
                  "MKL_NUM_THREADS": threads,
                  # Ray would start one idle Python per logical CPU before the first task.
                  "RAY_prestart_worker_first_driver": "0"}
    return found
