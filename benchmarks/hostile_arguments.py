"""Arguments a model might send: right, nearly right, absurd, and meant to do harm.

Everything is drawn from a seed, for any set of tools, from the schemas that models are shown.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from teacher_tools import Tool

__all__ = ["LURES", "hostile_calls"]

LURES = (
    "/etc/passwd", "file:///etc/passwd", "../../../../etc/passwd", "~/.ssh/id_rsa",
    "/proc/self/environ", "http://127.0.0.1:9/x", "tcp://127.0.0.1:9", "pipe:0", "fd:3",
    "concat:/etc/passwd|/etc/group", "subfile,,start,0,end,64,,:/etc/passwd", "$HOME", "${PATH}",
    "`id`", "$(id)", "; id #", "%s%s%n", "{0.__class__}", "-i", "--help", "\\\\host\\share\\x",
    "null,metadata=print:file=pwn.txt", "drawtext=textfile=/etc/passwd", "select='while(1,1)'",
    "movie=/etc/passwd", "C:\\Windows\\win.ini", "<|im_start|>system", "__import__('os')",
)  # fmt: skip
"""Texts that lead somewhere when something opens, expands or runs them."""

_TEXTS = (
    "", " ", "nan", "1.5", "00:00:05", "5ms", "exact ", "EXACT", "\u202etxet", "\u0000", "\ud800",
    "１２", "٣", "𝟙", "é" * 40, "x" * 3000, "\n" * 50, "a." * 2000, "/" * 2000, "'\"\\",
)  # fmt: skip
_NUMBERS = (
    0, -0.0, 1, -1, 1e-320, 5e-324, 1e308, -1e308, 1e18, 2**31, 2**53 + 1, 2**63, 2**64, 10**400,
    0.1 + 0.2, 1e-9, -1e-9, float("nan"), float("inf"), float("-inf"), 1.0000000000000002, 16.5,
)  # fmt: skip
_ODD_NAMES = (
    "video", "path", "file", "url", "__class__", "self", "", "start_s ", "Start_S", "t_s\u0000",
)  # fmt: skip
_ODD_TOOLS = (
    "", "CLIP", "clip ", "open", "__init__", "../clip", "clip\u0000", "\ud800", "x" * 5000,
    "teacher_tools.tools.clip", "/bin/sh", "clip;zoom", "a." * 4000,
)  # fmt: skip


def hostile_calls(
    tools: Sequence[Tool], count: int, seed: int, duration_s: float, lures: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Pairs of a tool's name and JSON arguments, both as texts.

    Args:
        tools: whose schemas are played with.
        count: how many.
        seed: same seed, same calls.
        duration_s: length of the video, so that about half of the calls are answered.
        lures: further texts such as the paths of files that must not be read.
    """
    rng = random.Random(seed)
    texts = (*LURES, *_TEXTS, *lures)
    for _ in range(count):
        tool = rng.choice(list(tools))
        name = tool.name if rng.random() < 0.97 else rng.choice((*_ODD_TOOLS, *texts))
        arguments = _arguments(rng, tool, duration_s, texts)
        yield name, _spoilt(rng, json.dumps(arguments, ensure_ascii=rng.random() < 0.5))


def _arguments(
    rng: random.Random, tool: Tool, duration_s: float, texts: Sequence[str]
) -> dict[str, Any]:
    """An object for the tool, with none to several bad places."""
    badness = rng.choice((0.0, 0.0, 0.1, 0.3, 1.0))
    arguments: dict[str, Any] = {}
    for name, schema in tool.parameters.json_schema["properties"].items():
        if rng.random() < 0.05:
            continue
        good = rng.random() >= badness
        arguments[name] = (
            _fitting(rng, schema, duration_s) if good else _junk(rng, texts, 3, duration_s)
        )
    if "start_s" in arguments and "end_s" in arguments and rng.random() < 0.8:
        ends = arguments["start_s"], arguments["end_s"]
        if all(isinstance(end, float) for end in ends):
            arguments["start_s"], arguments["end_s"] = sorted(ends)
    if rng.random() < 0.3 * badness:
        arguments[rng.choice((*_ODD_NAMES, *texts))] = _junk(rng, texts, 2, duration_s)
    return arguments


def _fitting(rng: random.Random, schema: dict[str, Any], duration_s: float) -> object:
    """A value the schema allows, often at an edge."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "null" in kinds and rng.random() < 0.3:
        return None
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = kinds[0]
    values: list[Any]
    if kind == "array":
        count = rng.randint(schema.get("minItems", 0), schema["maxItems"])
        values = [_fitting(rng, schema["items"], duration_s) for _ in range(count)]
        if count == 4 and rng.random() < 0.8:  # a box: left < right, top < bottom
            (x0, x1), (y0, y1) = sorted(values[::2]), sorted(values[1::2])
            values = [x0, y0, x1, y1]
        return values
    if kind == "string":
        return "".join(chr(rng.randrange(32, 0x2FFF)) for _ in range(rng.randrange(20)))
    low, high = schema.get("minimum", 0), schema.get("maximum", duration_s * 1.05)
    if kind == "integer":
        return rng.choice((low, high, rng.randint(low, high), float(low)))
    if kind == "boolean":
        return rng.random() < 0.5
    return rng.choice((float(low), float(high), rng.uniform(low, high), rng.uniform(low, high)))


def _junk(rng: random.Random, texts: Sequence[str], depth: int, duration_s: float) -> object:
    """Anything at all."""
    roll = rng.random()
    if roll < 0.35:
        return rng.choice(_NUMBERS)
    if roll < 0.45:
        return rng.uniform(-2, 2) * duration_s
    if roll < 0.7:
        return rng.choice(texts)
    if roll < 0.8 or depth == 0:
        return rng.choice((None, True, False))
    items = [_junk(rng, texts, depth - 1, duration_s) for _ in range(rng.randrange(6))]
    if rng.random() < 0.5:
        return items
    return {rng.choice((*_ODD_NAMES, *texts)): item for item in items}


def _spoilt(rng: random.Random, text: str) -> str:
    """The same text, or now and then one that is broken as JSON."""
    roll = rng.random()
    if roll > 0.12:
        return text
    cut = rng.randrange(len(text) + 1)
    return rng.choice(
        (
            "", "null", "[]", "1e999", '"x"', "[" * 20_000, '{"a":' * 5_000, "\ufeff" + text,
            text + text, text[:cut], text[cut:], text.replace('"', "'"), text + "//" + text,
            text[:cut] + chr(rng.randrange(0xD800, 0xE000)) + text[cut:],
            text[:cut] + "\x00" + text[cut:], " " * 17_000 + text,
            text[:-1] + "," + text[1:], text.replace(": ", ": 1e99999, \"z\": ", 1),
            "```json\n" + text + "\n```", f'{{"arguments": {text}}}', json.dumps(text),
        )
    )  # fmt: skip
