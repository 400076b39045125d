"""How well copies of a video are told from other videos by perceptual frame hashes.

    python benchmarks/data_copies.py [--videos 40] [--clips FOLDER]

Videos of the demo world (which look much alike: plain moving shapes) and, where given, every video
of a folder are copied in several ways; each copy is compared with all originals by the rule of
``ffr data contamination``.  Prints, for each way, copies found, and pairs wrongly called the same.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image, ImageEnhance, ImageOps

from ffr.config.schema import DemoWorldConfig
from ffr.data.contamination import MatchRule, find_matches
from ffr.data.probes import ProbeOptions, probe_all
from ffr.demo.world import generate_demo_world

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Way:
    """One way to copy a video."""

    change: Change
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("crf", "23"),)
    keep_every: int = 1
    skip_s: float = 0.0


def _scaled(share: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        size = tuple(max(16, round(side * share / 2) * 2) for side in image.size)
        return image.resize((size[0], size[1]), Image.Resampling.BICUBIC)

    return change


def _boxed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, (0, 2 * (image.height // 16)))


def _same(image: Image.Image) -> Image.Image:
    return image


WAYS = {
    "crf 23": Way(_same),
    "crf 40": Way(_same, options=(("crf", "40"),)),
    "half size": Way(_scaled(0.5)),
    "1.5 x size, mpeg4": Way(_scaled(1.5), "mpeg4", (("q:v", "12"),)),
    "half the frames": Way(_same, keep_every=2),
    "darker": Way(lambda image: ImageEnhance.Brightness(image).enhance(0.7)),
    "first 0.3 s cut": Way(_same, skip_s=0.3),
    "black bars": Way(_boxed),
    "mirrored": Way(ImageOps.mirror),
}


def copy(source: Path, target: Path, way: Way) -> None:
    """Decode, change and encode again."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        incoming = reading.streams.video[0]
        rate = Fraction(incoming.average_rate or 25) / way.keep_every
        stream: VideoStream | None = None
        shown = 0
        for index, frame in enumerate(reading.decode(incoming)):
            if (frame.time or 0.0) < way.skip_s or index % way.keep_every:
                continue
            image = way.change(Image.fromarray(frame.to_ndarray(format="rgb24")))
            image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
            if stream is None:
                added = writing.add_stream(way.codec, rate=rate, options=dict(way.options))
                stream = cast(VideoStream, added)
                stream.width, stream.height = image.size
                stream.pix_fmt = "yuv420p"
            made = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            made.pts, made.time_base = shown, 1 / rate
            shown += 1
            writing.mux(stream.encode(made))
        if stream is not None:
            writing.mux(stream.encode(None))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=int, default=40, help="of the demo world")
    parser.add_argument("--clips", type=Path, help="a folder of further videos")
    parser.add_argument("--frames", type=int, default=16)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        world = generate_demo_world(
            DemoWorldConfig(path=str(root / "world"), sft=words.videos, train=1, validation=1,
                            test=1)
        )  # fmt: skip
        sources = sorted((world.root / "videos").glob("*.mp4"))
        sources += sorted(p for p in words.clips.iterdir() if p.suffix in (".mp4", ".mkv")) if (
            words.clips
        ) else []
        originals = _hashes({p.stem: p for p in sources}, words.frames)
        print(f"{len(originals)} videos, {words.frames} frames of each")
        rule = MatchRule()
        matches, few = find_matches(originals, originals, rule)
        twins = {(m.training, m.evaluation) for m in matches if m.training != m.evaluation}
        print(f"originals: {len(twins) // 2} pairs called the same, {len(few)} not comparable")
        print("way                 found   others called the same")
        for name, way in WAYS.items():
            copies: dict[str, Path] = {}
            for source in sources:
                target = root / "copies" / f"{source.stem}.mp4"
                target.parent.mkdir(exist_ok=True)
                copy(source, target, way)
                copies[source.stem] = target
            matches, _ = find_matches(_hashes(copies, words.frames), originals, rule)
            found = {m.training for m in matches if m.training == m.evaluation}
            wrong = {(m.training, m.evaluation) for m in matches if m.training != m.evaluation}
            print(f"{name:<18} {len(found):3}/{len(sources)} {len(wrong - twins):6}", flush=True)


def _hashes(videos: dict[str, Path], frames: int) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for folder in {path.parent for path in videos.values()}:
        names = {path.name: name for name, path in videos.items() if path.parent == folder}
        options = ProbeOptions(folder, workers=1, frames=frames, hashes=True)
        for file, probe in probe_all(names, options).items():
            found[names[file]] = probe.hashes
    return found


if __name__ == "__main__":
    main()
