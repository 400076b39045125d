"""Candidates from an OpenAI-compatible endpoint: an API, vLLM, SGLang, llama.cpp, verl's server."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletion

from ffr.config.elect import EndpointConfig
from ffr.config.rler import EvidenceConfig
from ffr.elect.candidate import RawCandidate
from ffr.elect.source import Request, Sampling
from ffr.elect.wire import chat_messages, read_completion
from ffr.errors import UserError
from ffr.repair.concurrency import gather_or_raise
from rewards.rler import TokenCounter

__all__ = ["ChatEndpoint", "EndpointSource", "is_loopback"]

_NO_KEY = "not-needed"
_TRANSIENT = (408, 409, 425, 429)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ChatEndpoint:
    """Chat completions of one endpoint; use it from one event loop.

    A cancelled call closes its connection, so that the server stops generating.

    Args:
        config: address, model, limits. The key comes from the environment and is removed from
            every message.

    Raises:
        UserError: no address, a bad one, or no key for an endpoint that is not on this machine.
    """

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        local = _check_address(config.base_url)
        self._key = _api_key(config.api_key_env, local=local)
        self._gate = asyncio.Semaphore(config.concurrency)
        http = openai.DefaultAsyncHttpxClient(
            trust_env=not local, timeout=config.timeout_s, follow_redirects=False
        )
        self._client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=config.base_url,
            max_retries=config.retries,
            timeout=config.timeout_s,
            http_client=http,
        )

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], sampling: Sampling, model: str | None = None
    ) -> RawCandidate:
        """One completion; whatever goes wrong is its ``error``, in one line without secrets."""
        body: dict[str, Any] = {
            "model": model or self.config.model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "seed": sampling.seed,
        }
        if self.config.logprobs:
            body["logprobs"] = True
        async with self._gate:
            started = time.monotonic()
            raw = await self._ask(body)
        return replace(raw, seconds=time.monotonic() - started)

    async def models(self) -> dict[str, Any]:
        """The endpoint's list of models, as it gives it.

        Raises:
            openai.OpenAIError: it gives none.
        """
        return await self._client.get("/models", cast_to=dict[str, Any])

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _ask(self, body: dict[str, Any]) -> RawCandidate:
        try:
            # Not chat.completions.create(): it walks every block of every message against its
            # type hints, which costs more than all other work of a call together.
            completion = await self._client.post(
                "/chat/completions", body=body, cast_to=ChatCompletion
            )
            return read_completion(completion)
        except openai.APITimeoutError:
            return _failed(f"no reply within {self.config.timeout_s:g} s")
        except openai.APIStatusError as error:
            again = error.status_code in _TRANSIENT or error.status_code >= 500
            return _failed(self._redact(f"status {error.status_code}: {error}"), transient=again)
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__ if error.__cause__ else "unknown"
            return _failed(f"no connection ({cause})")
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError) as error:
            # A body that is no chat completion; the SDK reports it in many ways.
            kind = type(error).__name__
            return _failed(f"the reply is no chat completion ({kind})")

    def _redact(self, text: str) -> str:
        text = text.replace(self._key, "***") if len(self._key) >= 4 else text
        return " ".join(text.split())[:300]


class EndpointSource:
    """``Source`` over a chat endpoint; every frame travels as a captioned JPEG.

    Args:
        endpoint: where to ask.
        evidence: whether frames are captioned by number or by time.
    """

    def __init__(self, endpoint: ChatEndpoint, evidence: EvidenceConfig) -> None:
        self.endpoint = endpoint
        self._numbered = evidence.citation == "frames"
        self._base = evidence.index_base

    @property
    def count_tokens(self) -> TokenCounter | None:
        """Endpoints give no tokenizer."""
        return None

    @property
    def write_frame_times(self) -> bool:
        """Captions carry the times."""
        return False

    async def generate(self, requests: Sequence[Request]) -> list[RawCandidate]:
        """One response per request, asked for concurrently; failed calls carry their error."""
        return await gather_or_raise(map(self._one, requests))

    async def _one(self, request: Request) -> RawCandidate:
        messages = await asyncio.to_thread(
            chat_messages, request.prompt, numbered=self._numbered, base=self._base
        )
        return await self.endpoint.complete(messages, request.sampling)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.endpoint.aclose()


def _failed(error: str, *, transient: bool = True) -> RawCandidate:
    return RawCandidate("", error=error, transient=transient)


def _check_address(base_url: str | None) -> bool:
    """Whether the address is this machine's own; raises ``UserError`` for none or a bad one."""
    if base_url is None:
        raise UserError(
            "endpoint.base_url is not set; give the server's address with --endpoint, for example "
            "http://localhost:8000/v1, or a checkpoint with --checkpoint"
        )
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        shown = base_url.rsplit("@", 1)[-1]
        raise UserError(
            f"endpoint.base_url={shown!r} is not allowed; give an http(s) address without user "
            "name and password, for example http://localhost:8000/v1"
        )
    return is_loopback(host)


def _api_key(name: str, *, local: bool) -> str:
    key = os.environ.get(name, "").strip()
    if not key and not local:
        raise UserError(
            f"environment variable {name} (endpoint.api_key_env) is not set; export the "
            "endpoint's key in it, or any word for an endpoint that needs none"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(
            f"environment variable {name} holds characters no key has; set it again"
        )
    return key or _NO_KEY
