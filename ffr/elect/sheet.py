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

__all__ = ["cited_evidence", "save_sheet"]

_MOST = 16


def cited_evidence(
    video: VideoPart, scale: CitationScale, cited: tuple[CitedRecord, ...]
) -> Evidence:
    """The sampled frames behind the cited units, in time order, with captions.

    At most 16 frames: those of the units with the most weight.
    """
    members = unit_frames(video, scale)
    heaviest = sorted(cited, key=lambda c: (-c.weight, c.unit))
    positions = [p for c in heaviest for p in members[c.unit - scale.base]][:_MOST]
    frames = tuple(
        Frame(video.frames[p], t, label=f"frame {p + scale.base}  {t:.2f} s")
        for p in sorted(positions)
        for t in (video.axis.times_s[p],)
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
