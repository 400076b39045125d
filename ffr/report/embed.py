"""Data as text that may stand inside a page, whatever it says.

Everything a report shows was written by models and data sets. It reaches the page as JSON only,
in blocks the browser never runs, and JavaScript shows it with ``textContent`` only.
"""

from __future__ import annotations

import base64
import gzip
import json

from ffr.run.jsonl import strict

__all__ = ["json_text", "packed"]

# "</script>" and "<!--" end or change a script block; the other two end a JavaScript line.
_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def json_text(value: object) -> str:
    """``value`` as JSON in plain ASCII without ``<``, ``>`` and ``&``; NaN becomes ``null``.

    Raises:
        TypeError: something JSON has no form for.
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError):
        text = json.dumps(strict(value)[0], allow_nan=False, separators=(",", ":"))
    return text.translate(_UNSAFE)


def packed(value: object) -> str:
    """``value`` as base64 of gzipped JSON; equal values give equal text."""
    data = gzip.compress(json_text(value).encode("ascii"), compresslevel=6, mtime=0)
    return base64.b64encode(data).decode("ascii")
