"""``ffr data check``, ``ffr data contamination`` and ``ffr data manifest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ffr.cli.data_shared import (
    MediaRoot,
    OnBadRow,
    Workers,
    counts,
    default_workers,
    policy_of,
    print_bad,
)
from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.data.bad_rows import BadRows, RowPolicy
from ffr.data.check import CheckReport, Limits, check_questions
from ffr.data.contamination import Match, MatchRule, find_matches
from ffr.data.digest import DatasetDigest
from ffr.data.manifest import media_hash, verify_manifest, write_manifest
from ffr.data.output import writing_lines
from ffr.data.probe import Probe
from ffr.data.probes import ProbeOptions, probe_all
from ffr.data.stream import Tally, stream_questions
from ffr.errors import UserError

__all__ = ["check", "contamination", "manifest"]


def check(
    path: Annotated[Path, typer.Argument(help="JSONL file with one question a line.")],
    media_root: MediaRoot = None,
    media: Annotated[bool, typer.Option(help="Also open every video.")] = True,
    frames: Annotated[
        int, typer.Option(min=1, max=256, help="Frames decoded, besides the first and the last.")
    ] = 4,
    min_seconds: Annotated[float, typer.Option(min=0, help="Shortest video.")] = 0.0,
    slack_seconds: Annotated[
        float, typer.Option(min=0, help="How far spans may reach beyond the end of the video.")
    ] = 1.0,
    workers: Workers = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="For one video, seconds.")] = 60.0,
    journal: Annotated[
        Path | None,
        typer.Option(help="Where findings are kept for the next check; default: FILE.media.jsonl.",
                     show_default=False),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Write the good rows here.", show_default=False)
    ] = None,
    on_bad_row: OnBadRow = "fail",
    as_json: AsJson = False,
) -> None:
    """Check every row of a question file and every video it names.

    Exit code 2 on a bad row, unless --on-bad-row says otherwise. A check that was stopped goes on
    where it was; videos that have not changed are not opened again.
    """
    policy = policy_of(on_bad_row)
    options = None
    if media:
        options = ProbeOptions(
            media_root or path.parent, workers=default_workers(workers), frames=frames,
            timeout_s=timeout_s, journal=journal or path.with_name(f"{path.name}.media.jsonl"),
        )  # fmt: skip
    bearing = RowPolicy("skip") if policy.mode == "fail" else policy  # the whole report comes first
    with progress_bar("opening videos") as progress:
        report = check_questions(
            path, options, policy=bearing, limits=Limits(min_seconds, slack_seconds), keep=keep,
            progress=progress,
        )  # fmt: skip
    if keep is not None:
        write_manifest(
            keep, made_by={"command": "check", "media": media, "frames": frames,
                           "min_seconds": min_seconds, "slack_seconds": slack_seconds},
            rows=report.good, questions_sha256=report.sha256, sources=[path],
            counts={"bad_rows": report.bad["by_kind"]},
        )  # fmt: skip
    _report(report, as_json)
    if report.bad["total"] and policy.mode == "fail":
        raise UserError(
            f"{path}: {report.bad['total']} bad rows; mend them, or train with "
            "data.on_bad_row=skip to leave them out"
        )


def contamination(
    training: Annotated[Path, typer.Argument(help="JSONL file of training questions.")],
    evaluation: Annotated[list[Path], typer.Argument(help="JSONL files of evaluation questions.")],
    media_root: MediaRoot = None,
    evaluation_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the evaluation videos; default: each file's own.",
                     show_default=False),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, max=256, help="Frames hashed of each video.")] = 16,
    max_distance: Annotated[
        int, typer.Option(min=0, max=24, help="Bits, of 64, that equal frames may differ in.")
    ] = MatchRule.max_distance,
    min_share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of equal frames that makes a match.")
    ] = MatchRule.min_share,
    clean: Annotated[
        Path | None,
        typer.Option(help="Write the training rows without matching videos here.",
                     show_default=False),
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Find evaluation videos among the training videos by what they show.

    Exit code 2 when there are some and --clean is not given, or when a video cannot be read.
    """
    rule = MatchRule(max_distance, min_share)

    def look(path: Path, root: Path | None) -> dict[str, Probe]:
        options = ProbeOptions(
            root or path.parent, workers=default_workers(workers), frames=frames, hashes=True,
            journal=path.with_name(f"{path.name}.frames.jsonl"),
        )  # fmt: skip
        with BadRows(str(path), RowPolicy()) as bad, progress_bar(path.name) as progress:
            tally = Tally()
            names = [q.video for _, q in stream_questions(path, bad, tally)]
            bad.settle(tally.rows)
            return probe_all(names, options, progress)

    ours = look(training, media_root)
    theirs = {
        f"{path}: {name}": probe
        for path in evaluation
        for name, probe in look(path, evaluation_root).items()
    }
    unread = {n: p.detail for side in (ours, theirs) for n, p in side.items() if not p.hashed}
    matches, few = find_matches(_hashes(ours), _hashes(theirs), rule)
    dropped = {match.training for match in matches}
    written = _clean(training, clean, dropped, evaluation, rule, frames) if clean else None
    _report_matches(matches, few, unread, written, len(ours), len(theirs), as_json)
    if unread:
        raise UserError(
            f"{len(unread)} videos could not be read, so nothing is known about them; mend them, "
            "or leave their rows out with `ffr data check --keep`"
        )
    if matches and clean is None:
        raise UserError(
            f"{len(dropped)} training videos show what an evaluation video shows; leave their rows "
            "out with --clean FILE"
        )


def manifest(
    path: Annotated[Path, typer.Argument(help="A JSONL file of questions.")],
    media_root: MediaRoot = None,
    hash_media: Annotated[bool, typer.Option(help="Also hash every video's bytes.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare, write nothing.")] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Write what a file is, with hashes, beside it; or compare the file with what was written."""
    options = ProbeOptions(
        media_root or path.parent, workers=default_workers(workers), frames=1, identity=True
    )

    def media_of() -> Any:
        with progress_bar("hashing videos") as progress:
            names = (question.video for _, question in stream_questions(path, None))
            return media_hash(probe_all(names, options, progress))

    if verify:
        found = verify_manifest(path)
        if found is None:
            raise UserError(f"{path} has no manifest; write one with `ffr data manifest {path}`")
        if hash_media and (found.media is None or media_of() != found.media):
            raise UserError(
                f"{path}: the videos are not those of the manifest, or it holds no hash of them; "
                "fetch them again, or accept them with `ffr data manifest --hash-media`"
            )
    else:
        digest, tally = DatasetDigest(), Tally()
        with BadRows(str(path), RowPolicy()) as bad:
            for _, question in stream_questions(path, bad, tally):
                digest.add(question)
            bad.settle(tally.rows)
        found = write_manifest(
            path, made_by={"command": "manifest"}, rows=tally.rows,
            questions_sha256=digest.hexdigest(), media=media_of() if hash_media else None,
        )  # fmt: skip
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    print(f"{path}: {found.rows} rows, sha256 {found.file.sha256}"
          f"{f', {found.media.files} videos {found.media.sha256}' if found.media else ''}"
          f"{'; as it was' if verify else ''}")  # fmt: skip


def _hashes(probes: dict[str, Probe]) -> dict[str, tuple[str, ...]]:
    return {name: probe.hashes for name, probe in probes.items() if probe.hashed}


def _clean(
    training: Path, target: Path, dropped: set[str], evaluation: list[Path], rule: MatchRule,
    frames: int,
) -> int:  # fmt: skip
    rows = left_out = 0
    digest = DatasetDigest()
    with writing_lines(target) as write:
        for _, question in stream_questions(training, None):
            if question.video in dropped:
                left_out += 1
                continue
            write(question.model_dump_json(exclude_defaults=True))
            digest.add(question)
            rows += 1
        if not rows:
            raise UserError(f"every video of {training} is an evaluation video; nothing is left")
    write_manifest(
        target, made_by={"command": "contamination", "frames": frames,
                         "max_distance": rule.max_distance, "min_share": rule.min_share},
        rows=rows, questions_sha256=digest.hexdigest(), sources=[training, *evaluation],
        counts={"left_out": {"shows an evaluation video": left_out}},
    )  # fmt: skip
    return rows


def _report_matches(
    matches: list[Match], few: list[str], unread: dict[str, str], written: int | None,
    ours: int, theirs: int, as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        print_json(
            {
                "training_videos": ours,
                "evaluation_videos": theirs,
                "matches": [{"training": m.training, "evaluation": m.evaluation, "share": m.share}
                            for m in matches],
                "not_comparable": few,
                "unread": unread,
                "rows_written": written,
            }
        )  # fmt: skip
        return
    for match in matches:
        print(f"{match.training} shows {match.evaluation} ({match.share:.0%} of its frames)")
    for name, detail in unread.items():
        print(f"not read: {name}: {detail}")
    for name in few:
        print(f"not compared, too few frames with contrast: {name}")
    print(f"{ours} training videos, {theirs} evaluation videos: {len(matches)} matches")
    if written is not None:
        print(f"{written} rows are left")


def _report(report: CheckReport, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "path": str(report.path),
                "rows": report.rows,
                "questions": report.good,
                "videos": report.videos,
                "answer_types": dict(report.answer_types),
                "families": dict(report.families),
                "sha256": report.sha256,
                "bad_rows": [row.as_dict() for row in report.first_bad],
                "bad": dict(report.bad),
            }
        )
        return
    print_bad(report.bad)
    print(f"{report.good} good questions about {report.videos} videos: "
          f"{counts(report.answer_types)}")  # fmt: skip
    if report.families:
        print(f"families: {counts(report.families)}")
    print(f"content hash: {report.sha256}")
