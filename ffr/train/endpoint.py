"""The teacher's endpoint for the length of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ffr.config.schema import RunConfig
from ffr.demo.server import DemoTeacherServer

__all__ = ["teacher_endpoint"]


@contextlib.contextmanager
def teacher_endpoint(config: RunConfig) -> Iterator[str | None]:
    """Its address; the demo teacher's server is started, and ended, if it is the teacher."""
    if config.teacher.kind != "demo":
        yield config.teacher.base_url
        return
    with DemoTeacherServer() as server:
        yield server.base_url
