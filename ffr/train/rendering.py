"""From a question (and a patch) to tokens: the one renderer of RL, SFT and evaluation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ffr.config.student import StudentConfig
from ffr.data.question import AskedQuestion
from ffr.patches.files import StoreError
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch
from ffr.repair.renderer import PromptOverBudget
from rewards.tgrpo import shuffled_order
from student.frame_cache import FrameCache
from student.patch_images import PatchImageError, load_patch_images
from student.processor import EncodedPrompt, PromptTooLongError, StudentProcessor
from student.prompt import PatchRenderError, render_patched, render_question
from student.prompt_parts import StudentPrompt, VideoPart
from teacher_tools.media.access import resolve_media

__all__ = ["PromptRenderer"]


class PromptRenderer:
    """Renders and encodes prompts; decoding runs in threads, each video once.

    Args:
        student: frames, prompt wording and token budgets.
        media_root: folder that every video must lie under.
        model_path: checkpoint whose processor and tokenizer are used.
        patch_media: where the images of patches are.
        frame_cache: folder for decoded frames shared between processes, or ``None``.
        processor: of that checkpoint, where it is loaded already.
    """

    def __init__(
        self, student: StudentConfig, *, media_root: str | Path, model_path: str | Path,
        patch_media: MediaStore, frame_cache: str | Path | None = None,
        processor: StudentProcessor | None = None,
    ) -> None:
        self._student = student
        self._root = Path(media_root)
        self._media = patch_media
        self._frames = FrameCache(student.frames, folder=Path(frame_cache) if frame_cache else None)
        self.processor = processor or StudentProcessor(
            model_path, max_prompt_tokens=student.max_prompt_tokens
        )

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        """The plain prompt.

        Raises:
            MediaError: the video cannot be read.
            PromptTooLongError: it has more tokens than ``student.max_prompt_tokens``.
        """
        return await self._plain(asked, await self._video(asked))

    async def shuffled(self, asked: AskedQuestion) -> StudentPrompt:
        """The plain prompt over the same frames in another order; see ``ffr.repair.renderer``."""
        video = await self._video(asked)
        order = shuffled_order(len(video.frames), asked.id)
        return await self._plain(asked, VideoPart(video.frames[list(order)], video.axis))

    async def _plain(self, asked: AskedQuestion, video: VideoPart) -> StudentPrompt:
        prompt = render_question(
            asked, video, self._student.prompt,
            write_frame_times=self.processor.write_frame_times,
        )
        await self.encode(prompt)
        return prompt

    async def patched(self, asked: AskedQuestion, patch: EvidencePatch) -> StudentPrompt:
        """The prompt with evidence.

        Raises:
            PromptOverBudget: it has more tokens than ``student.max_prompt_tokens``.
            PatchRenderError: an image of the patch is missing or its text cannot be shown.
        """
        video = await self._video(asked)
        prompt = await asyncio.to_thread(self._render_patched, asked, video, patch)
        try:
            await self.encode(prompt)
        except PromptTooLongError as error:
            raise PromptOverBudget(str(error)) from error
        return prompt

    async def encode(self, prompt: StudentPrompt) -> EncodedPrompt:
        """Token ids and model tensors of a prompt; equal prompts are processed once."""
        return await asyncio.to_thread(self.processor.encode, prompt)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of a response, without special tokens."""
        return self.processor.decode(token_ids)

    def is_cut_off(self, token_ids: Sequence[int]) -> bool:
        """Whether a response ended at the token limit instead of with an end token."""
        return not token_ids or token_ids[-1] not in self.processor.stop_token_ids

    async def _video(self, asked: AskedQuestion) -> VideoPart:
        path = resolve_media(asked.video, self._root)
        return await asyncio.to_thread(self._frames.get, path)

    def _render_patched(
        self, asked: AskedQuestion, video: VideoPart, patch: EvidencePatch
    ) -> StudentPrompt:
        try:
            images = load_patch_images(patch, self._media.get, self._student.frames)
        except (PatchImageError, StoreError) as error:
            raise PatchRenderError(str(error)) from error
        return render_patched(
            asked, video, patch, images, self._student.prompt,
            write_frame_times=self.processor.write_frame_times,
        )
