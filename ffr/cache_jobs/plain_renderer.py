"""Prompts without a checkpoint: for students behind endpoints, which tokenise for themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ffr.config.student import StudentConfig
from ffr.data.question import AskedQuestion
from ffr.patches.files import StoreError
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch
from student.frame_cache import FrameCache
from student.patch_images import PatchImageError, load_patch_images
from student.prompt import PatchRenderError, render_patched, render_question
from student.prompt_parts import StudentPrompt, VideoPart
from teacher_tools.media import resolve_media

__all__ = ["PlainRenderer"]


class PlainRenderer:
    """``ffr.repair.renderer.Renderer`` over pixels and text alone; decodes each video once.

    Args:
        student: frames and wording.
        media_root: folder that every video must lie under.
        patch_media: where the images of patches are; needed for patched prompts only.
    """

    def __init__(
        self, student: StudentConfig, media_root: Path, patch_media: MediaStore | None = None
    ) -> None:
        self._student = student
        self._root = media_root
        self._media = patch_media
        self._frames = FrameCache(student.frames)

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        """The plain prompt.

        Raises:
            MediaError: the video cannot be read.
        """
        return render_question(asked, await self._video(asked), self._student.prompt)

    async def patched(self, asked: AskedQuestion, patch: EvidencePatch) -> StudentPrompt:
        """The prompt with evidence.

        Raises:
            PatchRenderError: an image of the patch is missing or its text cannot be shown.
        """
        video = await self._video(asked)
        return await asyncio.to_thread(self._patched, asked, video, patch)

    async def _video(self, asked: AskedQuestion) -> VideoPart:
        path = await asyncio.to_thread(resolve_media, asked.video, self._root)
        return await asyncio.to_thread(self._frames.get, path)

    def _patched(
        self, asked: AskedQuestion, video: VideoPart, patch: EvidencePatch
    ) -> StudentPrompt:
        if self._media is None and patch.frames:
            raise PatchRenderError("no media store was given; patches with images need one")
        try:
            images = (
                load_patch_images(patch, self._media.get, self._student.frames)
                if self._media is not None
                else {}
            )
        except (PatchImageError, StoreError) as error:
            raise PatchRenderError(str(error)) from error
        return render_patched(asked, video, patch, images, self._student.prompt)
