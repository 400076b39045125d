"""verl's trackers with the real libraries, without network, read back from their own files."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.run.folder import RunFolder
from ffr.train.loggers import logger_environment
from ffr.train.track_evaluation import track_evaluation


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run", "name: x\n")
    for name, accuracy in (("before", 0.25), ("after", 0.75)):
        path = folder.path / "eval" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"all": {"accuracy": accuracy, "n": 8, "skipped": 0}}))
    return folder


def config(tmp_path: Path, *loggers: str) -> RunConfig:
    path = tmp_path / "c.yaml"
    path.write_text("name: tracked\nstudent: {path: model}\n")
    return load_config([path], [f"loggers=[{', '.join(loggers)}]", "grpo.steps=60"])


def tensorboard_points(folder: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def wandb_records(path: Path) -> Iterator[bytes]:
    """The records of a ``.wandb`` file: a header, then LevelDB's log format."""
    data, block = path.read_bytes(), 32768
    at, whole = 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:  # no room for a record's head: the block is padded
            at += block - at % block
            continue
        _crc, size, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def wandb_points(folder: Path, key: str) -> list[tuple[int, float]]:
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    points = []
    for data in wandb_records(path):
        record = wandb_internal_pb2.Record.FromString(data)
        items = {item.key or ".".join(item.nested_key): json.loads(item.value_json)
                 for item in record.history.item}  # fmt: skip
        if key in items:
            points.append((items["_step"], items[key]))
    return points


def here(function: Callable[..., Any], *arguments: Any) -> None:
    """In this process, where verl is imported already; its changed variables are put back."""
    with patch.dict(os.environ):
        function(*arguments)


def test_the_evaluation_reaches_tensorboard_and_offline_wandb(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    track_evaluation(config(tmp_path, "tensorboard", "wandb"), folder, here)
    assert not folder.events_path.exists(), folder.events_path.read_text()
    expected = [(0, 0.25), (60, 0.75)]
    assert tensorboard_points(folder.path / "tensorboard" / "eval", "eval/accuracy") == expected
    assert wandb_points(folder.path, "eval/accuracy") == expected


def test_a_tracker_that_fails_after_the_work_loses_nothing(folder, tmp_path, monkeypatch, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("TENSORBOARD_DIR", str(blocked))
    track_evaluation(config(tmp_path, "tensorboard"), folder, here)
    (event,) = [json.loads(line) for line in folder.events_path.read_text().splitlines()]
    assert event["event"] == "logger_failed"
    assert "did not reach every logger" in capsys.readouterr().err


def test_what_verl_logs_in_a_stage_goes_where_the_environment_says(folder, monkeypatch):
    from verl.utils.tracking import Tracking

    for name, value in logger_environment(("tensorboard",), folder, "x", "grpo", {}).items():
        monkeypatch.setenv(name, value)
    tracking = Tracking("ffr", "x-grpo", ["tensorboard"], config={})
    tracking.log(data={"repair/success_rate": 0.5}, step=1)
    tracking.finish()
    points = tensorboard_points(folder.path / "tensorboard" / "grpo", "repair/success_rate")
    assert points == [(1, 0.5)]


def test_a_tracker_verl_gave_up_ends_the_run(folder, monkeypatch):
    from verl.utils.tracking import Tracking

    from ffr.train.verl.tracking import LoggerFailedError, require_all

    monkeypatch.setenv("TENSORBOARD_DIR", str(folder.path / "tensorboard"))
    tracking = Tracking("ffr", "x", ["tensorboard", "console"], config={})
    require_all(tracking, ["tensorboard", "console"])
    require_all(tracking, "console")
    with pytest.raises(LoggerFailedError, match="mlflow did not start"):
        require_all(tracking, ["tensorboard", "mlflow"])
    tracking.finish()
