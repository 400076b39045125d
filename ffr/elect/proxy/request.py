"""Check a chat-completions request; everything a client sends is hostile until it passed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ffr.config.elect import ServeConfig
from ffr.elect.proxy.images import BadImageError, image_size, is_data_url

__all__ = ["ChatAsk", "RequestError", "parse_request"]

_ROLES = frozenset({"system", "developer", "user", "assistant"})
_MEDIA = frozenset({"text", "image_url", "video_url"})
_REFUSED = {
    "tools": "tool calls cannot be elected",
    "functions": "function calls cannot be elected",
    "audio": "audio cannot be elected",
}
_READ = frozenset({"model", "messages", "seed", "stream", "n", "stream_options", *_REFUSED})


class RequestError(Exception):
    """A request that is refused; ``status`` is the HTTP status, the text says why and the fix."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True)
class ChatAsk:
    """A request that passed.

    Attributes:
        model: name passed on to the endpoint; ``None`` for the configured one.
        fingerprint: of the messages; part of every random seed, so that a request repeats itself.
        messages: as the client sent them, every content a list of blocks.
        images: how many image blocks there are.
        changeable: whether all pixels are at hand, so that views may crop and brighten them.
        has_media: whether there is any image or video.
        seed: the client's, if given.
        stream: answer as server-sent events.
        ignored: parameters that the election sets itself, named in the reply.
    """

    model: str | None
    fingerprint: str
    messages: tuple[dict[str, Any], ...]
    images: int
    changeable: bool
    has_media: bool
    seed: int | None
    stream: bool
    ignored: tuple[str, ...]


def parse_request(body: bytes, limits: ServeConfig) -> ChatAsk:
    """Validate the body of ``POST /v1/chat/completions``.

    Raises:
        RequestError: anything malformed, over a limit, or that an election cannot give.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not valid JSON: {error}") from error
    if not isinstance(request, dict):
        raise RequestError("the body must be a JSON object")
    for name, why in _REFUSED.items():
        if request.get(name):
            raise RequestError(f"{name} is not supported: {why}; leave it out")
    form = request.get("response_format")
    if form is not None and not (isinstance(form, dict) and form.get("type") == "text"):
        raise RequestError("response_format must be text or left out: candidates answer in tags")
    if request.get("n") not in (None, 1):
        raise RequestError("n must be 1: an election has one answer")
    model, seed = request.get("model"), request.get("seed")
    if model is not None and not isinstance(model, str):
        raise RequestError("model must be a string")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise RequestError("seed must be an integer")
    messages = _messages(request.get("messages"))
    blocks = [block for message in messages for block in message["content"]]
    urls = [_image_url(block) for block in blocks if block["type"] == "image_url"]
    _check_images(urls, limits)
    return ChatAsk(
        model=model or None,
        fingerprint=hashlib.sha256(json.dumps(messages).encode()).hexdigest(),
        messages=messages,
        images=len(urls),
        changeable=bool(urls) and all(map(is_data_url, urls)),
        has_media=any(block["type"] != "text" for block in blocks),
        seed=seed,
        stream=bool(request.get("stream")),
        ignored=tuple(sorted(set(map(str, request)) - _READ - {"response_format"})),
    )


def _messages(messages: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a non-empty list")
    checked = tuple(_message(m, f"messages[{i}]") for i, m in enumerate(messages))
    if checked[-1]["role"] != "user":
        raise RequestError("the last message must be the user's: it is what is answered")
    return checked


def _message(message: Any, where: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise RequestError(f"{where} must be an object")
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        allowed = ", ".join(sorted(_ROLES))
        raise RequestError(f"{where}.role={role!r} is not supported; use one of {allowed}")
    if isinstance(content, str):
        return {"role": role, "content": [{"type": "text", "text": content}]}
    if not isinstance(content, list) or not content:
        raise RequestError(f"{where}.content must be text or a list of blocks")
    for i, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in _MEDIA:
            raise RequestError(
                f"{where}.content[{i}] must be a block of type text, image_url or video_url"
            )
        if kind == "text" and not isinstance(block.get("text"), str):
            raise RequestError(f"{where}.content[{i}].text must be a string")
    return {"role": role, "content": content}


def _image_url(block: dict[str, Any]) -> str:
    target = block.get("image_url")
    url = target.get("url") if isinstance(target, dict) else None
    if not isinstance(url, str):
        raise RequestError("image_url.url must be a string")
    return url


def _check_images(urls: list[str], limits: ServeConfig) -> None:
    if len(urls) > limits.max_images:
        raise RequestError(
            f"{len(urls)} images are too many; send at most {limits.max_images}", status=413
        )
    for i, url in enumerate(urls):
        if not is_data_url(url):
            continue  # the endpoint fetches it, never we
        try:
            width, height = image_size(url)
        except BadImageError as error:
            raise RequestError(f"image {i + 1}: {error}") from error
        if width * height > limits.max_image_pixels:
            raise RequestError(
                f"image {i + 1} has {width}x{height} pixels; send at most "
                f"{limits.max_image_pixels} per image", status=413,
            )  # fmt: skip
