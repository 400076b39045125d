"""Content hashes of data sets: of what the rows mean, not of how they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from ffr.data.question import Question

__all__ = ["DatasetDigest", "dataset_sha256"]


class DatasetDigest:
    """SHA-256 over questions as canonical JSON, in order; formatting does not matter."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, question: Question) -> None:
        """The next question."""
        row = json.dumps(question.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        self._digest.update(row.encode() + b"\n")

    def hexdigest(self) -> str:
        """The hash so far."""
        return self._digest.hexdigest()


def dataset_sha256(questions: Iterable[Question]) -> str:
    """The hash of whole data sets; see ``DatasetDigest``."""
    digest = DatasetDigest()
    for question in questions:
        digest.add(question)
    return digest.hexdigest()
