"""A small demo world with multiple-choice questions, a counting teacher, and the real command."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ffr.config.cache import CacheConfig
from ffr.config.schema import DemoWorldConfig
from ffr.demo.server import DemoTeacherServer
from ffr.demo.world import DemoWorldPaths, generate_demo_world

WORK = 15
"""Wrong options of the 5 multiple-choice questions of this world."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoWorldPaths:
    path = tmp_path_factory.mktemp("world-of-cache-jobs")
    return generate_demo_world(
        DemoWorldConfig(sft=4, train=24, validation=1, test=1, path=str(path))
    )


@pytest.fixture(scope="session")
def server() -> Iterator[DemoTeacherServer]:
    with DemoTeacherServer() as running:
        yield running


@pytest.fixture(scope="session")
def requests_of() -> Callable[[DemoTeacherServer], int]:
    def ask(server: DemoTeacherServer) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return int(json.loads(connection.getresponse().read())["requests"])
        finally:
            connection.close()

    return ask


@pytest.fixture(scope="session")
def job_config(world: DemoWorldPaths) -> Callable[..., CacheConfig]:
    """A counterfactual job over the world; keyword arguments replace whole sections."""

    def build(output: Path, server: DemoTeacherServer | None, **changes: Any) -> CacheConfig:
        teacher = {"kind": "demo", "concurrency": 4, "first_view_frames": 4}
        if server is not None:
            teacher["base_url"] = server.base_url
        values: dict[str, Any] = {
            "output": str(output),
            "data": {"train": str(world.train), "media_root": str(world.root)},
            "failures": {"counterfactual": True},
            "teacher": teacher | changes.pop("teacher", {}),
        }
        return CacheConfig.model_validate(values | changes)

    return build


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the real ``ffr-cache`` on a configuration, in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(config: CacheConfig, *words: str) -> subprocess.Popen[str]:
        folder = Path(str(config.output)).parent
        path = folder / "job.yaml"
        path.write_text(json.dumps(config.model_dump(mode="json")))  # JSON is YAML
        root = str(Path(__file__).parents[3])
        process = subprocess.Popen(
            [sys.executable, "-c", "from ffr.cli.cache_job import main; main()", str(path), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PYTHONPATH": root},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a store by its relative path."""

    def read(store: Path) -> dict[str, bytes]:
        files = (path for path in store.rglob("*") if path.is_file() and path.suffix != ".tmp")
        return {str(path.relative_to(store)): path.read_bytes() for path in files}

    return read


@pytest.fixture(scope="session")
def filled(
    tmp_path_factory: pytest.TempPathFactory,
    job_config: Callable[..., CacheConfig],
    server: DemoTeacherServer,
) -> CacheConfig:
    """A finished job with one writer: what every other way of doing it must end with."""
    from ffr.cache_jobs.job import CacheJob

    config = job_config(tmp_path_factory.mktemp("filled") / "job", server)
    assert CacheJob(config).run().status == "ok"
    return config
