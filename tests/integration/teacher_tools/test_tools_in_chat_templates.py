"""Chat templates of transformers take the same schemas as OpenAI does."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field
from transformers.utils import get_json_schema
from transformers.utils.chat_template_utils import render_jinja_template

from teacher_tools import Box, Evidence, Seconds, Video, builtin_toolset, teacher_tool


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

# The three manners in which models are shown tools: whole as JSON, parameter by parameter, and as
# typed signatures.
AS_JSON = """{%- for tool in tools %}{{ tool | tojson }}
{% endfor %}"""
BY_PARAMETER = """{%- for tool in tools %}{%- set f = tool.function -%}
{{ f.name }}: {{ f.description | trim }}
{%- for name, p in f.parameters.properties | items %}
- {{ name }} ({{ p.type | string }}{% if p.enum is defined %}; {{ p.enum | tojson }}{% endif %}
{%- if p.type == 'array' %} of {{ p['items'].type }}{% endif -%}
{%- if name in f.parameters.required %}, required{% endif %}): {{ p.description | trim }}
{%- endfor %}
{% endfor %}"""
AS_SIGNATURES = """
{%- macro kind(p) -%}
{%- if p.enum is defined -%}{{ p.enum | map('tojson') | join(' | ') }}
{%- elif p.type is not string and p.type is iterable -%}
{%- for t in p.type -%}{{ t }}{{ '' if loop.last else ' | ' }}{%- endfor -%}
{%- elif p.type == 'array' -%}{{ kind(p['items']) }}[]
{%- else -%}{{ p.type }}{%- endif -%}
{%- endmacro -%}
{%- for tool in tools %}{%- set f = tool.function -%}
{{ f.name }}(
{%- for name, p in f.parameters.properties | items -%}
{{ name }}: {{ kind(p) }}{{ '' if loop.last else ', ' }}
{%- endfor -%})
{% endfor %}"""


def rendered(template: str, tools: list[dict[str, Any]]) -> str:
    """As ``apply_chat_template(tools=...)`` renders it."""
    (text,), _ = render_jinja_template(
        [[{"role": "user", "content": "?"}]], tools, chat_template=template
    )
    return str(text)


def test_chat_templates_render_the_tools() -> None:
    schemas = [tool.openai_schema() for tool in TOOLS]
    lines = rendered(AS_JSON, schemas).strip().splitlines()
    assert [json.loads(line) for line in lines] == schemas
    by_parameter = rendered(BY_PARAMETER, schemas)
    assert "- box (array of number, required): Region as" in by_parameter
    assert '- mode (string; ["exact", "keyframe"], required)' in by_parameter
    signatures = rendered(AS_SIGNATURES, schemas).splitlines()
    assert "clip(start_s: number, end_s: number, frames: integer)" in signatures
    assert "zoom(t_s: number, box: number[])" in signatures
    assert signatures[-1].startswith(
        'probe(t_s: number | null, box: array | null, side: "left" | "right" | null, level: 1 |'
    )


def test_the_shape_is_that_of_transformers_own_schemas() -> None:
    """What templates may expect is what ``get_json_schema`` makes of an equal plain function."""

    def clip(start_s: float, end_s: float, frames: int = 8) -> None:
        """Show frames.

        Args:
            start_s: Start.
            end_s: End.
            frames: How many.
        """

    def outline(schema: dict[str, Any]) -> dict[str, Any]:
        function = schema["function"]
        properties = function["parameters"]["properties"]
        return {
            "type": schema["type"],
            "name": function["name"],
            "parameters": function["parameters"]["type"],
            "properties": {name: p["type"] for name, p in properties.items()},
            "keys": set(function) - {"strict", "return"},
        }

    ours = next(tool for tool in TOOLS if tool.name == "clip").openai_schema()
    assert outline(ours) == outline(get_json_schema(clip))
