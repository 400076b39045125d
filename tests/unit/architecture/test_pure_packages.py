"""The pure core stays importable without torch, transformers, verl or ray."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "transformers", "verl", "ray"}
PURE_PACKAGES = [
    "teacher_tools",
    "rewards",
    "ffr.cli",
    "ffr.config",
    "ffr.data",
    "ffr.demo",
    "ffr.elect",
    "ffr.judge",
    "ffr.launch",
    "ffr.patches",
    "ffr.preflight",
    "ffr.repair",
    "ffr.report",
    "ffr.teacher",
    "ffr.watch",
]
LAZY = {
    "ffr.teacher.in_process",  # runs a model in this process; imports torch when asked to
    "ffr.launch.await_ray",  # runs inside a job, next to Ray
}
PURE_MODULES = [
    "student.prompt", "student.parse", "student.prompt_parts", "student.time_axis",
    "ffr.evaluate.protocol", "ffr.evaluate.score_item", "ffr.evaluate.run", "ffr.evaluate.compare",
]  # fmt: skip


def modules_of(package: str) -> list[str]:
    folder = ROOT.joinpath(*package.split("."))
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
        if path.parent.name != "child"  # runs in a process of its own, with torch
    ]


@pytest.fixture(scope="module")
def pure_modules() -> list[str]:
    return [m for package in PURE_PACKAGES for m in modules_of(package)] + PURE_MODULES


def test_importing_every_pure_module_loads_nothing_heavy(pure_modules):
    assert len(pure_modules) > 40
    code = (
        "import importlib, sys\n"
        f"for name in {pure_modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    heavy = {HEAVY!r} & set(sys.modules)\n"
        "    assert not heavy, f'{name} imports {heavy}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def top_level_imports(path: Path) -> set[str]:
    """First parts of what a module imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_no_pure_module_imports_anything_heavy_even_inside_a_function(pure_modules):
    for name in set(pure_modules) - LAZY:
        path = ROOT.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert not HEAVY & top_level_imports(file), name


def test_verl_is_imported_in_one_package_only():
    for package in ("ffr", "student", "rewards", "teacher_tools"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "verl" in top_level_imports(path):
                assert path.is_relative_to(ROOT / "ffr" / "train" / "verl"), path
