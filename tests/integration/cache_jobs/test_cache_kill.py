"""Killed with SIGKILL twice: the small form of ``benchmarks/cache_kill.py``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "cache_kill.py"


def test_a_killed_job_loses_nothing_and_pays_for_nothing_twice(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("cache_kill", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    cache_kill = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "cache_kill", cache_kill)
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARK.parents[1]))
    spec.loader.exec_module(cache_kill)
    outcome = cache_kill.trial(
        tmp_path, kills=2, writers=2, questions=24, latency_s=0.05, seed=1
    )
    assert outcome.problems == []
    assert outcome.kills == 2
    assert outcome.diagnoses == 15
