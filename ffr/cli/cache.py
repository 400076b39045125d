"""``ffr cache``: look after a patch store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ffr.cli.cache_job import cache_job
from ffr.cli.cache_review import app as review
from ffr.cli.cache_shrink import shrink
from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.patches.compact import DEFAULT_SHARD_BYTES, compact_store
from ffr.patches.gc import collect_garbage
from ffr.patches.stats import store_stats
from ffr.patches.store import PatchStore
from ffr.patches.transfer import export_patches, import_patches
from ffr.patches.verify import verify_store
from ffr.patches.walk import need_store

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make, check, share and tidy evidence patches.")
app.command("build")(cache_job)
app.command("shrink")(shrink)
app.add_typer(review, name="review")

Store = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the patch store.")]
ShardMb = Annotated[float, typer.Option(min=0.001, help="Size of a shard, megabytes (10^6).")]


@app.command("stats")
def stats(
    store: Store,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Also open every image for its size.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count what is in a store: patches, failures by reason, sizes, files."""
    with progress_bar("reading records") as progress:
        found = store_stats(need_store(store), pixels=pixels, progress=progress)
    if as_json:
        print_json(asdict(found))
        return
    failed = sum(found.failures.values())
    print(f"patches: {found.patches} ({_counts(found.error_types)})")
    print(f"reviews: {_counts(found.reviews)}")
    print(f"failures: {failed} after {found.attempts} attempts ({_counts(found.failures)})")
    for name, numbers in found.size.items():
        print(f"{name} of a patch: " + ", ".join(f"{k} {v:g}" for k, v in numbers.items()))
    print(f"teachers: {_counts(found.teachers)}")
    tools = ", ".join(f"{name} {c} calls, {f} failed" for name, (c, f) in found.tools.items())
    print(f"tools: {tools or 'none'}")
    print(f"loose: {_counts(found.loose)}")
    print(f"compacted: {_counts(found.shards)}")
    print(
        f"damaged records: {found.damaged}; in quarantine: {found.quarantined}; temporary files: "
        f"{found.temporary}"
    )


@app.command("verify")
def verify(
    store: Store,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged files aside; save what is sound.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hash every record, image and shard again; exit code 1 if anything is wrong."""
    with progress_bar("hashing") as progress:
        report = verify_store(need_store(store), repair=repair, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        for problem in report.problems:
            print(f"{problem.kind}: {problem.path}: {problem.detail}")
        print(
            f"{report.records} records, {report.images} images and {report.shards} shards are "
            f"read ({report.bytes_read} bytes); {len(report.problems)} problems"
            + ("; repaired" if repair and report.problems else "")
        )
        print(f"content hash: {report.content_sha256}")
    left = [p for p in report.problems if not repair or p.kind == "corrupt_review"]
    if left:
        if not as_json and not repair:
            print("next: ffr cache verify --repair sets the damaged files aside")
        raise typer.Exit(1)


@app.command("compact")
def compact(
    store: Store,
    shard_mb: ShardMb = DEFAULT_SHARD_BYTES / 1e6,
    keep_loose: Annotated[
        bool, typer.Option("--keep-loose", help="Leave the loose files for a later compaction.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move loose patches into WebDataset tar shards with an index."""
    with progress_bar("compacting") as progress:
        report = compact_store(
            need_store(store),
            shard_bytes=_bytes(shard_mb),
            keep_loose=keep_loose,
            progress=progress,
        )
    if as_json:
        print_json(asdict(report))
        return
    print(
        f"{report.compacted} patches went into {len(report.shards)} shards; {report.already} were "
        f"in shards before; {report.rejected} rejected ones stay loose; {report.damaged} damaged; "
        f"{report.removed} loose files removed"
    )


@app.command("export")
def export(
    store: Store,
    target: Annotated[Path, typer.Argument(help="New folder; it is a store by itself.")],
    shard_mb: ShardMb = DEFAULT_SHARD_BYTES / 1e6,
    failures: Annotated[bool, typer.Option(help="Also export why requests have no patch.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write everything in force to shards in a new folder, to be shared."""
    with progress_bar("exporting") as progress:
        report = export_patches(
            need_store(store),
            target,
            shard_bytes=_bytes(shard_mb),
            failures=failures,
            progress=progress,
        )
    if as_json:
        print_json(asdict(report))
        return
    print(
        f"{target}: {report.patches} patches and {report.failures} failures in "
        f"{len(report.shards)} shards; {report.rejected} of the failures are rejected patches; "
        f"{report.damaged} damaged records left out"
    )


@app.command("import")
def import_(
    store: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the patch store; made if needed.")
    ],
    source: Annotated[Path, typer.Argument(help="A .tar shard or a folder of them.")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave damaged samples out instead of refusing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check shards from anybody and take in what the store has no answer to."""
    with progress_bar("importing") as progress:
        report = import_patches(source, PatchStore(store), skip_bad=skip_bad, progress=progress)
    if as_json:
        print_json(asdict(report))
        return
    for refused in report.refused:
        print(f"left out: {refused}")
    print(
        f"{report.patches} patches and {report.failures} failures imported; {report.already} "
        f"requests had an answer already; {len(report.refused)} samples left out"
    )


@app.command("gc")
def gc(
    store: Store,
    grace_hours: Annotated[
        float,
        typer.Option(min=0, help="Least age of what is removed; below 2 only when nothing writes."),
    ] = 24.0,
    quarantine_days: Annotated[
        float | None,
        typer.Option(
            min=0, help="Also remove quarantined files older than this.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove leftovers of killed writers and images that no record names."""
    with progress_bar("collecting") as progress:
        report = collect_garbage(
            need_store(store),
            grace_s=grace_hours * 3600,
            quarantine_s=None if quarantine_days is None else quarantine_days * 86400,
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        print_json({"dry_run": dry_run, **vars(report)})
        return
    verb = "would be removed" if dry_run else "removed"
    print(f"{verb}: {report.files.total()} files, {report.bytes.total()} bytes")
    for kind, count in sorted(report.files.items()):
        print(f"  {kind}: {count} files, {report.bytes[kind]} bytes")


def _bytes(megabytes: float) -> int:
    return int(megabytes * 1e6)


def _counts(numbers: Mapping[str, Any]) -> str:
    return ", ".join(f"{value} {name}" for name, value in numbers.items()) or "none"
