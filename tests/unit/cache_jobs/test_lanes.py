"""The dispatcher: every item once, writers that die, writers that end the job, stopping."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from ffr.cache_jobs.items import ItemResult
from ffr.cache_jobs.lanes import LaneDiedError, dispatch
from ffr.errors import UserError


class FakeLane:
    """Answers at once; dies ``deaths`` times over items of ``dies_on``, ends over ``fatal_on``."""

    def __init__(self, make, concurrency=2, *, dies_on=(), deaths=99, fatal_on=(), pause=0):
        self.make = make
        self.concurrency = concurrency
        self.dies_on = set(dies_on)
        self.deaths = deaths
        self.fatal_on = set(fatal_on)
        self.pause = pause
        self.groups = []
        self.finished = []
        self.stopped = False

    async def run(self, group, told):
        self.groups.append(group)
        for item in group.items:
            for _ in range(self.pause):
                await asyncio.sleep(0)
            if item.key in self.dies_on and self.deaths:
                self.deaths -= 1
                raise LaneDiedError("killed")
            if item.key in self.fatal_on:
                raise UserError("disk full")
            if self.stopped:
                return
            self.finished.append(item.key)
            told(self.make.result(item))

    def stop(self):
        self.stopped = True

    async def aclose(self):
        pass


async def go(groups, lanes, **options):
    results: list[ItemResult] = []
    await dispatch(groups, lanes, results.append, **options)
    return results


async def test_every_item_is_done_once_and_all_lanes_work(make):
    groups = [make.group(f"v{n}", f"{n}a", f"{n}b") for n in range(20)]
    lanes = [FakeLane(make, pause=3) for _ in range(3)]
    results = await go(groups, lanes)
    assert sorted(r.key for r in results) == sorted(i.key for g in groups for i in g.items)
    assert all(len(lane.groups) >= 4 for lane in lanes)


async def test_a_lane_is_given_no_more_than_it_can_use(make):
    release = asyncio.Event()

    class Waiting(FakeLane):
        async def run(self, group, told):
            self.groups.append(group)
            await release.wait()

    lane = Waiting(make, concurrency=2)
    task = asyncio.create_task(go([make.group(f"v{n}", f"{n}") for n in range(50)], [lane]))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(lane.groups) == 4
    release.set()
    await task
    assert len(lane.groups) == 50


async def test_what_a_dead_writer_left_is_done_by_another_and_nothing_twice(make):
    groups = [make.group("v0", "a", "b", "c"), make.group("v1", "d")]
    lane = FakeLane(make, dies_on=["b"], deaths=1)
    results = await go(groups, [lane, FakeLane(make)])
    assert Counter(r.key for r in results) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert all(r.outcome == "patch" for r in results)


async def test_an_item_that_kills_every_writer_is_given_up_and_named(make):
    results = await go([make.group("v0", "a", "b", "c")], [FakeLane(make, dies_on=["b"])])
    assert {r.key: r.outcome for r in results} == {"a": "patch", "b": "worker_died", "c": "patch"}
    assert "killed" in next(r.detail for r in results if r.key == "b")


async def test_a_lane_that_ran_dry_comes_back_for_the_group_of_a_dead_one(make):
    first = FakeLane(make, concurrency=1, dies_on=["a"], deaths=1, pause=30)
    results = await go([make.group("v0", "a")], [first, FakeLane(make)])
    assert [r.key for r in results] == ["a"]


async def test_a_writer_that_must_end_the_job_lets_the_others_finish(make):
    groups = [make.group(f"v{n}", f"{n}a", f"{n}b") for n in range(10)]
    bad, good = FakeLane(make, fatal_on=["0a"]), FakeLane(make, pause=2)
    with pytest.raises(UserError, match="disk full"):
        await go(groups, [bad, good])
    assert bad.stopped
    assert good.stopped
    assert len(bad.groups) + len(good.groups) < 10


async def test_no_group_is_begun_after_the_stop(make):
    done = []
    groups = [make.group(f"v{n}", f"{n}") for n in range(30)]
    lane = FakeLane(make, concurrency=1, pause=1)
    await dispatch(groups, [lane], done.append, stopping=lambda: len(done) >= 3)
    assert 3 <= len(done) < 10


async def test_nothing_to_do_is_done(make):
    assert await go([], [FakeLane(make)]) == []
