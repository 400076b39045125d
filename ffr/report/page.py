"""The shell of every report: one page with its styles and scripts inside, and a strict policy.

The content security policy lists the hashes of exactly these styles and scripts. Nothing else
runs, nothing is fetched, no form is sent, and text cannot become markup (trusted types).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ffr import __version__
from ffr.report.bundle import Block, Form
from ffr.report.embed import json_text

__all__ = ["render_page"]

_STYLES = ("vendor/uplot/uPlot.min.css", "base.css", "frames.css")
_SCRIPTS = ("locale.js", "vendor/uplot/uPlot.iife.min.js", "core.js", "format.js", "images.js",
            "charts.js", "frames.js")  # fmt: skip


def render_page(
    title: str,
    head: object,
    *,
    form: Form,
    scripts: Sequence[str],
    styles: Sequence[str] = (),
    blocks: Sequence[Block] = (),
) -> str:
    """The HTML text of a report.

    Args:
        title: of the window and the page; any text.
        head: plain data that is there at once, ``FFR.head`` in JavaScript.
        form: ``folder`` allows scripts and images beside the page.
        scripts: names in ``assets/`` that make the views, after the shared ones.
        styles: names in ``assets/``, after the shared ones.
        blocks: chunks and images, from ``Bundle.blocks``.
    """
    css = [_asset(name) for name in (*_STYLES, *styles)]
    code = [_asset(name) for name in (*_SCRIPTS, *scripts, "start.js")]
    environment = Environment(
        loader=PackageLoader("ffr.report", "assets"), undefined=StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    every = [Block("head", "application/json", json_text(head)), *blocks]
    return environment.get_template("page.html.j2").render(
        title=title, version=__version__, policy=_policy(css, code, form), form=form,
        # Our own files, and base64 or JSON without angle brackets (see ``embed``).
        styles=[*map(Markup, css)], scripts=[*map(Markup, code)],
        blocks=[(block.id, block.kind, Markup(block.text)) for block in every],  # noqa: S704
    )  # fmt: skip


def _policy(css: Sequence[str], code: Sequence[str], form: Form) -> str:
    folder = form == "folder"
    rules = {
        "default-src": ["'none'"],
        # strict-dynamic: what our own scripts load, the chunks, may run too.
        "script-src": [*map(_hash, code), *(["'strict-dynamic'"] if folder else [])],
        "style-src": [*map(_hash, css)],
        "img-src": ["data:", *(["'self'", "file:"] if folder else [])],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["ffr-chunk" if folder else "'none'"],
    }
    return "; ".join(" ".join([name, *values]) for name, values in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    text = resources.files("ffr.report").joinpath("assets", *name.split("/")).read_text("utf-8")
    if "</script" in text.lower() or "</style" in text.lower():
        raise ValueError(f"assets/{name} would end its own block")
    return text
