"""A whole job against the demo teacher: filled once, resumed for free, alike however it is run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from ffr.cache_jobs.job import CacheJob
from ffr.cache_jobs.journal import read_journals
from ffr.cache_jobs.process_lane import ProcessLane
from ffr.cache_jobs.worker import WorkerSetup
from ffr.config.cache import CacheConfig
from ffr.errors import UserError
from ffr.patches.store import PatchStore

WORK = 15


def store_of(config: CacheConfig) -> Path:
    return Path(str(config.output)) / "patches"


def test_a_job_fills_the_store_and_the_same_command_then_asks_nobody(
    filled, server, requests_of, world
):
    summary = json.loads((Path(filled.output) / "summary.json").read_text())
    assert (summary["requests"], summary["patches"], summary["hits"]) == (WORK, WORK, 0)
    assert (summary["failures"], summary["not_begun"]) == ({}, 0)
    assert summary["read"] == {"failures": WORK, "not_multiple_choice": 19}
    records = list((store_of(filled) / "records").glob("*/*/*.json"))
    assert len(records) == WORK
    assert summary["launch"]["diagnoses"] == WORK
    assert summary["launch"]["calls"] == summary["job"]["calls"] > WORK
    before = requests_of(server)
    again = CacheJob(filled).run()
    assert (again.status, again.hits, again.patches) == ("ok", WORK, 0)
    assert again.launch.calls == 0
    assert again.job.calls == summary["launch"]["calls"]
    assert requests_of(server) == before


def test_a_dry_run_asks_nobody_writes_nothing_and_knows_what_is_stored(
    filled, job_config, server, requests_of, tmp_path
):
    before = requests_of(server)
    config = job_config(tmp_path / "job", server, teacher={"price_input": 1.0, "price_output": 2.0})
    work, plan = CacheJob(config).plan()
    assert (work.total, work.pending, plan.diagnoses, plan.videos) == (WORK, WORK, WORK, 3)
    assert plan.cost is not None
    assert 0 < plan.cost[0] < plan.cost[1]
    assert not (tmp_path / "job").exists()
    work, plan = CacheJob(filled).plan()
    assert (work.pending, dict(work.stored), plan.calls.at_most) == (0, {"patch": WORK}, 0)
    assert requests_of(server) == before


def test_several_writers_and_shards_give_the_very_same_store(
    filled, job_config, server, tmp_path, contents, requests_of, command
):
    wanted = contents(store_of(filled))
    assert len(wanted) > WORK
    before = requests_of(server)
    config = job_config(tmp_path / "writers", server, processes=2)
    part = command(config, "--shard", "0/2", "--json")
    rest = CacheJob(config.model_copy(update={"processes": 1}), shard=(1, 2)).run()
    out, err = part.communicate(timeout=300)
    assert part.returncode == 0, err
    assert (rest.status, rest.patches + json.loads(out)["patches"]) == ("ok", WORK)
    assert rest.requests + json.loads(out)["requests"] == WORK
    assert contents(store_of(config)) == wanted
    summary = json.loads((Path(filled.output) / "summary.json").read_text())
    assert requests_of(server) - before == summary["job"]["calls"]


def test_sigterm_finishes_what_is_under_way_and_the_command_goes_on_from_there(
    filled, job_config, tmp_path, contents, command
):
    from ffr.demo.server import DemoTeacherServer

    with DemoTeacherServer(latency_s=0.3) as slow:
        config = job_config(tmp_path / "job", slow, processes=2)
        job = command(config, "--json")
        journal = tmp_path / "job" / "journal"
        while not any(line["event"] == "start" for line in read_journals(journal)):
            assert job.poll() is None, job.communicate()
            time.sleep(0.02)
        os.killpg(job.pid, signal.SIGTERM)  # as a scheduler does: the command and its writers
        out, err = job.communicate(timeout=120)
        assert job.returncode == 130, err
        assert "finishing what is under way" in err
        summary = json.loads(out)
        events = Counter(line["event"] for line in read_journals(journal))
        assert events["start"] == events["end"] == summary["patches"] > 0
        assert summary["status"] == "stopped"
        assert summary["not_begun"] == WORK - summary["patches"] > 0
        assert len(list((store_of(config) / "records").glob("*/*/*.json"))) == events["end"]
        rest = CacheJob(config.model_copy(update={"processes": 1})).run()
    assert (rest.status, rest.hits + rest.patches) == ("ok", WORK)
    starts = Counter(x["key"] for x in read_journals(journal) if x["event"] == "start")
    assert set(starts.values()) == {1}
    assert contents(store_of(config)) == contents(store_of(filled))


def test_two_launches_of_one_job_do_not_pay_side_by_side(job_config, server, tmp_path):
    config = job_config(tmp_path / "job", server)
    with CacheJob(config)._locked(), pytest.raises(UserError, match="in use by another launch"):
        CacheJob(config).run()
    with CacheJob(config)._locked(), CacheJob(config, shard=(1, 2))._locked():
        pass  # parts of a job are launches of their own


def test_a_budget_ends_the_job_with_what_it_has(job_config, server, tmp_path):
    summary = CacheJob(job_config(tmp_path / "job", server, teacher={"max_calls": 4})).run()
    assert summary.status == "incomplete"
    assert summary.patches == 4
    assert summary.failures["budget_spent"] >= 1
    assert summary.patches + sum(summary.failures.values()) + summary.not_begun == WORK
    store = PatchStore(summary.store)
    assert len(list((store.root / "records").glob("*/*/*.json"))) == 4
    assert CacheJob(job_config(tmp_path / "job", server)).run().patches == WORK - 4


def test_a_broken_video_and_a_dead_teacher_are_counted_and_named(
    job_config, server, tmp_path, world
):
    from ffr.demo.server import DemoTeacherServer

    rows = [json.loads(line) for line in world.train.read_text().splitlines()]
    choices = [row for row in rows if row["answer_type"] == "choice"]
    (tmp_path / "broken.mp4").write_bytes(b"not a video" * 50)
    choices[0]["video"] = "broken.mp4"
    choices[1]["video"] = "missing.mp4"
    for row in choices[2:]:
        link = tmp_path / row["video"]
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.write_bytes((world.root / row["video"]).read_bytes())
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in choices))
    data = {"train": str(tmp_path / "q.jsonl"), "media_root": str(tmp_path)}
    with DemoTeacherServer() as gone:
        quick = {"retries": 0, "breaker_failures": 2, "breaker_reset_s": 60.0, "concurrency": 2}
        dead = job_config(tmp_path / "job", gone, data=data, teacher=quick, wait_for_teacher_s=0)
    lost = CacheJob(dead).run()
    assert lost.status == "incomplete"
    assert lost.patches == 0
    assert lost.failures["media_error"] == 6
    assert lost.failures["provider_error"] >= 2
    assert lost.not_begun > 0  # the list is not burnt on a teacher that is not there
    assert sum(lost.failures.values()) + lost.not_begun == WORK
    assert {o.question_id for o in lost.offenders["media_error"]} >= {choices[0]["id"]}
    mended = CacheJob(job_config(tmp_path / "job", server, data=data)).run()
    assert (mended.patches, mended.failures) == (9, {"media_error": 6})


async def test_a_writer_process_that_is_killed_is_replaced(
    job_config, server, tmp_path, filled
):
    """SIGKILL of one writer alone: its items are done by the next one."""
    config = job_config(tmp_path / "job", server)
    job = CacheJob(config)
    from ffr.cache_jobs.inputs import collect_failures, load_inputs
    from ffr.cache_jobs.lanes import dispatch
    from ffr.cache_jobs.video_ids import VideoIds
    from ffr.cache_jobs.worklist import make_worklist
    from ffr.teacher.build import key_maker
    from teacher_tools.toolset import load_toolset

    inputs = load_inputs(config)
    work = make_worklist(
        collect_failures(config, inputs, None).failures,
        key_maker(config.teacher, load_toolset(config.teacher.tools)),
        job.store, inputs.media_root, VideoIds(tmp_path / "ids.jsonl"),
    )  # fmt: skip
    setup = WorkerSetup(
        teacher=config.teacher, store=config.store, store_dir=str(job.store.root),
        media_root=str(inputs.media_root), journal_dir=str(tmp_path / "journal"),
        base_url=server.base_url,
    )  # fmt: skip
    lane, results, killed = ProcessLane(setup), [], []

    def told(result):
        results.append(result)
        if not killed and lane.pid is not None:
            killed.append(lane.pid)
            os.kill(lane.pid, signal.SIGKILL)

    try:
        await asyncio.wait_for(dispatch(work.groups, [lane], told), 300)
    finally:
        await lane.aclose()
    assert len(killed) == 1
    assert Counter(r.outcome for r in results) == {"patch": WORK}
    assert len({r.key for r in results}) == WORK


def test_the_command_says_in_one_line_what_is_wrong(tmp_path, command, job_config):
    config = job_config(tmp_path / "job", None, data={"train": "nowhere.jsonl"})
    job: subprocess.Popen[str] = command(config)
    out, err = job.communicate(timeout=120)
    assert (job.returncode, out) == (2, "")
    assert "nowhere.jsonl does not exist" in err
    assert len(err.strip().splitlines()) == 1
