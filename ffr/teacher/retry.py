"""Which failures of an endpoint are worth another attempt, and when."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping

import openai
from tenacity import RetryCallState
from tenacity.wait import wait_random_exponential

__all__ = ["is_transient", "retry_after_s", "wait_s"]

_RETRIED_STATUS = frozenset({408, 409, 429})
_backoff = wait_random_exponential(multiplier=0.5, max=20.0)


def is_transient(error: BaseException) -> bool:
    """Time-outs, lost connections, 408, 409, 429 and every 5xx; no other status."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in _RETRIED_STATUS or error.status_code >= 500
    return isinstance(error, TimeoutError | openai.APIConnectionError)


def wait_s(state: RetryCallState) -> float:
    """What the server asks for (plus a little jitter), else jittered exponential back-off."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, openai.APIStatusError):
        asked = retry_after_s(error.response.headers)
        if asked is not None:
            return asked + _backoff(state) * 0.1
    return _backoff(state)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
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
