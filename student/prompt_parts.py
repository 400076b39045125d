"""A rendered prompt as plain data: text, videos with their time axis, images.

No torch, no transformers: ``student.processor`` turns it into model inputs, and
the verl adapter turns it into verl's own message format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from student.time_axis import TimeAxis

__all__ = ["ImagePart", "Message", "Part", "StudentPrompt", "TextPart", "VideoPart"]


@dataclass(frozen=True)
class TextPart:
    """Text of a message."""

    text: str


@dataclass(frozen=True, eq=False)
class VideoPart:
    """Sampled frames: ``frames`` is uint8 RGB of shape (T, H, W, 3), ``axis`` their times."""

    frames: npt.NDArray[np.uint8] = field(repr=False)
    axis: TimeAxis


@dataclass(frozen=True, eq=False)
class ImagePart:
    """One still image: uint8 RGB of shape (H, W, 3)."""

    image: npt.NDArray[np.uint8] = field(repr=False)


Part = TextPart | VideoPart | ImagePart


@dataclass(frozen=True, eq=False)
class Message:
    """One chat turn."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class StudentPrompt:
    """A whole prompt; ``patch_id`` is set when it carries an evidence patch."""

    messages: tuple[Message, ...]
    patch_id: str | None = None
    question_id: str = field(default="")

    @property
    def videos(self) -> tuple[VideoPart, ...]:
        """Videos in reading order."""
        return tuple(p for m in self.messages for p in m.parts if isinstance(p, VideoPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """Images in reading order."""
        return tuple(p for m in self.messages for p in m.parts if isinstance(p, ImagePart))

    @property
    def text(self) -> str:
        """All text joined; what a leak scan looks at."""
        return "\n".join(p.text for m in self.messages for p in m.parts if isinstance(p, TextPart))

    def chat_messages(self) -> list[dict[str, object]]:
        """Messages for a Hugging Face chat template; media stand as typed placeholders."""
        kinds = {VideoPart: "video", ImagePart: "image"}
        return [
            {
                "role": message.role,
                "content": [
                    {"type": "text", "text": part.text}
                    if isinstance(part, TextPart)
                    else {"type": kinds[type(part)]}
                    for part in message.parts
                ],
            }
            for message in self.messages
        ]
