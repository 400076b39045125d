"""Datasets in the form verl's trainers ask for; they carry questions, never frames.

Decoding happens in the agent-loop workers (or in the SFT loader), so the driver's
memory does not grow with the number of frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch.utils.data import Dataset

from ffr.data.question import Question

__all__ = ["QuestionDataset"]


class QuestionDataset(Dataset):  # type: ignore[type-arg]
    """Rows of a checked question file (``ffr.train.prepare`` writes it into the run folder)."""

    def __init__(
        self,
        data_files: str | list[str],
        tokenizer: Any,
        config: DictConfig,
        processor: Any = None,
        max_samples: int = -1,
    ) -> None:
        paths = [data_files] if isinstance(data_files, str) else list(data_files)
        self.questions: list[Question] = []
        for path in paths:
            with Path(path).open(encoding="utf-8") as lines:
                self.questions += [Question.model_validate_json(line) for line in lines]
        if max_samples > 0:
            self.questions = self.questions[:max_samples]

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index: int) -> dict[str, Any]:
        question = self.questions[index]
        return {
            # verl decodes nothing of this; it only counts rows by ``raw_prompt``.
            "raw_prompt": [{"role": "user", "content": question.question}],
            "question_json": question.model_dump_json(),
            "data_source": question.family or "all",
            "reward_model": {"style": "rule", "ground_truth": question.answer},
            "index": index,
            "agent_name": "ffr",
        }
