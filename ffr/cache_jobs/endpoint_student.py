"""A student behind an OpenAI-compatible endpoint, for its answers only.

It sees what the student prompt holds: the sampled frames as images, each after its time, then
the question. It gives no tokens, so its rollouts can be judged but not trained.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import openai

from ffr.config.cache import StudentEndpointConfig
from ffr.errors import UserError
from ffr.repair.protocols import Rollout
from student.prompt_parts import ImagePart, Message, Part, StudentPrompt, TextPart, VideoPart
from teacher_tools.encode import encode_jpeg

__all__ = ["EndpointStudent", "chat_messages"]

_LOCAL = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class EndpointStudent:
    """``ffr.repair.protocols.Student`` over HTTP; use it from one event loop.

    Args:
        config: address, model, limits; the key comes from the environment.
        temperature: sampling temperature; 0 is greedy.
        max_tokens: most tokens of one response.

    Raises:
        UserError: an address that is not on this machine, and no key in the environment.
    """

    def __init__(
        self, config: StudentEndpointConfig, *, temperature: float, max_tokens: int
    ) -> None:
        local = config.base_url.startswith(_LOCAL)
        key = os.environ.get(config.api_key_env, "").strip()
        if not key and not local:
            raise UserError(
                f"environment variable {config.api_key_env} (failures.student.endpoint."
                "api_key_env) is not set; export the endpoint's key in it, or any word for an "
                "endpoint that needs none"
            )
        self._config = config
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._slots = asyncio.Semaphore(config.concurrency)
        self._client = openai.AsyncOpenAI(
            api_key=key or "not-needed",
            base_url=config.base_url,
            timeout=config.call_timeout_s,
            max_retries=config.retries,  # the SDK's: jittered back-off, Retry-After honoured
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=not local, timeout=config.call_timeout_s
            ),
        )

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        """One response; ``token_ids`` is empty.

        Raises:
            openai.OpenAIError: the endpoint failed after every retry.
        """
        async with self._slots:
            messages = await asyncio.to_thread(chat_messages, prompt)
            # Untyped on purpose: the typed call walks every block of every message.
            completion = await self._client.post(
                "/chat/completions",
                body={
                    "model": self._config.model,
                    "messages": messages,
                    "temperature": self._temperature,
                    "max_tokens": self._max_tokens,
                },
                cast_to=dict[str, Any],
            )
        choice = completion["choices"][0]
        text = choice["message"].get("content") or ""
        cut = choice.get("finish_reason") == "length"
        return Rollout(prompt, str(text), (), "length" if cut else "stop")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()


def chat_messages(prompt: StudentPrompt) -> list[dict[str, Any]]:
    """The prompt in OpenAI's form; every frame is a JPEG after a line with its time."""
    return [
        {"role": m.role, "content": _system(m) if m.role == "system" else list(_blocks(m.parts))}
        for m in prompt.messages
    ]


def _system(message: Message) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, TextPart))


def _blocks(parts: tuple[Part, ...]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, TextPart):
            yield {"type": "text", "text": part.text}
        elif isinstance(part, ImagePart):
            yield _image(part.image)
        elif isinstance(part, VideoPart):
            for frame, t_s in zip(part.frames, part.axis.times_s, strict=True):
                yield {"type": "text", "text": f"[frame at {t_s:.1f} s]"}
                yield _image(frame)


def _image(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> dict[str, Any]:
    data = base64.b64encode(encode_jpeg(np.ascontiguousarray(pixels))).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
