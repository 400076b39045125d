"""Choosing next tokens: temperature, nucleus, suppression, one random stream per sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ffr.errors import FfrError

__all__ = ["DivergedError", "SamplingParams", "TokenSampler"]


class DivergedError(FfrError):
    """The model gives no probabilities any more."""


@dataclass(frozen=True)
class SamplingParams:
    """How one sequence is sampled.

    Attributes:
        max_new_tokens: at most this many tokens, end token included.
        temperature: 0 takes the most likely token.
        top_p: smallest set of most likely tokens with at least this mass; 1 for all.
        seed: of the sequence's own random stream: the same prompt and seed give the same
            response whatever else is in the batch (up to rounding of the engine).
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={self.max_new_tokens} is not allowed; give 1 or more")
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature={self.temperature} is not allowed; give 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} is not allowed; give a value in (0, 1]")


class TokenSampler:
    """Samples one token per row and step for a fixed list of sequences.

    Uniform numbers are drawn per sequence in advance and turned into tokens through the inverse
    of the cumulative distribution, so no draw depends on the other rows.

    Args:
        params: one per sequence.
        suppress: token ids that are never chosen.
        device: where the logits live.
    """

    def __init__(
        self, params: Sequence[SamplingParams], suppress: Sequence[int], device: torch.device
    ) -> None:
        longest = max(p.max_new_tokens for p in params)
        draws = [
            torch.rand(
                longest, generator=torch.Generator().manual_seed(p.seed), dtype=torch.float64
            )
            for p in params
        ]
        self._uniform = torch.stack(draws).to(device)
        self._temperature = torch.tensor([p.temperature for p in params], device=device)
        self._top_p = torch.tensor([p.top_p for p in params], device=device)
        self._suppress = torch.tensor(list(suppress), dtype=torch.long, device=device)

    def sample(
        self, logits: torch.Tensor, rows: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and their log-probabilities.

        Args:
            logits: (n, vocabulary).
            rows: (n,) which sequence each row of ``logits`` belongs to.
            step: index of the token, from 0.

        Returns:
            Token ids (n,), and log-probabilities (n,) under the temperature (1 where greedy)
            before suppression and nucleus cut: what a trainer recomputes from plain logits.

        Raises:
            DivergedError: a logit is NaN.
        """
        scores = logits.float()
        temperature = self._temperature[rows]
        greedy = temperature == 0
        scores = scores / torch.where(greedy, 1.0, temperature)[:, None]
        log_probs = scores.log_softmax(-1)
        if bool(log_probs.isnan().any()):
            raise DivergedError(
                "the student's logits are not numbers: training diverged or the checkpoint is "
                "damaged; lower the learning rate and resume from an earlier checkpoint"
            )
        allowed = scores.index_fill(-1, self._suppress, float("-inf"))
        best = allowed.argmax(-1)
        if bool(greedy.all()):
            tokens = best
        else:
            drawn = self._draw(allowed, self._top_p[rows], self._uniform[rows, step])
            tokens = torch.where(greedy, best, drawn)
        return tokens, log_probs.gather(-1, tokens[:, None])[:, 0]

    @staticmethod
    def _draw(scores: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        probs = scores.double().softmax(-1)
        if bool((top_p < 1).any()):
            ordered, order = probs.sort(-1, descending=True)
            before = ordered.cumsum(-1) - ordered
            ordered = ordered.masked_fill(before >= top_p.double()[:, None], 0.0)
            probs = torch.zeros_like(probs).scatter(-1, order, ordered)
        mass = probs.cumsum(-1)
        total = mass[:, -1:]
        # Strictly below the total, or rounding could reach past the last possible token.
        target = torch.minimum(uniform[:, None] * total, torch.nextafter(total, total * 0))
        return torch.searchsorted(mass, target, right=True)[:, 0]
