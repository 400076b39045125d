"""The leak gate: rules in code that refuse a patch from which the answer could be read."""

from ffr.teacher.leakage.gate import RULES, LeakVerdict, check_patch

__all__ = ["RULES", "LeakVerdict", "check_patch"]
