"""VAS-A and VAS-C as metrics of `ffr eval`, on a tiny checkpoint and real videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ffr.evaluate.rows import read_items


def words(checkpoint: Path, data: Path, out: Path, *more: str) -> list[Any]:
    return ["eval", "--model", checkpoint, "--data", data, "--protocol", "demo", "--out", out,
            "--batch-size", 2, "--limit", 8, "sampling.max_new_tokens=8", *more]  # fmt: skip


def test_both_are_measured_on_every_answered_item(
    checkpoint: Path, data: Path, tmp_path: Path, ffr: Any
) -> None:
    out = tmp_path / "out"
    code, said, error = ffr(*words(checkpoint, data, out, "metrics=[vas_a,vas_c]"))
    assert code == 0, error
    rows = read_items(out / "items.jsonl")
    assert [row.index for row in rows if row.failure] == [3]
    rows = [row for row in rows if not row.failure]
    for row in rows:
        # An untrained student writes no reasoning, so there is nothing to read attention from.
        assert row.metrics["vas_a"]["vas"] is None
        grey, other = row.metrics["vas_c"]["grey"], row.metrics["vas_c"]["other"]
        assert grey["log_prob_drop"] != 0, grey
        assert other["donor"] != row.video
        if "problem" in other:  # it was paired with the video that is gone
            assert other["donor"] == "videos/gone.mp4"
        else:
            assert other["log_prob_drop"] not in (0, grey["log_prob_drop"])
    scores = json.loads((out / "scores.json").read_text())["metrics"]
    assert (scores["vas_a"]["n"], scores["vas_a"]["vas"]["value"]) == (7, None)
    grey = scores["vas_c"]["grey"]
    assert grey["counts"] == {"n": 7, "no_answer": 7}
    assert grey["reliance"]["value"] is None
    lost = sum("problem" in row.metrics["vas_c"]["other"] for row in rows)
    assert (scores["vas_c"]["other"]["not_measured"], lost < 7) == (lost, True)
    drops = [row.metrics["vas_c"]["grey"]["log_prob_drop"] for row in rows]
    assert grey["log_prob_drop"]["value"] == pytest.approx(sum(drops) / 7)
    assert "VAS-C grey: accuracy drop" in said


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["metrics=[vas_c]", "sampling.temperature=0.5"], "needs sampling.temperature=0"),
        (["metrics=[vas_a]", "thinking=false", "prompt.ask_keyframes=false"], "thinking=true"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    checkpoint: Path, data: Path, tmp_path: Path, ffr: Any, more: list[str], reason: str
) -> None:
    code, _, error = ffr(*words(checkpoint, data, tmp_path / "out", *more))
    assert code == 2
    assert reason in " ".join(error.split())
