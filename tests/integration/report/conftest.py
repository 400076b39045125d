"""One Chromium for all tests of pages; every page tells what it asked the network for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from headless import chromium
from playwright.sync_api import Browser, Page, expect

_PATIENCE_MS = 60_000  # a small machine may have much else to do
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="module")  # its event loop must not outlive the tests of pages
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


class Visit:
    """A page that was opened from the disk, with its requests, errors and console.

    Attributes:
        requests: addresses asked for, data and blob ones left out.
        errors: uncaught errors, and messages of the console that are errors: a breach of the
            content security policy is one.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))

    def _asked(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.requests.append(url)


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """``visit(path, hash="", width=1280, theme="light")`` opens a file; nothing is served."""
    contexts = []

    def open_page(
        path: Path, address: str = "", *, width: int = 1280, theme: str = "light"
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme,  # type: ignore[arg-type]
        )
        contexts.append(context)
        context.set_default_timeout(_PATIENCE_MS)
        made = Visit(context.new_page())
        made.page.goto(path.absolute().as_uri() + address)
        return made

    yield open_page
    for context in contexts:
        context.close()
