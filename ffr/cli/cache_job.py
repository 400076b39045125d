"""``ffr-cache`` (= ``ffr cache build``): make patches offline, before training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ffr.cli.shared import AsJson, print_json, run_app
from ffr.cli.train import split_words
from ffr.errors import UserError

__all__ = ["cache_job", "main"]


def cache_job(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="CONFIG [CONFIG...] [KEY=VALUE...]",
            help="YAML files, layered left to right, then settings such as processes=4.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Job folder; default: runs/NAME.", show_default=False)
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            metavar="I/N", help="Work on part I (from 0) of N of the videos, e.g. in an array job."
        ),
    ] = "0/1",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say how many calls, frames and tokens, at what cost; ask nobody."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the patches of a job and store them; the same command resumes it at any point."""
    from ffr.cache_jobs.job import CacheJob
    from ffr.cache_jobs.summary import EXIT_CODES, print_estimate, print_job
    from ffr.config.cache import CacheConfig
    from ffr.config.load import load_as

    paths, overrides = split_words(words)
    config = load_as(CacheConfig, paths, overrides)
    if output is not None:
        config = config.model_copy(update={"output": str(output)})
    job = CacheJob(config, shard=_shard(shard))
    if dry_run:
        work, plan = job.plan()
        if as_json:
            print_json(
                {
                    "requests": work.total,
                    "stored": dict(work.stored),
                    "unreadable": len(work.unreadable),
                    "store": str(job.store.root),
                    **plan.model_dump(mode="json"),
                }
            )
        else:
            print_estimate(work, plan, store=str(job.store.root))
        return
    summary = job.run()
    if as_json:
        print_json(summary.model_dump(mode="json"))
    else:
        print_job(summary)
    raise typer.Exit(EXIT_CODES[summary.status])


def main() -> NoReturn:
    """Entry point of ``ffr-cache``."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(cache_job)
    run_app(app, "ffr-cache")


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if slash and part.isdecimal() and parts.isdecimal() and int(part) < int(parts):
        return int(part), int(parts)
    raise UserError(f"--shard {text!r} is not allowed; give I/N with 0 <= I < N, such as 0/4")
