"""The frames an elected answer rests on, on one page."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ffr.elect.record import CitedRecord
from ffr.elect.video_poll import unit_frames
from ffr.errors import UserError
from rewards.rler import CitationScale
from student.prompt_parts import VideoPart
from teacher_tools.contact_sheet import contact_sheet
from teacher_tools.evidence import Evidence, Frame
from teacher_tools.media.reader import VideoReader

__all__ = ["cited_evidence", "save_sheet"]

_MOST = 16
_MAX_PIXELS = 640 * 360
_INSIDE_S = 1e-4
"""A frame's own time may round to just before the frame."""


def cited_evidence(
    path: Path, video: VideoPart, scale: CitationScale, cited: tuple[CitedRecord, ...]
) -> Evidence:
    """The frames behind the cited units, in time order, with captions.

    They are the sampled frames, decoded again from ``path``: a model may have seen them smaller
    than people want to. At most 16, those of the units with the most weight.

    Raises:
        MediaError: the file cannot be read any more.
    """
    members = unit_frames(video, scale)
    heaviest = sorted(cited, key=lambda c: (-c.weight, c.unit))
    positions = [p for c in heaviest for p in members[c.unit - scale.base]][:_MOST]
    positions.sort()
    with VideoReader.open(path) as reader:
        decoded = reader.frames_at(
            [video.axis.times_s[p] + _INSIDE_S for p in positions], max_frame_pixels=_MAX_PIXELS
        )
    frames = tuple(
        Frame.of(frame, label=f"{p + scale.base}: {frame.t_s:.2f} s")
        for p, frame in zip(positions, decoded, strict=True)
    )
    return Evidence(frames, text="frames cited for the elected answer")


def save_sheet(evidence: Evidence, path: Path) -> None:
    """Write a contact sheet as PNG.

    Raises:
        UserError: the file cannot be written.
        ValueError: there are no frames.
    """
    sheet = Image.fromarray(contact_sheet(evidence))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; give another folder with --output"
        ) from error
