"""Trackers beside the run folder's own files: whether they can be used, and where they write.

Logging itself is verl's (``verl.utils.tracking``); every stage goes the same way.  What is
checked here fails before anything is prepared: verl would fail after minutes of start-up, or
(MLflow) go on without the tracker.
"""

from __future__ import annotations

import hashlib
import importlib
import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ffr.errors import UserError
from ffr.run.folder import RunFolder
from ffr.run.jsonl import read_lines
from ffr.train.apart import call_apart

__all__ = ["check_loggers", "logger_environment", "reach_mlflow"]

_INSTALL = {
    "tensorboard": "pip install tensorboard",
    "wandb": "pip install wandb",
    "mlflow": "pip install mlflow",
    "trackio": "pip install trackio",
}
_WANDB_WITHOUT_KEY = ("offline", "disabled", "dryrun")
_WANDB_CREDENTIALS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
_MLFLOW_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


def check_loggers(
    loggers: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    installed: Callable[[str], bool] = lambda module: find_spec(module) is not None,
) -> None:
    """Every tracker of ``loggers`` is installed and has what it needs to log in.

    Keys are only ever looked for in the environment (and where ``wandb login`` keeps them).

    Args:
        loggers: names from the configuration.
        environment: variables of the stage processes.
        installed: tells whether a module can be imported.

    Raises:
        UserError: a package or a key is missing, or the MLflow server does not answer.
    """
    for name in loggers:
        if not installed(name):
            raise UserError(
                f"loggers={list(loggers)} needs the package {name}, which is not installed; "
                f"{_INSTALL[name]}, or leave {name} out of loggers"
            )
    if "wandb" in loggers and not _wandb_can_log_in(environment):
        raise UserError(
            "loggers lists wandb, but there is no key for it; export WANDB_API_KEY=..., or "
            "WANDB_MODE=offline to write into the run folder, or leave wandb out of loggers"
        )
    if "trackio" in loggers and environment.get("TRACKIO_SPACE_ID"):
        hub = environment.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
        if not environment.get("HF_TOKEN") and not Path(hub, "token").is_file():
            raise UserError(
                f"TRACKIO_SPACE_ID={environment['TRACKIO_SPACE_ID']} needs a token; export "
                "HF_TOKEN=..., or unset TRACKIO_SPACE_ID to write into the run folder"
            )
    if "mlflow" in loggers:
        _check_mlflow(environment.get("MLFLOW_TRACKING_URI"), installed)


def logger_environment(
    loggers: Sequence[str],
    folder: RunFolder,
    name: str,
    stage: str,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Variables that send each tracker's files into the run folder; none of them is a secret.

    What the user has set stays.  A resumed stage goes on in the same run of W&B.

    Args:
        loggers: names from the configuration.
        folder: of the run.
        name: of the run.
        stage: ``sft``, ``grpo`` or ``eval``.
        environment: the user's variables.
    """
    wanted = {
        "tensorboard": {"TENSORBOARD_DIR": str(folder.path / "tensorboard" / stage)},
        "wandb": {
            "WANDB_DIR": str(folder.path),
            "WANDB_RUN_GROUP": name,
            "WANDB_RUN_ID": f"{_identity(folder)}-{stage}",
            "WANDB_RESUME": "allow",
        },
        "mlflow": {"MLFLOW_TRACKING_URI": f"sqlite:///{folder.path / 'mlflow.db'}"},
        "trackio": {"TRACKIO_DIR": str(folder.path / "trackio")},
    }
    found = {key: value for logger in loggers for key, value in wanted[logger].items()}
    return {key: value for key, value in found.items() if key not in environment}


def reach_mlflow(uri: str) -> str:
    """Ask an MLflow server for one experiment; what went wrong, or "".  Imports MLflow."""
    os.environ.update(_MLFLOW_PATIENCE)
    mlflow = importlib.import_module("mlflow")
    try:
        mlflow.set_tracking_uri(uri)
        mlflow.search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001 - it raises requests', SQLAlchemy's and its own
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return ""


def _check_mlflow(uri: str | None, installed: Callable[[str], bool]) -> None:
    scheme = urlsplit(uri or "sqlite:").scheme
    if scheme.startswith(("sqlite", "mysql", "postgresql", "mssql")) and not (
        installed("sqlalchemy") and installed("alembic")
    ):
        raise UserError(
            "MLflow keeps runs in a database here, which mlflow-skinny cannot; pip install mlflow, "
            "or export MLFLOW_TRACKING_URI=http://... of a server"
        )
    if uri is None:
        return  # a new file in the run folder
    if problem := call_apart(reach_mlflow, uri):
        # The address may hold a password.
        raise UserError(
            f"MLflow does not answer at MLFLOW_TRACKING_URI ({scheme or 'a folder'}): "
            f"{problem.replace(uri, '...')}; mend it, or leave mlflow out of loggers"
        )


def _wandb_can_log_in(environment: Mapping[str, str]) -> bool:
    if environment.get("WANDB_MODE", "").lower() in _WANDB_WITHOUT_KEY:
        return True
    if any(environment.get(name) for name in _WANDB_CREDENTIALS):
        return True
    host = urlsplit(environment.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        logins = netrc.netrc(environment.get("NETRC") or str(Path.home() / ".netrc"))
    except (OSError, netrc.NetrcParseError):
        return False
    return host in logins.hosts


def _identity(folder: RunFolder) -> str:
    """The same for all launches of a run, another for every run."""
    launches, _ = read_lines(folder.path / "attempts.jsonl")
    first = repr(sorted(launches[0].items())) if launches else str(folder.path)
    return hashlib.sha256(first.encode()).hexdigest()[:12]
