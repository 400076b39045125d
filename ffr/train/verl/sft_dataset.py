"""SFT records as verl's SFT trainer wants them: ids, 4-D positions, loss mask, pixels.

The prompt is rendered by the same code as in RL and evaluation; the loss covers the response, its
end token, with ``sft.train_line_break`` the line break behind it, and nothing else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch.utils.data import Dataset

from ffr.config.load import load_config
from ffr.data.sft_record import SftRecord, load_sft_records
from ffr.patches.media import MediaStore
from ffr.run.folder import RunFolder
from ffr.train.rendering import PromptRenderer
from ffr.train.verl.one_stream import one_visual_stream
from ffr.train.verl.positions import position_ids
from student.prompt_parts import StudentPrompt

__all__ = ["SftDataset"]

_KEEP_BYTES = 1 << 30


class SftDataset(Dataset):  # type: ignore[type-arg]
    """Rows of an SFT record file; tensors are made on first use, the first GiB of them kept."""

    def __init__(
        self,
        parquet_files: str,
        tokenizer: Any,
        config: DictConfig,
        processor: Any = None,
        max_samples: int = -1,
    ) -> None:
        # verl names the argument after its own format; ours is JSON lines.
        path = Path(parquet_files)
        self._records = load_sft_records(path)
        if max_samples > 0:
            self._records = self._records[:max_samples]
        run = load_config([RunFolder.open(config.ffr.run_dir).config_path])
        self._limit = int(config.max_length)
        self._line_break = run.sft.train_line_break
        self._processor = processor
        self._renderer = PromptRenderer(
            run.student,
            media_root=config.ffr.media_root,
            model_path=config.ffr.model,
            patch_media=MediaStore(config.ffr.get("patch_media") or path.parent / "media"),
            frame_cache=config.ffr.get("frame_cache"),
        )
        self._rows: dict[int, dict[str, Any]] = {}
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows.get(index)
        if row is None:
            row = self._row(self._records[index])
            size = sum(tensor.nbytes for tensor in row["multi_modal_inputs"].values())
            if self._kept_bytes + size <= _KEEP_BYTES:
                self._rows[index], self._kept_bytes = row, self._kept_bytes + size
        return {**row, "multi_modal_inputs": dict(row["multi_modal_inputs"])}

    def _row(self, record: SftRecord) -> dict[str, Any]:
        prompt = asyncio.run(self._prompt(record))
        encoded = self._renderer.processor.encode(prompt)
        response = self._renderer.processor.tokenizer.encode(
            record.response, add_special_tokens=False
        )
        response.append(self._renderer.processor.stop_token_ids[0])
        if self._line_break:
            response += self._renderer.processor.tokenizer.encode("\n", add_special_tokens=False)
        ids = torch.tensor([*encoded.prompt_ids, *response])
        if len(ids) > self._limit:
            raise ValueError(
                f"record {record.question.id!r} has {len(ids)} tokens, the limit is {self._limit}; "
                "raise student.max_prompt_tokens or max_response_tokens, or shorten the record"
            )
        mask = torch.zeros_like(ids)
        mask[len(encoded.prompt_ids):] = 1
        inputs = dict(encoded.tensors)
        positions = position_ids(self._processor, ids, inputs)
        ids, inputs = one_visual_stream(self._processor, ids, inputs)
        return {
            "input_ids": ids,
            "position_ids": positions,
            "loss_mask": mask,
            "multi_modal_inputs": inputs,
        }

    async def _prompt(self, record: SftRecord) -> StudentPrompt:
        if record.patch is None:
            return await self._renderer.question(record.question.asked)
        return await self._renderer.patched(record.question.asked, record.patch)
