"""Looks at all videos of a data set: in parallel, resumable, each file once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.data.fingerprint import HASHING
from ffr.data.json_rows import read_json_rows
from ffr.data.probe import Probe, ProbeJob, probe_video
from ffr.data.probe_pool import Died, run_apart
from ffr.errors import UserError
from ffr.run.jsonl import append_line
from teacher_tools.media import MediaError, MediaNotFoundError, resolve_media

__all__ = ["ProbeOptions", "probe_all"]

_KILL_AFTER = 3.0  # times the reader's own limit: opening, hashing and decoding each may take one
_VIDEOS_PER_WORKER = 4  # a process is slower to start than these are to look at


@dataclass(frozen=True)
class ProbeOptions:
    """How videos are looked at.

    Attributes:
        root: folder every video must lie under.
        workers: processes.
        frames: frames decoded besides the first and the last.
        hashes: hash what the frames show.
        identity: hash the files' bytes.
        timeout_s: seconds for opening, and for decoding.
        journal: JSONL of what was found; what it holds about unchanged files is not done again.
    """

    root: Path
    workers: int = 1
    frames: int = 4
    hashes: bool = False
    identity: bool = False
    timeout_s: float = 60.0
    journal: Path | None = None


def probe_all(
    videos: Iterable[str],
    options: ProbeOptions,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Probe]:
    """What every video is, by name.

    Args:
        videos: names as the data set gives them; doubles are looked at once.
        options: how.
        progress: told (videos done, videos in all).

    Raises:
        UserError: the media root is no folder, or the journal cannot be used.
    """
    if not options.root.is_dir():
        raise UserError(f"media root {options.root} is not a folder; give one with --media-root")
    names = list(dict.fromkeys(videos))
    known: dict[str, Probe] = {}
    if options.journal is not None:
        options.journal.parent.mkdir(parents=True, exist_ok=True)
        if options.journal.exists():
            known = _known(options.journal, options)
    found: dict[str, Probe] = {}
    todo: list[str] = []
    for name in names:
        if (absent := _absent(name, options.root)) is not None:
            found[name] = absent
        elif (before := known.get(name)) is not None and _unchanged(before, options.root):
            found[name] = before
        else:
            todo.append(name)
    known.clear()
    progress(len(found), len(names))
    workers = max(1, min(options.workers, len(todo) // _VIDEOS_PER_WORKER))
    for probe in _probed((_job(name, options) for name in todo), options, workers):
        found[probe.video] = probe
        if options.journal is not None:
            append_line(options.journal, probe)
        progress(len(found), len(names))
    return found


def _absent(name: str, root: Path) -> Probe | None:
    """The finding about a file that is not there or may not be read; no worker is needed."""
    try:
        resolve_media(name, root)
    except MediaNotFoundError as error:
        return Probe(video=name, problem="media_missing", detail=str(error))
    except MediaError as error:
        return Probe(video=name, problem="media_refused", detail=str(error))
    return None


def _job(name: str, options: ProbeOptions) -> dict[str, Any]:
    return ProbeJob(
        video=name, root=str(options.root.resolve()), frames=options.frames,
        hashes=options.hashes, identity=options.identity, timeout_s=options.timeout_s,
    ).model_dump()  # fmt: skip


def _probed(
    jobs: Iterator[dict[str, Any]], options: ProbeOptions, workers: int
) -> Iterator[Probe]:
    limit = _KILL_AFTER * options.timeout_s
    for job, answer in run_apart(probe_video, jobs, workers=workers, timeout_s=limit):
        yield _checked(job["video"], answer)


def _checked(video: str, answer: dict[str, Any] | Died) -> Probe:
    if isinstance(answer, Died):
        problem = "media_timeout" if answer.timed_out else "media_crash"
        detail = f"{answer.detail}; encode the file again"
        return Probe.model_validate({"video": video, "problem": problem, "detail": detail})
    try:
        probe = Probe.model_validate(answer)
    except ValidationError:
        probe = None
    if probe is None or probe.video != video:  # a worker that a hostile file took over
        detail = "the decoder gave an impossible answer; encode the file again"
        return Probe(video=video, problem="media_crash", detail=detail)
    return probe


def _known(journal: Path, options: ProbeOptions) -> dict[str, Probe]:
    """What the journal holds that answers the same questions; the last line of a video counts."""
    found: dict[str, Probe] = {}
    for _, row in read_json_rows(journal):
        try:
            probe = Probe.model_validate(row)
        except ValidationError:
            continue  # a line cut by a kill
        enough = (
            probe.frames == options.frames
            and (probe.hashed == HASHING or not options.hashes)
            and (probe.content is not None or not options.identity)
        )
        hopeless = probe.problem == "media_undecodable" and not options.identity
        if enough or hopeless:
            found[probe.video] = probe
    return found


def _unchanged(probe: Probe, root: Path) -> bool:
    """Whether the file is the one the journal speaks of; trouble of the moment is tried again."""
    if probe.problem in ("media_timeout", "media_crash"):
        return False
    try:
        status = resolve_media(probe.video, root).stat()
    except (MediaError, OSError):
        return False
    return (status.st_size, status.st_mtime_ns) == (probe.size, probe.mtime_ns)
