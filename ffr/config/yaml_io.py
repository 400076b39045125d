"""YAML as this project reads and writes it: the YAML 1.2 core scalars, nothing surprising.

PyYAML follows YAML 1.1, where ``1e-4`` is a string, ``no`` is false and ``1:30`` is ninety.
Here a plain scalar is null, a boolean (``true``/``false``), a number or text, duplicate keys,
keys that are not text, NaN and infinity are refused, and no tag builds a Python object.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

from ffr.errors import UserError

__all__ = ["parse_yaml", "to_yaml"]

_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^[-+]?[0-9]+$|^0x[0-9a-fA-F]+$|^0o[0-7]+$")
_FLOAT = re.compile(
    r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$"
    r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")
_CORE_SCALARS = (
    ("tag:yaml.org,2002:bool", _BOOL, list("tTfF")),
    ("tag:yaml.org,2002:int", _INT, list("-+0123456789")),
    ("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789")),
    ("tag:yaml.org,2002:null", _NULL, ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"]),
)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the core scalars and the refusals above."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line = key_node.start_mark.line + 1
            if key_node.tag != "tag:yaml.org,2002:str":
                raise UserError(
                    f"line {line}: key {getattr(key_node, 'value', '?')!r} is not text; quote it"
                )
            if key_node.value in seen:
                raise UserError(
                    f"line {line}: key {key_node.value!r} stands already in line "
                    f"{seen[key_node.value]}; keep one of the two"
                )
            seen[key_node.value] = line
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(node.value)
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        text = str(node.value).lower().replace(".inf", "inf").replace(".nan", "nan")
        value = float(text)
        if not math.isfinite(value):
            raise UserError(
                f"line {node.start_mark.line + 1}: {node.value} is not allowed; "
                "give a finite number (NaN and infinity are refused)"
            )
        return value

    def refuse_tag(self, node: yaml.Node) -> Any:
        raise UserError(
            f"line {node.start_mark.line + 1}: tag {node.tag} is not allowed; "
            "use plain mappings, lists, text, numbers, true, false and null"
        )


for _tag, _pattern, _first in _CORE_SCALARS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
for _tag in ("binary", "timestamp", "omap", "pairs", "set"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.refuse_tag)
_Loader.add_constructor(None, _Loader.refuse_tag)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that also quotes what only the core scalars would take for a number.

    PyYAML's own resolvers stay, so readers of YAML 1.1 see the same values.
    """

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        # Read back from a single-quoted scalar, these line breaks would become spaces.
        style = '"' if _OTHER_BREAKS.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
for _tag, _pattern, _first in _CORE_SCALARS[:-1]:
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


def parse_yaml(text: str) -> Any:
    """Parse one YAML document.

    Raises:
        UserError: syntax, duplicate or non-text keys, NaN or infinity, tags. The message starts
            with the line number.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"{where}not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise UserError("not valid YAML: nested too deeply") from error
    except (KeyError, ValueError) as error:  # a tag such as !!int on text that is none
        raise UserError(f"not valid YAML: a value does not fit its tag: {error}") from error


def to_yaml(data: Any) -> str:
    """Write plain data as YAML in insertion order; ``parse_yaml`` gives the same data back."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
