"""``ffr data filter`` and ``ffr data split``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

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
from ffr.data.manifest import write_manifest
from ffr.data.pass_filter import FilterReport, RateBand, filter_questions
from ffr.data.rates import Rates, recorded_rates
from ffr.data.split import GroupOf, SplitReport, group_by_pattern, parse_parts, split_questions
from ffr.errors import UserError

__all__ = ["filter_command", "split"]


def filter_command(
    source: Annotated[Path, typer.Argument(help="JSONL file of questions.")],
    target: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    rollouts: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder, or JSONL of group records or {id, n, right}; repeatable.",
                     show_default=False),
    ] = None,
    mode: Annotated[
        Literal["train", "validation", "all"], typer.Option(help="Which recorded groups count.")
    ] = "train",
    steps: Annotated[
        str, typer.Option(metavar="FIRST:LAST", help="Only these steps of the run.")
    ] = "",
    endpoint: Annotated[
        str, typer.Option(help="Ask the student behind this OpenAI-compatible address instead.")
    ] = "",
    model: Annotated[str, typer.Option(help="Name of the student at the endpoint.")] = "",
    samples: Annotated[int, typer.Option(min=1, help="Answers to each question.")] = 8,
    temperature: Annotated[float, typer.Option(min=0, help="Of the student.")] = 1.0,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way.")] = 16,
    api_key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    config: Annotated[
        list[Path] | None,
        typer.Option(help="YAML with the student section (frames, prompt); repeatable.",
                     show_default=False),
    ] = None,
    media_root: MediaRoot = None,
    low: Annotated[float, typer.Option(help="Lowest pass rate kept.")] = 1 / 8,
    high: Annotated[float, typer.Option(help="Highest pass rate kept.")] = 7 / 8,
    all_fail: Annotated[
        float, typer.Option(help="Share of the result that nobody got right.")
    ] = 0.2,
    min_samples: Annotated[int, typer.Option(min=1, help="Attempts from which a rate counts.")] = 1,
    unmeasured: Annotated[
        Literal["drop", "keep"], typer.Option(help="Questions without enough attempts.")
    ] = "drop",
    seed: Annotated[int, typer.Option(help="Of the draw among questions nobody got right.")] = 0,
    on_bad_row: OnBadRow = "fail",
    as_json: AsJson = False,
) -> None:
    """Keep the questions that teach, by how often a student gets them right."""
    policy = policy_of(on_bad_row)
    band = RateBand(low, high, all_fail, min_samples, unmeasured, seed)
    if bool(rollouts) == bool(endpoint):
        raise UserError("give either --rollouts PATH or --endpoint URL --model NAME")
    unanswered: list[tuple[str, str]] = []
    if rollouts:
        rates = Rates()
        for path in rollouts:
            found = recorded_rates(path, mode=mode, steps=_steps(steps))
            rates.unreadable += found.unreadable
            rates.other_mode += found.other_mode
            for name, rate in found.by_id.items():
                rates.add(name, rate)
        made_by: dict[str, Any] = {"rollouts": [p.name for p in rollouts], "mode": mode,
                                   "steps": steps}  # fmt: skip
    else:
        student = {
            "samples": samples, "temperature": temperature,
            "endpoint": {"base_url": endpoint, "model": model, "api_key_env": api_key_env,
                         "concurrency": concurrency},
        }  # fmt: skip
        rates, unanswered = _ask(source, target, student, config or [], media_root, policy.mode)
        made_by = {"endpoint": {"model": model, "samples": samples, "temperature": temperature}}
    report = filter_questions(source, target, rates.by_id, band, policy=policy)
    write_manifest(
        target,
        made_by={"command": "filter", "low": low, "high": high, "all_fail": all_fail,
                 "min_samples": min_samples, "unmeasured": unmeasured, "seed": seed, **made_by},
        rows=report.written, sources=[source],
        counts={"found": report.found, "all_fail_kept": report.all_fail_kept,
                "bad_rows": report.bad["by_kind"]},
    )  # fmt: skip
    _report_filter(target, report, rates, unanswered, as_json)


def split(
    source: Annotated[Path, typer.Argument(help="JSONL file of questions.")],
    output: Annotated[Path, typer.Argument(help="Folder for the parts.")],
    parts: Annotated[
        str, typer.Option(help="NAME=SHARE,...; the shares add up to 1.")
    ] = "train=0.9,validation=0.05,test=0.05",
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    group: Annotated[
        str,
        typer.Option(help="Regular expression; videos whose first bracket matches the same text "
                     "stay together."),
    ] = "",
    by_content: Annotated[
        bool, typer.Option(help="Files with the same bytes stay together, whatever their names.")
    ] = False,
    media_root: MediaRoot = None,
    workers: Workers = None,
    on_bad_row: OnBadRow = "fail",
    as_json: AsJson = False,
) -> None:
    """Split by video, so that no video is in two parts."""
    policy = policy_of(on_bad_row)
    shares = parse_parts(parts)
    if group and by_content:
        raise UserError("give either --group or --by-content")
    group_of: GroupOf = group_by_pattern(group) if group else str
    if by_content:
        group_of = _contents(source, media_root or source.parent, default_workers(workers))
    report = split_questions(source, output, shares, seed=seed, group_of=group_of, policy=policy)
    for part in shares:
        write_manifest(
            output / f"{part}.jsonl",
            made_by={"command": "split", "part": part, "parts": shares, "seed": seed,
                     "group": group, "by_content": by_content},
            rows=report.rows[part], sources=[source],
        )  # fmt: skip
    _report_split(output, report, as_json)


def _steps(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)
    if match is None or int(match.group(1)) > int(match.group(2)):
        raise UserError(f"--steps {text!r} is not FIRST:LAST; give two numbers such as 1:100")
    return int(match.group(1)), int(match.group(2))


def _ask(
    source: Path, target: Path, student: dict[str, Any], layers: list[Path],
    media_root: Path | None, bearing: str,
) -> tuple[Rates, list[tuple[str, str]]]:  # fmt: skip
    from ffr.config.cache import CacheConfig
    from ffr.config.load import load_as
    from ffr.data.load import load_questions
    from ffr.data.student_rates import measured_rates

    config = load_as(CacheConfig, layers, [f"failures.student={json.dumps(student)}"])
    root = media_root or source.parent
    loaded = load_questions(
        source, root, "fail" if bearing == "fail" else "skip", check_media=False
    )
    folder = target.with_name(f"{target.name}.answers")
    with progress_bar("asking the student") as progress:
        return measured_rates(loaded.questions, config, root, folder, progress)


def _contents(source: Path, root: Path, workers: int) -> GroupOf:
    from ffr.data.probes import ProbeOptions, probe_all
    from ffr.data.stream import stream_questions

    options = ProbeOptions(root, workers=workers, frames=1, identity=True)
    with progress_bar("hashing videos") as progress:
        probes = probe_all((q.video for _, q in stream_questions(source, None)), options, progress)
    unread = [p for p in probes.values() if p.content is None]
    if unread:
        raise UserError(
            f"{len(unread)} videos cannot be hashed, first {unread[0].video[:200]!r}: "
            f"{unread[0].detail}"
        )
    return lambda video: probes[video].content or video


def _report_filter(
    target: Path, report: FilterReport, rates: Rates, unanswered: list[tuple[str, str]],
    as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        print_json(
            {
                "path": str(target),
                "questions": report.written,
                "found": dict(report.found),
                "all_fail_kept": report.all_fail_kept,
                "measured_strangers": report.strangers,
                "unreadable_lines": rates.unreadable,
                "groups_of_another_mode": rates.other_mode,
                "unanswered": [{"id": name, "reason": reason} for name, reason in unanswered],
                "bad": dict(report.bad),
            }
        )
        return
    print_bad(report.bad)
    for name, reason in unanswered[:5]:
        print(f"not asked: {name}: {reason}")
    print(f"{target}: {report.written} questions, {report.all_fail_kept} of them never right; "
          f"found {counts(report.found)}")  # fmt: skip
    for count, what in (
        (report.strangers, "measured questions are not in the file"),
        (rates.unreadable, "recorded lines could not be read"),
        (rates.other_mode, "recorded groups are of another mode"),
        (len(unanswered), "questions could not be asked; start the same command again"),
    ):
        if count:
            print(f"{count} {what}")


def _report_split(output: Path, report: SplitReport, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(output), "rows": dict(report.rows), "groups": dict(report.groups),
                    "bad": dict(report.bad)})  # fmt: skip
        return
    print_bad(report.bad)
    total = sum(report.rows.values())
    for part, rows in report.rows.items():
        print(f"{output / part}.jsonl: {rows} questions ({rows / total:.1%}), "
              f"{report.groups[part]} groups of videos")  # fmt: skip
