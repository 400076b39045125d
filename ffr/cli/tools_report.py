"""What ``ffr tools try`` leaves in a folder: the frames and a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from ffr.errors import UserError
from teacher_tools.contact_sheet import contact_sheet
from teacher_tools.encode import encode_jpeg
from teacher_tools.evidence import Evidence
from teacher_tools.runner import ToolResult

__all__ = ["save_report"]

_SHEET = "contact_sheet.png"


def save_report(result: ToolResult, evidence: Evidence, folder: Path) -> dict[str, Any]:
    """Write every frame as JPEG and all of them as a contact sheet; return what was written.

    Pictures that an earlier call left in the folder are removed.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*folder.glob("[0-9][0-9]_*s.jpg"), folder / _SHEET):
            old.unlink(missing_ok=True)
        frames = []
        for i, frame in enumerate(evidence.frames):
            path = folder / f"{i:02d}_{frame.t_s:09.3f}s.jpg"
            path.write_bytes(encode_jpeg(frame.image))
            frames.append(
                {
                    "t_s": frame.t_s,
                    "pts": frame.pts,
                    "box": frame.box,
                    "path": str(path),
                    "label": frame.label,
                    "intact": frame.intact,
                }
            )
        sheet = None
        if evidence.frames:
            sheet = folder / _SHEET
            Image.fromarray(contact_sheet(evidence)).save(sheet)
    except OSError as error:
        raise UserError(
            f"cannot write to {str(folder)!r}: {error.strerror}; give another folder with --out"
        ) from error
    return {
        "tool": result.tool,
        "arguments": result.arguments,
        "frames": frames,
        "text": evidence.text,
        "span": None if evidence.span is None else evidence.span.model_dump(mode="json"),
        "contact_sheet": None if sheet is None else str(sheet),
        "seconds": round(result.seconds, 4),
    }
