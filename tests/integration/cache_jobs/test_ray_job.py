"""The same job on Ray: two workers on this machine, the very same store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffr.cache_jobs.ray_lane import ray_cluster
from ffr.config.cache import RayConfig
from ffr.errors import UserError


def test_two_ray_workers_fill_the_very_same_store(
    filled, job_config, server, tmp_path, contents, command
):
    config = job_config(
        tmp_path / "job", server, workers="ray", processes=2, ray={"cpus_per_worker": 0.5}
    )
    job = command(config, "--json")
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    summary = json.loads(out)
    assert (summary["status"], summary["patches"]) == ("ok", 15)
    assert contents(tmp_path / "job" / "patches") == contents(Path(filled.output) / "patches")
    assert len(list((tmp_path / "job" / "journal").glob("*.jsonl"))) == 2


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_where_no_cluster_is_is_said_at_once(address):
    with pytest.raises(UserError, match="does not answer"), ray_cluster(
        RayConfig(address=address), 2
    ):
        pass
