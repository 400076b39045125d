"""Hand patches on: export to shards that stand by themselves, import of untrusted ones.

An exported folder is a store: ``store.path`` may point at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ffr.patches.compact import DEFAULT_SHARD_BYTES
from ffr.patches.files import StoreError
from ffr.patches.shard_format import ScannedSample, image_names, scan_samples
from ffr.patches.shard_writer import ShardWriter, write_shard_list
from ffr.patches.size import image_pixels
from ffr.patches.store import PatchStore
from ffr.patches.tar_stream import BadTarError
from ffr.patches.walk import Progress, all_keys

__all__ = ["ExportReport", "ImportReport", "export_patches", "import_patches"]

MAX_IMAGE_PIXELS = 16_777_216
"""Most pixels of an imported image; its header is read, nothing is unpacked."""


@dataclass
class ExportReport:
    """What went out.

    Attributes:
        patches: patches written.
        failures: failures written, rejected patches among them.
        rejected: patches that a person rejected: others learn that there is none, and why.
        damaged: records left out.
        shards: made.
    """

    patches: int = 0
    failures: int = 0
    rejected: int = 0
    damaged: int = 0
    shards: list[str] = field(default_factory=list)


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        patches: new patches.
        failures: new failures.
        already: requests the store already had an answer to; theirs stays.
        refused: unusable samples that were left out, as "shard: what is wrong".
    """

    patches: int = 0
    failures: int = 0
    already: int = 0
    refused: list[str] = field(default_factory=list)


def export_patches(
    store: PatchStore,
    target: Path,
    *,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    failures: bool = True,
    progress: Progress = lambda _d, _t: None,
) -> ExportReport:
    """Write every diagnosis in force, images included, to ``<target>/shards``.

    Equal stores give equal files.

    Args:
        store: the source; loose and compacted records alike.
        target: new or empty folder.
        shard_bytes: size at which a shard is closed.
        failures: also export why requests have no patch, so that nobody asks again.
        progress: called with (requests done, requests in all).

    Raises:
        StoreError: ``target`` holds something, or cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target} is not empty; name a new folder for the export")
    report = ExportReport()
    keys = all_keys(store)
    writer = ShardWriter(target / "shards", shard_bytes)
    try:
        for done, key in enumerate(keys, 1):
            progress(done, len(keys))
            record = store.get(key)
            if record is None:
                report.damaged += 1
            elif record.patch is not None or failures:
                writer.add(key, record, {sha: store.media.get(sha) for sha in image_names(record)})
                report.patches += record.patch is not None
                report.failures += record.patch is None
                report.rejected += record.rejected
        writer.flush()
    finally:
        writer.abandon()
    report.shards = [path.name for path in writer.written]
    if writer.written:
        write_shard_list(target / "shards")
    return report


def import_patches(
    source: Path,
    store: PatchStore,
    *,
    skip_bad: bool = False,
    progress: Progress = lambda _d, _t: None,
) -> ImportReport:
    """Read shards from anybody into ``store``, as loose files.

    Everything is checked before anything is written: plain tar files of regular members with
    our names only, so no path, link or compressed bomb can get in; every record's checksum and
    schema, every image's hash, format and size.  Indexes of the source are not looked at.  What
    a patch says is not judged here; the leak gate judges every patch that is read back.

    Args:
        source: a ``.tar`` file, a folder of them, or an exported folder.
        store: gets what it has no answer to.
        skip_bad: leave damaged samples out and report them; structural faults always refuse
            the whole import.
        progress: called with (shards done, shards in all), twice over.

    Raises:
        StoreError: there is no shard, one is refused (nothing has been written then), or the
            store cannot be written.
    """
    shards = _shards_of(source)
    report = ImportReport()
    for done, path in enumerate(shards, 1):
        report.refused += _check(path)
        if report.refused and not skip_bad:
            more = f" (and {len(report.refused) - 1} more)" if len(report.refused) > 1 else ""
            raise StoreError(
                f"nothing was imported: {report.refused[0]}{more}; get the file again, or leave "
                "damaged samples out with --skip-bad"
            )
        progress(done, 2 * len(shards))
    store.check_writable()
    for done, path in enumerate(shards, 1):
        _take(path, store, report)
        progress(len(shards) + done, 2 * len(shards))
    return report


def _shards_of(source: Path) -> list[Path]:
    if source.is_dir():
        found = sorted([*source.glob("*.tar"), *source.glob("shards/*.tar")])
    else:
        found = [source]
    found = [path for path in found if not path.name.startswith(".")]
    for path in found:
        if not path.is_file():
            raise StoreError(f"{path} is no file; name a .tar file or a folder of them")
    if not found:
        raise StoreError(
            f"{source} holds no .tar file; name an exported folder, or make one of a store with "
            "`ffr cache export`"
        )
    return found


def _check(path: Path) -> list[str]:
    """Problems of single samples.

    Raises:
        StoreError: the file is no shard at all, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return [
                f"{path.name}: sample {sample.key}: {problem}"
                for sample in scan_samples(file)
                if (problem := _problem(sample))
            ]
    except BadTarError as error:
        raise StoreError(
            f"{path} is refused, nothing was imported: {error}; shards are uncompressed tar "
            "files made by `ffr cache export`"
        ) from error
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error


def _problem(sample: ScannedSample) -> str:
    if sample.record is None:
        return sample.problem
    for sha, data in sample.images.items():
        try:
            pixels = image_pixels(data)
        except ValueError as error:
            return f"image {sha}: {error}"
        if pixels > MAX_IMAGE_PIXELS:
            return f"image {sha} has {pixels} pixels; at most {MAX_IMAGE_PIXELS} are allowed"
    return ""


def _take(path: Path, store: PatchStore, report: ImportReport) -> None:
    try:
        with path.open("rb") as file:
            for sample in scan_samples(file):
                # Checked again: the file may have changed since the first look.
                if sample.record is None or _problem(sample):
                    continue
                before = store.get(sample.key)
                if before is not None and (before.patch or not sample.record.patch):
                    report.already += 1
                    continue
                for data in sample.images.values():
                    store.media.put(data)
                store.put(sample.key, sample.record)
                report.patches += sample.record.patch is not None
                report.failures += sample.record.patch is None
    except BadTarError as error:
        raise StoreError(f"{path} changed while it was read: {error}; import it again") from error
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error
