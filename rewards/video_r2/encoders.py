"""Sentence encoders: how alike two short clauses are, and from which cosine on they match.

A threshold belongs to one encoder (spec video_r2, Q9), so each declares its own.  The lexical one
needs no model; it has to be asked for by name, and nothing ever falls back to it.
"""

from __future__ import annotations

import importlib
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from ffr.config.video_r2 import EncoderConfig
from ffr.errors import UserError
from rewards.text_scores import rouge_tokens

__all__ = ["LexicalEncoder", "SentenceEncoder", "TransformerEncoder", "build_encoder"]

DECLARED: Mapping[str, float] = {"all-MiniLM-L6-v2": 0.75}
"""Thresholds of known models, by the last part of their name."""
_LEXICAL_THRESHOLD = 0.7
_KEPT = 20_000
_WORD = re.compile(r"\w+", re.UNICODE)
_STOP = frozenset({
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "being", "am", "do", "does",
    "did", "has", "have", "had", "he", "she", "it", "they", "his", "her", "its", "their",
    "this", "that", "there", "here", "of", "to", "in", "on", "at", "by", "for", "with", "from",
    "as", "and", "or", "then", "now", "i", "we", "you", "s", "appear", "appears", "appearing",
    "see", "sees", "seen", "show", "shows", "shown", "visible",
})  # fmt: skip


class SentenceEncoder(Protocol):
    """Compares clauses.

    Attributes:
        name: for records; a score means nothing without it.
        threshold: least cosine at which two clauses speak of the same thing.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def threshold(self) -> float: ...  # noqa: D102

    def cosines(self, left: Sequence[str], right: Sequence[str]) -> list[list[float]]:
        """``len(left)`` rows of ``len(right)`` cosines in [-1, 1]."""
        ...


class LexicalEncoder:
    """Cosine of stemmed word counts without function words: for tests, demos and fixed wordings.

    It knows no synonyms.  The threshold is ours: three shared words of four match, two of three
    do not.
    """

    name = "lexical-stems-v1"

    def __init__(self, threshold: float = _LEXICAL_THRESHOLD) -> None:
        self.threshold = threshold

    def cosines(self, left: Sequence[str], right: Sequence[str]) -> list[list[float]]:
        """See ``SentenceEncoder``."""
        columns = [_stems(text) for text in right]
        return [[_cosine(_stems(text), other) for other in columns] for text in left]


class TransformerEncoder:
    """A model of the package ``sentence-transformers``; remembers what it encoded.

    Args:
        config: model, threshold and device.

    Raises:
        UserError: the package or the model is missing, or the model has no declared threshold.
    """

    def __init__(self, config: EncoderConfig) -> None:
        threshold = config.threshold
        if threshold is None:
            threshold = DECLARED.get(config.model.rstrip("/").rpartition("/")[2])
        if threshold is None:
            raise UserError(
                f"encoder.model={config.model!r} has no declared threshold (known: "
                f"{', '.join(DECLARED)}); set encoder.threshold to one measured for this model"
            )
        self.name = config.model
        self.threshold = threshold
        try:
            library: Any = importlib.import_module("sentence_transformers")
        except ModuleNotFoundError as error:
            raise UserError(
                "encoder.kind='sentence_transformers' needs the package 'sentence-transformers', "
                f"and {error.name!r} is not installed; run: pip install sentence-transformers, or "
                "choose encoder.kind='lexical' knowingly"
            ) from error
        try:
            self._model = library.SentenceTransformer(config.model, device=config.device)
        except (OSError, ValueError) as error:
            raise UserError(
                f"cannot load encoder.model={config.model!r} ({type(error).__name__}); give the "
                "name or folder of a sentence-transformers model"
            ) from error
        self._known: OrderedDict[str, Any] = OrderedDict()

    def cosines(self, left: Sequence[str], right: Sequence[str]) -> list[list[float]]:
        """See ``SentenceEncoder``."""
        wanted = list(dict.fromkeys((*left, *right)))
        new = [text for text in wanted if text not in self._known]
        if new:
            rows = self._model.encode(new, normalize_embeddings=True, show_progress_bar=False)
            self._known.update(zip(new, rows, strict=True))
        vectors = {text: self._known[text] for text in wanted}
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return [[float(vectors[a] @ vectors[b]) for b in right] for a in left]


def build_encoder(config: EncoderConfig) -> SentenceEncoder:
    """The configured encoder.

    Raises:
        UserError: see ``TransformerEncoder``.
    """
    if config.kind == "lexical":
        return LexicalEncoder(
            _LEXICAL_THRESHOLD if config.threshold is None else config.threshold
        )
    return TransformerEncoder(config)


def _cosine(a: Mapping[str, int], b: Mapping[str, int]) -> float:
    shared = sum(count * b.get(stem, 0) for stem, count in a.items())
    if not shared:
        return 0.0
    size = sum(n * n for n in a.values()) * sum(n * n for n in b.values())
    return min(1.0, shared / math.sqrt(size))


@lru_cache(maxsize=_KEPT)
def _stems(text: str) -> Mapping[str, int]:
    words = (word for word in _WORD.findall(text.casefold()) if word not in _STOP)
    return Counter(map(_stem, words))


@lru_cache(maxsize=_KEPT)
def _stem(word: str) -> str:
    tokens = rouge_tokens(word) if word.isascii() else ()
    return tokens[0] if len(tokens) == 1 else word
