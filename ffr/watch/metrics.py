"""The few metrics a live view shows of each stage, and how they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sparklines import sparklines

from ffr.watch.state import StageState

__all__ = ["SHOWN", "Shown", "spark", "written"]


@dataclass(frozen=True)
class Shown:
    """A metric by its key, its name for people and its form."""

    key: str
    label: str
    form: Literal["share", "number", "seconds"] = "number"


SHOWN: dict[str, tuple[Shown, ...]] = {
    "sft": (
        Shown("loss", "loss"),
        Shown("grad_norm", "gradient norm"),
        Shown("seconds", "time of a step", "seconds"),
    ),
    "grpo": (
        Shown("accuracy/first_pass", "first answers right", "share"),
        Shown("repair/patch_rate", "failures that got a patch", "share"),
        Shown("repair/success_rate", "second answers right", "share"),
        Shown("reward/total/mean", "reward"),
        Shown("actor/kl_loss", "KL to the reference policy"),
        Shown("response_length/mean", "tokens of an answer"),
        Shown("generated/truncated_rate", "answers cut off", "share"),
        Shown("repair/teacher_calls", "teacher calls a step"),
        Shown("time/diagnosis/mean", "time of a diagnosis", "seconds"),
        Shown("seconds", "time of a step", "seconds"),
    ),
    "eval": (Shown("accuracy", "right so far", "share"),),
}


def written(value: float, form: str) -> str:
    """``47 %``, ``0.382`` or ``4.1 s``."""
    if form == "share":
        return f"{value:.0%}".replace("%", " %")
    if form == "seconds":
        return f"{value:.2g} s" if value < 100 else f"{value:,.0f} s"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spark(stage: StageState, shown: Shown, width: int = 32) -> str:
    """A line of blocks over the whole history that is kept; shares go from 0 to 1.

    Longer histories become ``width`` means of neighbouring steps.
    """
    values = stage.series(shown.key)
    if not values:
        return ""
    size = max(len(values) / width, 1.0)
    count = min(len(values), width)
    parts = [values[int(i * size) : max(int((i + 1) * size), int(i * size) + 1)]
             for i in range(count)]  # fmt: skip
    means = [math.fsum(part) / len(part) for part in parts]
    if shown.form == "share":
        return str(sparklines(means, minimum=0.0, maximum=1.0)[0])
    lowest = min(means)
    return str(sparklines([mean - lowest for mean in means])[0])
