"""A process that dies while the trainer waits ends the run with its name, soon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ffr.errors import FfrError


@pytest.fixture
def actors(local_ray: None) -> Iterator[dict[str, Any]]:
    import ray

    @ray.remote(num_cpus=0, max_concurrency=2)
    class Idle:
        async def pid(self) -> int:
            import os

            return os.getpid()

    found = {"agent loop worker 0": Idle.remote(), "rollout server 0": Idle.remote()}
    ray.get([actor.pid.remote() for actor in found.values()])
    yield found
    for actor in found.values():
        ray.kill(actor)


def wait(check: Any, seconds: float) -> float:
    """Call ``check`` as often as the trainer polls; the time it took to raise."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        check()
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_killed_actor_is_named_within_seconds(actors):
    import ray

    from ffr.train.verl.liveness import ActorDiedError, ActorWatch

    watch = ActorWatch(actors)
    wait(watch.check, 1.0)  # both alive: nothing is raised
    ray.kill(actors["rollout server 0"])
    began = time.monotonic()
    with pytest.raises(ActorDiedError, match=r"^rollout server 0 died") as died:
        wait(watch.check, 15.0)
    assert time.monotonic() - began < 8.0
    assert "the same command resumes" in str(died.value)
    assert isinstance(died.value, FfrError)
    assert "\n" not in str(died.value)


def test_the_death_behind_another_error_is_named(actors):
    """A rank whose peer died only sees a connection break."""
    import ray

    from ffr.train.verl.liveness import ActorDiedError, ActorWatch

    watch = ActorWatch(actors)
    watch.name_the_dead(0.3)  # all alive: nothing is raised
    ray.kill(actors["rollout server 0"])
    with pytest.raises(ActorDiedError, match=r"^rollout server 0 died"):
        watch.name_the_dead(20.0)


def test_a_replay_buffer_does_not_wait_for_the_dead(actors, queue):
    import ray
    import transfer_queue as tq

    from ffr.train.verl.liveness import ActorDiedError, ActorWatch
    from ffr.train.verl.replay import WatchedReplayBuffer

    buffer = WatchedReplayBuffer("sync", {}, 8, "drop", {}, poll_interval=0.02)
    buffer.watch = ActorWatch(actors)
    tag = {"is_prompt": True, "status": "running", "global_steps": 1}
    tq.kv_batch_put(keys=["s1q0"], partition_id="train", tags=[tag])
    ray.kill(actors["agent loop worker 0"])
    try:
        with pytest.raises(ActorDiedError, match=r"^agent loop worker 0 died"):
            buffer.sample(global_steps=1, partition_id="train", batch_size=1)
    finally:
        tq.kv_clear(keys=["s1q0"], partition_id="train")


@pytest.mark.parametrize("partition", ["train", "val"])
def test_a_failed_group_raises_its_reason(queue, partition):
    import transfer_queue as tq

    from ffr.train.verl.replay import GroupFailedError, WatchedReplayBuffer

    buffer = WatchedReplayBuffer("sync", {}, 8, "drop", {}, poll_interval=0.02)
    tags = [
        {"is_prompt": True, "status": "running", "global_steps": 1},
        {"is_prompt": True, "status": "failure", "global_steps": 1, "error": "no memory left"},
    ]
    tq.kv_batch_put(keys=["s1q0", "s1q1"], partition_id=partition, tags=tags)
    try:
        with pytest.raises(
            GroupFailedError, match=r"^1 group\(s\) of rollouts failed; first s1q1: no memory left"
        ):
            buffer.sample(global_steps=1, partition_id=partition, batch_size=2)
    finally:
        tq.kv_clear(keys=["s1q0", "s1q1"], partition_id=partition)
