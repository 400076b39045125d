"""Small real video files with pictures that differ from each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., Path]


def scene(seed: int, t_s: float, width: int, height: int) -> Image.Image:
    """A textured picture that moves; another seed, another place."""
    rng = np.random.default_rng(seed * 1000 + int(t_s))  # a cut each second
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    shift = t_s % 1.0
    return coarse.resize((width, height), Image.Resampling.BICUBIC, (shift, 0, 8 + shift, 7))


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Write a video: ``encode(path, seed, seconds=4, size=(160, 120), fps=10, codec=...)``."""

    def write(
        path: Path, seed: int, *, seconds: float = 4.0, size: tuple[int, int] = (160, 120),
        fps: int = 10, codec: str = "libx264", quality: int = 23, faststart: bool = False,
    ) -> Path:  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=fps)
            stream.width, stream.height = size
            stream.codec_context.gop_size = fps
            stream.options = {"crf": str(quality)} if codec == "libx264" else {"q:v": "9"}
            for index in range(int(seconds * fps)):
                picture = scene(seed, index / fps, *size)
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
            container.mux(stream.encode(None))
        return path

    return write
