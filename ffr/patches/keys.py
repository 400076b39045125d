"""Request keys: two failures with one key have one diagnosis.

A key covers everything a diagnosis depends on and nothing else, so a store can be
shared between machines (no paths, no times) and is never reused after a change of
the video, the question, the gold answer, the teacher, its prompt or its tools.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffr.data.question import Question
from student.parse import parse_choice

__all__ = ["KeyMaker", "canonical_hash", "normalise"]


def canonical_hash(value: object) -> str:
    """SHA-256 in hex of the canonical JSON form of ``value`` (sorted keys, no NaN)."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def normalise(text: str) -> str:
    """Case-folded, Unicode-normalised text with single spaces and no punctuation at its ends."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.strip(" .,;:!?'\"()[]{}`*")


@dataclass(frozen=True)
class KeyMaker:
    """Makes request keys for one teacher set-up.

    Attributes:
        teacher_model: name of the model that explains.
        prompt_hash: hash of every prompt text the teacher is given.
        tool_hashes: tool name to the hash of its interface and version.
        see_gt: whether the teacher is told the gold answer.
        patch_budget: limits of a patch (frames, words), by name.
    """

    teacher_model: str
    prompt_hash: str
    tool_hashes: Mapping[str, str]
    see_gt: bool
    patch_budget: Mapping[str, int]

    def key(self, video_id: str, question: Question, wrong_answer: str | None) -> str:
        """SHA-256 in hex of the request.

        Args:
            video_id: identity of the video's bytes (``teacher_tools.media.content_id``).
            question: with its gold answer.
            wrong_answer: what the failed rollout answered, if anything.

        The gold answer is part of it because the leak gate depends on it: a corrected label
        must not revive a patch that was checked against the wrong one.
        """
        return canonical_hash(
            {
                "video": video_id,
                "question_id": question.id,
                "question": normalise(question.question),
                "options": _texts_hash(question.options),
                "gold": _texts_hash((question.answer_type, question.answer)),
                "wrong": None if wrong_answer is None else _meaning(question, wrong_answer),
                "teacher": self.teacher_model,
                "prompt": self.prompt_hash,
                "tools": dict(self.tool_hashes),
                "see_gt": self.see_gt,
                "budget": dict(self.patch_budget),
            }
        )


def _meaning(question: Question, wrong_answer: str) -> str:
    """``B``, ``(B)`` and ``B) book`` are one wrong answer to a multiple-choice question."""
    letter = (
        parse_choice(wrong_answer, question.options) if question.answer_type == "choice" else None
    )
    return normalise(wrong_answer if letter is None else letter)


def _texts_hash(texts: Sequence[str]) -> str:
    return canonical_hash([normalise(t) for t in texts])
