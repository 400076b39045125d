"""Builds conversations the way a client would, from frames drawn in the test."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ffr.demo.observer import Observer, Reply
from ffr.demo.observer_calls import read_tools
from ffr.demo.observer_images import ImageReader
from ffr.demo.observer_reading import read_conversation

Rgb = npt.NDArray[np.uint8]

TOOLS: tuple[dict[str, Any], ...] = tuple(
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": properties, "required": list(required)},
        },
    }
    for name, properties, required in (
        (
            "timestamp",
            {
                "start_s": {"type": "number", "minimum": 0},
                "end_s": {"type": "number", "minimum": 0},
                "frames": {"type": "integer", "minimum": 1, "maximum": 16},
                "mode": {"type": "string", "enum": ["burn", "label"], "default": "burn"},
            },
            ("start_s", "end_s"),
        ),
        (
            "clip",
            {
                "start_s": {"type": "number", "minimum": 0},
                "end_s": {"type": "number", "minimum": 0},
                "frames": {"type": "integer", "minimum": 1, "maximum": 16},
            },
            ("start_s", "end_s", "frames"),
        ),
        (
            "zoom",
            {
                "t_s": {"type": "number", "minimum": 0},
                "box": {"type": "array", "items": {"type": "number"}, "minItems": 4},
            },
            ("t_s", "box"),
        ),
    )
)


def grey_picture(seed: int = 0, side: int = 96) -> Rgb:
    """Noisy grey, uint8 RGB of shape (side, side, 3)."""
    noise = np.random.default_rng(seed).normal(120.0, 8.0, size=(side, side))
    return np.repeat(np.clip(noise, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def with_patch(
    picture: Rgb, box: tuple[int, int, int, int], colour: tuple[int, int, int]
) -> Rgb:
    """A copy with a filled rectangle, ``box`` in pixels."""
    result = picture.copy()
    x0, y0, x1, y1 = box
    result[y0:y1, x0:x1] = colour
    return result


def data_url(picture: Rgb, kind: str = "PNG") -> str:
    """``picture`` as a base64 data URL."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


class Talk:
    """A conversation with the observer about a film given as a function of time."""

    def __init__(
        self,
        film: Callable[[float], Rgb],
        question: str,
        *,
        tools: Sequence[Mapping[str, Any]] = TOOLS,
        duration_s: float = 8.0,
        student: str = "<answer>no idea</answer>",
        first_view: Sequence[float] = (),
    ) -> None:
        self.film, self.tools, self.duration_s = film, tools, duration_s
        self.observer = Observer(ImageReader())
        self.images: dict[str, tuple[float, list[float] | None]] = {}
        task = (
            f"Question: {question}\nOptions:\nA. circle\nB. square\n"
            f"Student response:\n{student}\nVideo duration: {duration_s} s\n"
        )
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": "You explain failures."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": task},
                    *(block for t in first_view for block in self._image(t)[1]),
                ],
            },
        ]
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def _image(
        self, t_s: float, box: list[float] | None = None
    ) -> tuple[str, list[dict[str, Any]]]:
        name = f"img_{len(self.images)}"
        picture = self.film(t_s)
        what = "frame"
        if box is not None:
            height, width, _ = picture.shape
            x0, y0, x1, y1 = box
            picture = picture[
                int(y0 * height) : int(y1 * height) + 1, int(x0 * width) : int(x1 * width) + 1
            ]
            what = f"crop {x0},{y0},{x1},{y1}"
        self.images[name] = (round(t_s, 3), box)
        return name, [
            {"type": "text", "text": f"[image {name}] {what} at {t_s:.3f} s"},
            {"type": "image_url", "image_url": {"url": data_url(picture)}},
        ]

    def reply(self, *, final: bool = False) -> Reply:
        """The observer's next turn, and the conversation with it."""
        if final:
            self.messages.append({"role": "user", "content": "Give your final answer now."})
        tools = {} if final else read_tools(self.tools)
        return self.observer.decide(read_conversation(self.messages), tools)

    def execute(self, reply: Reply, *, failing: bool = False) -> None:
        """Answer the calls of ``reply`` from the film; ``failing`` refuses all of them."""
        named = [(f"call_{len(self.messages)}_{n}", c) for n, c in enumerate(reply.calls)]
        self.messages.append(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": key,
                        "type": "function",
                        "function": {"name": c.name, "arguments": json.dumps(dict(c.arguments))},
                    }
                    for key, c in named
                ],
            }
        )
        shown: list[dict[str, Any]] = []
        for key, call in named:
            arguments = dict(call.arguments)
            self.calls.append((call.name, arguments))
            names: list[str] = []
            if not failing:
                if call.name == "zoom":
                    wanted: list[tuple[float, list[float] | None]] = [
                        (arguments["t_s"], arguments["box"])
                    ]
                else:
                    count = arguments.get("frames", 4)
                    times = np.linspace(arguments["start_s"], arguments["end_s"], count)
                    wanted = [(float(t), None) for t in times]
                for t_s, box in wanted:
                    name, blocks = self._image(t_s, box)
                    names.append(name)
                    shown += blocks
            answer = {"ok": False, "error": "no"} if failing else {"ok": True, "images": names}
            self.messages.append(
                {"role": "tool", "tool_call_id": key, "content": json.dumps(answer)}
            )
        if shown:
            self.messages.append({"role": "user", "content": shown})

    def finish(self, *, failing: bool = False) -> dict[str, Any]:
        """Play to the end and return the final JSON."""
        for _ in range(10):
            reply = self.reply()
            if not reply.calls:
                answer: dict[str, Any] = json.loads(reply.content)
                return answer
            self.execute(reply, failing=failing)
        raise AssertionError("the observer never answered")


@pytest.fixture
def talk() -> type[Talk]:
    return Talk


@pytest.fixture
def grey() -> Callable[..., Rgb]:
    return grey_picture


@pytest.fixture
def paint() -> Callable[..., Rgb]:
    return with_patch


@pytest.fixture
def as_url() -> Callable[..., str]:
    return data_url
