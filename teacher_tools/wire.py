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

__all__ = ["Head", "pack", "pack_evidence", "unpack", "unpack_evidence"]

Head = dict[str, Any]
_LENGTH = struct.Struct(">I")


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
    body = _LENGTH.size + length
    if body > len(message):
        raise ValueError(f"message of {len(message)} bytes ends inside its head of {length}")
    head = json.loads(message[_LENGTH.size : body])
    if not isinstance(head, dict):
        raise ValueError("the head of the message is no object")
    return head, memoryview(message)[body:]


def pack_evidence(evidence: Evidence) -> tuple[Head, list[memoryview]]:
    """Evidence as a part of a head, and the pixels of its frames."""
    frames = [
        {
            "width": frame.size[0],
            "height": frame.size[1],
            "t_s": frame.t_s,
            "pts": frame.pts,
            "box": frame.box,
            "label": frame.label,
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
        KeyError, TypeError, ValueError: the sender does not keep to the form.
    """
    frames = []
    offset = 0
    for item in head["frames"]:
        shape = (int(item["height"]), int(item["width"]), 3)
        end = offset + math.prod(shape)
        if min(shape) < 1 or end > len(blob):
            raise ValueError(f"a frame of shape {shape} does not fit into {len(blob)} bytes")
        box = item["box"]
        frames.append(
            Frame(
                np.frombuffer(blob[offset:end], np.uint8).reshape(shape),
                float(item["t_s"]),
                pts=None if item["pts"] is None else int(item["pts"]),
                box=None if box is None else (box[0], box[1], box[2], box[3]),
                label=str(item["label"]),
                intact=bool(item["intact"]),
            )
        )
        offset = end
    span = None if head["span"] is None else Span.model_validate(head["span"])
    return Evidence(tuple(frames), str(head["text"]), span)
