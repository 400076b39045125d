"""How the loop gets its prompts, as a protocol, and how a prompt says it is too long."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ffr.data.question import AskedQuestion
from ffr.errors import FfrError
from ffr.patches.patch import EvidencePatch
from student.prompt_parts import StudentPrompt

__all__ = ["PromptOverBudget", "Renderer", "ShufflingRenderer"]


class PromptOverBudget(FfrError):  # noqa: N818 - named for what happened
    """A rendered prompt needs more tokens than ``student.max_prompt_tokens`` allows."""


class Renderer(Protocol):
    """Decodes a question's video once and writes prompts over it.

    It only ever gets ``AskedQuestion``: the gold answer cannot reach a prompt through it.
    """

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        """The plain prompt. Raises UserError for unreadable media or a prompt over budget."""
        ...

    async def patched(self, asked: AskedQuestion, patch: EvidencePatch) -> StudentPrompt:
        """The plain prompt with the patch at its end.

        Raises:
            PromptOverBudget: the patched prompt is too long.
            PatchRenderError: an image of the patch is missing or its text cannot be shown.
        """
        ...


@runtime_checkable
class ShufflingRenderer(Renderer, Protocol):
    """A renderer that can also take time out of a video (T-GRPO)."""

    async def shuffled(self, asked: AskedQuestion) -> StudentPrompt:
        """The plain prompt over the same frames in a random order that follows from the id.

        Times in the prompt stay in order: only the pixels move.
        """
        ...
