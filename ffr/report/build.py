"""From run folders to a report: reads everything once, writes one file or one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ffr import __version__
from ffr.errors import UserError
from ffr.patches.files import write_atomic
from ffr.repair.record import GroupRecord
from ffr.report.browser import Browser
from ffr.report.bundle import Bundle, FileBundle, FolderBundle, Media
from ffr.report.curves import curve_data, panels_of
from ffr.report.election_data import election_data
from ffr.report.footage import Footage
from ffr.report.overview import overview
from ffr.report.page import render_page
from ffr.report.source import Source, open_source
from ffr.report.stage_data import stage_data
from ffr.report.tally import Tally
from ffr.report.teacher_data import teacher_data
from ffr.run.records import RolloutLog
from ffr.run.totals import add_up

__all__ = ["BuiltReport", "build_report"]

FormChoice = Literal["auto", "file", "folder"]
Progress = Callable[[int, int], None]

_FOLDER_FROM_BYTES = 30_000_000
_FILE_MEDIA_BYTES = 24_000_000
_SCRIPTS = (
    "summary.js", "curves.js", "timeline.js", "group.js", "rollouts.js", "teacher.js",
    "stages.js", "elections.js",
)  # fmt: skip
_STYLES = ("rollouts.css",)


@dataclass(frozen=True)
class BuiltReport:
    """What was written.

    Attributes:
        page: the file to open.
        form: one file, or a page with ``chunks/`` and ``media/`` beside it.
        size: bytes of all of it.
        groups, rollouts: in its browser.
        images: pictures in it.
        without_pictures: videos, by the reason why they are not shown.
    """

    page: Path
    form: Literal["file", "folder"]
    size: int
    groups: int
    rollouts: int
    images: int
    without_pictures: dict[str, int] = field(default_factory=dict)


def build_report(
    runs: Sequence[Path],
    output: Path | None = None,
    *,
    form: FormChoice = "auto",
    media: Media = "all",
    media_root: Path | None = None,
    media_mb: float | None = None,
    progress: Progress = lambda _done, _total: None,
) -> BuiltReport:
    """Write the report of one run, or of several with their curves in the same charts.

    Args:
        runs: run folders, or folders of elections.
        output: the file, or the folder for ``form="folder"``; default ``report.html`` or
            ``report/`` in the first run.
        form: ``auto`` takes one file until the records alone have 30 MB.
        media: pictures of videos and patches, of patches alone, or none.
        media_root: folder of the videos, where they are no longer where the run had them.
        media_mb: most megabytes of pictures; default 24 in one file, no limit in a folder.
        progress: called with (steps read, steps in all).

    Raises:
        UserError: no run, a folder that is none, or an output that is in the way.
    """
    sources = _sources(runs)
    if form == "auto":
        form = "folder" if _record_bytes(sources) > _FOLDER_FROM_BYTES else "file"
    bundle, page = _target(sources[0].path, output, form)
    limit = media_mb * 1e6 if media_mb is not None else None
    if limit is None and form == "file":
        limit = _FILE_MEDIA_BYTES
    work = _Work(bundle, media, media_root, None if limit is None else int(limit), progress)
    work.total = sum(len(RolloutLog(s.folder.rollouts).steps()) for s in sources)
    parts = [work.run(source, number) for number, source in enumerate(sources)]
    curves = [part.pop("curves") for part in parts]
    bundle.chunk("curves", curves)
    title = " · ".join(source.name for source in sources)
    head = {"made_by": f"ffr {__version__}", "runs": parts, "panels": panels_of(curves)}
    text = render_page(
        f"{title} report", head, form=bundle.form, scripts=_SCRIPTS, styles=_STYLES,
        blocks=bundle.blocks(),
    )  # fmt: skip
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, text.encode("utf-8", "replace"))
    return BuiltReport(
        page=page, form=bundle.form, size=_size(page, bundle.form), groups=work.groups,
        rollouts=work.rollouts, images=bundle.images, without_pictures=dict(work.problems),
    )  # fmt: skip


@dataclass
class _Work:
    """The part of the job that is the same for every run."""

    bundle: Bundle
    media: Media
    media_root: Path | None
    limit: int | None
    progress: Progress
    total: int = 0
    done: int = 0
    groups: int = 0
    rollouts: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def run(self, source: Source, number: int) -> dict[str, Any]:
        """Plain data of one run for the head of the page; its groups go into chunks."""
        root = (self.media_root or source.media_root) if self.media == "all" else None
        footage = Footage(self.bundle, root, source.frames, self.limit)
        images = self.media != "none"
        browser = Browser(source, number, self.bundle, footage, patch_images=images)
        tally = Tally(source.frames.count if source.frames else None)
        totals = add_up(self._pass(source, browser, tally))
        index = browser.finish()
        self.problems.update(footage.problems)
        return {
            "name": source.name,
            "is_run": source.is_run,
            "overview": overview(source, totals, tally),
            "curves": curve_data(source.metrics, tally),
            "index": index if tally.groups else None,
            "teacher": teacher_data(source, totals, tally),
            "first_view": source.setting("teacher.first_view_frames"),
            "stages": stage_data(source),
            "elections": election_data(source, number, self.bundle),
            "missing": {
                "patches": len(browser.missing_patches),
                "videos": dict(footage.problems),
                "media_root": self.media == "all" and root is None and bool(tally.groups),
            },
        }

    def _pass(self, source: Source, browser: Browser, tally: Tally) -> Iterator[GroupRecord]:
        last = None
        for group in source.groups():
            if group.step != last:
                last = group.step
                self.done += 1
                self.progress(self.done, max(self.total, self.done))
            browser.add(group)
            tally.add(group)
            self.groups += 1
            self.rollouts += len(group.outcomes)
            yield group


def _sources(runs: Sequence[Path]) -> list[Source]:
    if not runs:
        raise UserError("no run is named; give at least one run folder")
    names = [path.absolute().name or "run" for path in runs]
    if len(set(names)) < len(names):  # runs/a/grpo and runs/b/grpo
        names = ["/".join(path.absolute().parts[-2:]) for path in runs]
    unique = [
        name if names.count(name) == 1 else f"{name} ({number})"
        for number, name in enumerate(names, 1)
    ]
    return [open_source(path, name) for path, name in zip(runs, unique, strict=True)]


def _record_bytes(sources: Sequence[Source]) -> int:
    return sum(
        path.stat().st_size for source in sources for path in source.folder.rollouts.glob("*.jsonl")
    )


def _target(first: Path, output: Path | None, form: FormChoice) -> tuple[Bundle, Path]:
    if form == "folder":
        folder = output or first / "report"
        return FolderBundle(folder), folder / "index.html"
    page = output or first / "report.html"
    if page.is_dir():
        raise UserError(f"{page} is a folder; name a file, or take --form folder")
    return FileBundle(), page


def _size(page: Path, form: str) -> int:
    if form == "file":
        return page.stat().st_size
    return sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
