"""A wrong definition fails at once, and says which line is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from PIL import Image
from pydantic import AnyUrl, Field

from teacher_tools import (
    Box,
    Budget,
    Evidence,
    Seconds,
    Tool,
    ToolDefinitionError,
    Video,
    teacher_tool,
)

Count = Annotated[int, Field(ge=1, le=16)]


@teacher_tool
def everything(
    video: Video,
    start_s: float,
    end_s: float | None,
    box: Box,
    count: Count = 8,
    mode: Literal["fast", "good"] = "fast",
    side: Literal["left"] | None = None,
    sharp: bool = False,
    word: str = "",
    times_s: Annotated[list[Seconds], Field(max_length=4)] = [],  # noqa: B006 - never mutated
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5,
) -> Evidence:
    """Do everything.

    A second paragraph that
    wraps.

    Args:
        video: Injected.
        start_s: Start, in seconds: with a colon,
            and a second line.
        end_s: End.
        box: Where.
        count: How many.
        mode: How.
        side: Which side.
        sharp: Whether to sharpen.
        word: What to look for.
        times_s: When.
        share: How much.

    Returns:
        Evidence: not for models.
    """
    return Evidence(text=f"{start_s}")


def test_schema_is_the_expected_one() -> None:
    assert everything.openai_schema() == {
        "type": "function",
        "function": {
            "name": "everything",
            "description": "Do everything.\nA second paragraph that wraps.",
            "strict": True,
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "start_s", "end_s", "box", "count", "mode", "side", "sharp", "word",
                    "times_s", "share",
                ],
                "properties": {
                    "start_s": {
                        "description": "Start, in seconds: with a colon, and a second line.",
                        "type": "number",
                        "minimum": 0,
                    },
                    "end_s": {"description": "End.", "type": ["number", "null"], "minimum": 0},
                    "box": {
                        "description": "Where.",
                        "type": "array",
                        "items": {"type": "number", "minimum": 0, "maximum": 1},
                        "minItems": 4,
                        "maxItems": 4,
                    },
                    "count": {
                        "description": "How many. Default: 8.",
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 16,
                    },
                    "mode": {
                        "description": "How. Default: fast.",
                        "type": "string",
                        "enum": ["fast", "good"],
                    },
                    "side": {
                        "description": "Which side. Default: null.",
                        "type": ["string", "null"],
                        "enum": ["left", None],
                    },
                    "sharp": {
                        "description": "Whether to sharpen. Default: false.",
                        "type": "boolean",
                    },
                    "word": {"description": 'What to look for. Default: "".', "type": "string"},
                    "times_s": {
                        "description": "When. Default: [].",
                        "type": "array",
                        "items": {"type": "number", "minimum": 0},
                        "maxItems": 4,
                    },
                    "share": {
                        "description": "How much. Default: 0.5.",
                        "type": "number",
                        "exclusiveMinimum": 0,
                        "exclusiveMaximum": 1,
                    },
                },
            },
        },
    }  # fmt: skip


def no_docstring(video: Video, t_s: Seconds) -> str:
    return ""


def no_video(t_s: Seconds) -> str:
    """Look.

    Args:
        t_s: When.
    """
    return ""


def no_parameters() -> str:
    """Look."""
    return ""


def no_type(video: Video, t_s) -> str:  # type: ignore[no-untyped-def]
    """Look.

    Args:
        t_s: When.
    """
    return ""


def not_described(video: Video, t_s: Seconds, box: Box) -> str:
    """Look.

    Args:
        t_s: When.
    """
    return ""


def described_but_absent(video: Video, t_s: Seconds) -> str:
    """Look.

    Args:
        t_s: When.
        time_s: A misprint.
    """
    return ""


def unbounded_int(video: Video, count: int) -> str:
    """Look.

    Args:
        count: How many.
    """
    return ""


def half_bounded_int(video: Video, count: Annotated[int, Field(ge=1)]) -> str:
    """Look.

    Args:
        count: How many.
    """
    return ""


def unbounded_float(video: Video, threshold: float) -> str:
    """Look.

    Args:
        threshold: How much.
    """
    return ""


def unbounded_list(video: Video, times_s: list[Seconds]) -> str:
    """Look.

    Args:
        times_s: When.
    """
    return ""


def dictionary(video: Video, options: dict[str, str]) -> str:
    """Look.

    Args:
        options: Whatever.
    """
    return ""


def anything(video: Video, options: Any) -> str:
    """Look.

    Args:
        options: Whatever.
    """
    return ""


def two_types(video: Video, t_s: Seconds | Literal["start"]) -> str:
    """Look.

    Args:
        t_s: When.
    """
    return ""


def function_argument(video: Video, key: Callable[[int], int]) -> str:
    """Look.

    Args:
        key: Not for JSON.
    """
    return ""


def path_argument(video: Video, file: Path) -> str:
    """Look.

    Args:
        file: Models never name files.
    """
    return ""


def address_argument(video: Video, address: AnyUrl | None) -> str:
    """Look.

    Args:
        address: Nor addresses.
    """
    return ""


def second_video(video: Video, other: Video) -> str:
    """Look.

    Args:
        other: There is one video.
    """
    return ""


def variadic(video: Video, **options: str) -> str:
    """Look.

    Args:
        options: Whatever.
    """
    return ""


def positional(video: Video, t_s: Seconds, /) -> str:
    """Look.

    Args:
        t_s: When.
    """
    return ""


def bad_default(video: Video, count: Count = 99) -> str:
    """Look.

    Args:
        count: How many.
    """
    return ""


def bad_return(video: Video) -> int:
    """Look."""
    return 1


def no_return(video: Video):  # type: ignore[no-untyped-def]
    """Look."""


async def asynchronous(video: Video) -> str:
    """Look."""
    return ""


def unknown_name(video: Video, t_s: Secnds) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Look.

    Args:
        t_s: When.
    """
    return ""


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (no_docstring, ["no_docstring", '"""']),
        (no_video, ["no_video", "def no_video(video: Video, ...)"]),
        (no_parameters, ["def no_parameters(video: Video, ...)"]),
        (no_type, ["'t_s'", "t_s: Seconds"]),
        (not_described, ["'box'", "Args:\n        box: "]),
        (described_but_absent, ["'time_s'", "the parameters are t_s", "`time_s: Seconds`"]),
        (unbounded_int, ["'count'", "count: Annotated[int, Field(ge=1, le=16)]"]),
        (half_bounded_int, ["'count'", "no bounds"]),
        (unbounded_float, ["'threshold'", "threshold: Annotated[float, Field(ge=0, le=1)]"]),
        (unbounded_list, ["'times_s'", "max_length"]),
        (dictionary, ["'options'", "Literal"]),
        (anything, ["'options'", "Literal"]),
        (two_types, ["'t_s'", "choice between types"]),
        (function_argument, ["'key'", "Literal"]),
        (path_argument, ["'file'", "form of a path", "file: Seconds, Box"]),
        (address_argument, ["'address'", "form of a uri"]),
        (second_video, ["'other'", "no type for JSON", "other: Seconds"]),
        (variadic, ["'options'", "name each argument"]),
        (positional, ["'t_s'", "positional-only"]),
        (bad_default, ["'count'", "99", "from 1 to 16"]),
        (bad_return, ["int", "-> Evidence"]),
        (no_return, ["-> Evidence"]),
        (asynchronous, ["asynchronous", "def asynchronous"]),
        (unknown_name, ["'Secnds'", "import"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_definition_names_the_parameter_and_the_fix(
    function: Callable[..., Any], names: list[str]
) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        teacher_tool(function)
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize("returned", [Evidence, str, Image.Image, list[Image.Image]])
def test_every_kind_of_evidence_may_be_returned(returned: Any) -> None:
    def look(video: Video) -> Any:
        """Look."""

    look.__annotations__["return"] = returned
    assert teacher_tool(look).name == "look"


def test_options_of_the_decorator() -> None:
    def look(video: Video) -> str:
        """Look."""
        return "seen"

    tool = teacher_tool(name="glance", version="2", budget=Budget(frames=3))(look)
    assert isinstance(tool, Tool)
    assert (tool.name, tool.version, tool.budget.frames) == ("glance", "2", 3)
    assert tool.openai_schema()["function"]["parameters"]["properties"] == {}
    with pytest.raises(ToolDefinitionError, match="'no name'"):
        teacher_tool(name="no name")(look)


@pytest.mark.parametrize("field", ["frames", "pixels", "seconds", "reads"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_budget_must_be_finite_and_positive(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Budget(**{field: value})  # type: ignore[arg-type]


def variant(text: str = "Look.", *, limit: int = 4, **options: Any) -> Tool:
    def look(video: Video, count: int) -> str:
        return ""

    look.__doc__ = f"{text}\n\nArgs:\n    count: How many.\n"
    look.__annotations__["count"] = Annotated[int, Field(ge=1, le=limit)]
    return teacher_tool(**options)(look)


def test_hash_follows_what_the_tool_is() -> None:
    base = variant()
    assert base.hash == variant().hash == variant(budget=Budget(frames=2)).hash
    others = [variant("Stare."), variant(limit=5), variant(version="2"), variant(name="stare")]
    assert len({base.hash, *(other.hash for other in others)}) == 5
