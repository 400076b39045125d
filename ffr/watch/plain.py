"""A run as lines for a log, a pipe or a machine."""

from __future__ import annotations

from typing import Any

from ffr.run.pace import duration
from ffr.watch.groups import clean
from ffr.watch.metrics import SHOWN, spark, written
from ffr.watch.state import RunWatch

__all__ = ["line", "snapshot", "snapshot_text"]


def line(run: RunWatch, now: float | None = None) -> str:
    """One line: stage, step, phase, rate, time left and the metrics."""
    stage = run.stage
    parts = [clean(run.name)]
    if stage is not None:
        parts.append(f"{clean(stage.name)} {stage.finished}/{stage.total or '?'}")
    parts.append(run.phase or run.status)
    if stage is not None:
        each, left = stage.pace.seconds_per_step, run.left(now)
        unit = "question" if stage.name == "eval" else "step"
        parts += [] if each is None else [f"{each:.2g} s/{unit}"]
        parts += [] if left is None else [f"{duration(left)} left"]
        for shown in [s for s in SHOWN.get(stage.name, ()) if s.key != "seconds"][:4]:
            values = stage.series(shown.key)
            parts += [f"{shown.label} {written(values[-1], shown.form)}"] if values else []
    return " · ".join(parts)


def snapshot_text(run: RunWatch, now: float | None = None) -> str:
    """The whole page as plain lines."""
    lines = [line(run, now), f"{run.status}, {duration(run.seconds)}, {run.folder.path}"]
    for stage in run.stages.values():
        state = "done" if stage.done else "under way" if stage.begun is not None else "to come"
        done = stage.total if stage.done else stage.finished
        lines.append(f"stage {clean(stage.name)}: {done}/{stage.total or '?'}, {state}")
    for of, shown in ((s, shown) for s in run.shown for shown in SHOWN.get(s.name, ())):
        if values := of.series(shown.key):
            last = written(values[-1], shown.form)
            lines.append(f"{of.name}: {shown.label}: {last} {spark(of, shown)}")
    lines += [f"accuracy {name}: {value:.3f}" for name, value in run.accuracy.items()]
    lines += [f"{'!!' if alert.level == 'bad' else '!'} {alert.text}" for alert in run.alerts(now)]
    lines += [f"step {g.step} {g.question_id}: {g.outcome}" for g in run.groups]
    return "\n".join(lines)


def snapshot(run: RunWatch, now: float | None = None) -> dict[str, Any]:
    """The same as plain data; seconds are floats, ``null`` where nothing is known."""
    stage = run.stage
    return {
        "name": run.name,
        "folder": str(run.folder.path),
        "status": run.status,
        "stage": stage.name if stage else None,
        "phase": run.phase or None,
        "seconds": run.seconds,
        "left_s": run.left(now),
        "stages": {
            s.name: {
                "steps": s.total if s.done else s.finished, "total": s.total or None,
                "done": s.done, "seconds_per_step": s.pace.seconds_per_step,
            }
            for s in run.stages.values()
        },
        "metrics": {
            s.name: {shown.key: values[-1] for shown in SHOWN.get(s.name, ())
                     if (values := s.series(shown.key))}
            for s in run.shown
        },
        "accuracy": run.accuracy,
        "warnings": [{"level": a.level, "kind": a.kind, "text": a.text} for a in run.alerts(now)],
        "groups": [
            {"step": g.step, "question_id": g.question_id, "family": g.family, "right": g.right,
             "size": g.size, "asked": g.asked, "patched": g.patched, "repaired": g.repaired,
             "no_patch": g.no_patch, "seconds": g.seconds}
            for g in run.groups
        ],
    }  # fmt: skip
