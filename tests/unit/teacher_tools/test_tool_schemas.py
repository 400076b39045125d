"""One schema for everybody: OpenAI's strict mode, chat templates of transformers, verl."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from openai.lib._pydantic import _ensure_strict_json_schema
from pydantic import Field

from teacher_tools import Box, Evidence, Seconds, Tool, Video, builtin_toolset, teacher_tool
from teacher_tools.export import flat_schema, verl_tool_config

SNAPSHOT = Path(__file__).with_name("builtin_schemas.json")


@teacher_tool
def probe(
    video: Video,
    t_s: Seconds | None,
    box: Box | None,
    side: Literal["left", "right"] | None = None,
    level: Literal[1, 2, 3] = 1,
    count: Annotated[int, Field(ge=1, le=4)] = 2,
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    times_s: Annotated[list[Seconds], Field(max_length=3)] = [],  # noqa: B006 - never mutated
    deep: bool = False,
    word: str = 'a "quoted" <b>word</b>',
) -> Evidence:
    """Use every kind of parameter, and 'quotes' and {{ braces }} in the text.

    Args:
        t_s: When; null is now.
        box: Where.
        side: Which side.
        level: How much.
        count: How many.
        share: Which share.
        times_s: More times.
        deep: Whether deep.
        word: What word.
    """
    return Evidence(text="seen")


TOOLS = [*builtin_toolset(), probe]
each_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def test_the_schemas_of_the_builtin_tools_are_the_recorded_ones() -> None:
    """A change here changes what every teacher reads, and every key of the patch store.

    When that is meant: ``ffr tools schema clip zoom timestamp`` prints the new record.
    """
    assert builtin_toolset().openai_schemas() == json.loads(SNAPSHOT.read_text())


@each_tool
def test_strict_mode_has_nothing_to_mend(tool: Tool) -> None:
    """The SDK's own pass that makes a schema strict leaves ours as it is."""
    schema = tool.parameters.json_schema
    given = copy.deepcopy(schema)
    assert _ensure_strict_json_schema(given, path=(), root=given) == schema
    assert tool.openai_schema()["function"]["strict"] is True


@each_tool
def test_strict_mode_accepts_every_keyword(tool: Tool) -> None:
    allowed = {
        "type", "description", "enum", "items", "properties", "required", "additionalProperties",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
        "maxItems", "pattern",
    }  # fmt: skip

    def check(schema: dict[str, Any]) -> None:
        assert set(schema) <= allowed
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
        for inner in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
            check(inner)

    check(tool.parameters.json_schema)
    assert all(p["description"] for p in tool.parameters.json_schema["properties"].values())


def test_what_the_schema_allows_is_what_the_check_allows() -> None:
    validator = jsonschema.Draft202012Validator(probe.parameters.json_schema)
    validator.check_schema(probe.parameters.json_schema)
    full = {
        "t_s": 1.5, "box": [0, 0, 0.5, 1], "side": None, "level": 2, "count": 4, "share": 0.9,
        "times_s": [1, 2], "deep": True, "word": "x",
    }  # fmt: skip
    validator.validate(full)
    probe.parameters.parse(json.dumps(full))
    wrong = {
        "t_s": -1, "box": [0, 0, 2, 1], "side": "up", "level": 4, "count": 9, "share": 1,
        "times_s": [0, 1, 2, 3], "deep": "yes", "word": 3,
    }  # fmt: skip
    for key, value in wrong.items():
        assert not validator.is_valid({**full, key: value})
        with pytest.raises(Exception, match=key):
            probe.parameters.parse(json.dumps({**full, key: value}))


@each_tool
def test_flat_schemas_say_in_words_what_they_drop(tool: Tool) -> None:
    flat = flat_schema(tool)["function"]["parameters"]["properties"]
    assert all(set(p) <= {"type", "description", "enum"} for p in flat.values())
    if tool.name == "zoom":
        assert flat["box"]["description"].endswith(
            " Give a list of 4 items, each a number from 0 to 1."
        )
    if tool.name == "clip":
        assert "a whole number from 1 to 16" in flat["frames"]["description"]


def test_verl_configuration_names_files_absolutely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = verl_tool_config(builtin_toolset(["zoom"]), Path("videos"), files=[Path("mine.py")])
    (entry,) = config["tools"]
    assert entry["config"] == {
        "type": "native",
        "media_root": str(tmp_path / "videos"),
        "files": [str(tmp_path / "mine.py")],
        "tool": "zoom",
    }
