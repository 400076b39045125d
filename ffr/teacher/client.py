"""One chat completion, made reliable: timeouts, retries, circuit breaker, redaction, counters.

Works with any OpenAI-compatible endpoint.  The SDK's own retries are off; tenacity decides,
so that every attempt is seen and counted.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import openai
from openai.types.chat import ChatCompletion
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from ffr.teacher.breaker import CircuitBreaker

__all__ = ["CallFailed", "ChatClient", "ChatReply", "ToolRequest"]

Message = Mapping[str, Any]
FailureReason = Literal["timeout", "deadline", "provider_error", "circuit_open"]

_RETRIED_STATUS = frozenset({408, 409, 429})
_HEALTHY_STATUS = frozenset({400, 409, 413, 422, 429})
"""The provider works; the request or its rate is the problem: no reason to open the circuit."""
_MAX_BACKOFF_S = 20.0
_OPEN = (
    "too many failures in a row; the teacher is left alone until teacher.breaker_reset_s is over"
)
_SECRET = re.compile(r"\b(?:sk|pk|hf|gsk|xai)[-_][A-Za-z0-9_-]{8,}|(?i:bearer\s+)\S+|//[^/\s@]+@")


class CallFailed(Exception):  # noqa: N818 - named for what happened
    """A chat completion could not be had; ``reason`` is a counter's name, ``detail`` for people."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class ToolRequest:
    """A tool call as the model wrote it; ``arguments`` is untrusted JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ChatReply:
    """The model's message. ``content`` is "" when there is none; ``cut_off``: hit the limit."""

    content: str
    tool_requests: tuple[ToolRequest, ...]
    cut_off: bool = False
    refusal: str = ""


class ChatClient:
    """Calls one model at one endpoint; use it from one event loop.

    Args:
        base_url: of the endpoint; ``None`` is the SDK's default.
        api_key: never logged, and removed from every message.
        model: name the endpoint knows.
        temperature: sampling temperature.
        max_output_tokens: most tokens of one reply.
        call_timeout_s: wall time of one HTTP call in seconds.
        retries: most further attempts after a failed one.
        breaker: shared by all calls.
        direct: ignore proxy settings of the environment (for endpoints on this machine).
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str,
        model: str,
        temperature: float,
        max_output_tokens: int,
        call_timeout_s: float,
        retries: int,
        breaker: CircuitBreaker,
        direct: bool = False,
    ) -> None:
        self.model = model
        self.counters: Counter[str] = Counter()
        """Outcomes of all attempts by kind, over the client's life."""
        self._key = api_key
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._call_timeout_s = call_timeout_s
        self._retries = retries
        self._breaker = breaker
        # The SDK's own client class, whichever HTTP library it is built on.
        http = openai.DefaultAsyncHttpxClient(
            trust_env=not direct, timeout=call_timeout_s, follow_redirects=False
        )
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=call_timeout_s,
            http_client=http,
        )

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        may_call_tools: bool = True,
        ends_at: float = math.inf,
        counters: Counter[str] | None = None,
    ) -> ChatReply:
        """One reply to a conversation.

        Args:
            messages: in OpenAI's form.
            tools: OpenAI function definitions; sent as long as the conversation has any.
            may_call_tools: False sends ``tool_choice: none``.
            ends_at: ``time.monotonic()`` after which no further attempt may start.
            counters: gets the same counts as ``self.counters``, for this call alone.

        Raises:
            CallFailed: after the last attempt, or at once for what a retry cannot mend.
        """
        mine: Counter[str] = Counter()

        def stop(state: RetryCallState) -> bool:
            # Waiting past the deadline is pointless, also when the server asks for it.
            return time.monotonic() + state.upcoming_sleep >= ends_at

        def before_sleep(_: RetryCallState) -> None:
            mine["retries"] += 1

        retrying = AsyncRetrying(
            stop=lambda state: stop_after_attempt(self._retries + 1)(state) or stop(state),
            wait=_wait,
            retry=retry_if_exception(_is_transient),
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            reply: ChatReply = await retrying(
                self._attempt, messages, tools, may_call_tools=may_call_tools, counts=mine
            )
        except CallFailed:
            raise
        except TimeoutError as error:
            raise CallFailed(
                "timeout", f"no reply within call_timeout_s={self._call_timeout_s:g}"
            ) from error
        except openai.OpenAIError as error:
            raise CallFailed("provider_error", self._describe(error)) from error
        finally:
            self.counters.update(mine)
            if counters is not None:
                counters.update(mine)
        return reply

    def check_available(self) -> None:
        """Fail early, before any other work is done for a call.

        Raises:
            CallFailed: the circuit is open and no probe is due.
        """
        if self._breaker.blocked:
            raise CallFailed("circuit_open", _OPEN)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _attempt(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        may_call_tools: bool,
        counts: Counter[str],
    ) -> ChatReply:
        if not self._breaker.allow():
            counts["call_circuit_open"] += 1
            raise CallFailed("circuit_open", _OPEN)
        counts["calls"] += 1
        verdict = self._breaker.neutral
        try:
            async with asyncio.timeout(self._call_timeout_s):
                # Not chat.completions.create(): it walks every block of every message against
                # its type hints, which costs more than all other work of a call together.
                completion = await self._client.post(
                    "/chat/completions",
                    body=self._arguments(messages, tools, may_call_tools),
                    cast_to=ChatCompletion,
                )
            reply = _read(completion, counts)
        except (TimeoutError, openai.APITimeoutError) as error:
            counts["call_timeout"] += 1
            verdict = self._breaker.failure
            raise TimeoutError from error
        except openai.APIStatusError as error:
            counts[f"call_status_{error.status_code}"] += 1
            alive = error.status_code in _HEALTHY_STATUS
            verdict = self._breaker.success if alive else self._breaker.failure
            raise
        except openai.APIConnectionError:
            counts["call_connection"] += 1
            verdict = self._breaker.failure
            raise
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError) as error:
            # A body that is no chat completion; the SDK reports it in many ways.
            counts["call_malformed"] += 1
            verdict = self._breaker.failure
            raise CallFailed(
                "provider_error", f"the reply is no chat completion ({type(error).__name__})"
            ) from error
        else:
            counts["call_ok"] += 1
            verdict = self._breaker.success
            return reply
        finally:
            verdict()

    def _arguments(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        may_call_tools: bool,
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "temperature": self._temperature,
            "max_tokens": self._max_output_tokens,
        }
        if tools:
            arguments["tools"] = tools
            arguments["tool_choice"] = "auto" if may_call_tools else "none"
        return arguments

    def _describe(self, error: openai.OpenAIError) -> str:
        if isinstance(error, openai.APIStatusError):
            text = f"status {error.status_code}: {error.message}"
        elif isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            text = f"no connection ({type(cause).__name__ if cause else 'unknown'})"
        else:
            text = f"{type(error).__name__}: {error}"
        return self._redact(text)

    def _redact(self, text: str) -> str:
        text = text.replace(self._key, "***") if len(self._key) >= 4 else text
        printable = "".join(c if c.isprintable() else " " for c in _SECRET.sub("***", text))
        return printable[:300]


def _read(completion: Any, counts: Counter[str]) -> ChatReply:
    """The first choice of a completion that may be anything.

    Raises:
        TypeError, AttributeError, LookupError, ValueError: it is no chat completion.
    """
    choice = completion.choices[0]
    message = choice.message
    content = message.content if message.content is not None else ""
    if not isinstance(content, str):
        raise TypeError("content is no text")
    requests = []
    for call in message.tool_calls or ():
        request = ToolRequest(call.id, call.function.name, call.function.arguments or "{}")
        if not all(isinstance(v, str) for v in (request.id, request.name, request.arguments)):
            raise TypeError("a tool call has no id, name or arguments")
        requests.append(request)
    usage = completion.usage
    for name, attribute in (("tokens_in", "prompt_tokens"), ("tokens_out", "completion_tokens")):
        value = getattr(usage, attribute, None)
        if isinstance(value, int) and value > 0:
            counts[name] += value
    refusal = getattr(message, "refusal", None)
    return ChatReply(
        content=content,
        tool_requests=tuple(requests),
        cut_off=choice.finish_reason == "length",
        refusal=refusal if isinstance(refusal, str) else "",
    )


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _RETRIED_STATUS or error.status_code >= 500
    return isinstance(error, TimeoutError | openai.APIConnectionError)


_backoff = wait_random_exponential(multiplier=0.5, max=_MAX_BACKOFF_S)


def _wait(state: RetryCallState) -> float:
    """What the server asks for (plus a little jitter), else jittered exponential back-off."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, openai.APIStatusError):
        asked = _retry_after_s(error.response.headers)
        if asked is not None:
            return asked + _backoff(state) * 0.1
    return _backoff(state)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by Retry-After (a number or a date) or retry-after-ms, if sensible."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        return seconds if 0 <= seconds < math.inf else None
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())
