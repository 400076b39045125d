"""Protocols by name or file, and their content hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from ffr.config.load import load_as
from ffr.config.protocol import EvalProtocol
from ffr.data.question import AnswerType
from ffr.elect.prompts import answer_instruction
from ffr.errors import UserError
from ffr.patches.keys import canonical_hash
from student.prompt import instruction_for

__all__ = [
    "differing_keys", "load_protocol", "protocol_content", "protocol_hash", "protocol_names",
]  # fmt: skip

_FOLDER = Path(__file__).parent / "protocols"
_NO_CONTENT = {"name", "description", "metrics", "judge", "citation_tolerance_s"}


def protocol_names() -> tuple[str, ...]:
    """Names of the shipped protocols."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_protocol(which: str | Path, overrides: Sequence[str] = ()) -> EvalProtocol:
    """A protocol by the name of a shipped one or from a YAML file, which may ``extends`` others.

    Args:
        which: ``video16``, or ``mine.yaml``.
        overrides: ``key=value`` settings; they make it another protocol.

    Raises:
        UserError: no such name or file, or anything wrong in it, with key, value and fix.
    """
    path = Path(which)
    if not path.is_file():
        path = _FOLDER / f"{which}.yaml"
        if "/" in str(which) or not path.is_file():
            raise UserError(
                f"protocol {str(which)!r} is neither a file nor a shipped one; give a YAML file, "
                f"or one of {', '.join(protocol_names())}"
            )
    return load_as(EvalProtocol, [path], overrides)


def protocol_content(protocol: EvalProtocol) -> dict[str, Any]:
    """All that can change an answer or its score, the wording of the instructions included.

    Name, description and the choice of further metrics are left out.
    """
    prompt = protocol.student_prompt()
    kinds: tuple[AnswerType, ...] = get_args(AnswerType)
    wording: dict[str, Any] = {kind: instruction_for(kind, prompt) for kind in kinds}
    if protocol.election is not None and protocol.election.evidence.citation == "frames":
        evidence = protocol.election.evidence
        wording = {
            kind: answer_instruction(kind, protocol.frames.count, evidence.index_base)
            for kind in kinds
        }
    return {**protocol.model_dump(mode="json", exclude=_NO_CONTENT), "wording": wording}


def protocol_hash(protocol: EvalProtocol) -> str:
    """SHA-256 of ``protocol_content``: equal hashes, comparable scores."""
    return canonical_hash(protocol_content(protocol))


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted keys at which two trees of plain data differ, with both values, in order."""
    left, right = dict(_leaves(one, "")), dict(_leaves(other, ""))
    missing = object()
    return [
        f"{key}: {_shown(left.get(key, missing), missing)} against "
        f"{_shown(right.get(key, missing), missing)}"
        for key in dict.fromkeys((*left, *right))
        if left.get(key, missing) != right.get(key, missing)
    ]


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _shown(value: Any, missing: object) -> str:
    if value is missing:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
