"""Tasks in a process of their own: crashes and hangs become answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ffr.config.load import dump_config
from ffr.preflight.tasks import do_tasks


def test_a_task_that_fails_leaves_the_others_alone(make: Any, tmp_path: Path) -> None:
    answers = do_tasks(
        ["shape", "devices"], config_text=dump_config(make()), limit_s=120.0, environment={},
        model=str(tmp_path / "nothing"),
    )  # fmt: skip
    assert "student.path" in answers["shape"].error
    assert answers["devices"].error == ""
    assert set(answers["devices"].found) == {"torch", "cuda", "devices"}


def test_one_that_takes_too_long_is_ended(make: Any) -> None:
    answers = do_tasks(["devices"], config_text=dump_config(make()), limit_s=0.05, environment={})
    assert answers["devices"].error == "not done within preflight.rollout_limit_s=0.05 s"


def test_a_process_that_dies_says_its_last_words(make: Any) -> None:
    answers = do_tasks(["devices"], config_text="name: [unfinished", limit_s=60.0, environment={})
    assert answers["devices"].error.startswith("the process ended: ")
