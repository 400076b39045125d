"""``ffr data``: make the demo world, convert, check, filter, split and compare data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.data_check import check, contamination, manifest
from ffr.cli.data_convert import convert, cut
from ffr.cli.data_select import filter_command, split
from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.config.schema import DemoWorldConfig

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make, convert and check data sets.")
_DEMO = DemoWorldConfig()


@app.command("demo")
def demo(
    output: Annotated[Path, typer.Option(help="Folder of the demo world.")] = Path(_DEMO.path),
    sft: Annotated[int, typer.Option(min=1, help="Questions for SFT.")] = _DEMO.sft,
    train: Annotated[int, typer.Option(min=1, help="Training questions.")] = _DEMO.train,
    validation: Annotated[int, typer.Option(min=1, help="Validation questions.")] = (
        _DEMO.validation
    ),
    test: Annotated[int, typer.Option(min=1, help="Test questions.")] = _DEMO.test,
    seed: Annotated[int, typer.Option(help="Same seed, same videos.")] = _DEMO.seed,
    as_json: AsJson = False,
) -> None:
    """Render the demo world: real mp4 files and questions about them; an equal one is reused."""
    from ffr.demo.world import generate_demo_world

    config = DemoWorldConfig(
        path=str(output), sft=sft, train=train, validation=validation, test=test, seed=seed
    )
    with progress_bar("rendering videos") as progress:
        world = generate_demo_world(config, progress)
    videos = sum(1 for _ in (world.root / "videos").glob("*.mp4"))
    splits = ("sft", "train", "validation", "test")
    if as_json:
        files = {name: str(getattr(world, name)) for name in splits}
        print_json({"root": str(world.root), "videos": videos, **files})
        return
    print(f"{world.root}: {videos} videos; {', '.join(f'{name}.jsonl' for name in splits)}")


app.command("convert")(convert)
app.command("check")(check)
app.command("filter")(filter_command)
app.command("split")(split)
app.command("contamination")(contamination)
app.command("cut")(cut)
app.command("manifest")(manifest)
