"""A named function from a rollout to a number: the unit that ``reward.components`` composes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, overload

from ffr.errors import UserError
from rewards.components.context import RolloutContext

__all__ = ["ComponentFunction", "ComponentValue", "RewardComponent", "reward_component"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class ComponentValue:
    """What a component gives one rollout.

    Attributes:
        value: finite; ``None`` when it could not be had, which leaves the component out of the
            whole baseline group (errata ruling 10).
        problem: why there is none, or none that means anything, as a short counter name; else "".
    """

    value: float | None
    problem: str = ""


ComponentFunction = Callable[
    [RolloutContext],
    "float | ComponentValue | Awaitable[float | ComponentValue | None] | None",
]


@dataclass(frozen=True)
class RewardComponent:
    """A component by name; ``function`` may be a coroutine function."""

    name: str
    function: ComponentFunction

    async def value(self, rollout: RolloutContext) -> ComponentValue:
        """The value, checked: a number that is not finite is refused.

        Raises:
            UserError: the function returned something else.
            Exception: whatever the function raises.
        """
        found: Any = self.function(rollout)
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, ComponentValue):
            return found
        if found is None:
            return ComponentValue(None, "not_available")
        if isinstance(found, bool | int | float):
            return ComponentValue(float(found))
        raise UserError(
            f"reward component {self.name!r} returned {type(found).__name__}; return a float, or "
            "None when the value cannot be had"
        )


@overload
def reward_component(function: ComponentFunction, /) -> RewardComponent: ...


@overload
def reward_component(
    *, name: str
) -> Callable[[ComponentFunction], RewardComponent]: ...


def reward_component(
    function: ComponentFunction | None = None, /, *, name: str | None = None
) -> RewardComponent | Callable[[ComponentFunction], RewardComponent]:
    """Make a function a reward component, under its own name or ``name``.

    It gets a ``RolloutContext`` and returns a float, or ``None`` when the value cannot be had.

    Raises:
        UserError: the name is not lower-case letters, digits and underscores.
    """

    def wrap(inner: ComponentFunction) -> RewardComponent:
        called = name or str(getattr(inner, "__name__", ""))
        if not _NAME.fullmatch(called):
            raise UserError(
                f"{called!r} is not allowed as a component's name; use lower-case letters, digits "
                "and underscores, as in @reward_component(name='short_answer')"
            )
        return RewardComponent(called, inner)

    return wrap if function is None else wrap(function)
