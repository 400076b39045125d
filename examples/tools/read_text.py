"""A user's tool: read the text in a region, with RapidOCR (its wheel ships the weights).

pip install 'ffr[examples]'
ffr tools try read_text VIDEO t_s=3 box=0,0,1,0.3 --tools examples/tools/read_text.py
"""

from __future__ import annotations

import functools
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field

from ffr.geometry import Span
from teacher_tools import Box, Budget, Evidence, Frame, Seconds, ToolError, Video, teacher_tool

MIN_SIDE_PX = 12
READABLE_PX = 640  # smaller crops are scaled up to this before reading
MAX_PIXELS = 1024 * 1024


@functools.cache
def reader() -> Any:
    """The OCR engine; loaded by the first call in each worker, not when the file is listed."""
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


# The first call in a worker also loads the engine, which takes its time on a busy machine.
@teacher_tool(version="1", budget=Budget(frames=1, pixels=MAX_PIXELS, seconds=120.0, reads=1))
def read_text(
    video: Video,
    t_s: Seconds,
    box: Box,
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5,
) -> Evidence:
    """Read the text that is written in one region of one frame, and show the region.

    Args:
        video: Injected; models never see it.
        t_s: Moment of the frame, in seconds from the start of the video.
        box: Region as [x0, y0, x1, y1], each from 0 to 1: left, top, right and bottom edge as
            shares of the frame's width and height.
        min_score: How sure the reader must be of a line, from 0 to 1.
    """
    frame = video.frame_at(video.check_time("t_s", t_s))
    height, width = frame.image.shape[:2]
    left, right = round(box[0] * width), round(box[2] * width)
    top, bottom = round(box[1] * height), round(box[3] * height)
    if min(right - left, bottom - top) < MIN_SIDE_PX:
        raise ToolError(
            f"box={list(box)} is {right - left}x{bottom - top} pixels of this video; at least "
            f"{MIN_SIDE_PX} a side are needed, give a larger box"
        )
    crop = readable(Image.fromarray(frame.image[top:bottom, left:right]))
    found = reader()(np.asarray(crop)[:, :, ::-1])  # it wants blue first
    lines = [
        (text, score)
        for text, score in zip(found.txts or (), found.scores or (), strict=True)
        if score >= min_score and text.strip()
    ]
    if lines:
        said = "; ".join(f'"{text}" ({score:.2f})' for text, score in lines)
        text = f"Text at {frame.t_s:.2f} s, with scores: {said}."
    else:
        text = f"No text can be read there at {frame.t_s:.2f} s."
    shown = (left / width, top / height, right / width, bottom / height)
    return Evidence(
        frames=(Frame(np.asarray(crop), frame.t_s, pts=frame.pts, box=shown),),
        text=text,
        span=Span(start_s=frame.t_s, end_s=frame.t_s, box=shown),
    )


def readable(crop: Image.Image) -> Image.Image:
    """Scale a small crop up, and a huge one down to the tool's budget of pixels."""
    scale = max(1.0, READABLE_PX / max(crop.size))
    scale = min(scale, (MAX_PIXELS / (crop.width * crop.height)) ** 0.5)
    if scale == 1.0:
        return crop
    size = (max(1, int(crop.width * scale)), max(1, int(crop.height * scale)))
    return crop.resize(size, Image.Resampling.LANCZOS)
