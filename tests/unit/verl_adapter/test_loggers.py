"""Trackers are checked before step 0, and write into the run folder unless told otherwise."""

import json

import pytest

from ffr.config.load import dump_config, load_config
from ffr.errors import UserError
from ffr.run.folder import RunFolder
from ffr.train.loggers import check_loggers, logger_environment
from ffr.train.track_evaluation import evaluation_lines

EVERYTHING = ("tensorboard", "wandb", "mlflow", "trackio")


def everything_installed(_module: str) -> bool:
    return True


@pytest.fixture
def nobody(tmp_path):
    """The environment of somebody who has never logged in anywhere."""
    return {"NETRC": str(tmp_path / "none"), "HF_HOME": str(tmp_path)}


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run", "name: x\n")


def test_tensorboard_is_the_default_and_one_key_adds_others(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("student: {path: model}\n")
    assert load_config([config]).loggers == ("tensorboard",)
    added = load_config([config], ["loggers=[tensorboard, wandb]"])
    assert added.loggers == ("tensorboard", "wandb")
    assert "loggers:\n- tensorboard\n- wandb\n" in dump_config(added)
    with pytest.raises(UserError, match="tensorbord"):
        load_config([config], ["loggers=[tensorbord]"])


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_missing_package_is_named_with_the_fix(name, nobody):
    with pytest.raises(UserError, match=rf"{name}, which is not installed; pip install {name}"):
        check_loggers(("tensorboard", name), nobody, lambda module: module != name)


def test_wandb_needs_a_key_a_login_or_a_mode_without_network(nobody, tmp_path):
    def check(**more: str) -> None:
        check_loggers(("wandb",), nobody | more, everything_installed)

    with pytest.raises(UserError, match=r"WANDB_API_KEY=\.\.\., or WANDB_MODE=offline"):
        check()
    with pytest.raises(UserError, match="there is no key"):
        check(WANDB_MODE="online")
    check(WANDB_API_KEY="0" * 40)
    check(WANDB_MODE="offline")
    logins = tmp_path / "netrc"
    logins.write_text("machine wandb.example.org\n  login user\n  password secret\n")
    logins.chmod(0o600)
    check(NETRC=str(logins), WANDB_BASE_URL="https://wandb.example.org")
    with pytest.raises(UserError, match="there is no key"):
        check(NETRC=str(logins))  # a login somewhere else
    logins.write_text("not a netrc file {")
    with pytest.raises(UserError, match="there is no key"):
        check(NETRC=str(logins), WANDB_BASE_URL="https://wandb.example.org")


def test_trackio_needs_a_token_only_for_a_space(nobody, tmp_path):
    check_loggers(("trackio",), nobody, everything_installed)
    space = nobody | {"TRACKIO_SPACE_ID": "me/runs"}
    with pytest.raises(UserError, match="me/runs needs a token; export HF_TOKEN"):
        check_loggers(("trackio",), space, everything_installed)
    check_loggers(("trackio",), space | {"HF_TOKEN": "hf_x"}, everything_installed)
    (tmp_path / "token").write_text("hf_x")
    check_loggers(("trackio",), space, everything_installed)


def test_mlflow_without_a_database_package_says_which_package(nobody):
    def skinny(module: str) -> bool:
        return module != "sqlalchemy"

    for uri in ({}, {"MLFLOW_TRACKING_URI": "postgresql://u:secret@host/db"}):
        with pytest.raises(UserError, match="pip install mlflow") as caught:
            check_loggers(("mlflow",), nobody | uri, skinny)
        assert "secret" not in str(caught.value)


def test_files_go_into_the_run_folder_unless_the_user_says_where(folder):
    found = logger_environment(EVERYTHING, folder, "x", "sft", {})
    assert found["TENSORBOARD_DIR"] == str(folder.path / "tensorboard" / "sft")
    assert found["WANDB_DIR"] == str(folder.path)
    assert found["MLFLOW_TRACKING_URI"] == f"sqlite:///{folder.path}/mlflow.db"
    assert found["TRACKIO_DIR"] == str(folder.path / "trackio")
    own = {"TENSORBOARD_DIR": "/elsewhere", "WANDB_API_KEY": "secret"}
    found = logger_environment(EVERYTHING, folder, "x", "sft", own)
    assert "TENSORBOARD_DIR" not in found
    assert "secret" not in json.dumps(found)
    assert logger_environment((), folder, "x", "sft", {}) == {}


def test_a_resumed_stage_is_the_same_run_of_wandb_and_another_run_is_not(folder, tmp_path):
    def run_id(of: RunFolder, stage: str) -> str:
        return logger_environment(("wandb",), of, "x", stage, {})["WANDB_RUN_ID"]

    with folder.lock():
        first = run_id(folder, "grpo")
    with folder.lock():
        assert run_id(folder, "grpo") == first
        assert run_id(folder, "sft") != first
    other = RunFolder.create(tmp_path / "other", "name: x\n")
    with other.lock():
        assert run_id(other, "grpo") != first


def test_evaluations_become_two_points_of_one_curve(tmp_path):
    def write(name: str, accuracy: float, n: int) -> None:
        table = {"all": {"accuracy": accuracy, "n": n, "skipped": 1},
                 "order": {"accuracy": accuracy, "n": n, "skipped": 0}}  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(table))

    write("before", 0.25, 8)
    write("after", 0.5, 8)
    write("patched_after", 0.0, 0)  # nothing answered: no accuracy, not 0
    (tmp_path / "after.jsonl").write_text("")
    assert evaluation_lines(tmp_path, 60) == [
        (0, {"eval/accuracy": 0.25, "eval/accuracy/order": 0.25, "eval/n": 8.0}),
        (60, {"eval/accuracy": 0.5, "eval/accuracy/order": 0.5, "eval/n": 8.0,
              "eval_patched/n": 0.0}),
    ]  # fmt: skip
