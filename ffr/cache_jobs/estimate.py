"""``--dry-run``: how many calls, frames and tokens a job needs and what they cost, before a cent.

Two numbers each: ``expected`` under stated assumptions (or this job's own means, once it has
any), and ``at_most`` under the teacher's limits. Retried HTTP calls are in neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ffr.cache_jobs.items import VideoGroup
from ffr.cache_jobs.totals import cost_of
from ffr.config.cache import EstimateConfig
from ffr.config.teacher import TeacherConfig
from teacher_tools.media import MediaError, VideoReader, resolve_media

__all__ = ["Estimate", "Measured", "Range", "estimate", "history", "mean_frame_pixels"]

_PROBED = 16
_PIXELS_A_TOKEN = 28 * 28
_ENOUGH = 20
_ASKING = ("openai", "demo")


class Range(BaseModel):
    """An expected number and an upper bound."""

    model_config = ConfigDict(frozen=True)

    expected: int
    at_most: int


class Estimate(BaseModel):
    """What asking about ``diagnoses`` failures takes.

    Attributes:
        calls: requests to the teacher.
        frames_sent: images in them; every request repeats those before it.
        frames_decoded: distinct frames read from videos.
        cost: in the currency of ``teacher.price_input``; ``None`` without prices.
        assumptions: what the numbers rest on, one sentence each.
    """

    model_config = ConfigDict(frozen=True)

    diagnoses: int
    videos: int
    calls: Range
    frames_sent: Range
    frames_decoded: Range
    tokens_in: Range
    tokens_out: Range
    cost: tuple[float, float] | None
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class _One:
    """One diagnosis."""

    calls: float
    images_sent: float
    tool_images: float
    tokens_in: float
    tokens_out: float


@dataclass(frozen=True)
class Measured:
    """Means over the live diagnoses of earlier launches."""

    diagnoses: int
    calls: float
    tokens_in: float
    tokens_out: float


def estimate(
    groups: Sequence[VideoGroup],
    teacher: TeacherConfig,
    assume: EstimateConfig,
    *,
    frame_pixels: float | None = None,
    measured: Measured | None = None,
    more: int = 0,
) -> Estimate:
    """Estimate the cost of some work.

    Args:
        groups: what must be asked.
        teacher: limits and prices.
        assume: the rest.
        frame_pixels: mean pixels of a frame as sent; default: the most allowed.
        measured: means of this job; replaces the assumptions on calls and tokens.
        more: diagnoses that may come on top, of a student that has not answered yet.
    """
    known = sum(len(group.items) for group in groups)
    number, videos = known + more, len({group.video for group in groups})
    pixels = frame_pixels or float(teacher.first_view_max_pixels)
    tokens_per_image = assume.tokens_per_image or max(1.0, pixels / _PIXELS_A_TOKEN)
    rounds = min(assume.tool_rounds, teacher.max_tool_rounds)
    per_round = min(assume.images_per_round, teacher.max_images)
    usual = _diagnosis(
        teacher, assume, tokens_per_image, rounds, per_round,
        corrections=assume.corrected_share, output=assume.output_tokens,
    )  # fmt: skip
    most = _diagnosis(
        teacher, assume, tokens_per_image, teacher.max_tool_rounds,
        teacher.max_images / max(1, teacher.max_tool_rounds),
        corrections=1 + teacher.leak.retries, output=teacher.max_output_tokens,
    )  # fmt: skip
    notes = [
        f"{assume.prompt_tokens} tokens of text a request, {tokens_per_image:.0f} tokens an image "
        f"({pixels:.0f} pixels), {teacher.first_view_frames} frames at first sight",
        f"expected: {rounds:g} tool rounds of {per_round:g} images, {assume.output_tokens:g} "
        f"tokens a reply, {assume.corrected_share:.0%} of the answers asked for again",
        f"at most: {teacher.max_tool_rounds} tool rounds, {teacher.max_images} images, "
        f"{teacher.max_output_tokens} tokens a reply, {1 + teacher.leak.retries} corrections; "
        "retried HTTP calls not counted",
    ]
    if more:
        notes.append(
            f"{more} diagnoses stand for answers the student has not given yet, all taken as "
            "wrong and different"
        )
    if teacher.kind not in _ASKING:
        usual = most = _One(0, 0, 0, 0, 0)
        notes = [f"teacher.kind={teacher.kind} calls no endpoint: no tokens are paid for"]
    elif measured is not None:
        usual = _One(
            measured.calls, usual.images_sent * measured.calls / usual.calls, usual.tool_images,
            measured.tokens_in, measured.tokens_out,
        )  # fmt: skip
        notes[1] = (
            f"expected: means of {measured.diagnoses} diagnoses of earlier launches "
            f"({measured.calls:.2f} calls, {measured.tokens_in:.0f} tokens in, "
            f"{measured.tokens_out:.0f} out)"
        )
    first = teacher.first_view_frames
    asked = number if teacher.max_calls is None else min(number, teacher.max_calls)
    if asked < number:
        notes.append(f"teacher.max_calls={teacher.max_calls} stops the job before its end")
    tokens_in = _range(asked, usual.tokens_in, most.tokens_in)
    tokens_out = _range(asked, usual.tokens_out, most.tokens_out)
    decoded = 0 if teacher.kind not in _ASKING else first * min(videos or asked, asked)
    return Estimate(
        diagnoses=number,
        videos=videos,
        calls=_range(asked, usual.calls, most.calls),
        frames_sent=_range(asked, usual.images_sent, most.images_sent),
        frames_decoded=Range(
            expected=round(decoded + asked * usual.tool_images),
            at_most=round(decoded + asked * most.tool_images),
        ),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=_cost(teacher, tokens_in, tokens_out),
        assumptions=tuple(notes),
    )


def history(lines: Iterable[Mapping[str, Any]]) -> Measured | None:
    """Means of the live diagnoses in the job's journals; ``None`` with fewer than 20."""
    number, sums = 0, {"calls": 0.0, "tokens_in": 0.0, "tokens_out": 0.0}
    for line in lines:
        if line.get("event") == "end" and line.get("source") == "live" and line.get("tokens_in"):
            number += 1
            for name in sums:
                sums[name] += float(line.get(name) or 0.0)
    if number < _ENOUGH:
        return None
    return Measured(number, *(total / number for total in sums.values()))


def mean_frame_pixels(
    videos: Sequence[str], media_root: Path, teacher: TeacherConfig
) -> float | None:
    """Mean pixels of a frame as sent, from up to 16 of the videos; ``None`` if none opens."""
    step = max(1, len(videos) // _PROBED)
    found = []
    for name in videos[::step][:_PROBED]:
        try:
            with VideoReader.open(resolve_media(name, media_root)) as reader:
                found.append(reader.info.width * reader.info.height)
        except MediaError:
            continue
    if not found:
        return None
    return sum(min(n, teacher.first_view_max_pixels) for n in found) / len(found)


def _diagnosis(
    teacher: TeacherConfig,
    assume: EstimateConfig,
    tokens_per_image: float,
    rounds: float,
    per_round: float,
    *,
    corrections: float,
    output: float,
) -> _One:
    """Every request repeats the conversation so far: text, first view, tool results, replies."""
    calls = rounds + 1 + corrections
    first = teacher.first_view_frames
    # Of ``rounds`` rounds the k-th adds its images to every later request.
    repeated = per_round * (rounds * (rounds + 1) / 2 + rounds * corrections)
    images = calls * first + repeated
    replies = output * calls * (calls - 1) / 2
    return _One(
        calls=calls,
        images_sent=images,
        tool_images=rounds * per_round,
        tokens_in=calls * assume.prompt_tokens + images * tokens_per_image + replies,
        tokens_out=calls * output,
    )


def _range(number: int, usual: float, most: float) -> Range:
    return Range(expected=round(number * usual), at_most=round(number * max(usual, most)))


def _cost(
    teacher: TeacherConfig, tokens_in: Range, tokens_out: Range
) -> tuple[float, float] | None:
    ends = []
    for end in ("expected", "at_most"):
        cost = cost_of(
            {"tokens_in": getattr(tokens_in, end), "tokens_out": getattr(tokens_out, end)}, teacher
        )
        if cost is None:
            return None
        ends.append(cost)
    return ends[0], ends[1]
