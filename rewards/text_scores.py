"""Word error rate and ROUGE, by the maintained libraries ``jiwer`` and ``rouge-score``.

Both are imported on first use: importing ``rewards`` stays cheap, and an installation
without them fails only where it must, with a line that says what to install.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

from ffr.errors import UserError

__all__ = ["rouge_f1", "rouge_tokens", "word_error_rate"]


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Word-level edit distance over the number of reference words; may exceed 1.

    Raises:
        ValueError: the reference holds no word.
        UserError: ``jiwer`` is not installed.
    """
    if not reference.split():
        raise ValueError(f"reference={reference!r} holds no word; give at least one")
    return float(_load("jiwer", "jiwer").wer(reference, hypothesis))


def rouge_f1(reference: str, hypothesis: str) -> dict[str, float]:
    """F1 of ``rouge1``, ``rouge2`` and ``rougeL``, each in [0, 1], with stemming.

    Raises:
        UserError: ``rouge-score`` is not installed.
    """
    scores = _scorer().score(reference, hypothesis)
    return {name: float(score.fmeasure) for name, score in scores.items()}


def rouge_tokens(text: str) -> tuple[str, ...]:
    """The stemmed tokens ROUGE compares (lower case, letters and digits).

    Raises:
        UserError: ``rouge-score`` is not installed.
    """
    return tuple(_tokenizer().tokenize(text))


def _load(module: str, distribution: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise UserError(
            f"scoring text answers needs the package {distribution!r}, which is not installed; "
            f"run: pip install {distribution}"
        ) from error


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    return _load("rouge_score.tokenizers", "rouge-score").DefaultTokenizer(use_stemmer=True)


@lru_cache(maxsize=1)
def _scorer() -> Any:
    module = _load("rouge_score.rouge_scorer", "rouge-score")
    return module.RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_tokenizer())
