"""Wait until the teacher's endpoint answers and serves the model: before step 0, not during it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import openai

from ffr.config.teacher import TeacherConfig
from ffr.errors import UserError

__all__ = ["TeacherNotReadyError", "await_teacher"]

_CALL_S = 10.0
_SHOWN = 8


class TeacherNotReadyError(UserError):
    """The teacher's endpoint does not answer, refuses the key, or serves other models."""


def await_teacher(
    config: TeacherConfig,
    *,
    wait_s: float,
    poll_s: float = 5.0,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Ask the endpoint for its models until it answers.

    An endpoint without a list of models (status 404) counts as ready, and so does an empty list.

    Args:
        config: ``base_url``, ``model`` and ``api_key_env`` are read.
        wait_s: longest wait, seconds; a refused key or a wrong model ends it at once.
        poll_s: seconds between two questions.
        say: told once a minute what is being waited for.

    Returns:
        One line for people.

    Raises:
        TeacherNotReadyError: what is wrong and what to change.
    """
    where = config.base_url or "the API's own address"
    key = os.environ.get(config.api_key_env, "").strip() or "not-needed"
    began, told, last = time.monotonic(), 0.0, ""
    # A proxy has no business between two processes of one machine.
    http = openai.DefaultHttpxClient(trust_env=not _is_loopback(config.base_url))
    with openai.OpenAI(
        base_url=config.base_url, api_key=key, max_retries=0, timeout=_CALL_S, http_client=http
    ) as client:
        while True:
            try:
                served = [model.id for model in client.models.list().data]
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise TeacherNotReadyError(
                    f"the teacher at {where} refuses the key (status {error.status_code}); check "
                    f"the environment variable {config.api_key_env}"
                ) from error
            except openai.NotFoundError:
                return f"teacher: {where} answers, and lists no models"
            except (openai.APIConnectionError, openai.APIStatusError) as error:
                last = _reason(error)
            else:
                return _judge(served, config.model, where)
            waited = time.monotonic() - began
            if waited + poll_s > wait_s:
                raise TeacherNotReadyError(
                    f"the teacher at {where} gave no answer within {wait_s:g} s (last: {last}); "
                    "start it, mend teacher.base_url, or wait longer"
                )
            if waited - told >= 60:
                told = waited
                say(f"waiting for the teacher at {where} ({waited:.0f} s; {last})")
            time.sleep(poll_s)


def _judge(served: list[str], model: str, where: str) -> str:
    if served and model not in served:
        shown = ", ".join(served[:_SHOWN]) + (", ..." if len(served) > _SHOWN else "")
        raise TeacherNotReadyError(
            f"the teacher at {where} does not serve teacher.model={model!r} but {shown}; set "
            "teacher.model to one of these"
        )
    return f"teacher: {where} serves {model}"


def _reason(error: openai.APIError) -> str:
    if isinstance(error, openai.APIStatusError):
        return f"status {error.status_code}"
    return type(error.__cause__ or error).__name__


def _is_loopback(base_url: str | None) -> bool:
    host = urlsplit(base_url).hostname if base_url else None
    return host in ("localhost", "::1") or (host or "").startswith("127.")
