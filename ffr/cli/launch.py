"""``ffr launch``: start a run here, on a Ray cluster, under SLURM or with SkyPilot."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.shared import AsJson, print_json
from ffr.cli.train import split_words
from ffr.errors import UserError
from ffr.launch.plan import LAUNCHERS, Launcher, make_plan

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="CONFIG [CONFIG...] [KEY=VALUE...]",
        help="YAML files, layered left to right, then settings such as hardware.nodes=4.",
    ),
]
Output = Annotated[
    Path | None, typer.Option(help="Run folder; default: runs/NAME.", show_default=False)
]
Folder = Annotated[
    Path | None,
    typer.Option(
        help="Where scripts, resolved configuration and job logs go; default: launches/NAME.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Write the files and print the command; submit nothing.")
]

_HELP = {
    "local": "Run on this machine, through the same kind of script.",
    "ray": "Hand the run to a running Ray cluster (`ray job submit`).",
    "slurm": "Submit an sbatch job: Ray on its nodes, the teacher on others if wanted.",
    "sky": "Launch a SkyPilot task.",
}
_INSTALL = {
    "bash": "install bash",
    "ray": "install ray, or copy the files to a machine that has it",
    "sbatch": "call this on a login node of the cluster",
    "sky": "pip install skypilot in an environment of its own",
}


def _command(launcher: Launcher) -> None:
    def launch(
        words: Words, output: Output = None, folder: Folder = None, dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        _launch(launcher, words, output, folder, dry_run=dry_run, as_json=as_json)

    app.command(launcher, help=_HELP[launcher])(launch)


for _launcher in LAUNCHERS:
    _command(_launcher)


def _launch(
    launcher: Launcher, words: list[str], output: Path | None, folder: Path | None, *,
    dry_run: bool, as_json: bool,
) -> None:
    from ffr.config.load import load_config

    paths, overrides = split_words(words)
    config = load_config(paths, overrides)
    if output is not None:
        config = config.model_copy(update={"output": str(output)})
    place = folder or Path("launches") / config.name
    plan = make_plan(config, launcher, folder=place.absolute(), workdir=Path.cwd())
    files = plan.write()
    if as_json:
        print_json({"files": [str(file) for file in files], "submit": list(plan.submit),
                    "submitted": not dry_run})  # fmt: skip
    else:
        for file in files:
            print(file)
        print(shlex.join(plan.submit))
    if not dry_run:
        raise typer.Exit(_submit(plan.submit, quiet=as_json))


def _submit(command: tuple[str, ...], *, quiet: bool) -> int:
    program = shutil.which(command[0])
    if program is None:
        raise UserError(
            f"{command[0]} is not installed here, so nothing was submitted; "
            f"{_INSTALL[command[0]]}. The files are written"
        )
    sys.stdout.flush()
    # The job inherits this: it finds the very `ffr-train` that launched it, if setup names none.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(  # noqa: S603 - the command just shown
        [program, *command[1:]], check=False, stdout=sys.stderr if quiet else None,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    return done.returncode


@app.command("await-teacher")
def await_teacher(
    words: Words,
    wait_s: Annotated[float, typer.Option(min=0, help="Longest wait, seconds.")] = 60.0,
) -> None:
    """Wait until the teacher's endpoint answers and serves the model; job scripts call this."""
    from ffr.config.load import load_config
    from ffr.launch import await_teacher as waiting

    config = load_config(*split_words(words))
    print(waiting.await_teacher(config.teacher, wait_s=wait_s, say=_say))


@app.command("await-ray")
def await_ray(
    address: Annotated[str, typer.Argument(help="HOST:PORT of the head, or auto.")],
    nodes: Annotated[int, typer.Option(min=1, help="Nodes that must have joined.")],
    devices: Annotated[int, typer.Option(min=0, help="Devices they must have together.")],
    wait_s: Annotated[float, typer.Option(min=0, help="Longest wait, seconds.")] = 600.0,
) -> None:
    """Wait until all nodes have joined the Ray cluster; job scripts call this."""
    from ffr.launch.await_ray import await_nodes, connect_to_ray

    listing = connect_to_ray(address, wait_s=wait_s)
    print(await_nodes(listing, nodes=nodes, devices=devices, wait_s=wait_s, say=_say))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
