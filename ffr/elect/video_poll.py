"""A question about a video as a poll: sample once, show it under each view."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ffr.config.elect import ElectConfig
from ffr.data.question import AskedQuestion
from ffr.elect.answers import AnswerReader
from ffr.elect.candidate import CandidateReader, RawCandidate
from ffr.elect.prompts import candidate_prompt, frame_caption, referee_prompt
from ffr.elect.referee import Claim
from ffr.elect.source import Request, Sampling, Source
from ffr.elect.views import View, request_seed, show_video
from rewards.rler import CitationScale
from student.frames import sample_times, sample_video
from student.prompt_parts import VideoPart
from teacher_tools.media.reader import VideoReader

__all__ = ["VideoPoll", "sample_for_election", "unit_frames"]


class Sampler(Protocol):
    """Gives the sampled frames of a video file."""

    def __call__(self, path: Path, config: ElectConfig) -> VideoPart:
        """The frames; raises ``MediaError`` when the file cannot be used."""
        ...


def sample_for_election(path: Path, config: ElectConfig) -> VideoPart:
    """Uniform frames of a video; a long one gets more of them (spec rler §5 step 1).

    Raises:
        MediaError: the file cannot be read or decoded.
    """
    frames = config.frames
    with VideoReader.open(path) as reader:
        long = reader.duration_s > config.long_video_s
    if long and config.long_video_frames > frames.count:
        frames = frames.model_copy(update={"count": config.long_video_frames})
    return sample_video(path, frames)


def unit_frames(video: VideoPart, scale: CitationScale) -> list[range]:
    """For each unit of the scale the frames of the video it stands for, by position."""
    count = len(video.frames)
    per_unit = -(-count // scale.count)
    return [range(i * per_unit, min(count, (i + 1) * per_unit)) for i in range(scale.count)]


class VideoPoll:
    """One question about one sampled video.

    Args:
        asked: the question, without its answer.
        video: its sampled frames, full view.
        source: the model.
        config: the election's settings.
    """

    def __init__(
        self, asked: AskedQuestion, video: VideoPart, source: Source, config: ElectConfig
    ) -> None:
        self.asked = asked
        self.video = video
        self.scale = CitationScale.of_axis(video.axis, config.evidence)
        self._source = source
        self._config = config
        self._reader = CandidateReader(
            AnswerReader(asked.answer_type, asked.options),
            self.scale,
            config.evidence,
            source.count_tokens,
            config.confidence_span,
        )

    @property
    def reader(self) -> CandidateReader:
        """How its responses are read."""
        return self._reader

    async def candidates(self, views: Sequence[View]) -> list[RawCandidate]:
        """Ask under several views together."""
        requests = await asyncio.to_thread(lambda: [self._request(view) for view in views])
        return await self._source.generate(requests)

    async def check(self, claim: Claim) -> RawCandidate:
        """Show the cited frames to the model, or uniform ones when nothing was cited."""
        referee = self._config.referee
        units = claim.units or self._uniform(referee.max_frames)
        prompt = referee_prompt(self.asked, claim, self._captioned(units, referee.max_frames))
        sampling = Sampling(0.0, 1.0, referee.max_new_tokens, self._config.seed % 2**31)
        return (await self._source.generate([Request(prompt, sampling)]))[0]

    def _request(self, view: View) -> Request:
        views = self._config.views
        prompt = candidate_prompt(
            self.asked, show_video(self.video, view), self._config,
            write_frame_times=self._source.write_frame_times,
        )  # fmt: skip
        seed = request_seed(self._config.seed, self.asked.id, view)
        return Request(prompt, Sampling(view.temperature, views.top_p, views.max_new_tokens, seed))

    def _uniform(self, most: int) -> tuple[int, ...]:
        count = min(most, self.scale.count)
        return tuple(int(t) + self.scale.base for t in sample_times(self.scale.count, count))

    def _captioned(
        self, units: tuple[int, ...], most: int
    ) -> list[tuple[str, npt.NDArray[np.uint8]]]:
        members = unit_frames(self.video, self.scale)
        positions = [p for unit in units for p in members[unit - self.scale.base]][:most]
        times = self.video.axis.times_s
        return [
            (frame_caption(p + self.scale.base, times[p]), self.video.frames[p]) for p in positions
        ]
