"""Budgets in requests, tokens and money: nothing is sent that could go beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffr.teacher.chat import CallFailed

__all__ = ["Spending", "Usage", "Usages"]

_CHARS_A_TOKEN = 3.0
_TOKENS_AN_IMAGE = 800  # a first guess; corrected by what the endpoint reports


@dataclass(frozen=True)
class Usage:
    """Tokens of one call."""

    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.tokens_in + self.tokens_out


class Usages:
    """Expects the tokens of the next call from those of earlier ones.

    Args:
        max_output_tokens: expected of a reply before any was seen.
    """

    def __init__(self, max_output_tokens: int) -> None:
        self._ratio = 1.0
        self._out = float(max_output_tokens)
        self._seen = False

    def expect(self, messages: Sequence[Mapping[str, Any]]) -> Usage:
        """From the length of the texts and the number of images, scaled by experience."""
        return Usage(round(_rough(messages) * self._ratio), round(self._out))

    def learn(self, messages: Sequence[Mapping[str, Any]], actual: Usage) -> None:
        """Take in what a call really used."""
        rough = max(1.0, _rough(messages))
        weight = 0.2 if self._seen else 1.0
        self._ratio += weight * (actual.tokens_in / rough - self._ratio)
        self._out += weight * (actual.tokens_out - self._out)
        self._seen = True


class Spending:
    """What was used so far and what may still be.

    Calls under way count with what is expected of them, so that many at once cannot pass the
    limit together; a budget is exceeded by no more than the expectations were wrong.

    Args:
        max_requests: HTTP calls, retries included.
        max_tokens: prompt and reply tokens together.
        max_cost: in the currency of the prices.
        price_in: price of a million prompt tokens; ``None`` is not known.
        price_out: price of a million reply tokens; ``None`` is not known.

    Raises:
        ValueError: a budget in money without both prices: prices are never guessed.
    """

    def __init__(
        self,
        *,
        max_requests: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        price_in: float | None = None,
        price_out: float | None = None,
    ) -> None:
        if max_cost is not None and (price_in is None or price_out is None):
            raise ValueError("max_cost needs price_in and price_out")
        self.requests = 0
        self.used = Usage()
        self._max = (max_requests, max_tokens, max_cost)
        self._prices = (price_in, price_out)
        self._under_way = Usage()

    @property
    def knows_prices(self) -> bool:
        """Whether both prices were given."""
        return None not in self._prices

    @property
    def cost(self) -> float:
        """Money spent, 0 when the prices are not known."""
        return self.price(self.used)

    def price(self, usage: Usage) -> float:
        """What a usage costs, 0 when the prices are not known."""
        price_in, price_out = self._prices
        if price_in is None or price_out is None:
            return 0.0
        return (usage.tokens_in * price_in + usage.tokens_out * price_out) / 1e6

    def reserve(self, expected: Usage) -> None:
        """Count one request and set aside what it is expected to use.

        Raises:
            CallFailed: ``budget_spent``; nothing was reserved.
        """
        requests, tokens, cost = self._max
        ahead = _sum(_sum(self.used, self._under_way), expected)
        spent = f"{self.requests} requests, {self.used.total} tokens"
        spent += f" and {self.cost:.4f} in money" if self.knows_prices else ""
        if requests is not None and self.requests >= requests:
            raise CallFailed("budget_spent", f"teacher.max_requests={requests} is spent ({spent})")
        if tokens is not None and ahead.total > tokens:
            limit = f"teacher.max_total_tokens={tokens}"
            raise CallFailed("budget_spent", f"{limit} is spent ({spent})")
        if cost is not None and self.price(ahead) > cost:
            raise CallFailed("budget_spent", f"teacher.max_cost={cost:g} is spent ({spent})")
        self.requests += 1
        self._under_way = _sum(self._under_way, expected)

    def settle(self, expected: Usage, actual: Usage) -> None:
        """Replace the expectation by what was used."""
        self._under_way = Usage(
            self._under_way.tokens_in - expected.tokens_in,
            self._under_way.tokens_out - expected.tokens_out,
        )
        self.used = _sum(self.used, actual)


def _sum(a: Usage, b: Usage) -> Usage:
    return Usage(a.tokens_in + b.tokens_in, a.tokens_out + b.tokens_out)


def _rough(messages: Sequence[Mapping[str, Any]]) -> float:
    tokens = 0.0
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            tokens += len(content) / _CHARS_A_TOKEN
            continue
        for block in content or ():
            is_text = block.get("type") == "text"
            tokens += len(block["text"]) / _CHARS_A_TOKEN if is_text else _TOKENS_AN_IMAGE
    return tokens
