"""Waiting for the nodes of a Ray cluster, as Ray lists them."""

import pytest

from ffr.launch.await_ray import RayNotReadyError, await_nodes, connect_to_ray


def node(devices: float | None = 8.0, alive: bool = True) -> dict[str, object]:
    return {"Alive": alive, "Resources": {"CPU": 4.0} | ({"GPU": devices} if devices else {})}


def test_waits_until_all_have_joined_and_says_what_changed():
    looks = iter([[node()], [node()], [node(), node(alive=False)], [node(), node()]])
    said: list[str] = []
    text = await_nodes(
        lambda: next(looks), nodes=2, devices=16, wait_s=60, poll_s=0.001, say=said.append
    )
    assert text == "ray: 2 of 2 nodes, 16 of 16 devices"
    assert said == ["ray: 1 of 2 nodes, 8 of 16 devices"]


def test_dead_nodes_do_not_count():
    with pytest.raises(RayNotReadyError, match=r"1 of 2 nodes, 8 of 16 devices after 0\.01 s"):
        await_nodes(
            lambda: [node(), node(alive=False)], nodes=2, devices=16, wait_s=0.01, poll_s=0.005
        )


def test_nodes_without_devices_are_not_enough():
    with pytest.raises(RayNotReadyError, match="2 of 2 nodes, 8 of 16 devices"):
        await_nodes(lambda: [node(), node(None)], nodes=2, devices=16, wait_s=0, poll_s=0.001)


def test_no_ray_at_all_is_said_within_the_limit():
    with pytest.raises(RayNotReadyError, match=r"no Ray at 127\.0\.0\.1:1 within 0 s"):
        connect_to_ray("127.0.0.1:1", wait_s=0)
