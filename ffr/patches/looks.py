"""What a teacher looked at while it made a patch: its tool calls, without pixels.

The tools are deterministic, so the video, a time and a box say what a picture showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from ffr.geometry import Box, RawBox, Seconds

__all__ = ["ShownPicture", "ToolLook"]

_MAX_NAME = 80
_MAX_ARGUMENTS = 1000
_MAX_MESSAGE = 400
_MAX_SHOWN = 64


class _Pictured(Protocol):
    @property
    def t_s(self) -> float: ...

    @property
    def box(self) -> RawBox | None: ...


class ShownPicture(BaseModel):
    """A picture the tool returned: its true time, and the part of the frame (``None``: all)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    t_s: Seconds
    box: Box | None = None


class ToolLook(BaseModel):
    """One tool call.

    Attributes:
        name: the tool as the model called it, untrusted.
        arguments: its JSON text as the model wrote it, untrusted; cut to 1,000 characters.
        ok: whether the tool gave evidence.
        message: what the tool said, or why it refused; cut to 400 characters.
        shown: the pictures it returned, at most 64.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str, Field(max_length=_MAX_NAME)]
    arguments: Annotated[str, Field(max_length=_MAX_ARGUMENTS)] = ""
    ok: bool = True
    message: Annotated[str, Field(max_length=_MAX_MESSAGE)] = ""
    shown: Annotated[tuple[ShownPicture, ...], Field(max_length=_MAX_SHOWN)] = ()

    @classmethod
    def of(
        cls, name: str, arguments: str, *, ok: bool, message: str, pictures: Sequence[_Pictured]
    ) -> Self:
        """The record of a call; what is too long is cut."""
        shown = tuple(ShownPicture(t_s=p.t_s, box=p.box) for p in pictures[:_MAX_SHOWN])
        return cls(
            name=_cut(name, _MAX_NAME), arguments=_cut(arguments, _MAX_ARGUMENTS), ok=ok,
            message=_cut(message, _MAX_MESSAGE), shown=shown,
        )  # fmt: skip


def _cut(text: str, limit: int) -> str:
    # Half a surrogate pair, which JSON can bring in, is no text that could be stored.
    return text[:limit].encode("utf-8", "replace").decode()
