"""An installed package holds every file of the pages, and the licence of what is not ours."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "ffr" / "report"


def test_every_asset_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["ffr.report"]
    packaged = {path for pattern in patterns for path in PACKAGE.glob(pattern) if path.is_file()}
    assert packaged == {path for path in (PACKAGE / "assets").rglob("*") if path.is_file()}


def test_what_is_not_ours_comes_with_its_licence() -> None:
    for folder in (PACKAGE / "assets" / "vendor").iterdir():
        assert "Copyright" in (folder / "LICENSE").read_text()
