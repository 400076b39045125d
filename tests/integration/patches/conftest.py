"""The command line in this process, and a store with patches about a real video."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from ffr.cli.main import main
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def cache(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """``ffr cache WORDS...`` as a shell would run it."""

    def call(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["ffr", "cache", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        code = stopped.value.code
        assert isinstance(code, int) or code is None
        return Result(code or 0, out, err)

    return call


@dataclass(frozen=True)
class World:
    store: PatchStore
    questions: Path
    key: str


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One video, one question about it, and a store with one patch of three frames."""
    folder = tmp_path / "data"
    folder.mkdir()
    with av.open(str(folder / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(20):
            picture = np.full((64, 64, 3), 10 * i, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    question = {
        "id": "q", "video": "v.mp4", "question": "What appears?", "options": ["red", "blue"],
        "answer_type": "choice", "answer": "B",
    }  # fmt: skip
    questions = folder / "questions.jsonl"
    questions.write_text(json.dumps(question) + "\n")
    store = PatchStore(tmp_path / "store")
    frames = []
    for shade in (0, 100, 200):
        out = io.BytesIO()
        Image.new("RGB", (64, 64), (shade, 9, 9)).save(out, "JPEG")
        sha = store.media.put(out.getvalue())
        frames.append(PatchFrame(t_s=shade / 100, label="frame", image_sha256=sha))
    patch = EvidencePatch(
        error_types=("spatial",),
        guidance="Look at the whole frame from 0.0 to 2.0 seconds.",
        frames=tuple(frames),
        spatial_regions=(SpatialRegion(t_s=1.0, box=(0.0, 0.0, 0.5, 0.5), desc="corner"),),
    )
    key = "ab" * 32
    store.put(key, StoredDiagnosis(patch=patch, question_id="q", teacher_model="m"))
    return World(store, questions, key)
