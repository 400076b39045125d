"""verl's own trackers for what verl does not log itself: the accuracies of the evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from verl.utils.tracking import Tracking

from ffr.errors import FfrError

__all__ = ["LoggerFailedError", "require_all", "track"]


class LoggerFailedError(FfrError):
    """verl goes on without a tracker that did not start; we do not."""


def require_all(tracking: Tracking, wanted: str | Sequence[str]) -> None:
    """Fail when a tracker that was asked for (verl's ``trainer.logger``) is not there.

    Raises:
        LoggerFailedError: verl has given one up; its warnings are in the log of the stage.
    """
    names = [wanted] if isinstance(wanted, str) else wanted
    missing = [name for name in names if name not in tracking.logger]
    if missing:
        raise LoggerFailedError(
            f"{', '.join(missing)} did not start (the reason is in the log of this stage); mend "
            "it, or take it out of loggers"
        )


def track(
    loggers: Sequence[str],
    project: str,
    experiment: str,
    lines: Sequence[tuple[int, Mapping[str, float]]],
    environment: Mapping[str, str],
) -> None:
    """Log a few lines and close; for a process of its own, whose environment is changed.

    Args:
        loggers: names from the configuration.
        project: of the tracker.
        experiment: name of the run in the tracker.
        lines: (step, metric to value), steps ascending.
        environment: variables for the trackers.
    """
    os.environ.update(environment)
    config = {"trainer": {}, "stage": "eval"}  # W&B's settings are looked for in the former
    tracking = Tracking(project, experiment, list(loggers), config=config)
    try:
        require_all(tracking, loggers)
        for step, metrics in lines:
            tracking.log(data=dict(metrics), step=step)
    finally:
        tracking.finish()
