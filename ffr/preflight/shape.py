"""The sizes of a model that its memory follows from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ModelShape"]


@dataclass(frozen=True)
class ModelShape:
    """Counts are numbers of parameters, widths are numbers of channels.

    Attributes:
        parameters: all of them, tied ones once.
        vision: those of the vision tower and its merger.
        embedding: of the input embedding, the largest part that is gathered at once.
        adapter: weights of LoRA at rank 1 on every linear layer but the output.
        vision_adapter: those of them in the vision tower.
        tied: input and output embedding are one.
        query, key_value: widths of the attention's queries, and of its keys (or values).
        visual_token_values: pixel values behind one visual token, all colours.
        max_positions: longest prompt and response together the model is made for, tokens.
    """

    name: str
    parameters: int
    vision: int
    embedding: int
    adapter: int
    vision_adapter: int
    tied: bool
    vocabulary: int
    layers: int
    hidden: int
    intermediate: int
    query: int
    key_value: int
    heads: int
    vision_layers: int
    vision_hidden: int
    vision_intermediate: int
    merge: int
    visual_token_values: int
    max_positions: int

    @property
    def largest_unit(self) -> int:
        """Parameters FSDP gathers at once, at most: a layer or the embedding."""
        text = self.parameters - self.vision - self.embedding * (1 if self.tied else 2)
        return max(self.embedding, text // max(self.layers, 1))

    def trainable(self, *, lora_rank: int | None, freeze_vision: bool) -> int:
        """Parameters that get gradients."""
        if lora_rank is not None:
            return lora_rank * (self.adapter - (self.vision_adapter if freeze_vision else 0))
        return self.parameters - (self.vision if freeze_vision else 0)
