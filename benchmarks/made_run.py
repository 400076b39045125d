"""A run folder without a training: true records, patches and videos, made-up outcomes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from ffr.config.load import dump_config, load_config
from ffr.config.schema import DemoWorldConfig
from ffr.data.question import Question
from ffr.demo.world import generate_demo_world
from ffr.patches.looks import ShownPicture, ToolLook
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from ffr.repair.record import GroupRecord
from ffr.run.folder import RunFolder
from ffr.run.metrics import step_metrics
from ffr.run.summary import write_summary
from teacher_tools.encode import encode_jpeg
from teacher_tools.media.reader import VideoReader

__all__ = ["make_run"]

_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
_FATES = ("right", "right", "right", "fixed", "fixed", "wrong again", "leak", "timeout", "silent")


def make_run(
    folder: Path, *, steps: int, questions_per_step: int = 4, group_size: int = 4,
    questions: int = 8, seed: int = 0, hostile: str = "",
) -> RunFolder:  # fmt: skip
    """Write a run folder.

    Args:
        folder: to make; the videos come beside it, into ``world``.
        steps: of GRPO.
        questions_per_step: groups of a step.
        group_size: rollouts of a group.
        questions: how many different ones, each with two patches.
        seed: equal seeds make equal runs.
        hostile: is put into every text a model or a data set writes.
    """
    world = folder.parent / "world"
    demo = DemoWorldConfig(
        sft=1, train=questions, validation=1, test=1, seed=0, path=str(world)
    )
    paths = generate_demo_world(demo)
    config = load_config([_CONFIG], [f"data.demo.path={world}", f"seed={seed}"])
    run = RunFolder.create(folder, dump_config(config))
    run.write_json("inputs.json", {"media_root": str(world), "store": str(run.path / "patches")})
    git = {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False}
    run.write_json("manifest.json", {"name": "made", "seeds": {"run": seed}, "git": git})
    asked = [
        _spoilt(Question.model_validate_json(line), hostile)
        for line in paths.train.read_text(encoding="utf-8").splitlines()
    ][:questions]
    (run.path / "data").mkdir(exist_ok=True)
    text = "".join(question.model_dump_json() + "\n" for question in asked)
    (run.path / "data" / "train.jsonl").write_text(text, encoding="utf-8")
    patches = _patches(run, asked, world, hostile)
    with run.lock():
        dice, log = random.Random(seed), run.rollout_log()
        for step in range(1, steps + 1):
            groups = [
                _group(step, place, asked, patches, group_size, dice, hostile)
                for place in range(questions_per_step)
            ]
            for group in groups:
                log.append(group)
            run.append_metrics({
                "stage": "grpo", "step": step, **step_metrics(groups),
                "actor/ppo_kl": 0.001 * step, "timing_s/gen": 1.0, "timing_s/update_actor": 0.5,
            })  # fmt: skip
    _evaluations(run, dice)
    stages = {"grpo": {"seconds": 2.0 * steps, "steps": steps, "done": True}}
    write_summary(run, status="ok", stages=stages, seconds=2.0 * steps)
    return run


def _spoilt(question: Question, hostile: str) -> Question:
    return question.model_copy(update={
        "question": question.question + hostile, "family": question.family + hostile,
        "options": tuple(option + hostile for option in question.options),
    })  # fmt: skip


def _patches(
    run: RunFolder, asked: Sequence[Question], world: Path, hostile: str
) -> dict[str, list[tuple[str, tuple[ToolLook, ...]]]]:
    """Two patches for each question in the run's store: id and tool calls by question."""
    store = PatchStore(run.path / "patches")
    made: dict[str, list[tuple[str, tuple[ToolLook, ...]]]] = {}
    for number, question in enumerate(asked):
        span = question.gold_spans[0]
        middle = round((span.start_s + span.end_s) / 2, 3)
        box = span.box or (0.25, 0.25, 0.75, 0.75)
        with VideoReader.open(world / question.video) as reader:
            frame = reader.frames_at([middle])[0]
        height, width = frame.image.shape[:2]
        x0, y0, x1, y1 = (round(v * n) for v, n in zip(box, (width, height) * 2, strict=True))
        crop = store.media.put(encode_jpeg(frame.image[y0:y1, x0:x1].copy()))
        looks = (
            ToolLook(
                name="clip" + hostile, arguments=json.dumps({"start_s": span.start_s}) + hostile,
                shown=tuple(ShownPicture(t_s=t) for t in (span.start_s, middle)),
            ),
            ToolLook(
                name="zoom", arguments=json.dumps({"t_s": middle, "box": box}), message=hostile,
                shown=(ShownPicture(t_s=frame.t_s, box=box),),
            ),
        )  # fmt: skip
        for kind in ("temporal", "spatial"):
            patch = EvidencePatch(
                error_types=(kind,),
                guidance=f"Look from {span.start_s:.1f} to {span.end_s:.1f} seconds.{hostile}",
                key_times_s=(frame.t_s,), temporal_markers=(f"at {middle:.1f} s{hostile}",),
                spatial_regions=(SpatialRegion(t_s=frame.t_s, box=box, desc="here" + hostile),),
                frames=(PatchFrame(t_s=frame.t_s, box=box, label="crop" + hostile,
                                   image_sha256=crop),),
            )  # fmt: skip
            record = StoredDiagnosis(
                patch=patch, teacher_model="m" + hostile, question_id=question.id,
                tool_calls=(("clip", 1, 0), ("zoom", 1, 0)), looks=looks,
            )  # fmt: skip
            store.put(f"{number:062x}{'0f' if kind == 'spatial' else 'f0'}", record)
            made.setdefault(question.id, []).append((patch.patch_id, looks))
    return made


def _group(
    step: int, place: int, asked: Sequence[Question],
    patches: dict[str, list[tuple[str, tuple[ToolLook, ...]]]], size: int, dice: random.Random,
    hostile: str,
) -> GroupRecord:  # fmt: skip
    question = dice.choice(asked)
    name = f"s{step}q{place}"
    outcomes, rows = [], []
    for index in range(size):
        fate = dice.choice(_FATES)
        at = round(dice.uniform(0, 8), 1)
        outcome = {"index": index, "first": _attempt(fate == "right", at, dice, hostile),
                   "seconds": dice.random()}  # fmt: skip
        if fate not in ("right", "silent"):
            patch_id, looks = dice.choice(patches[question.id])
            shown = fate in ("fixed", "wrong again")
            outcome["diagnosis"] = {
                "source": "live" if dice.random() < 0.6 else "store",
                "seconds": round(dice.uniform(0.5, 9), 3),
                "patch_id": patch_id if shown else None, "no_patch": None if shown else fate,
                "detail": "" if shown else "why" + hostile,
                "tools": {"clip": {"calls": 1, "failures": 0}, "zoom": {"calls": 1, "failures": 0}},
                "counters": {"calls": 2.0, "tokens_in": 900.0, "tokens_out": 60.0},
                "looks": [look.model_dump() for look in looks],
            }
            if shown:
                outcome["second"] = _attempt(fate == "fixed", at, dice, hostile)
        outcomes.append(outcome)
        rows += _rows(name, index, outcome, dice)
    return GroupRecord.model_validate({
        "step": step, "attempt": 1, "group": name, "question_id": question.id,
        "family": question.family, "answer_type": question.answer_type, "gold": question.answer,
        "row_budget": 2 * size, "outcomes": outcomes, "rows": rows,
        "timings": {"first_pass": 1.0, "repair": 2.0, "total": 3.0},
    })  # fmt: skip


def _attempt(right: bool, at: float, dice: random.Random, hostile: str) -> dict[str, object]:
    answer = ("red square" if right else dice.choice(("blue cross", "green circle"))) + hostile
    thought = "The object is small and stays a moment only, so I look twice. " * dice.randint(0, 3)
    return {
        "text": f"<think>{thought}at <keyframes>{at}</keyframes> something{hostile}</think>"
        f"<answer>{answer}</answer>",
        "answer": answer, "accuracy": float(right), "format": 1.0, "right": right,
        "tokens": 20 + len(thought) // 4, "prompt_tokens": 90, "finish_reason": "stop",
    }  # fmt: skip


def _rows(
    group: str, index: int, outcome: dict[str, object], dice: random.Random
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for source in ("first", "second"):
        attempt = outcome.get(source)
        if not isinstance(attempt, dict):
            continue
        right, repaired = bool(attempt["right"]), source == "second"
        terms = {"accuracy": float(right), "format": 1.0, "dependency": 0.0,
                 "tax": -0.3 * (repaired and right), "length": round(dice.random(), 3)}  # fmt: skip
        kind = {(True, True): "repaired_right", (False, True): "repaired_wrong",
                (True, False): "right", (False, False): "wrong"}[right, repaired]  # fmt: skip
        found.append({
            "index": index, "source": source, "context": "patched" if repaired else "plain",
            "group": f"{group}#repaired" if repaired else group, "category": kind,
            "reward": sum(terms.values()), "terms": terms, "live": True,
            "advantage": round(dice.gauss(0, 1), 3), "tokens": attempt["tokens"],
        })  # fmt: skip
    return found


def _evaluations(run: RunFolder, dice: random.Random) -> None:
    (run.path / "eval").mkdir(exist_ok=True)
    for name, base in (("before", 0.3), ("after", 0.5)):
        table = {
            family: {"accuracy": base + 0.1 * dice.random(), "tac": base, "vas": base / 2,
                     "n": 10, "skipped": 0}
            for family in ("all", "temporal", "spatial")
        }  # fmt: skip
        run.write_json(f"eval/{name}.json", table)
