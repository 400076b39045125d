"""One chat completion over HTTP, made reliable: limits, time-outs, retries, circuit breaker.

Works with any OpenAI-compatible endpoint.  The SDK's own retries are off; tenacity decides,
so that every attempt is seen and counted.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import openai
from openai.types.chat import ChatCompletion
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from ffr.teacher.body import encode_body
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.chat import CallFailed, ChatReply, Message, ToolRequest
from ffr.teacher.pace import Pace
from ffr.teacher.redact import Redactor
from ffr.teacher.retry import is_transient, wait_s
from ffr.teacher.spending import Spending, Usage, Usages

__all__ = ["CallFailed", "ChatClient", "ChatReply", "TokenLimitField", "ToolRequest"]

TokenLimitField = Literal["max_tokens", "max_completion_tokens"]

_HEALTHY_STATUS = frozenset({400, 409, 413, 422, 429})
"""The provider works; the request or its rate is the problem: no reason to open the circuit."""
_OPEN = (
    "too many failures in a row; the teacher is left alone until teacher.breaker_reset_s is over"
)
_UNKNOWN_FIELD = re.compile(
    r"unsupported|unrecogni[sz]ed|not (?:supported|permitted|allowed)|unknown|extra|deprecated",
    re.IGNORECASE,
)


class ChatClient:
    """Calls one model at one endpoint; use it from one event loop.

    Args:
        base_url: of the endpoint; ``None`` is the SDK's default.
        api_key: never logged, and removed from every message.
        model: name the endpoint knows.
        temperature: sampling temperature; ``None`` leaves it to the endpoint.
        max_output_tokens: most tokens of one reply.
        call_timeout_s: wall time of one HTTP call in seconds.
        retries: most further attempts after a failed one.
        breaker: shared by all calls.
        direct: ignore proxy settings of the environment (for endpoints on this machine).
        token_limit_field: what the endpoint calls ``max_output_tokens``.
        pace: requests and tokens a minute; default no limit.
        spending: budgets; default none.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str,
        model: str,
        temperature: float | None,
        max_output_tokens: int,
        call_timeout_s: float,
        retries: int,
        breaker: CircuitBreaker,
        direct: bool = False,
        token_limit_field: TokenLimitField = "max_tokens",  # noqa: S107 - no password
        pace: Pace | None = None,
        spending: Spending | None = None,
    ) -> None:
        self.model = model
        self.counters: Counter[str] = Counter()
        """Outcomes of all attempts by kind, over the client's life."""
        self.spending = spending or Spending()
        self._pace = pace or Pace(None, None)
        self._usages = Usages(max_output_tokens)
        self._redact = Redactor(api_key)
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._call_timeout_s = call_timeout_s
        self._retries = retries
        self._breaker = breaker
        self._token_limit_field: TokenLimitField = token_limit_field
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
        """One reply to a conversation; see ``ChatModel``.

        Raises:
            CallFailed: after the last attempt, or at once for what a retry cannot mend.  No error
                raised here holds a key, nor does anything it refers to.
        """
        mine: Counter[str] = Counter()

        def stop(state: RetryCallState) -> bool:
            # Waiting past the deadline is pointless, also when the server asks for it.
            return time.monotonic() + state.upcoming_sleep >= ends_at

        def before_sleep(_: RetryCallState) -> None:
            mine["retries"] += 1

        retrying = AsyncRetrying(
            stop=lambda state: stop_after_attempt(self._retries + 1)(state) or stop(state),
            wait=wait_s,
            retry=retry_if_exception(is_transient),
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            reply: ChatReply = await retrying(
                self._attempt,
                messages,
                tools,
                may_call_tools=may_call_tools,
                ends_at=ends_at,
                counts=mine,
            )
        except CallFailed:
            raise
        except TimeoutError:
            failed = CallFailed(
                "timeout", f"no reply within call_timeout_s={self._call_timeout_s:g}"
            )
        except openai.OpenAIError as error:
            failed = CallFailed("provider_error", self._describe(error))
        else:
            return reply
        finally:
            self.counters.update(mine)
            if counters is not None:
                counters.update(mine)
        raise failed  # outside: the SDK's error, whose text may hold the key, is not its context

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
        ends_at: float,
        counts: Counter[str],
    ) -> ChatReply:
        if self._breaker.blocked:
            counts["call_circuit_open"] += 1
            raise CallFailed("circuit_open", _OPEN)
        expected = self._usages.expect(messages)
        self.spending.reserve(expected)
        used = Usage()
        try:
            waited_from = time.monotonic()
            correct = await self._pace.enter(expected.total, ends_at)
            if self._pace.limits_anything:
                counts["pace_wait_ms"] += round(1000 * (time.monotonic() - waited_from))
            if not self._breaker.allow():  # opened while this one waited
                counts["call_circuit_open"] += 1
                raise CallFailed("circuit_open", _OPEN)
            used = expected  # paid for whatever comes of it, also when nobody tells how much
            reply, reported = await self._post(
                encode_body(self._arguments(messages, tools, may_call_tools)), counts
            )
            if reported is None:
                counts["usage_missing"] += 1
            else:
                used = reported
                self._usages.learn(messages, reported)
                counts["tokens_in"] += reported.tokens_in
                counts["tokens_out"] += reported.tokens_out
            correct(used.total)
        except openai.APIStatusError:
            used = Usage()  # refused: not billed
            raise
        finally:
            self.spending.settle(expected, used)
            if self.spending.knows_prices:
                counts["cost_micros"] += round(1e6 * self.spending.price(used))
        return reply

    async def _post(self, body: bytes, counts: Counter[str]) -> tuple[ChatReply, Usage | None]:
        counts["calls"] += 1
        verdict = self._breaker.neutral
        malformed = ""
        try:
            async with asyncio.timeout(self._call_timeout_s):
                # Not chat.completions.create(): it walks every block of every message against
                # its type hints, which costs more than all other work of a call together.
                completion = await self._client.post(
                    "/chat/completions",
                    content=body,
                    cast_to=ChatCompletion,
                    options={"headers": {"Content-Type": "application/json"}},
                )
            result = _read(completion, self._redact)
        except (TimeoutError, openai.APITimeoutError):
            counts["call_timeout"] += 1
            verdict = self._breaker.failure
            raise TimeoutError from None
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
            malformed = type(error).__name__
        else:
            counts["call_ok"] += 1
            verdict = self._breaker.success
            return result
        finally:
            verdict()
        raise CallFailed("provider_error", f"the reply is no chat completion ({malformed})")

    def _arguments(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        may_call_tools: bool,
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            self._token_limit_field: self._max_output_tokens,
        }
        if self._temperature is not None:
            arguments["temperature"] = self._temperature
        if tools:
            arguments["tools"] = tools
            arguments["tool_choice"] = "auto" if may_call_tools else "none"
        return arguments

    def _describe(self, error: openai.OpenAIError) -> str:
        if isinstance(error, openai.APIStatusError):
            text = self._hint(error) + f"status {error.status_code}: {error.message}"
        elif isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            text = f"no connection ({type(cause).__name__ if cause else 'unknown'})"
        else:
            text = f"{type(error).__name__}: {error}"
        return self._redact.message(text)

    def _hint(self, error: openai.APIStatusError) -> str:
        """What to change in the configuration, when the endpoint's complaint tells."""
        if error.status_code not in (400, 422):
            return ""
        fields: tuple[TokenLimitField, ...] = ("max_tokens", "max_completion_tokens")
        other = next(f for f in fields if f != self._token_limit_field)
        named = str(error.body or "") + error.message
        if re.search(rf"\b{self._token_limit_field}\b", named) and (
            other in named or _UNKNOWN_FIELD.search(named)
        ):
            return (
                f"the endpoint does not take {self._token_limit_field}; "
                f"set teacher.token_limit_field={other}; "
            )
        if re.search(r"\btemperature\b", named):
            return "the endpoint does not take this teacher.temperature; set it to null; "
        return ""


def _read(completion: Any, redact: Redactor) -> tuple[ChatReply, Usage | None]:
    """The first choice of a completion that may be anything, and its usage if it is told.

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
    tokens_in = getattr(completion.usage, "prompt_tokens", None)
    tokens_out = getattr(completion.usage, "completion_tokens", None)
    usage = None
    if isinstance(tokens_in, int) and isinstance(tokens_out, int):
        usage = Usage(max(0, tokens_in), max(0, tokens_out))
    refusal = getattr(message, "refusal", None)
    reply = ChatReply(
        content=redact.exactly(content),
        tool_requests=tuple(requests),
        cut_off=choice.finish_reason == "length",
        refusal=refusal if isinstance(refusal, str) else "",
    )
    return reply, usage
