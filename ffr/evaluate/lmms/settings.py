"""The model arguments of the plug-in, checked before anything is loaded."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from ffr.config.base import Config, Positive
from ffr.config.protocol import ElectionSection, EvalProtocol
from ffr.data.bad_rows import RowPolicy
from ffr.data.question import AnswerType
from ffr.errors import UserError
from ffr.evaluate.protocol import load_protocol

__all__ = ["PluginSettings", "read_settings"]


class PluginSettings(Config):
    """What ``--model_args`` may hold beside keys of the protocol."""

    pretrained: str | None = None
    """Checkpoint folder, run in this process."""
    base_url: str | None = None
    """OpenAI-compatible endpoint instead, with ``model_name``."""
    model_name: str | None = None
    protocol: str = "video16"
    """Name or file of a protocol."""
    batch_size: Annotated[int, Field(ge=1)] = 1
    """Questions generated together; elections are held one at a time."""
    device: str | None = None
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["sdpa", "flash_attention_2", "eager"] = "sdpa"
    concurrency: Annotated[int, Field(ge=1)] = 16
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    timeout_s: Positive = 120.0
    api_key_env: str = "OPENAI_API_KEY"
    media_root: str = "/"
    """Folder every video must lie under; benchmarks name their files themselves."""
    open_type: AnswerType = "text"
    """Answer type of questions without options."""
    reply: Literal["answer", "full"] = "answer"
    """What the benchmark's own scorer gets: the answer alone, or the whole response."""
    on_failure: str = "fail"
    """Items without a response: ``fail``, ``skip`` or ``limit N``."""
    record: str | None = None
    """Folder for what happened to each item."""

    @field_validator("on_failure")
    @classmethod
    def _known_policy(cls, text: str) -> str:
        try:
            return str(RowPolicy.parse(text))
        except UserError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class _Split:
    own: Mapping[str, Any]
    overrides: tuple[str, ...]


def read_settings(
    arguments: Mapping[str, Any], *, elects: bool
) -> tuple[PluginSettings, EvalProtocol]:
    """Settings and protocol from lmms-eval's arguments.

    Args:
        arguments: as lmms-eval parsed them; keys with a dot, and keys of a protocol, change it.
        elects: for ``ffr_elect``: a protocol without an election gets the default one.

    Raises:
        UserError: an unknown key or bad value, no model or two, or a protocol with an election
            for the model ``ffr``.
    """
    split = _split({key: value for key, value in arguments.items() if value is not None})
    try:
        settings = PluginSettings.model_validate(split.own)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"--model_args {key}={first['input']!r}: {first['msg']}") from error
    if (settings.pretrained is None) == (settings.base_url is None):
        raise UserError(
            "--model_args: give pretrained=CHECKPOINT, or base_url=URL with model_name=NAME"
        )
    if settings.base_url is not None and not settings.model_name:
        raise UserError("--model_args base_url needs model_name=NAME, the model's name there")
    protocol = load_protocol(settings.protocol, split.overrides)
    if elects and protocol.election is None:
        changed = protocol.model_dump(mode="json") | {"election": ElectionSection()}
        protocol = EvalProtocol.model_validate(changed)
    if not elects and protocol.election is not None:
        raise UserError(
            f"protocol {protocol.name!r} elects an answer; use it with --model ffr_elect, or give "
            "one without an election to --model ffr"
        )
    return settings, protocol


def _split(arguments: Mapping[str, Any]) -> _Split:
    own: dict[str, Any] = {}
    overrides: list[str] = []
    known = (*PluginSettings.model_fields, *EvalProtocol.model_fields)
    for key, value in arguments.items():
        if key in PluginSettings.model_fields:
            own[key] = _as_text(value) if _takes_text(key) else value
        elif "." in key or key in EvalProtocol.model_fields:
            overrides.append(f"{key}={json.dumps(value)}")
        elif key != "max_batch_size":  # lmms-eval's own, meant for other models
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"--model_args: unknown key {key}; {hint}")
    if "batch_size" in own:
        own["batch_size"] = _whole(own["batch_size"])
    return _Split(own, tuple(overrides))


def _takes_text(key: str) -> bool:
    return PluginSettings.model_fields[key].annotation in (str, str | None)


def _as_text(value: Any) -> Any:
    """Folders and names that happen to be numbers come as numbers."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _whole(value: Any) -> Any:
    """lmms-eval passes its own ``--batch_size`` on as text."""
    if isinstance(value, str) and not value.isdecimal():
        raise UserError(f"--batch_size {value} is not supported; give a whole number")
    return int(value) if isinstance(value, str) else value


