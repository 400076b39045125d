"""Is there a teacher, does it answer, does it call tools; the other endpoints a run asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from ffr.config.schema import RunConfig
from ffr.config.teacher import TeacherConfig
from ffr.errors import UserError
from ffr.launch.await_teacher import await_teacher
from ffr.preflight.check import Check
from ffr.teacher.build import build_chat_model
from ffr.teacher.chat import CallFailed, ChatModel, ChatReply
from ffr.teacher.text_tools import TextTools
from ffr.teacher.toolbox import configured_toolset
from teacher_tools.toolset import Toolset

__all__ = ["teacher_checks"]

_WAIT_S = 10.0
_NO_CALL = (
    "serve it with tool calling (vLLM: --enable-auto-tool-choice and its --tool-call-parser), or "
    "set teacher.tool_calling=text"
)


def teacher_checks(
    config: RunConfig, base_url: str | None, store: Path | None, annotated: int | None
) -> Iterator[Check]:
    """What this kind of teacher needs.

    Args:
        config: resolved.
        base_url: of the endpoint; the demo server's where it is the teacher.
        store: the patch store's folder, if it is known.
        annotated: training questions with gold evidence spans, if they could be counted.
    """
    kind = config.teacher.kind
    if kind == "none":
        yield Check("teacher", "teacher", "ok", "none: plain GRPO")
    elif kind == "replay" or config.store.on_miss != "live":
        yield _replay(config, store)
    elif kind == "annotations":
        yield _annotations(annotated)
    elif kind == "in_process":
        yield _in_process(config)
    else:
        teacher = config.teacher.model_copy(update={"base_url": base_url, "retries": 1})
        yield from _endpoint(teacher, base_url)
    blind = config.teacher.leak.blind
    if config.teacher.leak.enabled and blind is not None and kind in ("openai", "in_process"):
        asked = TeacherConfig(
            base_url=blind.base_url, model=blind.model, api_key_env=blind.api_key_env
        )
        yield _reachable(asked, "blind test of the leak gate", "teacher.leak.blind.")
    judge = config.reward.judge
    if judge is not None and config.reward.components:
        asked = TeacherConfig(
            base_url=judge.base_url, model=judge.model, api_key_env=judge.api_key_env
        )
        yield _reachable(asked, "judge", "reward.judge.")


def _replay(config: RunConfig, store: Path | None) -> Check:
    where = store or (Path(config.store.path) if config.store.path else None)
    if where is None or not any((where / part).is_dir() for part in ("records", "shards")):
        return Check(
            "teacher", "teacher", "problem", f"no patches in {where or 'the run folder'}, and "
            f"teacher.kind={config.teacher.kind}, store.on_miss={config.store.on_miss} ask nobody",
            "fill a store with ffr-cache and name it in store.path, or set store.on_miss=live",
        )  # fmt: skip
    return Check("teacher", "teacher", "ok", f"patches from {where}; no endpoint is asked")


def _annotations(annotated: int | None) -> Check:
    if annotated == 0:
        return Check(
            "teacher", "teacher", "problem", "no training question has gold_spans",
            "annotate the evidence, or choose another teacher.kind",
        )  # fmt: skip
    known = "unknown" if annotated is None else str(annotated)
    return Check("teacher", "teacher", "ok", f"annotations; questions that have them: {known}")


def _in_process(config: RunConfig) -> Check:
    assert config.teacher.in_process is not None
    path = config.teacher.in_process.path
    workers = config.hardware.nodes * config.hardware.rollout_workers
    if not (Path(path) / "config.json").is_file():
        return Check(
            "teacher", "teacher", "problem", f"teacher.in_process.path={path} has no config.json",
            "give the folder of a Hugging Face checkpoint",
        )  # fmt: skip
    if workers > 1:
        return Check(
            "teacher", "teacher", "problem",
            f"hardware.rollout_workers={workers} would load the teacher {workers} times",
            "set it to 1, or make the patches offline",
        )  # fmt: skip
    return Check("teacher", "teacher", "ok", f"in process, from {path}")


def _endpoint(config: TeacherConfig, base_url: str | None) -> Iterator[Check]:
    if config.kind != "demo":  # the demo server was started by us and takes any name of a model
        reachable = _reachable(config, "teacher", "teacher.")
        yield reachable
        if reachable.status != "ok":
            return
    yield _speaks_tools(config, base_url)


def _reachable(config: TeacherConfig, name: str, prefix: str) -> Check:
    try:
        return Check("teacher", name, "ok", await_teacher(config, wait_s=_WAIT_S, poll_s=2.0))
    except UserError as error:
        fix = f"mend {prefix}base_url, model or api_key_env, or start the server"
        return Check("teacher", name, "problem", str(error), fix)


def _speaks_tools(config: TeacherConfig, base_url: str | None) -> Check:
    name = "teacher calls tools"
    try:
        toolset = configured_toolset(config)
        model = build_chat_model(config, base_url=base_url)
    except UserError as error:
        return Check("teacher", name, "problem", str(error), "mend the teacher's settings")
    if not config.max_tool_rounds or not len(toolset):
        return Check("teacher", name, "ok", "it has no tools by configuration")
    try:
        reply = asyncio.run(_ask(config, model, toolset))
    except CallFailed as error:
        return Check("teacher", name, "problem", f"{error.reason}: {error.detail}", _NO_CALL)
    if not reply.tool_requests:
        said = " ".join(reply.content.split())[:80]
        found = f"told to call a tool, it said {said!r}"
        return Check("teacher", name, "warning", found, _NO_CALL)
    return Check("teacher", name, "ok", f"it called {reply.tool_requests[0].name[:40]!r}")


async def _ask(config: TeacherConfig, model: ChatModel, toolset: Toolset) -> ChatReply:
    asked = TextTools(model) if config.tool_calling == "text" else model
    text = (
        "This only checks that tools can be called; there are no frames yet.\n"
        f"Question: Call the tool {toolset.names[0]!r} once now, for the first two seconds.\n"
        "Video duration: 10.00 s"
    )
    try:
        return await asked.complete(
            [{"role": "user", "content": text}], tools=toolset.openai_schemas()
        )
    finally:
        await asked.aclose()
