"""Generate the demo world: real mp4 files, questions about them, SFT records with patches.

Folder layout::

    videos/<split>_<number>.mp4
    media/aa/bb/<sha256>.jpg      images of the SFT records' patches
    sft.jsonl                     one ``SftRecord`` a line
    train.jsonl, validation.jsonl, test.jsonl    one ``Question`` a line
    manifest.json                 settings, counts, versions, file sizes, one hash over all

A video belongs to the split its name starts with, so no video is in two splits.  Threads
do the work because the encoder releases the interpreter lock; no process is started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ffr.config.schema import DemoWorldConfig
from ffr.demo.layout import SLOTS, SPLITS, Split, VideoPlan, plan_video
from ffr.demo.manifest import Manifest, check_folder, read_manifest
from ffr.demo.questions import question_about
from ffr.demo.records import sft_records
from ffr.demo.render import render_video
from ffr.patches.files import StoreError, write_atomic
from ffr.patches.media import MediaStore

__all__ = ["DemoWorldPaths", "Progress", "generate_demo_world"]

Progress = Callable[[int, int], None]
"""Called with (videos done, videos in all), from the calling thread."""

WORKERS = 2


@dataclass(frozen=True)
class DemoWorldPaths:
    """Where a generated world lies; ``root`` is also its media root."""

    root: Path
    sft: Path
    train: Path
    validation: Path
    test: Path
    media: Path
    manifest: Path

    @classmethod
    def under(cls, root: Path) -> DemoWorldPaths:
        """The layout of the module's docstring under ``root``."""
        return cls(
            root=root,
            sft=root / "sft.jsonl",
            train=root / "train.jsonl",
            validation=root / "validation.jsonl",
            test=root / "test.jsonl",
            media=root / "media",
            manifest=root / "manifest.json",
        )

    def split(self, split: Split) -> Path:
        """The JSONL file of ``split``."""
        return self.root / f"{split}.jsonl"


@dataclass(frozen=True)
class _Made:
    """One finished video: its digest, its rows as JSON, and what lies on disk for it."""

    plan: VideoPlan
    sha256: str
    size: int
    rows: tuple[str, ...]
    families: tuple[str, ...]
    images: tuple[Path, ...]


def generate_demo_world(
    config: DemoWorldConfig, progress: Progress | None = None
) -> DemoWorldPaths:
    """Make the world ``config`` describes under ``config.path``, or reuse it.

    A complete world with the same settings is returned as it is after a check that every
    file is there with its size; missing or truncated files, and worlds whose making was
    interrupted, are completed.  Every file appears whole or not at all.

    Raises:
        UserError: the folder holds something else or a world with other settings, it cannot
            be written, the disk is full, or PyAV cannot encode H.264.
    """
    paths = DemoWorldPaths.under(Path(config.path))
    check_folder(paths.manifest)
    old = read_manifest(paths.manifest, config)
    if old is not None and old.complete and not old.damaged(paths.root):
        return paths
    for name in old.damaged(paths.root) if old is not None else ():
        _remove(paths.root / name)
    write_atomic(paths.manifest, Manifest.begun(config).to_bytes())
    made = _make_all(config, paths, progress)
    _write_rows(config, paths, made)
    write_atomic(paths.manifest, _finished(config, paths, made).to_bytes())
    return paths


def _plans(config: DemoWorldConfig) -> Iterator[VideoPlan]:
    for split in SPLITS:
        for number in range(-(-_size(config, split) // SLOTS)):
            yield plan_video(config.seed, split, number)


def _size(config: DemoWorldConfig, split: Split) -> int:
    return {
        "sft": config.sft, "train": config.train,
        "validation": config.validation, "test": config.test,
    }[split]


def _make_all(
    config: DemoWorldConfig, paths: DemoWorldPaths, progress: Progress | None
) -> list[_Made]:
    plans = list(_plans(config))
    media = MediaStore(paths.media)
    made = []
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="demo-world")
    try:
        for future in as_completed([pool.submit(_make, plan, paths, media) for plan in plans]):
            made.append(future.result())
            if progress is not None:
                progress(len(made), len(plans))
    finally:
        pool.shutdown(cancel_futures=True)
    return sorted(made, key=lambda one: (SPLITS.index(one.plan.split), one.plan.number))


def _make(plan: VideoPlan, paths: DemoWorldPaths, media: MediaStore) -> _Made:
    """Render (or read back) one video and derive its rows."""
    path = paths.root / "videos" / plan.name
    try:
        video = path.read_bytes()
    except FileNotFoundError:
        video = render_video(plan)
        write_atomic(path, video)
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error
    questions = [question_about(plan, item) for item in plan.objects]
    rows, images = [question.model_dump_json() for question in questions], []
    if plan.split == "sft":
        records = sft_records(plan, video, media)
        rows = [record.model_dump_json() for record in records]
        images = [
            media.path(frame.image_sha256)
            for record in records if record.patch is not None
            for frame in record.patch.frames
        ]
    return _Made(
        plan=plan,
        sha256=hashlib.sha256(video).hexdigest(),
        size=len(video),
        rows=tuple(rows),
        families=tuple(question.family for question in questions),
        images=tuple(images),
    )


def _write_rows(config: DemoWorldConfig, paths: DemoWorldPaths, made: list[_Made]) -> None:
    for split in SPLITS:
        rows = [row for one in made if one.plan.split == split for row in one.rows]
        text = "".join(f"{row}\n" for row in rows[: _size(config, split)])
        write_atomic(paths.split(split), text.encode())


def _finished(config: DemoWorldConfig, paths: DemoWorldPaths, made: list[_Made]) -> Manifest:
    digest = hashlib.sha256()
    files: dict[str, int] = {}
    questions: dict[str, dict[str, int]] = {}
    for one in made:
        files[f"videos/{one.plan.name}"] = one.size
        digest.update(f"{one.plan.name} {one.sha256}\n".encode())
        for image in one.images:
            files[image.relative_to(paths.root).as_posix()] = image.stat().st_size
    for split in SPLITS:
        data = paths.split(split).read_bytes()
        files[f"{split}.jsonl"] = len(data)
        digest.update(data)  # names every patch image by its hash
        labels = [f for one in made if one.plan.split == split for f in one.families]
        labels = labels[: _size(config, split)]
        questions[split] = {name: labels.count(name) for name in sorted(set(labels))}
    return Manifest.finished(config, questions=questions, files=files, sha256=digest.hexdigest())


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError.from_os_error("remove", path, error) from error
