"""A headless Chromium for tests and benchmarks of pages, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

__all__ = ["chromium"]

_GET = Path(__file__).resolve().parents[1] / "requirements" / "get_chromium.py"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser: the one FFR_CHROMIUM names, else the pinned one, fetched when missing."""
    named = os.environ.get("FFR_CHROMIUM")
    environment = dict(os.environ)
    program = Path(named) if named else Path(sys.prefix) / "chromium" / "chromium"
    if not named:
        runpy.run_path(str(_GET))["get"](program.parent)
        environment |= {
            "LD_LIBRARY_PATH": str(program.parent / "lib"),
            "FONTCONFIG_FILE": str(program.parent / "fonts.conf"),
        }
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program, env=environment, args=["--no-sandbox"], timeout=180_000,
        )  # fmt: skip
        try:
            yield browser
        finally:
            browser.close()
