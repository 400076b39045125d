"""What is in a store, in numbers."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ffr.patches.media import CorruptMediaError, MissingMediaError
from ffr.patches.review import CorruptReviewError
from ffr.patches.shard_index import Kind
from ffr.patches.size import PatchSize, image_pixels, patch_size
from ffr.patches.store import PatchStore
from ffr.patches.walk import Progress, all_records, loose_images, loose_records, temporary_files

__all__ = ["StoreStats", "store_stats"]


@dataclass
class StoreStats:
    """Counts of a store.

    Attributes:
        patches: requests with a patch.
        failures: requests without, by reason.
        attempts: diagnoses that ended in a failure.
        reviews: patches by what people decided: ``accepted``, ``rejected``, ``unreviewed``, and
            ``damaged`` marks; rejected ones and those with damaged marks are not served.
        damaged: records that cannot be read.
        teachers: records by teacher model.
        error_types: patches by their first error type.
        tools: tool name to (calls, failures).
        size: mean, median and largest of frames, pixels, seconds, words and regions of a patch.
        loose: loose files and their bytes.
        shards: number, samples, images and bytes of shards.
        quarantined: files set aside.
        temporary: files being written, or left behind by a killed writer.
    """

    patches: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    reviews: dict[str, int] = field(default_factory=dict)
    damaged: int = 0
    teachers: dict[str, int] = field(default_factory=dict)
    error_types: dict[str, int] = field(default_factory=dict)
    tools: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: dict[str, dict[str, float]] = field(default_factory=dict)
    loose: dict[str, int] = field(default_factory=dict)
    shards: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0
    temporary: int = 0


def store_stats(
    store: PatchStore, *, pixels: bool = False, progress: Progress = lambda _d, _t: None
) -> StoreStats:
    """Read every record and count; nothing is changed.

    Args:
        store: the store.
        pixels: also open every image for its size.
        progress: called with (records read, records in all).
    """
    stats = StoreStats(temporary=sum(1 for _ in temporary_files(store)))
    _count_files(store, stats)
    total = stats.loose["records"] + stats.shards["samples"]
    failures, teachers, kinds = Counter[str](), Counter[str](), Counter[str]()
    reviews = Counter[str]()
    calls, failed_calls = Counter[str](), Counter[str]()
    sizes: list[PatchSize] = []
    known: dict[str, int] = {}

    def pixels_of(sha: str) -> int:
        if sha not in known:
            try:
                known[sha] = image_pixels(store.media.get(sha)) if pixels else 0
            except (ValueError, MissingMediaError, CorruptMediaError):
                known[sha] = 0
        return known[sha]

    for done, (key, record) in enumerate(all_records(store), 1):
        progress(done, total)
        if record is None:
            stats.damaged += 1
            continue
        teachers[record.teacher_model or "unknown"] += 1
        for name, called, failed in record.tool_calls:
            calls[name] += called
            failed_calls[name] += failed
        if record.patch is not None:
            stats.patches += 1
            reviews[_review(store, key, record.patch.patch_id)] += 1
            kinds[record.patch.error_types[0]] += 1
            sizes.append(patch_size(record.patch, pixels_of))
        elif record.failure is not None:
            failures[record.failure.reason] += 1
            stats.attempts += record.attempts
    stats.failures, stats.teachers = dict(sorted(failures.items())), dict(sorted(teachers.items()))
    stats.reviews = dict(sorted(reviews.items()))
    stats.error_types = dict(sorted(kinds.items()))
    stats.tools = {name: (calls[name], failed_calls[name]) for name in sorted(calls)}
    stats.size = _summary(sizes, pixels=pixels)
    return stats


def _review(store: PatchStore, key: str, patch_id: str) -> str:
    try:
        mark = store.reviews.verdict(key, patch_id)
    except CorruptReviewError:
        return "damaged"
    return "unreviewed" if mark is None else f"{mark.verdict}ed"


def _count_files(store: PatchStore, stats: StoreStats) -> None:
    records = [_bytes(found.path) for found in loose_records(store)]
    images = [_bytes(path) for _, path in loose_images(store)]
    stats.loose = {
        "records": len(records),
        "images": len(images),
        "bytes": sum(records) + sum(images),
    }
    shards = store.shards.shards()
    kinds = Counter(entry.kind is Kind.IMAGE for shard in shards for entry in shard.index)
    stats.shards = {
        "shards": len(shards),
        "samples": kinds[False],
        "images": kinds[True],
        "bytes": sum(_bytes(shard.path) + _bytes(shard.index_path) for shard in shards),
    }
    for folder in (store.root / "quarantine", store.media.root / "quarantine"):
        stats.quarantined += sum(1 for _ in folder.glob("*"))


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _summary(sizes: list[PatchSize], *, pixels: bool) -> dict[str, dict[str, float]]:
    columns = {name: [asdict(size)[name] for size in sizes] for name in PatchSize.__annotations__}
    if not pixels:
        del columns["pixels"]  # not measured is not zero
    return {
        name: {
            "mean": round(statistics.fmean(values), 3),
            "median": statistics.median(values),
            "max": max(values),
        }
        for name, values in columns.items()
        if values
    }
