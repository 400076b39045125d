"""Look again and again until the run ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.live import Live

from ffr.watch import plain
from ffr.watch.state import RunWatch
from ffr.watch.view import page

__all__ = ["follow_json", "follow_lines", "follow_screen"]

_AROUND = 26
"""Lines of the page that are not the tail of groups."""

Sleep = Callable[[float], None]


def follow_screen(run: RunWatch, console: Console, every: float, sleep: Sleep = time.sleep) -> None:
    """Redraw the page in place; returns when the run is over."""
    def drawn() -> RenderableType:
        return page(run, groups=min(12, max(console.height - _AROUND, 0)))

    run.refresh()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(drawn(), refresh=True)
            if run.over:
                return
            sleep(every)
            run.refresh()


def follow_lines(run: RunWatch, every: float, sleep: Sleep = time.sleep) -> None:
    """Print a line whenever a step or phase is new, and each warning once."""
    said: set[str] = set()
    before: tuple[object, ...] | None = None
    run.refresh()
    while True:
        stage = run.stage
        now = (run.status, stage and (stage.name, stage.finished, stage.done), run.phase)
        if now != before:
            before = now
            _say(plain.line(run))
        for alert in run.alerts():
            if alert.kind not in said:
                said.add(alert.kind)
                _say(f"{'!!' if alert.level == 'bad' else '!'} {alert.text}")
        if run.over:
            return
        sleep(every)
        run.refresh()


def follow_json(run: RunWatch, every: float, sleep: Sleep = time.sleep) -> None:
    """Print one JSON object a line, at most one every ``every`` seconds and only news."""
    before = ""
    run.refresh()
    while True:
        found = plain.snapshot(run)
        news = json.dumps({**found, "seconds": 0, "left_s": 0}, allow_nan=False)
        if news != before:
            before = news
            _say(json.dumps(found, ensure_ascii=False, allow_nan=False))
        if run.over:
            return
        sleep(every)
        run.refresh()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
