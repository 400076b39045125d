"""A student's view of a response it is *given*: attention and log-probabilities, no sampling.

One forward pass over prompt and response, with the kernel the model runs on anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402

from ffr.config.student import StudentConfig  # noqa: E402
from ffr.errors import UserError  # noqa: E402
from student.attention import CHUNK_ROWS, LayerMass, watched_attention  # noqa: E402
from student.generate import BatchedStudent  # noqa: E402
from student.model import load_model  # noqa: E402
from student.processor import EncodedPrompt, StudentProcessor  # noqa: E402

__all__ = ["ForcedStudent"]


class ForcedStudent:
    """Reads responses with one model; safe for threads, one pass at a time.

    Args:
        model: a Qwen-VL ``...ForConditionalGeneration`` in evaluation mode.
        processor: of the same checkpoint.
        lock: held during a pass; give the generator's when it shares the model.
    """

    def __init__(
        self, model: Any, processor: StudentProcessor, *, lock: threading.Lock | None = None
    ) -> None:
        if not hasattr(getattr(model, "model", None), "get_rope_index"):
            raise UserError(
                f"a {type(model).__name__} cannot be read here; give a Qwen2-VL, Qwen2.5-VL or "
                "Qwen3-VL student"
            )
        self.model = model
        self.processor = processor
        self._lock = lock or threading.Lock()

    @classmethod
    def load(
        cls, folder: Path | str, config: StudentConfig, *, device: str = "cpu"
    ) -> ForcedStudent:
        """A student from a checkpoint folder.

        Raises:
            UserError: the checkpoint cannot be loaded.
        """
        processor = StudentProcessor(folder, max_prompt_tokens=config.max_prompt_tokens)
        return cls(load_model(folder, config, device=device), processor)

    @classmethod
    def sharing(cls, student: BatchedStudent) -> ForcedStudent:
        """The same weights as a generating student; their passes take turns."""
        generator = student.generator
        return cls(generator.model, generator.processor, lock=generator.lock)

    def response_ids(self, text: str) -> tuple[int, ...]:
        """Tokens of a response whose text alone is known, end token included.

        Raises:
            ValueError: the text writes a control token.
        """
        ids = tuple(self.processor.tokenizer.encode(text, add_special_tokens=False))
        if bad := sorted({*self.processor.suppress_token_ids, *self._ends} & {*ids}):
            token = self.processor.tokenizer.convert_ids_to_tokens(bad[0])
            raise ValueError(f"the response holds the control token {token!r}; take it out")
        return (*ids, self.processor.stop_token_ids[0])

    @torch.inference_mode()
    def attention(
        self,
        prompt: EncodedPrompt,
        response_ids: Sequence[int],
        tokens: Sequence[int],
        *,
        layers: Sequence[int] = (-1,),
        chunk_rows: int = CHUNK_ROWS,
    ) -> tuple[LayerMass, ...]:
        """Where the model looks while it writes some tokens of a response.

        Args:
            prompt: as encoded for the model.
            response_ids: the response.
            tokens: indices into ``response_ids``, ascending; a token's row is that of the
                position before it, whose output it is.
            layers: decoder layers; negative ones count from the end.
            chunk_rows: rows softmaxed at a time, which bounds the extra memory.

        Returns:
            One ``LayerMass`` a layer, in the order of the layers; none without tokens.

        Raises:
            UserError: the model's attention cannot be read, or there is no such layer.
            ValueError: an index is outside the response.
        """
        if not tokens:
            return ()
        rows = torch.tensor(tokens)
        if rows[0] < 0 or rows[-1] >= len(response_ids) or bool((rows.diff() <= 0).any()):
            raise ValueError(
                f"tokens={list(tokens)[:8]}... must ascend within 0 to {len(response_ids) - 1}"
            )
        fed = response_ids[: int(rows[-1])]  # the last token wanted is an output only
        positions = rows + len(prompt.prompt_ids) - 1
        inputs = self._inputs(prompt, fed)
        is_video = inputs["input_ids"][0] == self.processor.hf.video_token_id
        with self._lock, watched_attention(
            self.model, layers=layers, positions=positions, is_video=is_video,
            chunk_rows=chunk_rows,
        ) as found:  # fmt: skip
            self.model.model(**inputs, use_cache=False)
        return tuple(found)

    @torch.inference_mode()
    def log_probs(self, prompt: EncodedPrompt, response_ids: Sequence[int]) -> tuple[float, ...]:
        """Log-probability of each token of a response at temperature 1; nats."""
        if not response_ids:
            return ()
        inputs = self._inputs(prompt, response_ids[:-1])
        with self._lock:
            logits = self.model(
                **inputs, use_cache=False, logits_to_keep=len(response_ids)
            ).logits[0]
        wanted = torch.tensor(response_ids, device=logits.device)[:, None]
        found = logits.float().log_softmax(-1).gather(-1, wanted)[:, 0]
        return tuple(found.tolist())

    @property
    def _ends(self) -> tuple[int, ...]:
        return self.processor.stop_token_ids

    def _inputs(self, prompt: EncodedPrompt, fed: Sequence[int]) -> dict[str, torch.Tensor]:
        """Model inputs of one sequence, positions included; there is no padding to mask."""
        vision = {self.processor.hf.image_token_id, self.processor.hf.video_token_id}
        if vision & {*fed}:
            raise ValueError("the response holds a vision token; such a response cannot be read")
        whole = replace(prompt, prompt_ids=(*prompt.prompt_ids, *fed))
        device = self.model.device
        inputs = {name: t.to(device) for name, t in self.processor.batch([whole]).items()}
        grids = {
            name: inputs[name]
            for name in ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")
            if name in inputs
        }
        positions, _ = self.model.model.get_rope_index(
            inputs["input_ids"], mm_token_type_ids=inputs.pop("mm_token_type_ids"),
            attention_mask=inputs.pop("attention_mask"), **grids,
        )  # fmt: skip
        return {**inputs, "position_ids": positions}
