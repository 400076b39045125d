"""Which tools a teacher has: an explicit set, and where each tool in it came from."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from teacher_tools.errors import ToolsetError
from teacher_tools.tool import Tool
from teacher_tools.tools import BUILTIN

__all__ = ["ENTRY_POINT_GROUP", "Origin", "Toolset", "builtin_toolset", "load_tool", "load_toolset"]

ENTRY_POINT_GROUP = "ffr.teacher_tools"


@dataclass(frozen=True)
class Origin:
    """Where a tool can be loaded from again, for example in a worker process.

    Attributes:
        kind: ``module`` (importable), ``file`` (a Python file) or ``entry_point`` (of an installed
            package).
        ref: the module's name, the file's absolute path, or the entry point's value.
        by: who contributed it, for people: ``built in``, ``package NAME``, ``file PATH``.
    """

    kind: Literal["module", "file", "entry_point"]
    ref: str
    by: str


class Toolset:
    """Tools by name, in a fixed order; no global registry exists.

    Raises:
        ToolsetError: two tools of one name; names both origins.
    """

    def __init__(self, tools: Iterable[tuple[Tool, Origin]] = ()) -> None:
        self._tools: dict[str, tuple[Tool, Origin]] = {}
        for tool, origin in tools:
            known = self._tools.get(tool.name)
            if known is not None and known[0] is not tool:
                raise ToolsetError(
                    f"two tools are called {tool.name!r}: one {known[1].by}, one {origin.by}; "
                    "rename one with @teacher_tool(name=...)"
                )
            self._tools[tool.name] = (tool, origin)

    @classmethod
    def of(cls, *tools: Tool) -> Toolset:
        """A set of tools defined in importable modules, or in the running script."""
        return cls((tool, _origin_of(tool)) for tool in tools)

    @property
    def names(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(self._tools)

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the names and hashes of all tools, independent of their order."""
        lines = sorted(f"{tool.name} {tool.hash}" for tool in self)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __iter__(self) -> Iterator[Tool]:
        return (tool for tool, _ in self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def get(self, name: str) -> Tool | None:
        """The tool of that name, if there is one."""
        found = self._tools.get(name)
        return None if found is None else found[0]

    def origin(self, name: str) -> Origin:
        """Where the tool of that name came from; ``KeyError`` when there is none."""
        return self._tools[name][1]

    def openai_schemas(self) -> list[dict[str, Any]]:
        """All tools as OpenAI function definitions."""
        return [tool.openai_schema() for tool in self]

    def subset(self, names: Sequence[str]) -> Toolset:
        """Only the named tools, in the order of ``names``.

        Raises:
            ToolsetError: a name is not in the set.
        """
        for name in names:
            if name not in self._tools:
                raise ToolsetError(
                    f"tool {name!r} does not exist; known: {', '.join(self.names) or 'none'}"
                )
        return Toolset(self._tools[name] for name in names)


def builtin_toolset(names: Sequence[str] | None = None) -> Toolset:
    """The tools of this project, all or the named ones (see ``Toolset.subset``)."""
    toolset = Toolset((tool, Origin("module", _module_of(tool), "built in")) for tool in BUILTIN)
    return toolset if names is None else toolset.subset(names)


def load_toolset(
    names: Sequence[str] | None = None, files: Sequence[Path] = (), *, installed: bool = True
) -> Toolset:
    """Built-in tools, those of installed packages, and those of Python files.

    Args:
        names: keep only these, in this order; None keeps all.
        files: Python files that define tools; they are executed.
        installed: look for packages with entry points in the group ``ffr.teacher_tools``.

    Raises:
        ToolsetError: unknown name, name clash, or something that does not load.
    """
    tools = [(tool, Origin("module", _module_of(tool), "built in")) for tool in BUILTIN]
    if installed:
        tools.extend(_installed())
    for file in files:
        tools.extend(_from_file(file))
    toolset = Toolset(tools)
    return toolset if names is None else toolset.subset(names)


def load_tool(origin: Origin, name: str) -> Tool:
    """Load one tool again from its origin.

    Raises:
        ToolsetError: it is no longer there.
    """
    if origin.kind == "file":
        found = [tool for tool, _ in _from_file(Path(origin.ref))]
    elif origin.kind == "entry_point":
        found = _offered(EntryPoint(name, origin.ref, ENTRY_POINT_GROUP), origin.by)
    else:
        found = _tools_in(importlib.import_module(origin.ref))
    for tool in found:
        if tool.name == name:
            return tool
    raise ToolsetError(f"tool {name!r} is no longer defined {origin.by}; restart the run")


def _installed() -> Iterator[tuple[Tool, Origin]]:
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        package = f"package {entry.dist.name if entry.dist is not None else entry.value}"
        origin = Origin("entry_point", entry.value, f"from {package}")
        for tool in _offered(entry, package):
            yield tool, origin


def _offered(entry: EntryPoint, by: str) -> list[Tool]:
    try:
        loaded = entry.load()
    except Exception as error:
        raise ToolsetError(
            f"{by} offers teacher tools as {entry.name!r}, but loading {entry.value!r} failed "
            f"({type(error).__name__}: {error}); mend or remove it"
        ) from error
    items = [loaded] if isinstance(loaded, Tool) else loaded
    if not isinstance(items, (list, tuple)) or not all(isinstance(i, Tool) for i in items):
        raise ToolsetError(
            f"{by}: {entry.value!r} is not a tool or a list of tools; point the entry point at a "
            "function under @teacher_tool"
        )
    return list(items)


def _from_file(file: Path) -> list[tuple[Tool, Origin]]:
    path = file.expanduser().absolute()
    name = f"ffr_tools_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ToolsetError(f"tools file {str(file)!r} is not a Python file; give a path to a .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except ToolsetError:
        raise
    except Exception as error:
        del sys.modules[name]
        raise ToolsetError(
            f"tools file {str(file)!r} does not load: {type(error).__name__}: {error}"
        ) from error
    tools = [tool for tool in _tools_in(module) if _module_of(tool) == name]
    if not tools:
        raise ToolsetError(
            f"tools file {str(file)!r} defines no tool; put @teacher_tool above a function"
        )
    origin = Origin("file", str(path), f"in file {file}")
    return [(tool, origin) for tool in tools]


def _tools_in(module: object) -> list[Tool]:
    return [value for value in vars(module).values() if isinstance(value, Tool)]


def _module_of(tool: Tool) -> str:
    return tool.function.__module__


def _origin_of(tool: Tool) -> Origin:
    module = _module_of(tool)
    if module == "__main__" or module.startswith("ffr_tools_"):
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None:
            raise ToolsetError(
                f"tool {tool.name!r} was typed in, and worker processes cannot load it; save it "
                "in a file"
            )
        return Origin("file", str(Path(file).absolute()), f"in file {Path(file).name}")
    return Origin("module", module, f"in module {module}")
