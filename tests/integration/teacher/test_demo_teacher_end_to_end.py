"""The production path against the demo teacher: build, diagnose, store, read back."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.demo.layout import VideoPlan
from ffr.demo.questions import question_about
from ffr.demo.server import DemoTeacherServer
from ffr.patches.patch import EvidencePatch
from ffr.patches.store import PatchStore
from ffr.repair.protocols import FailedRollout
from ffr.teacher.build import build_teacher

CONFIG = TeacherConfig(kind="demo", model="demo", tools=("clip", "zoom"), first_view_frames=8)


@pytest.fixture(scope="module")
def server() -> Iterator[DemoTeacherServer]:
    with DemoTeacherServer() as running:
        yield running


def requests_of(server: DemoTeacherServer) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/health")
        return int(json.loads(connection.getresponse().read())["requests"])
    finally:
        connection.close()


def failures(plan: VideoPlan) -> list[FailedRollout]:
    questions = [question_about(plan, item) for item in plan.objects]
    return [FailedRollout(q, "<think>I guess.</think>", "a wrong thing") for q in questions]


async def test_patches_are_found_stored_and_replayed(
    server: DemoTeacherServer, plan: VideoPlan, media_root: Path, tmp_path: Path
) -> None:
    asked = failures(plan)
    folders = {"store_dir": tmp_path / "store", "media_root": media_root}
    teacher = build_teacher(CONFIG, StoreConfig(), base_url=server.base_url, **folders)
    first = await asyncio.gather(*(teacher.diagnose(f) for f in asked))
    await teacher.aclose()
    store = PatchStore(tmp_path / "store")
    for diagnosis, failed, item in zip(first, asked, plan.objects, strict=True):
        patch = diagnosis.outcome
        assert isinstance(patch, EvidencePatch), patch
        assert diagnosis.source == "live"
        span = failed.question.gold_spans[0]
        assert any(span.start_s <= frame.t_s <= span.end_s + 0.05 for frame in patch.frames)
        text = patch.guidance + "".join(patch.temporal_markers)
        assert item.colour not in text
        assert item.shape not in text
        for frame in patch.frames:
            assert store.media.get(frame.image_sha256)
        if item.family == "spatial":
            assert any(frame.box is not None for frame in patch.frames)
    called = {name for d in first for name, _, _ in d.tool_calls}
    assert called <= {"clip", "zoom"}
    assert "zoom" in called
    assert sum(fails for d in first for _, _, fails in d.tool_calls) == 0
    assert teacher.health.failure_rate == 0.0

    before = requests_of(server)
    replay = build_teacher(CONFIG.model_copy(update={"kind": "replay"}), StoreConfig(), **folders)
    second = await asyncio.gather(*(replay.diagnose(f) for f in asked))
    await replay.aclose()
    assert [d.outcome for d in second] == [d.outcome for d in first]
    assert {d.source for d in second} == {"store"}
    again = build_teacher(CONFIG, StoreConfig(), base_url=server.base_url, **folders)
    third = await asyncio.gather(*(again.diagnose(f) for f in asked for _ in range(3)))
    await again.aclose()
    assert {d.source for d in third} == {"store"}
    assert requests_of(server) == before


async def test_a_server_that_is_gone_is_a_counted_failure(
    plan: VideoPlan, media_root: Path, tmp_path: Path
) -> None:
    with DemoTeacherServer() as server:
        address = server.base_url
    config = CONFIG.model_copy(update={"retries": 0, "breaker_failures": 1})
    teacher = build_teacher(
        config, StoreConfig(), store_dir=tmp_path, media_root=media_root, base_url=address
    )
    results = [await teacher.diagnose(f) for f in failures(plan)]
    await teacher.aclose()
    assert not any(isinstance(r.outcome, EvidencePatch) for r in results)
    reasons = [r.outcome.reason for r in results if not isinstance(r.outcome, EvidencePatch)]
    assert reasons == ["provider_error", "circuit_open", "circuit_open", "circuit_open"]
