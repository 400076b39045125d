"""RIR levels and edge cases of spec ffr §5."""

from __future__ import annotations

import pytest

from ffr.config.rewards import RewardConfig
from rewards.rir import AttemptScore, attempt_terms, robust_improvement_reward

RIGHT = AttemptScore(accuracy=1.0, format=1.0, right=True)
WRONG = AttemptScore(accuracy=0.0, format=1.0, right=False)
DEFAULT = RewardConfig()


@pytest.mark.parametrize(
    ("first", "second", "chosen", "total"),
    [
        (RIGHT, None, "first", 2.0),
        (WRONG, RIGHT, "second", 1.7),
        (WRONG, WRONG, "second", 0.7),
        (WRONG, None, "first", 1.0),
        (WRONG, AttemptScore(1.0, 0.0, right=True), "second", 0.7),  # right, wrong format: 1 - k
        (WRONG, AttemptScore(0.0, 0.0, right=False), "second", -0.3),  # cut off at the limit
        (AttemptScore(1.0, 0.0, right=True), None, "first", 1.0),  # z ignores the format
        (AttemptScore(0.0, 0.0, right=False), None, "first", 0.0),
    ],
)
def test_levels(
    first: AttemptScore, second: AttemptScore | None, chosen: str, total: float
) -> None:
    terms = robust_improvement_reward(first, second, DEFAULT, answer_type="choice")
    assert terms.chosen == chosen
    assert terms.total == pytest.approx(total, abs=1e-12)
    assert terms.tax == (-0.3 if chosen == "second" else 0.0)


def test_a_right_answer_is_never_repaired() -> None:
    with pytest.raises(ValueError, match="never repaired"):
        robust_improvement_reward(RIGHT, RIGHT, DEFAULT, answer_type="choice")


def test_guard_keeps_the_better_original_of_partial_credit_types_only() -> None:
    almost = AttemptScore(0.8, 1.0, right=False)
    worse = AttemptScore(0.6, 1.0, right=False)
    better = AttemptScore(1.0, 1.0, right=True)
    kept = robust_improvement_reward(almost, worse, DEFAULT, answer_type="free_form")
    assert (kept.chosen, kept.guarded, kept.tax) == ("first", True, 0.0)
    assert kept.total == pytest.approx(1.8)
    # 1.7 taxed is not better than 1.8: the tax counts in the comparison
    taxed = robust_improvement_reward(almost, better, DEFAULT, answer_type="free_form")
    assert taxed.guarded
    cheap = RewardConfig(kappa=0.1)
    taken = robust_improvement_reward(almost, better, cheap, answer_type="free_form")
    assert (taken.chosen, taken.guarded) == ("second", False)
    for guard, chosen in (("partial_credit", "second"), ("always", "first"), ("never", "second")):
        terms = robust_improvement_reward(
            WRONG, WRONG, DEFAULT, answer_type="choice", guard=guard  # type: ignore[arg-type]
        )
        assert terms.chosen == chosen
    never = robust_improvement_reward(
        almost, worse, DEFAULT, answer_type="free_form", guard="never"
    )
    assert never.chosen == "second"


def test_dependency_counts_for_right_repairs_only() -> None:
    config = RewardConfig(lambda_dep=0.5)
    aligned = AttemptScore(1.0, 1.0, right=True, dependency=0.8)
    assert attempt_terms(aligned, config, "second").total == pytest.approx(1.7 + 0.4)
    assert attempt_terms(aligned, config, "first").dependency == 0.0
    assert attempt_terms(aligned, DEFAULT, "second").dependency == 0.0
    wrong = AttemptScore(0.0, 1.0, right=False, dependency=0.8)
    assert attempt_terms(wrong, config, "second").dependency == 0.0
    unknown = AttemptScore(1.0, 1.0, right=True, dependency=None)
    assert attempt_terms(unknown, config, "second").dependency == 0.0


def test_weights_scale_their_terms() -> None:
    config = RewardConfig(accuracy_weight=2.0, format_weight=0.1, kappa=0.0)
    assert attempt_terms(RIGHT, config, "second").total == pytest.approx(2.1)
