"""From a patch store to a page for auditing it: one file, or one folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ffr import __version__
from ffr.errors import UserError
from ffr.patches.files import write_atomic
from ffr.patches.stats import StoreStats, store_stats
from ffr.patches.walk import all_records
from ffr.report.bundle import Bundle, FileBundle, FolderBundle, Media
from ffr.report.footage import Footage
from ffr.report.page import render_page
from ffr.report.store_browser import StoreBrowser
from ffr.report.store_source import StoreSource, open_store
from ffr.teacher.leakage.gate import RULES

__all__ = ["BuiltStoreReport", "build_store_report"]

_FOLDER_FROM_PATCHES = 2000
_FILE_MEDIA_BYTES = 24_000_000
_SCRIPTS = (
    "timeline.js", "group.js", "store_marks.js", "store_list.js", "store_patch.js",
    "store_sheet.js",
)  # fmt: skip
_STYLES = ("rollouts.css", "store.css")


@dataclass(frozen=True)
class BuiltStoreReport:
    """What was written.

    Attributes:
        page: the file to open.
        form: one file, or a page with ``chunks/`` and ``media/`` beside it.
        size: bytes of all of it.
        patches: in its browser.
        images: pictures in it.
        without_pictures: videos, by the reason why they are not shown.
    """

    page: Path
    form: Literal["file", "folder"]
    size: int
    patches: int
    images: int
    without_pictures: dict[str, int] = field(default_factory=dict)


def build_store_report(
    root: Path,
    output: Path | None = None,
    *,
    questions: Sequence[Path] = (),
    form: Literal["auto", "file", "folder"] = "auto",
    media: Media = "all",
    media_root: Path | None = None,
    media_mb: float | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> BuiltStoreReport:
    """Write the page of a store; the store is only read.

    Args:
        root: of the store.
        output: the file, or the folder for ``form="folder"``; default ``review.html`` or
            ``review/`` in the working directory.
        questions: files with the questions; those of the run a store lies in are found.
        form: ``auto`` takes one file for up to 2,000 patches.
        media: pictures of videos and patches, of patches alone, or none.
        media_root: folder of the videos; default: the run's, or that of the first question file.
        media_mb: most megabytes of pictures; default 24 in one file, no limit in a folder.
        progress: called with (records read, records in all).

    Raises:
        UserError: no store, a question file that cannot be read, or an output in the way.
    """
    source = open_store(root, questions, media_root)
    stats = store_stats(source.store)
    if form == "auto":
        form = "folder" if stats.patches > _FOLDER_FROM_PATCHES else "file"
    bundle, page = _target(output, form)
    limit = None if media_mb is None else int(media_mb * 1e6)
    if limit is None and form == "file":
        limit = _FILE_MEDIA_BYTES
    footage = Footage(bundle, source.media_root if media == "all" else None, None, limit)
    browser = StoreBrowser(source, bundle, footage, images=media != "none")
    total = stats.loose["records"] + stats.shards["samples"]
    for done, (key, record) in enumerate(all_records(source.store), 1):
        progress(done, total)
        if record is not None and record.patch is not None:
            browser.add(key, record, record.patch)
    head = _head(root, source, stats, browser)
    text = render_page(
        f"Patches of {source.name}", head, form=bundle.form, scripts=_SCRIPTS, styles=_STYLES,
        blocks=bundle.blocks(),
    )  # fmt: skip
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, text.encode("utf-8", "replace"))
    files = [page] if form == "file" else [p for p in page.parent.rglob("*") if p.is_file()]
    return BuiltStoreReport(
        page=page, form=bundle.form, size=sum(path.stat().st_size for path in files),
        patches=browser.patches, images=bundle.images, without_pictures=dict(footage.problems),
    )  # fmt: skip


def _head(
    root: Path, source: StoreSource, stats: StoreStats, browser: StoreBrowser
) -> dict[str, Any]:
    index = browser.finish()
    return {
        "made_by": f"ffr {__version__}",
        "store": str(root),
        # Marks made in the page are kept by the browser under this name.
        "id": hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:16],
        "index": index,
        "patches": browser.patches,
        "stats": {
            "failures": stats.failures, "teachers": stats.teachers, "tools": stats.tools,
            "error_types": stats.error_types, "size": stats.size, "damaged": stats.damaged,
        },
        "questions": len(source.questions),
        "leaks": {"patches": browser.leaking, "unjudged": browser.unjudged,
                  "rules": dict(browser.leaks.most_common())},
        "rules": dict(RULES),
    }  # fmt: skip


def _target(output: Path | None, form: str) -> tuple[Bundle, Path]:
    if form == "folder":
        folder = output or Path("review")
        return FolderBundle(folder), folder / "index.html"
    page = output or Path("review.html")
    if page.is_dir():
        raise UserError(f"{page} is a folder; name a file, or take --form folder")
    return FileBundle(), page
