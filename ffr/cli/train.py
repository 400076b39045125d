"""``ffr-train`` and ``ffr train``: run the stages a configuration lists."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffr.cli.shared import AsJson, print_json
from ffr.errors import UserError

if TYPE_CHECKING:
    from ffr.config.schema import RunConfig
    from ffr.preflight.run import Report

__all__ = ["split_words", "train"]

_OVERRIDE = re.compile(r"^\+*[A-Za-z_][\w.+-]*=")


def train(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="CONFIG [CONFIG...] [KEY=VALUE...]",
            help="YAML files, layered left to right, then settings such as grpo.lr=1e-5.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Run folder; default: runs/NAME.", show_default=False)
    ] = None,
    resume: Annotated[
        str,
        typer.Option(
            metavar="auto|never|PATH",
            help="Continue the run folder if it holds this run; never; or from this checkpoint.",
        ),
    ] = "auto",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the resolved settings, the budget, the checks before step 0 and the "
            "command; run nothing.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the stages a configuration lists: sft, grpo, eval."""
    from ffr.config.load import load_config

    paths, overrides = split_words(words)
    config = load_config(paths, overrides)
    if output is not None:
        config = config.model_copy(update={"output": str(output)})
    if dry_run:
        from ffr.train.dry_run import dry_run as show

        # Machines read standard output: what libraries say on import goes to people.
        with contextlib.redirect_stdout(sys.stderr):
            import ffr.train.verl.compose  # noqa: F401

            report = _looked_at(config)
        show(config, _command(words, output, resume), as_json=as_json, report=report)
        return
    from ffr.train.run import run_training

    if not as_json:
        raise typer.Exit(run_training(config, resume))
    with contextlib.redirect_stdout(sys.stderr):
        code = run_training(config, resume)
    folder = Path(config.output or Path("runs") / config.name)
    print_json(json.loads((folder / "summary.json").read_text(encoding="utf-8")))
    raise typer.Exit(code)


def _looked_at(config: RunConfig) -> Report:
    """The checks before step 0, but for the dry rollout; what they find is only told."""
    from ffr.preflight.run import preflight
    from ffr.preflight.situation import look
    from ffr.train.endpoint import teacher_endpoint

    with look(config) as situation, teacher_endpoint(config) as base_url:
        return preflight(config, situation, base_url=base_url, without=("rollout",))


def split_words(words: list[str]) -> tuple[list[Path], list[str]]:
    """Tell configuration files from ``key=value`` settings.

    Raises:
        UserError: no configuration file is named.
    """
    overrides = [w for w in words if _OVERRIDE.match(w) and not _is_file(w)]
    paths = [Path(w) for w in words if w not in overrides]
    if not paths:
        raise UserError(
            f"no configuration file among {' '.join(words)!r}; name one, for example "
            "configs/quickstart.yaml"
        )
    return paths, overrides


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except OSError:  # a long setting is no file name
        return False


def _command(words: list[str], output: Path | None, resume: str) -> str:
    parts = ["ffr-train", *words]
    if output is not None:
        parts += ["--output", str(output)]
    if resume != "auto":
        parts += ["--resume", resume]
    return shlex.join(parts)
