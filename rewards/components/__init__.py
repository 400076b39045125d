"""Reward terms that are added to the Robust Improvement Reward by configuration.

A component of your own is a function in a Python file named under ``reward.files``::

    from rewards.components import RolloutContext, reward_component

    @reward_component
    def short_answer(rollout: RolloutContext) -> float:
        \"\"\"1 for an answer of at most three words.\"\"\"
        return float(len((rollout.answer or "").split()) <= 3)
"""

from rewards.components.component import ComponentValue, RewardComponent, reward_component
from rewards.components.context import GroupContext, RolloutContext

__all__ = ["ComponentValue", "GroupContext", "RewardComponent", "RolloutContext",
           "reward_component"]  # fmt: skip
