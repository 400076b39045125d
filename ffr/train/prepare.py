"""What must exist before the first stage: data, checked and copied, and a student to train."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ffr.config.schema import RunConfig
from ffr.config.student import TinyModelConfig
from ffr.data.bad_rows import BadRow
from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.data.sft_load import check_sft_file
from ffr.data.sft_record import SftRecord, load_sft_records
from ffr.demo.world import generate_demo_world
from ffr.errors import UserError
from ffr.patches.files import write_atomic
from ffr.run.folder import RunFolder
from ffr.train.apart import call_apart

__all__ = ["Inputs", "prepare_data", "prepare_student"]


@dataclass(frozen=True)
class Inputs:
    """Checked inputs of a run; question files lie in the run folder.

    Attributes:
        media_root: folder that every video lies under.
        store: folder of the patch store.
        sft_media: folder of the images that patches of SFT records speak of.
    """

    media_root: Path
    store: Path
    sft: Path | None
    train: Path | None
    validation: Path | None
    test: Path | None
    skipped_rows: int
    sft_media: Path | None = None


def prepare_data(
    config: RunConfig, folder: RunFolder, *, check_media: bool = True
) -> Inputs:
    """Render the demo world if asked for, check every row, and write what remains.

    Args:
        config: resolved.
        folder: takes the checked rows.
        check_media: open every video.

    Raises:
        UserError: a split that a stage needs is missing, empty or too small for one batch, or
            more rows are bad than ``data.on_bad_row`` bears.
    """
    data = config.data
    paths = {name: getattr(data, name) for name in ("sft", "train", "validation", "test")}
    media_root = data.media_root
    if data.demo is not None:
        world = generate_demo_world(data.demo, progress=_demo_progress)
        for name in paths:
            paths[name] = paths[name] or str(getattr(world, name))
        media_root = media_root or str(world.root)
    for stage, split in (("sft", "sft"), ("grpo", "train"), ("eval", "test")):
        if stage in config.stages and not paths[split]:
            raise UserError(
                f"stage {stage} needs data.{split}, which is not set; name a JSONL file"
            )
    root = Path(media_root or Path(next(p for p in paths.values() if p)).parent).resolve()
    skipped = 0
    written: dict[str, Path | None] = {}
    for name in ("train", "validation", "test"):
        if not paths[name]:
            written[name] = None
            continue
        loaded = load_questions(
            Path(paths[name]), root, data.row_policy, check_media=check_media
        )
        skipped += _record_skipped(folder, name, loaded.skipped)
        written[name] = _write(folder, name, loaded.questions)
        if name == "train" and "grpo" in config.stages:
            _enough("train", len(loaded.questions), "grpo.questions_per_step",
                    config.grpo.questions_per_step)
            _has_events(config, loaded.questions)
    sft = Path(paths["sft"]) if paths["sft"] else None
    sft_media = None if sft is None else sft.parent / "media"
    if "sft" in config.stages:
        assert sft is not None
        checked = check_sft_file(sft, root, data.row_policy)  # named now, not in the trainer
        skipped += _record_skipped(folder, "sft", checked.skipped)
        _enough("sft", len(checked.records), "sft.batch_size", config.sft.batch_size)
        if checked.skipped:  # else the file is good as it is, and may be large
            sft = _write(folder, "sft", checked.records)
    return Inputs(
        media_root=root,
        store=Path(config.store.path).resolve() if config.store.path else folder.path / "patches",
        sft=sft,
        sft_media=sft_media,
        skipped_rows=skipped,
        **written,
    )


def _record_skipped(folder: RunFolder, split: str, rows: Sequence[BadRow]) -> int:
    for row in rows:
        folder.append_event({"event": "bad_row", "split": split, **row.as_dict()})
    return len(rows)


def _enough(split: str, rows: int, key: str, wanted: int) -> None:
    if rows < wanted:  # the loaders drop what does not fill a batch
        raise UserError(
            f"data.{split} has {rows} usable rows, {key}={wanted} needs at least that many; "
            f"lower {key} or give more rows"
        )


def _write(folder: RunFolder, name: str, rows: Sequence[Question | SftRecord]) -> Path:
    if not rows:
        raise UserError(f"data.{name} has no usable row; see events.jsonl in {folder.path}")
    path = folder.path / "data" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, "".join(row.model_dump_json() + "\n" for row in rows).encode())
    return path


def prepare_student(config: RunConfig, folder: RunFolder, inputs: Inputs | None) -> Path:
    """The checkpoint to start from: the configured folder, or a tiny model built now.

    Raises:
        UserError: ``student.path`` is no checkpoint folder.
    """
    if config.student.path is not None:
        path = Path(config.student.path)
        if not (path / "config.json").is_file():
            raise UserError(
                f"student.path={config.student.path} holds no config.json; give the folder of a "
                "Hugging Face checkpoint (download it first: training never fetches models)"
            )
        return path.resolve()
    target = folder.path / "student"
    if (target / "config.json").is_file():
        return target
    assert config.student.tiny is not None
    assert inputs is not None
    return call_apart(_build_tiny, config.student.tiny, target, _corpus(inputs))


def _build_tiny(config: TinyModelConfig, folder: Path, corpus: list[str]) -> Path:
    from student.tiny.model import build_tiny_student

    return build_tiny_student(config, folder, corpus)


def _corpus(inputs: Inputs) -> list[str]:
    """Text the tiny tokenizer is trained on: what the student will read and write."""
    lines: list[str] = []
    if inputs.sft is not None:
        for record in load_sft_records(inputs.sft):
            lines += [record.question.question, *record.question.options, record.response]
            if record.patch is not None:
                lines += [record.patch.guidance, *record.patch.temporal_markers]
    elif inputs.train is not None:
        questions = (
            Question.model_validate_json(x)
            for x in inputs.train.read_text(encoding="utf-8").split("\n") if x
        )
        for question in questions:
            lines += [question.question, *question.options]
    return lines


def _has_events(config: RunConfig, questions: Sequence[Question]) -> None:
    """Without one reference event the Temporal Alignment Reward would be missing everywhere."""
    if config.reward.component("tar") and not any(q.events for q in questions):
        raise UserError(
            f"reward.components has 'tar', but none of the {len(questions)} training questions "
            "has reference events; convert the data with them (ffr data convert), or take it out"
        )


def _demo_progress(done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        print(f"demo world: {done}/{total} videos", file=sys.stderr, flush=True)
