"""VAS-C of one response: the same question about a grey or another video (spec video_r2 §4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ffr.config.student import FramesConfig
from ffr.config.video_r2 import TarConfig
from ffr.data.question import Question
from rewards.video_r2.encoders import SentenceEncoder
from rewards.video_r2.events import claims_from_text, read_references
from rewards.video_r2.tar import default_tar
from rewards.video_r2.vas_counterfactual import CounterfactualRow, counterfactual_row
from student.counterfactual import bare_frames, grey_video, other_video, replace_videos
from student.frame_cache import FrameCache
from student.parse import ParsedResponse, parse_response
from student.prompt_parts import StudentPrompt, VideoPart
from teacher_tools.media.access import resolve_media

if TYPE_CHECKING:
    from student.forced import ForcedStudent

__all__ = ["Answer", "ReplacedVideos", "vas_c"]

Answer = Callable[[StudentPrompt], Awaitable[str]]
"""Answers a prompt with the text of a response, greedily if drops are to mean anything."""


class ReplacedVideos:
    """Prompts with another video in them, under one frame plan; decoding runs in threads.

    Args:
        frames: the frame plan prompts are made with.
        media_root: folder that every video must lie under.
    """

    def __init__(self, frames: FramesConfig, media_root: Path) -> None:
        self._frames = frames
        self._root = media_root
        self._donors = FrameCache(bare_frames(frames))

    async def grey(self, prompt: StudentPrompt) -> StudentPrompt:
        """The prompt with uniformly grey frames."""
        return await asyncio.to_thread(
            replace_videos, prompt, lambda video: grey_video(video, self._frames)
        )

    async def other(self, prompt: StudentPrompt, donor: str) -> StudentPrompt:
        """The prompt with the frames of another video.

        Args:
            prompt: as made with ``frames``.
            donor: path below the media root (``student.counterfactual.choose_donors``).

        Raises:
            MediaError: the donor cannot be read.
        """
        path = resolve_media(donor, self._root)
        theirs: VideoPart = await asyncio.to_thread(self._donors.get, path)
        return await asyncio.to_thread(
            replace_videos, prompt, lambda video: other_video(video, theirs, self._frames)
        )


async def vas_c(
    question: Question,
    prompt: StudentPrompt,
    response: str,
    replaced: StudentPrompt,
    answer: Answer,
    *,
    student: ForcedStudent | None = None,
    response_ids: Sequence[int] = (),
    encoder: SentenceEncoder | None = None,
    tar: TarConfig | None = None,
) -> CounterfactualRow:
    """Answer ``replaced`` and compare with the response to ``prompt``.

    Args:
        question: with the gold answer, and with reference events where TAR is wanted.
        prompt: with the question's own video.
        response: the response to it.
        replaced: the same prompt with another video (``ReplacedVideos``).
        answer: the model that gave the response.
        student: when given, also how much less likely it finds the *response* without the video:
            two forward passes.
        response_ids: its tokens as sampled; else those of its text.
        encoder: when given, also the drop in TAR.
        tar: of TAR and of the tolerance for cited times; ``None``: the defaults.

    Raises:
        UserError: the gold answer cannot be scored, or a prompt is too long.
        ValueError: with ``student``, the response writes a control token.
    """
    tar = tar or TarConfig()
    theirs = parse_response(await answer(replaced))
    ours = parse_response(response)
    tars: tuple[float | None, float | None] = (None, None)
    if encoder is not None and question.events and prompt.videos:
        duration_s = prompt.videos[0].axis.duration_s
        before, after = (_tar(p, question, duration_s, encoder, tar) for p in (ours, theirs))
        tars = (before, after)
    log_probs: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    if student is not None:
        ids = tuple(response_ids) or student.response_ids(response)
        log_probs = await asyncio.to_thread(_log_probs, student, prompt, replaced, ids)
    return counterfactual_row(
        question, ours, theirs, tars=tars, log_probs=log_probs, tolerance_s=tar.tolerance_s
    )


def _log_probs(
    student: ForcedStudent, prompt: StudentPrompt, replaced: StudentPrompt, ids: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    before, after = (
        student.log_probs(student.processor.encode(p), ids) for p in (prompt, replaced)
    )
    return before, after


def _tar(
    parsed: ParsedResponse,
    question: Question,
    duration_s: float,
    encoder: SentenceEncoder,
    config: TarConfig,
) -> float | None:
    claims = claims_from_text(
        parsed.think or "", duration_s=duration_s, tolerance_s=config.tolerance_s,
        max_words=config.max_words,
    )  # fmt: skip
    references = read_references(
        [{"start": e.start_s, "end": e.end_s, "text": e.text} for e in question.events]
    )
    return default_tar(
        claims, references, duration_s=duration_s, encoder=encoder, config=config
    ).value
