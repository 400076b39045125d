"""Messages between the runner and its workers: a JSON head and raw bytes.

No pickle: a worker handles hostile media, and what it says is not trusted either.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ffr.geometry import Span
from teacher_tools.evidence import Evidence, Frame

__all__ = ["MARK_BYTES", "Head", "pack", "pack_evidence", "unpack", "unpack_evidence"]

Head = dict[str, Any]
MARK_BYTES = 16
"""Before every message goes the random mark of its call, zeros before the first."""

_LENGTH = struct.Struct(">I")
_MAX_HEAD_BYTES = 4 * 2**20
_MAX_LABEL = 1_000


def pack(head: Head, blobs: Sequence[bytes | memoryview] = ()) -> bytes:
    """One message."""
    encoded = json.dumps(head, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(encoded)), encoded, *blobs))


def unpack(message: bytes) -> tuple[Head, memoryview]:
    """Head and bytes of a message.

    Raises:
        ValueError: it is not one.
    """
    if len(message) < _LENGTH.size:
        raise ValueError(f"message of {len(message)} bytes is too short")
    (length,) = _LENGTH.unpack_from(message)
    if length > _MAX_HEAD_BYTES:
        raise ValueError(f"a head of {length} bytes is too long; at most {_MAX_HEAD_BYTES}")
    end = _LENGTH.size + length
    if end > len(message):
        raise ValueError(f"message of {len(message)} bytes ends inside its head of {length}")
    try:
        head = json.loads(message[_LENGTH.size : end], parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the head of the message is nested too deeply") from None
    if not isinstance(head, dict):
        raise ValueError("the head of the message is no object")
    return head, memoryview(message)[end:]


def pack_evidence(evidence: Evidence) -> tuple[Head, list[memoryview]]:
    """Evidence as a part of a head, and the pixels of its frames."""
    frames = [
        {
            "width": frame.size[0],
            "height": frame.size[1],
            "t_s": frame.t_s,
            "pts": frame.pts,
            "box": frame.box,
            "label": frame.label[:_MAX_LABEL],
            "intact": frame.intact,
        }
        for frame in evidence.frames
    ]
    span = None if evidence.span is None else evidence.span.model_dump()
    pixels = [np.ascontiguousarray(f.image).data.cast("B") for f in evidence.frames]
    return {"text": evidence.text, "span": span, "frames": frames}, pixels


def unpack_evidence(head: Head, blob: memoryview) -> Evidence:
    """The reverse of ``pack_evidence``.

    Raises:
        KeyError, OverflowError, TypeError, ValueError: the sender does not keep to the form.
    """
    frames = []
    offset = 0
    for item in head["frames"]:
        shape = (_whole(item["height"]), _whole(item["width"]), 3)
        end = offset + math.prod(shape)
        if min(shape) < 1 or end > len(blob):
            raise ValueError(f"a frame of shape {shape} does not fit into {len(blob)} bytes")
        box = item["box"]
        frames.append(
            Frame(
                np.frombuffer(blob[offset:end], np.uint8).reshape(shape),
                float(item["t_s"]),
                pts=None if item["pts"] is None else _whole(item["pts"]),
                box=None if box is None else (box[0], box[1], box[2], box[3]),
                label=str(item["label"])[:_MAX_LABEL],
                intact=bool(item["intact"]),
            )
        )
        offset = end
    span = None if head["span"] is None else Span.model_validate(head["span"])
    return Evidence(tuple(frames), str(head["text"]), span)


def _whole(value: object) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"{value!r:.40} is no whole number of 64 bits")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} has no place in a message")
