"""VAS-A's arithmetic: from attention mass on video tokens to the three numbers (spec §4.3).

The model part hands over, for every generated token and head of the last layer, how much of its
attention lies on video tokens and how much on the first token.  Nothing here needs a tensor
library.  Values without a denominator are not available (errata ruling 12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["AttentionScore", "attention_score"]

Floats = npt.NDArray[np.float64]
_SLACK = 1e-4


@dataclass(frozen=True)
class AttentionScore:
    """Attention of one response to the video.

    Attributes:
        vas: 100 times the mean mass on video tokens, in [0, 100]; ``None`` without any token.
        lift: mean of mass over a uniform share; 1 is uniform; ``None`` without video tokens.
            Tokens that see no video token (a sliding window) are left out.
        no_sink: ``vas`` after taking the first token out and renormalising; ``None`` when every
            row has all its mass on it.
        per_token: mean over heads for every token, for box plots.
        n_all_sink: rows (token, head) with all mass on the first token, left out of ``no_sink``.
    """

    vas: float | None
    lift: float | None
    no_sink: float | None
    per_token: tuple[float, ...]
    n_all_sink: int


def attention_score(
    video_mass: npt.ArrayLike,
    sink_mass: npt.ArrayLike,
    visible_keys: npt.ArrayLike,
    video_tokens: npt.ArrayLike,
) -> AttentionScore:
    """VAS-A, lift and noSink of one response.

    Args:
        video_mass: ``(T, H)``, attention on video tokens, each in [0, 1].
        sink_mass: ``(T, H)``, attention on the first key, which is no video token.
        visible_keys: ``(T,)``, number of keys each row may look at.
        video_tokens: number of video tokens a row may look at: one for all, or ``(T,)``.

    Raises:
        ValueError: the shapes differ or a mass is outside [0, 1].
    """
    mass, sink = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (video_mass, sink_mass))
    keys = np.asarray(visible_keys, dtype=np.float64).reshape(-1)
    video = np.asarray(video_tokens, dtype=np.float64)
    fits = len(keys) == len(mass) and (video.ndim == 0 or video.shape == keys.shape)
    if mass.shape != sink.shape or (mass.size and not fits):
        raise ValueError(
            f"shapes video_mass={mass.shape}, sink_mass={sink.shape}, visible_keys={keys.shape}, "
            f"video_tokens={video.shape} do not fit; give (tokens, heads) twice and (tokens,) twice"
        )
    if not mass.size:
        return AttentionScore(None, None, None, (), 0)
    if not (_is_mass(mass) and _is_mass(sink) and _is_mass(mass + sink)):
        raise ValueError("attention mass is outside [0, 1]; give softmax weights summed over keys")
    others = 1.0 - sink
    kept = others > _SLACK
    share = np.broadcast_to(video, keys.shape) / keys
    lift = None
    if (sees := share > 0).any():
        lift = float((mass[sees] / share[sees, None]).mean())
    return AttentionScore(
        vas=float(np.clip(100.0 * mass.mean(), 0.0, 100.0)),
        lift=lift,
        no_sink=float(100.0 * (mass[kept] / others[kept]).mean()) if kept.any() else None,
        per_token=tuple(float(x) for x in mass.mean(axis=1)),
        n_all_sink=int((~kept).sum()),
    )


def _is_mass(values: Floats) -> bool:
    inside = (values >= -_SLACK) & (values <= 1 + _SLACK)  # False for NaN
    return bool(inside.all())
