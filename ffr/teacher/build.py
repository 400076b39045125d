"""From configuration to a teacher that can be asked."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ffr.config.teacher import LeakConfig, StoreConfig, TeacherConfig
from ffr.errors import UserError
from ffr.patches.keys import KeyMaker, canonical_hash
from ffr.patches.store import PatchStore, local_image_cache
from ffr.teacher.annotations import (
    ANNOTATIONS,
    TOOLS,
    AnnotationKeys,
    AnnotationsTeacher,
    annotations_hash,
)
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.chat import ChatModel
from ffr.teacher.off import TeacherOff
from ffr.teacher.prompts import prompt_hash
from ffr.teacher.spending import Spending
from ffr.teacher.stored import ClosableTeacher, StoredTeacher
from ffr.teacher.text_tools import TextTools, text_tools_hash
from ffr.teacher.toolbox import configured_toolset
from teacher_tools.toolset import Toolset, builtin_toolset

if TYPE_CHECKING:
    from ffr.teacher.leakage.blind import BlindTest

__all__ = ["build_blind_test", "build_chat_model", "build_teacher", "key_maker"]

_NO_KEY = "not-needed"


def build_teacher(
    config: TeacherConfig,
    store: StoreConfig,
    *,
    store_dir: Path | str,
    media_root: Path | str,
    base_url: str | None = None,
    share: float = 1.0,
    toolset: Toolset | None = None,
) -> ClosableTeacher:
    """Make the teacher a run asks; call ``aclose()`` on it at the end.

    Args:
        config: which teacher, and its limits.
        store: how the patch store is used; ``store.path`` is resolved by the caller.
        store_dir: folder of the store: ``records/`` and ``media/`` lie in it.
        media_root: folder that every video must lie under.
        base_url: wins over ``config.base_url``; needed for ``kind: demo``, whose server the
            caller starts.
        share: this process's part (0 to 1] of concurrency and budget, when several ask at once.
        toolset: tools the teacher has; default: those the configuration names.

    Raises:
        UserError: no key, a bad address, an unknown tool, a model that does not load, or a store
            that cannot be written.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share} is not allowed; give a part of the whole in (0, 1]")
    if config.kind == "none":
        return TeacherOff()
    tools = toolset if toolset is not None else configured_toolset(config)
    cache = local_image_cache(store.local_cache, store.local_cache_gb)
    patches = PatchStore(store_dir, cache=cache)
    root = Path(media_root)
    live: ClosableTeacher | None = None
    if config.kind != "replay" and store.on_miss == "live":
        live = _live(config, tools, patches, root, base_url or config.base_url, share)
    return StoredTeacher(
        patches,
        key_maker(config, tools),
        root,
        live,
        store.on_miss,
        read=store.read or config.kind == "replay",
        leak_gate=config.leak.enabled,
    )


def build_chat_model(
    config: TeacherConfig, *, base_url: str | None = None, share: float = 1.0
) -> ChatModel:
    """The model behind a teacher, without tools, prompts or store; for other questions to it.

    Args:
        config: ``kind`` is ``openai``, ``demo`` or ``in_process``.
        base_url: of the endpoint.
        share: as for ``build_teacher``.

    Raises:
        UserError: no key, a bad address, a model that does not load, or a kind without a model.
    """
    if config.kind == "in_process":
        return _local_model(config, share)
    if config.kind in ("openai", "demo"):
        return _endpoint(config, base_url, share)
    raise UserError(
        f"teacher.kind={config.kind!r} has no model to ask; use openai, demo or in_process"
    )


def key_maker(config: TeacherConfig, tools: Toolset) -> KeyMaker:
    """Request keys of this set-up; the same for whoever asks and for ``replay``.

    Patches made of annotations are replayed with ``teacher.model=annotations``.
    """
    budget = {"frames": config.patch_max_frames, "words": config.patch_max_words}
    if config.patch_max_pixels is not None:
        budget["pixels"] = config.patch_max_pixels
    if config.kind == ANNOTATIONS or (config.kind == "replay" and config.model == ANNOTATIONS):
        annotation_tools = builtin_toolset(TOOLS)
        return AnnotationKeys(
            teacher_model=ANNOTATIONS,
            prompt_hash=annotations_hash(),
            tool_hashes={tool.name: tool.hash for tool in annotation_tools},
            see_gt=True,
            patch_budget=budget,
        )
    if config.leak.enabled and config.leak.blind is not None:
        # A store without the blind test must not answer for a run that wants it.
        told = config.leak.blind.model_dump(include={"model", "samples", "threshold", "on_unknown"})
        budget["blind"] = int(canonical_hash(told)[:12], 16)
    if config.patch_max_seconds is not None:
        budget["milliseconds"] = round(1000 * config.patch_max_seconds)
    prompt = prompt_hash()
    if config.tool_calling == "text":
        prompt = canonical_hash([prompt, text_tools_hash()])
    return KeyMaker(
        teacher_model=config.model,
        prompt_hash=prompt,
        tool_hashes={tool.name: tool.hash for tool in tools} if config.max_tool_rounds else {},
        see_gt=config.see_gt,
        patch_budget=budget,
    )


def _live(
    config: TeacherConfig,
    tools: Toolset,
    patches: PatchStore,
    media_root: Path,
    base_url: str | None,
    share: float,
) -> ClosableTeacher:
    # Only here: a run over a complete store needs neither the SDK nor the network.
    from teacher_tools.runner import ToolRunner

    workers = max(1, min(2, round(4 * share)))
    if config.kind == "annotations":
        if config.leak.enabled and config.leak.blind is not None:
            raise UserError(
                "teacher.leak.blind is for teachers that write texts; annotations only give times "
                "and places: remove it, or use another teacher.kind"
            )
        patches.check_writable()
        return AnnotationsTeacher(
            config, ToolRunner(builtin_toolset(TOOLS), workers=workers), patches.media, media_root
        )
    from ffr.teacher.loop import OpenAITeacher

    model = build_chat_model(config, base_url=base_url, share=share)
    patches.check_writable()
    return OpenAITeacher(
        config,
        TextTools(model) if config.tool_calling == "text" else model,
        ToolRunner(tools, workers=workers),
        patches.media,
        media_root,
        concurrency=max(1, round(config.concurrency * share)),
        max_diagnoses=_part(config.max_calls, share),
        blind=build_blind_test(config.leak, share),
    )


def build_blind_test(config: LeakConfig, share: float = 1.0) -> BlindTest | None:
    """The blind test of a leak gate, if it has one.

    Raises:
        UserError: no key or a bad address.
    """
    blind = config.blind
    if blind is None or not config.enabled:
        return None
    from ffr.teacher.leakage.blind import BlindTest

    shared = {"model", "base_url", "api_key_env", "temperature", "max_output_tokens", "retries"}
    asked = TeacherConfig(
        kind="openai", call_timeout_s=blind.call_timeout_s, **blind.model_dump(include=shared)
    )
    try:
        return BlindTest(_endpoint(asked, blind.base_url, share), blind)
    except UserError as error:
        raise UserError(str(error).replace("teacher.", "teacher.leak.blind.")) from error


def _endpoint(config: TeacherConfig, base_url: str | None, share: float) -> ChatModel:
    from ffr.teacher.client import ChatClient
    from ffr.teacher.pace import Pace

    if config.kind == "demo" and base_url is None:
        raise UserError(
            "teacher.kind=demo needs the address of the demo server; start it and pass its "
            "base_url, or let ffr-train do both"
        )
    local = base_url is not None and _is_loopback(base_url)
    return ChatClient(
        base_url=base_url,
        api_key=_api_key(config, local=local),
        model=config.model,
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        call_timeout_s=config.call_timeout_s,
        retries=config.retries,
        breaker=CircuitBreaker(config.breaker_failures, config.breaker_reset_s),
        direct=local,
        token_limit_field=config.token_limit_field,
        pace=Pace(_part(config.requests_per_minute, share), _part(config.tokens_per_minute, share)),
        spending=_spending(config, share),
    )


def _local_model(config: TeacherConfig, share: float) -> ChatModel:
    from ffr.teacher.in_process import LocalVLM

    assert config.in_process is not None
    if share < 1:
        raise UserError(
            f"teacher.kind=in_process would load the model {round(1 / share)} times, once in "
            "every rollout worker; set hardware.rollout_workers=1, or make the patches offline"
        )
    return LocalVLM(
        config.in_process,
        model=config.model,
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        call_timeout_s=config.call_timeout_s,
        breaker=CircuitBreaker(config.breaker_failures, config.breaker_reset_s),
        native_tools=config.tool_calling == "native" and config.max_tool_rounds > 0,
        spending=_spending(config, share),
    )


def _spending(config: TeacherConfig, share: float) -> Spending:
    return Spending(
        max_requests=_part(config.max_requests, share),
        max_tokens=_part(config.max_total_tokens, share),
        max_cost=None if config.max_cost is None else config.max_cost * share,
        price_in=config.price_input,
        price_out=config.price_output,
    )


def _part(whole: int | None, share: float) -> int | None:
    """This process's part of a limit, at least 1."""
    return None if whole is None else max(1, int(whole * share))


def _is_loopback(base_url: str) -> bool:
    """Whether an address is this machine's own.

    Raises:
        UserError: it is no http(s) address, or carries a password.
    """
    try:
        parts = urlsplit(base_url)
        host = parts.hostname
        parts.port  # noqa: B018 - raises for a bad one
    except ValueError:
        host = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise UserError(
            f"teacher.base_url={_without_password(base_url)!r} is not an address; give for "
            "example http://localhost:8000/v1"
        )
    if parts.username is not None:
        raise UserError(
            "teacher.base_url holds a user name or password; put the key into the environment "
            "variable that teacher.api_key_env names"
        )
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_password(url: str) -> str:
    return url.rsplit("@", 1)[-1]


def _api_key(config: TeacherConfig, *, local: bool) -> str:
    if config.kind == "demo":
        return _NO_KEY  # a real key has no business there
    key = os.environ.get(config.api_key_env, "").strip()
    if not key:
        if local:
            return _NO_KEY
        raise UserError(
            f"environment variable {config.api_key_env} (teacher.api_key_env) is not set; export "
            "the teacher's API key in it, or any word for an endpoint that needs none"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(
            f"environment variable {config.api_key_env} holds characters no key has; set it again"
        )
    return key
