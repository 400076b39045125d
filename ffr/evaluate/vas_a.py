"""VAS-A of one response: attention of a checkpoint on video tokens while it writes (spec §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rewards.video_r2.vas_attention import AttentionScore, attention_score
from student.prompt_parts import StudentPrompt
from student.response_tokens import think_tokens

if TYPE_CHECKING:
    from student.forced import ForcedStudent

__all__ = ["vas_a"]


def vas_a(
    student: ForcedStudent,
    prompt: StudentPrompt,
    response: str | Sequence[int],
    *,
    tokens: Literal["think", "response"] = "think",
    layer: int = -1,
) -> AttentionScore:
    """Attention on video tokens from the positions that write a response; one forward pass.

    Args:
        student: whose attention is read.
        prompt: what it was shown.
        response: what it, or anybody, answered: the tokens as sampled, or the text.
        tokens: those of the reasoning (Video-R2's figure), or all, end token included.
        layer: decoder layer; the last by default.

    Returns:
        The score; its values are ``None`` where the response has no such tokens, as a malformed
        one has no reasoning.

    Raises:
        UserError: the model's attention cannot be read, or the prompt is too long.
        ValueError: the response writes a control token.
    """
    ids = student.response_ids(response) if isinstance(response, str) else tuple(response)
    wanted = range(len(ids)) if tokens == "response" else think_tokens(
        ids, student.processor.decode
    )  # fmt: skip
    found = student.attention(student.processor.encode(prompt), ids, wanted, layers=(layer,))
    if not found:
        return AttentionScore(None, None, None, (), 0)
    (mass,) = found
    return attention_score(mass.video, mass.sink, mass.visible_keys, mass.visible_video)
