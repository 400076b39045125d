"""From configuration to a judge that can be asked."""

from __future__ import annotations

from pathlib import Path

from ffr.config.teacher import TeacherConfig
from ffr.config.video_r2 import JudgeConfig
from ffr.errors import UserError
from ffr.judge.cache import ReplyCache
from ffr.judge.judge import ModelJudge

__all__ = ["build_judge"]

_SHARED = {
    "model", "base_url", "api_key_env", "temperature", "max_output_tokens", "token_limit_field",
    "call_timeout_s", "deadline_s", "retries", "concurrency", "breaker_failures",
    "breaker_reset_s",
}  # fmt: skip


def build_judge(config: JudgeConfig, *, cache: Path | str | None = None) -> ModelJudge:
    """The judge of a configuration; call ``aclose()`` on it at the end.

    The endpoint is reached through the teacher's own client: retries, time-outs, circuit breaker,
    keys from the environment alone.

    Args:
        config: endpoint and limits.
        cache: folder of remembered replies; wins over ``config.cache``.

    Raises:
        UserError: no key, a bad address, or a cache folder that cannot be made.
    """
    from ffr.teacher.build import build_chat_model  # brings the SDK

    folder = config.cache if cache is None else cache
    asked = TeacherConfig(kind="openai", **config.model_dump(include=_SHARED))
    try:
        model = build_chat_model(asked, base_url=config.base_url)
    except UserError as error:
        raise UserError(str(error).replace("teacher.", "judge.")) from error
    return ModelJudge(model, config, None if folder is None else ReplyCache(folder))
