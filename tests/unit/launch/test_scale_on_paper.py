"""The paper simulation of large clusters, against numbers worked out by hand."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "scale.py"
ROUND = {
    "questions-per-gpu": 1, "group-size": 4, "repaired-share": 0.5, "repairs-per-question": 2,
    "video-tokens": 800, "text-tokens": 200, "patch-tokens": 500, "response-tokens": 100,
    "generate-tokens-s": 100, "prefill-tokens-s": 1000, "train-tokens-s": 1150, "fixed-s": 7,
    "workers-per-node": 2, "decode-s": 1, "process-s": 0.1, "tool-s": 0.5, "tool-rounds": 1,
    "teacher-output-tokens": 100, "teacher-output-tokens-s": 50, "teacher-prompt-tokens": 1000,
    "teacher-prefill-tokens-s": 1000, "put-s": 0.0, "image-kb": 9, "record-kb": 4,
}  # fmt: skip


def simulated(**more: float) -> dict:
    words = [str(x) for name, value in {**ROUND, **more}.items() for x in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, SCRIPT, "--json", "--gpus", "8", "80", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_a_cluster_by_hand():
    small, large = simulated()["clusters"]
    # 8 questions, 32 rollouts, 4 questions x 2 repairs.
    assert small["rollouts"] == 32
    assert small["diagnoses"] == 8
    # Responses 40 x 100 / 800 = 5 s; prefill (8 x 1000 + 8 x 1500) / 8000 = 2.5 s;
    # training (40 x 1000 + 8 x 500 + 4000) / 9200 = 5.217 s; 7 s fixed.
    assert abs(small["step_s"] - (5 + 2.5 + 48000 / 9200 + 7)) < 1e-9
    # A diagnosis keeps a copy for 2 x 100 / 50 + 1000 / 1000 = 5 s; there are two copies.
    assert abs(small["loads"]["teacher"] - 8 * 5 / 2 / small["step_s"]) < 1e-9
    # 8 x 1 s decoding, 40 x 0.1 s prompts, 8 x 0.5 s tools on two workers.
    assert abs(small["loads"]["worker processes"] - 16 / 2 / small["step_s"]) < 1e-9
    assert abs(small["store_mb_s"] - 8 * 0.040 / small["step_s"]) < 1e-9
    # 40 x 800 + 8 x 500 visual tokens of 24,576 bytes, into the queue and out of it, 0.6 of them.
    rows_mb = 36_000 * 24_576 / 1e6
    assert abs(small["queue_mb_s"] - 2 * 0.6 * rows_mb / small["step_s"]) < 1e-6
    assert abs(small["loads"]["queue storage"] - small["queue_mb_s"] / 2000) < 1e-9
    assert small["loads"]["network"] == 0  # one node
    assert abs(small["host_gb_per_node"] - 150 - 2 * rows_mb / 1000) < 1e-9
    # Ten times the cluster: the same step, ten times the teacher's load, workers as busy.
    assert abs(large["step_s"] - small["step_s"]) < 1e-9
    assert abs(large["loads"]["teacher"] - 10 * small["loads"]["teacher"]) < 1e-9
    assert abs(large["loads"]["worker processes"] - small["loads"]["worker processes"]) < 1e-9
    assert large["first"] == "teacher"


def test_a_full_store_asks_nobody():
    found = simulated(**{"store-hits": 1.0})["clusters"][1]
    assert found["teacher_calls_s"] == found["store_mb_s"] == found["loads"]["teacher"] == 0
    assert found["first"] == "worker processes"
