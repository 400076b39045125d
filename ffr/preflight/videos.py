"""A sample of the run's videos, decoded in processes that may hang or die."""

from __future__ import annotations

import os
import random
from pathlib import Path

from ffr.config.schema import RunConfig
from ffr.data.probes import ProbeOptions, probe_all
from ffr.preflight.check import Check

__all__ = ["video_check"]

_MOST_WORKERS = 4
_SHOWN = 3


def video_check(config: RunConfig, videos: list[str], media_root: Path) -> Check:
    """Decode as many frames of each as the student sees.

    Args:
        config: resolved; ``preflight.videos`` are drawn with ``seed``.
        videos: names of all videos of the run.
        media_root: the folder they lie under.
    """
    names = sorted(set(videos))
    drawn = random.Random(config.seed).sample(names, min(config.preflight.videos, len(names)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    options = ProbeOptions(
        root=media_root, workers=min(_MOST_WORKERS, cores), frames=config.student.frames.count,
        timeout_s=config.preflight.video_limit_s,
    )  # fmt: skip
    probes = probe_all(drawn, options)
    bad = [probe for probe in probes.values() if probe.problem is not None]
    text = f"{len(probes) - len(bad)} of {len(probes)} decode, drawn from {len(names)}"
    if not bad:
        return Check("data", "videos", "ok", text)
    shown = "; ".join(f"{probe.video}: {probe.problem} ({probe.detail})" for probe in bad[:_SHOWN])
    fix = "mend or remove them (`ffr data check` lists all)"
    if config.data.row_policy.mode != "fail" and len(bad) < len(probes):
        return Check("data", "videos", "warning", f"{text}: {shown}", f"{fix}; they are skipped")
    return Check("data", "videos", "problem", f"{text}: {shown}", fix)
