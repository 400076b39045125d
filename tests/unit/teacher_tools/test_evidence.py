"""Evidence keeps its frames honest; short forms get the times of the frames they came from."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ffr.geometry import Span
from teacher_tools import Evidence, Frame, encode_jpeg
from teacher_tools.contact_sheet import contact_sheet
from teacher_tools.errors import safe_text
from teacher_tools.evidence import as_evidence
from teacher_tools.media import DecodedFrame
from teacher_tools.overlay import burn_in
from teacher_tools.wire import pack, pack_evidence, unpack, unpack_evidence

PIXELS = np.arange(24 * 32 * 3, dtype=np.uint32).reshape(24, 32, 3).astype(np.uint8)


def decoded(t_s: float) -> DecodedFrame:
    return DecodedFrame(t_s, int(t_s * 25), Fraction(1, 25), PIXELS)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"image": Image.new("RGB", (4, 4))}, TypeError, "numpy.asarray"),
        ({"image": PIXELS[..., 0]}, ValueError, r"\(H, W, 3\)"),
        ({"image": PIXELS.astype(float)}, ValueError, "float64"),
        ({"image": PIXELS[:0]}, ValueError, r"\(0, 32, 3\)"),
        ({"t_s": -1.0}, ValueError, "seconds=-1"),
        ({"t_s": float("nan")}, ValueError, "seconds=nan"),
        ({"box": (0.5, 0.0, 0.2, 1.0)}, ValueError, "box="),
    ],
)
def test_impossible_frames_are_refused(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Frame(**{"image": PIXELS, "t_s": 1.0, **changes})


def test_short_forms_become_evidence() -> None:
    picture = Image.fromarray(PIXELS)
    assert as_evidence("two red cars", ()).text == "two red cars"
    whole = Evidence(text="x")
    assert as_evidence(whole, ()) is whole
    one = as_evidence(picture.crop((0, 0, 8, 8)), [decoded(2.0)])
    assert [(f.t_s, f.pts, f.size) for f in one.frames] == [(2.0, 50, (8, 8))]
    pair = as_evidence([picture, picture.convert("L")], [decoded(1.0), decoded(3.0)])
    assert [f.t_s for f in pair.frames] == [1.0, 3.0]
    assert pair.frames[1].image.shape == (24, 32, 3)
    crops = as_evidence([picture, picture], [decoded(4.0)])
    assert [f.t_s for f in crops.frames] == [4.0, 4.0]


@pytest.mark.parametrize("output", [None, 3, [], ["a"], [Image.new("RGB", (2, 2)), "a"], b"x"])
def test_other_outputs_are_refused(output: object) -> None:
    with pytest.raises(TypeError, match="return Evidence"):
        as_evidence(output, [decoded(1.0)])


@pytest.mark.parametrize("seen", [[], [decoded(1.0), decoded(2.0)]])
def test_pictures_without_a_time_are_refused(seen: list[DecodedFrame]) -> None:
    with pytest.raises(ValueError, match="t_s="):
        as_evidence([Image.new("RGB", (4, 4))] * 3, seen)


def test_jpeg_keeps_colour_at_full_resolution() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, ::2] = (255, 0, 0)
    image[:, 1::2] = (0, 0, 255)
    data = encode_jpeg(image)
    assert data == encode_jpeg(image.copy())
    back = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(back.astype(int) - image).mean() < 12  # 4:2:0 would mix the columns


def test_evidence_survives_the_wire() -> None:
    evidence = Evidence(
        (
            Frame(PIXELS, 1.5, pts=37, box=(0.0, 0.25, 0.5, 1.0), label="a", intact=False),
            Frame(np.ascontiguousarray(PIXELS[::2]), 2.0),
        ),
        "text",
        Span(start_s=1.0, end_s=2.0, box=(0.0, 0.0, 0.5, 0.5)),
    )
    head, blobs = pack_evidence(evidence)
    received, rest = unpack(pack({"kind": "evidence", "evidence": head}, blobs))
    back = unpack_evidence(received["evidence"], rest)
    assert (back.text, back.span) == (evidence.text, evidence.span)
    for one, other in zip(evidence.frames, back.frames, strict=True):
        assert np.array_equal(one.image, other.image)
        assert (one.t_s, one.pts, one.box, one.label, one.intact) == (
            other.t_s, other.pts, other.box, other.label, other.intact,
        )  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [b"", b"\0\0", b"\0\0\0\xff{}", b"\0\0\0\x02[]", b"\0\0\0\x02{]"],
)
def test_malformed_messages_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them ends the worker
        unpack(message)


def test_frames_larger_than_their_bytes_are_refused() -> None:
    head, blobs = pack_evidence(Evidence((Frame(PIXELS, 1.0),)))
    head["frames"][0]["height"] = 10_000
    with pytest.raises(ValueError, match="does not fit"):
        unpack_evidence(head, blobs[0])


def test_burnt_in_time_changes_only_its_corner() -> None:
    image = np.full((180, 320, 3), 90, np.uint8)
    marked = burn_in(image, "t=12.34s")
    assert marked.shape == image.shape
    assert (image == 90).all()
    assert np.array_equal(marked[:140], image[:140])
    assert np.array_equal(marked[:, 200:], image[:, 200:])
    corner = marked[160:, :60]
    assert corner.max() > 200
    assert corner.min() == 0


def test_contact_sheet_shows_every_frame() -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    frames = tuple(
        Frame(np.full((90, 160, 3), colour, np.uint8), float(i)) for i, colour in enumerate(colours)
    )
    sheet = contact_sheet(Evidence(frames))
    for colour in colours:
        assert (sheet == colour).all(axis=-1).sum() == 90 * 160
    with pytest.raises(ValueError, match="no frames"):
        contact_sheet(Evidence(text="nothing"))


@pytest.mark.parametrize(
    "text",
    [
        "cannot read /home/someone/data/v.mp4, sorry",
        "see file:///srv/x.mp4",
        "at http://host:80/x?key=1",
        r"in C:\Users\someone\v.mp4",
        "~/secret.txt",
        "'/etc/passwd'",
    ],
)
def test_paths_never_reach_a_model(text: str) -> None:
    cleaned = safe_text(text)
    assert "<path>" in cleaned
    for secret in ("someone", "srv", "host", "secret", "passwd"):
        assert secret not in cleaned


def test_plain_words_stay_as_they_are() -> None:
    text = "end_s=95.0 is past the end; valid range 0.0-62.4 s (3/4 of it, 16/9, a and/or b)"
    assert safe_text(text) == text
    assert safe_text("a\0b\x1b[31m") == "a b [31m"
    assert len(safe_text("x" * 10_000)) == 600
