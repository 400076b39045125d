"""How much of its attention a model spends on video tokens, exactly and in little memory.

The layers asked about run as always; in passing, their attention function also sees the queries
and keys the model itself made (heads normalised, multimodal rotary positions applied), takes the
few rows wanted and softmaxes them in chunks.  The full attention matrix never exists, and nothing
of a model family's attention is written a second time here.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402
from transformers import AttentionInterface  # noqa: E402
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS  # noqa: E402

from ffr.errors import UserError  # noqa: E402

__all__ = ["CHUNK_ROWS", "LayerMass", "watched_attention"]

CHUNK_ROWS = 64
"""Query rows softmaxed at a time: heads x rows x keys float32 values are held."""
_NAME = "ffr_watched"
_REFUSED = ("softcap", "s_aux")  # change the softmax; no Qwen-VL has them

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerMass:
    """Attention of some query positions in one layer, with T positions and H heads.

    Attributes:
        layer: index of the decoder layer, from 0.
        video: (T, H), mass on video tokens.
        sink: (T, H), mass on the first token of the sequence.
        visible_keys: (T,), keys each position may look at, its own included.
        visible_video: (T,), how many of them are video tokens.
    """

    layer: int
    video: Floats = field(repr=False)
    sink: Floats = field(repr=False)
    visible_keys: npt.NDArray[np.int64] = field(repr=False)
    visible_video: npt.NDArray[np.int64] = field(repr=False)


@contextmanager
def watched_attention(
    model: Any,
    *,
    layers: Sequence[int],
    positions: torch.Tensor,
    is_video: torch.Tensor,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[list[LayerMass]]:
    """Watch the next forward pass over one sequence without padding or cache.

    Args:
        model: a Qwen-VL ``...ForConditionalGeneration``, under any attention implementation.
        layers: decoder layers; negative ones count from the end.
        positions: (T,), query positions wanted, ascending.
        is_video: (L,), which positions of the sequence are video tokens.
        chunk_rows: positions handled at a time, which bounds memory.

    Yields:
        A list that one ``LayerMass`` a layer is appended to, in the order of the layers.

    Raises:
        UserError: the model is of another kind, or has no such layer.
    """
    modules = _attention_modules(model, layers)
    found: list[LayerMass] = []
    own: dict[int, Any] = {}
    for index, module in modules.items():
        own[index] = module.config
        # A configuration of its own: masks are made from the model's, and stay what they are.
        module.config = copy.copy(module.config)
        module.config._attn_implementation_internal = _NAME
        module.ffr_watch = _Watch(index, own[index], positions, is_video, chunk_rows, found)
    try:
        yield found
    finally:
        for index, module in modules.items():
            module.config = own[index]
            del module.ffr_watch


def _attention_modules(model: Any, layers: Sequence[int]) -> dict[int, Any]:
    try:
        decoder = model.model.language_model.layers
        modules = [layer.self_attn for layer in decoder]
        known = all(hasattr(m, "config") and hasattr(m, "scaling") for m in modules)
    except AttributeError:
        known = False
    if not known:
        raise UserError(
            f"attention of a {type(model).__name__} cannot be read; give a Qwen2-VL, Qwen2.5-VL or "
            "Qwen3-VL student"
        )
    count = len(modules)
    if wrong := [i for i in layers if not -count <= i < count]:
        raise UserError(
            f"layer {wrong[0]} is not allowed; the model has layers 0 to {count - 1} "
            "(negative ones count from the end)"
        )
    return {i: modules[i] for i in sorted({i % count for i in layers})}


@dataclass(eq=False)
class _Watch:
    """What one layer's attention function needs to know while it is watched."""

    layer: int
    config: Any
    positions: torch.Tensor
    is_video: torch.Tensor
    chunk_rows: int
    found: list[LayerMass]

    def look(
        self, query: torch.Tensor, key: torch.Tensor, scaling: float, window: int | None
    ) -> None:
        """Append the masses.

        Args:
            query: (1, H, L, d), as it enters the softmax.
            key: (1, H_kv, L, d).
            scaling: of the scores.
            window: how many keys a position sees, its own included; ``None`` for all before it.
        """
        if len(query) != 1 or not query.shape[2] == key.shape[2] == len(self.is_video):
            raise ValueError(
                f"queries {tuple(query.shape)} and keys {tuple(key.shape)} are not one whole "
                "sequence; run one prompt with its response, without a cache"
            )
        positions = self.positions.to(query.device)
        is_video = self.is_video.to(query.device)
        kept = [
            _mass(query[0, :, rows], key[0], rows, is_video, scaling, window)
            for rows in torch.split(positions, self.chunk_rows)
        ]
        masses = torch.cat([mass for mass, _ in kept]).cpu().numpy()
        counts = torch.cat([count for _, count in kept]).cpu().numpy()
        self.found.append(
            LayerMass(self.layer, masses[..., 0], masses[..., 1], counts[:, 0], counts[:, 1])
        )


def _mass(
    query: torch.Tensor,
    key: torch.Tensor,
    rows: torch.Tensor,
    is_video: torch.Tensor,
    scaling: float,
    window: int | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masses (rows, H, 2) on video and first key, float64; counts (rows, 2) of keys and video."""
    heads, n_rows, width = query.shape
    groups = len(key)
    last = int(rows[-1]) + 1
    first = 0 if window is None else max(0, int(rows[0]) - window + 1)
    columns = torch.arange(first, last, device=key.device)
    hidden = columns[None] > rows[:, None]
    if window is not None:
        hidden |= columns[None] <= rows[:, None] - window
    # Heads that share keys sit next to each other: one product per group, no copy of the keys.
    shared = query.float().reshape(groups, heads // groups * n_rows, width)
    scores = (shared @ key[:, first:last].float().transpose(1, 2)).mul_(scaling)
    scores = scores.view(heads, n_rows, last - first).masked_fill_(hidden, float("-inf"))
    scores.sub_(scores.amax(-1, keepdim=True)).exp_()
    video = is_video[first:last]
    picked = torch.stack([torch.ones_like(video), video, columns == 0], dim=1).float()
    sums = (scores @ picked).double()
    seen = (~hidden).long()
    counts = torch.stack([seen.sum(1), (seen * video).sum(1)], dim=1)
    return (sums[..., 1:] / sums[..., :1]).transpose(0, 1), counts


def _watched(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Look, then do what the layer would have done."""
    watch: _Watch = module.ffr_watch
    if changed := [name for name in _REFUSED if options.get(name) is not None]:
        raise UserError(
            f"attention of a {type(module).__name__} cannot be read: it uses {changed[0]!r}, which "
            "is not a plain softmax; give a Qwen2-VL, Qwen2.5-VL or Qwen3-VL student"
        )
    scaling = options.get("scaling")
    watch.look(
        query, key, query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        options.get("sliding_window"),
    )  # fmt: skip
    module.config = watch.config  # some implementations read their own name there
    eager = sys.modules[type(module).__module__].eager_attention_forward
    usual = ALL_ATTENTION_FUNCTIONS.get_interface(watch.config._attn_implementation, eager)
    result: tuple[torch.Tensor, torch.Tensor | None] = usual(
        module, query, key, value, attention_mask, **options
    )
    return result


AttentionInterface.register(_NAME, _watched)
