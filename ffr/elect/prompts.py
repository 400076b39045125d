"""What a candidate and the referee are asked (spec rler §2.3, §5 step 8; wording ours)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ffr.config.elect import ElectConfig
from ffr.data.question import AskedQuestion, option_letters
from ffr.elect.referee import Claim
from ffr.errors import UserError
from student.prompt import control_token, format_time, render_question
from student.prompt_parts import ImagePart, Message, Part, StudentPrompt, TextPart, VideoPart

__all__ = [
    "answer_instruction", "candidate_prompt", "frame_caption", "referee_instruction",
    "referee_prompt",
]  # fmt: skip

_ANSWER_FORM = {
    "choice": "the letter of one option and nothing else",
    "number": "one number and nothing else",
    "regression": "one number and nothing else",
    "ocr": "the text exactly as it appears",
    "text": "a word or a short phrase",
    "free_form": "one or two sentences",
    "span": "the start and the end in seconds, written as START to END",
    "any": "only the final answer, in the form asked for above",
}
_MOST_REASONING = 2000


def answer_instruction(kind: str, frames: int, base: int = 1) -> str:
    """RLER's template in words; without frames (0) no citation is asked for."""
    lines = []
    if frames:
        last = base + frames - 1
        lines.append(f"The {frames} frames are numbered {base} to {last} in time order.")
    naming = ", naming the frames that support each step" if frames else ""
    lines += [
        f"Reason step by step between <think> and </think>{naming}.",
        f"Then write between <answer> and </answer> {_ANSWER_FORM[kind]}.",
    ]
    if frames:
        lines.append(
            "Then list the numbers of the frames you relied on, separated by commas, between "
            "<keyframes> and </keyframes>."
        )
    lines.append(
        "Last, give your confidence, a number from 0 to 1, between <confidence> and </confidence>."
    )
    return " ".join(lines)


def candidate_prompt(
    asked: AskedQuestion, video: VideoPart, config: ElectConfig, *, write_frame_times: bool
) -> StudentPrompt:
    """The prompt of one candidate.

    With ``evidence.citation: times`` it is the project's own student prompt, the one of training;
    with ``frames`` RLER's template over numbered frames.

    Raises:
        UserError: the question holds a control token.
    """
    if config.evidence.citation == "times":
        prompt = config.prompt.model_copy(update={"ask_keyframes": True})
        return render_question(asked, video, prompt, write_frame_times=write_frame_times)
    _check(asked)
    instruction = answer_instruction(
        asked.answer_type, len(video.frames), config.evidence.index_base
    )
    text = TextPart(f"{_question(asked)}\n\n{instruction}")
    return StudentPrompt((Message("user", (video, text)),), question_id=asked.id)


def referee_prompt(
    asked: AskedQuestion,
    claim: Claim,
    frames: list[tuple[str, npt.NDArray[np.uint8]]],
) -> StudentPrompt:
    """The referee's prompt: frames with their captions, question, claim, rival.

    Args:
        asked: the question.
        claim: the winner's case; its words come from a model, control tokens are taken out.
        frames: caption and uint8 RGB (H, W, 3) of each frame, in time order.

    Raises:
        UserError: the question holds a control token.
    """
    _check(asked)
    parts: list[Part] = []
    for caption, image in frames:
        parts += [TextPart(f"{caption}:"), ImagePart(image)]
    parts.append(TextPart(f"{_question(asked)}\n\n{referee_instruction(claim)}"))
    return StudentPrompt((Message("user", tuple(parts)),), question_id=asked.id)


def referee_instruction(claim: Claim) -> str:
    """The referee's task in words."""
    lines = [f"Claimed answer: {_plain(claim.answer)}"]
    if claim.reasoning:
        lines.append(f"Reasoning given for it: {_plain(claim.reasoning)[:_MOST_REASONING]}")
    task = "Do these frames suffice to support the claimed answer"
    if claim.rival is None:
        lines.append(f"{task}?")
    else:
        lines.append(f"{task} rather than this other one: {_plain(claim.rival)}?")
    lines.append(
        "Try to refute the claim before you accept it. Reply with <sufficient>yes</sufficient> or "
        "<sufficient>no</sufficient>, then your support for the claim from 0 to 1 as "
        "<score>0.5</score>, and nothing else."
    )
    return "\n".join(lines)


def frame_caption(number: int, t_s: float | None) -> str:
    """``Frame 3 (4.7 s)``."""
    return f"Frame {number}" if t_s is None else f"Frame {number} ({format_time(t_s)})"


def _question(asked: AskedQuestion) -> str:
    letters = option_letters(len(asked.options))
    options = [f"{x}. {o.strip()}" for x, o in zip(letters, asked.options, strict=True)]
    return "\n".join([asked.question.strip(), *options])


def _check(asked: AskedQuestion) -> None:
    for text in (asked.question, *asked.options):
        if token := control_token(text):
            raise UserError(
                f"question id={asked.id!r} contains the control token {token!r}; "
                "remove it from the question or the options"
            )


def _plain(text: str) -> str:
    """A model's words on one line, as words: its control tokens become spaces."""
    while token := control_token(text):
        text = text.replace(token, " ")
    return " ".join(text.split())
