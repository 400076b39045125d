"""SFT records of a demo video: some plain, some with an evidence patch made from the gold spans.

The live demo teacher finds its evidence in the pixels; these patches have the same form, so
what the student learns here is how to read a patch.  They show where the object is and never
say what it is.
"""

from __future__ import annotations

import io
import random

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from ffr.data.sft_record import SftRecord
from ffr.demo.layout import FRAME_SIDE, SlotObject, VideoPlan
from ffr.demo.questions import question_about, wanted_response
from ffr.demo.vocabulary import SLOT_S, guidance_text
from ffr.geometry import RawBox
from ffr.patches.media import MediaStore
from ffr.patches.patch import ErrorType, EvidencePatch, PatchFrame, SpatialRegion

__all__ = ["CROP_SCALE", "PATCH_FRAMES", "crop_box", "decode_frames", "sft_records"]

PATCH_FRAMES = 2
"""Most whole frames of a patch about a large object; a small one takes a single crop."""
CROP_SCALE = (1.5, 2.2)
"""Range of a crop's side, in sides of the object it shows."""
CROP_SIDE = 128
"""Crops are enlarged to this many pixels, whole frames shrunk to twice as many."""
LOOK_STEP_S = 0.2
"""Like the demo teacher, look at the slot this often, in seconds, and show what was caught."""

Rgb = npt.NDArray[np.uint8]


def decode_frames(video: bytes, wanted: set[int]) -> dict[int, Rgb]:
    """The ``wanted`` frames of an mp4 by number, uint8 RGB of shape (H, W, 3)."""
    frames: dict[int, Rgb] = {}
    with av.open(io.BytesIO(video), "r") as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                frames[number] = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            if len(frames) == len(wanted):
                break
    return frames


def crop_box(item: SlotObject, scale: float) -> RawBox:
    """Square normalised box of ``scale`` object sides around ``item``, inside the frame."""
    side = min(round(item.diameter * scale), FRAME_SIDE)
    x0, y0 = (min(max(c - side // 2, 0), FRAME_SIDE - side) for c in item.centre)
    return (
        round(x0 / FRAME_SIDE, 6), round(y0 / FRAME_SIDE, 6),
        round((x0 + side) / FRAME_SIDE, 6), round((y0 + side) / FRAME_SIDE, 6),
    )


def sft_records(plan: VideoPlan, video: bytes, media: MediaStore) -> list[SftRecord]:
    """One record per object of ``plan``, in slot order; ``video`` is the file of that plan.

    The temporal or spatial object always comes with its patch; of the visible ones, which the
    student can see without help, one does in every second video, each in turn.

    Raises:
        StoreError: the media folder cannot be written.
    """
    visible = [item for item in plan.objects if item.family == "visible"]
    helped = [] if plan.number % 2 else [visible[plan.number // 2 % len(visible)]]
    shown = {
        item: _shown_frames(plan, item)
        for item in plan.objects
        if item.family != "visible" or item in helped
    }
    frames = decode_frames(video, {number for numbers in shown.values() for number in numbers})
    records = []
    for item in plan.objects:
        question = question_about(plan, item)
        patch = _patch(plan, item, shown[item], frames, media) if item in shown else None
        records.append(
            SftRecord(
                question=question, response=wanted_response(question, item), patch=patch
            )
        )
    return records


def _looks(plan: VideoPlan, item: SlotObject) -> list[int]:
    """Frames of a regular look over the whole slot of ``item``, by number."""
    start_s, end_s = item.asked_s - SLOT_S / 2, item.asked_s + SLOT_S / 2
    inset = LOOK_STEP_S / 10
    count = round(SLOT_S / LOOK_STEP_S) + 1
    step = (end_s - start_s - 2 * inset) / (count - 1)
    return [int((start_s + inset + i * step) * plan.fps) for i in range(count)]


def _shown_frames(plan: VideoPlan, item: SlotObject) -> list[int]:
    """The frames from the middle of what a look caught; one crop is enough for a small object."""
    caught = [n for n in _looks(plan, item) if item.first_frame <= n <= item.last_frame]
    count = 1 if item.family == "spatial" else PATCH_FRAMES
    first = max(0, (len(caught) - count) // 2)
    return caught[first : first + count]


def _guided_span(plan: VideoPlan, item: SlotObject) -> tuple[float, float]:
    """When the object can have been there, to a look's precision: half-way to the misses."""
    looks = _looks(plan, item)
    caught = [n for n in looks if item.first_frame <= n <= item.last_frame]
    before = max((n for n in looks if n < caught[0]), default=looks[0])
    after = min((n for n in looks if n > caught[-1]), default=looks[-1])
    return (
        (plan.time_s(before) + plan.time_s(caught[0])) / 2,
        (plan.time_s(caught[-1]) + plan.time_s(after)) / 2,
    )


def _patch(
    plan: VideoPlan,
    item: SlotObject,
    numbers: list[int],
    frames: dict[int, Rgb],
    media: MediaStore,
) -> EvidencePatch:
    zoomed = item.family == "spatial"
    draw = random.Random(f"{plan.seed}/{plan.split}/{plan.number}/{item.asked_s}/crop")
    box = crop_box(item, draw.uniform(*CROP_SCALE)) if zoomed else None
    times = tuple(round(plan.time_s(number), 3) for number in numbers)
    kinds: dict[str, ErrorType] = {
        "temporal": "temporal", "spatial": "spatial", "visible": "misconception",
    }
    return EvidencePatch(
        error_types=(kinds[item.family],),
        guidance=guidance_text(*_guided_span(plan, item), zoomed=zoomed),
        key_times_s=times,
        spatial_regions=(SpatialRegion(t_s=times[0], box=box),) if zoomed else (),
        frames=tuple(
            PatchFrame(t_s=t, box=box, image_sha256=media.put(_evidence_jpeg(frames[n], box)))
            for t, n in zip(times, numbers, strict=True)
        ),
    )


def _evidence_jpeg(frame: Rgb, box: RawBox | None) -> bytes:
    image = Image.fromarray(frame)
    side = 2 * CROP_SIDE
    if box is not None:
        x0, y0, x1, y1 = (round(v * FRAME_SIDE) for v in box)
        image, side = image.crop((x0, y0, x1, y1)), CROP_SIDE
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()
