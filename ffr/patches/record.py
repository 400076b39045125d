"""What the store keeps of one diagnosis: a patch, or a typed failure with its count of tries."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffr.patches.looks import ToolLook
from ffr.patches.patch import EvidencePatch, NoPatch

__all__ = ["CorruptRecordError", "StoredDiagnosis", "dump_record", "load_record"]

_NEVER_STORED = frozenset(
    {"teacher_off", "store_miss", "circuit_open", "budget_spent", "no_annotation"}
)
_TRANSIENT = frozenset({"timeout", "deadline", "provider_error", "blind_unknown"})


def _is_empty(value: object) -> bool:
    return not value


class CorruptRecordError(ValueError):
    """The bytes are no record of ours, or no longer what was written."""


class StoredDiagnosis(BaseModel):
    """Outcome of one request; carries no times or hosts, so equal work gives equal bytes.

    Attributes:
        patch: the patch, when there is one.
        failure: the reason there is none (exactly one of the two is set).
        attempts: diagnoses that ended in ``failure`` so far; 0 for a patch.
        teacher_model: who made it.
        question_id: whom it was made for; for people and statistics.
        tool_calls: tool name to (calls, failures) of the diagnosis that made it.
        looks: those of them that worked; left out of the bytes where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    patch: EvidencePatch | None = None
    failure: NoPatch | None = None
    attempts: Annotated[int, Field(ge=0)] = 0
    teacher_model: str = ""
    question_id: str = ""
    tool_calls: tuple[tuple[str, int, int], ...] = ()
    looks: tuple[ToolLook, ...] = Field((), max_length=256, exclude_if=_is_empty)

    @model_validator(mode="after")
    def _exactly_one(self) -> StoredDiagnosis:
        if (self.patch is None) == (self.failure is None):
            raise ValueError("set exactly one of patch and failure")
        if self.failure is not None and self.failure.reason in _NEVER_STORED:
            raise ValueError(f"reason={self.failure.reason!r} says nothing was asked; do not store")
        if (self.failure is None) != (self.attempts == 0):
            raise ValueError(f"attempts={self.attempts} must be 0 for a patch, >= 1 for a failure")
        return self

    @property
    def outcome(self) -> EvidencePatch | NoPatch:
        """The patch or the reason there is none."""
        result = self.patch or self.failure
        assert result is not None
        return result

    @property
    def transient(self) -> bool:
        """A failure of the connection or the provider, worth another try in any later run."""
        return self.failure is not None and self.failure.reason in _TRANSIENT

    @property
    def rejected(self) -> bool:
        """A person said no to the patch there was."""
        return self.failure is not None and self.failure.reason == "rejected"

    @staticmethod
    def storable(outcome: EvidencePatch | NoPatch) -> bool:
        """Whether the outcome says something about the request (a teacher was really asked)."""
        return isinstance(outcome, EvidencePatch) or outcome.reason not in _NEVER_STORED


def dump_record(key: str, record: StoredDiagnosis) -> bytes:
    """Canonical bytes of a record: its key, its body and the body's SHA-256, as one JSON line."""
    body = json.dumps(
        record.model_dump(mode="json", exclude_defaults=False),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    digest = hashlib.sha256((key + body).encode()).hexdigest()
    return f'{{"key":"{key}","sha256":"{digest}","record":{body}}}\n'.encode()


def load_record(key: str, data: bytes) -> StoredDiagnosis:
    """Read what ``dump_record`` wrote for this key.

    Raises:
        CorruptRecordError: torn, changed, of another key, or of an unknown schema.
    """
    head = f'{{"key":"{key}","sha256":"'.encode()
    digest, body = data[len(head) : len(head) + 64], data[len(head) + 64 :]
    middle, tail = b'","record":', b"}\n"
    if not (data.startswith(head) and body.startswith(middle) and body.endswith(tail)):
        raise CorruptRecordError("torn or not a record of this key")
    text = body[len(middle) : -len(tail)]
    if hashlib.sha256(key.encode() + text).hexdigest().encode() != digest:
        raise CorruptRecordError("content does not match its checksum")
    try:
        return StoredDiagnosis.model_validate_json(text)
    except ValidationError as error:
        raise CorruptRecordError(
            f"unknown or invalid schema: {error.errors()[0]['msg']}"
        ) from error
