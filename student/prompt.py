"""Render what a student sees: pure functions from a question (and a patch) to a prompt.

The sampled video and the question come first and are the same with and without a
patch; the patch is appended to the end of the last user turn, so engines share the
prefix (spec ffr §3, "Placement").  Nothing here takes a gold answer: the only source
of words is ``AskedQuestion``, the patch and the fixed wording of ``PromptConfig``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ffr.config.student import PromptConfig
from ffr.data.question import AnswerType, AskedQuestion, option_letters
from ffr.errors import FfrError, UserError
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from student.prompt_parts import ImagePart, Message, Part, StudentPrompt, TextPart, VideoPart

__all__ = [
    "PatchRenderError",
    "control_token",
    "format_time",
    "instruction_for",
    "prompt_wording",
    "render_patched",
    "render_question",
]

_CONTROL = re.compile(r"<\|[^<>|\s]{1,64}\|>")

_THINK = (
    "Reason step by step about what the video shows, and check your reasoning before you commit "
    "to it. Put your reasoning between <think> and </think>. Then put your final answer between "
    "<answer> and </answer>."
)
_ANSWER_FORM = {
    "choice": "The final answer is the letter of one option and nothing else.",
    "number": "The final answer is one number and nothing else.",
    "regression": "The final answer is one number and nothing else.",
    "ocr": "The final answer is the text exactly as it appears in the video.",
    "text": "The final answer is a word or a short phrase.",
    "free_form": "The final answer is one or two sentences.",
    "span": "The final answer is the start and the end in seconds, written as START to END.",
}
_KEYFRAMES = (
    "Inside your reasoning, list the times in seconds that you rely on between <keyframes> and "
    "</keyframes>, separated by commas."
)
_DIRECT = "Answer without reasoning. Put your answer between <answer> and </answer>."
_COMPACT = "Think, then answer."
_COMPACT_KEYFRAMES = "Think, keyframes, then answer."
_SEPARATOR = "\n\nAdditional evidence from the same video, to look at before answering:"
_COMPACT_SEPARATOR = "\nEvidence:"


class PatchRenderError(FfrError):
    """A patch cannot be shown: an image is missing, or its text holds a control token."""


def format_time(t_s: float) -> str:
    """``4.7 s``: how prompts write a time given in seconds."""
    return f"{t_s:.1f} s"


def control_token(text: str) -> str | None:
    """The first chat or vision control token (``<|...|>``) in ``text``, else ``None``.

    Such text would be tokenised as structure, not as words, so it must never reach a prompt.
    """
    match = _CONTROL.search(text)
    return match.group() if match else None


def render_question(
    asked: AskedQuestion,
    video: VideoPart,
    config: PromptConfig,
    *,
    write_frame_times: bool = False,
) -> StudentPrompt:
    """The prompt of the first pass: optional system turn, then video and question.

    Args:
        asked: the question without its answer.
        video: sampled frames, uint8 RGB (T, H, W, 3), with their times.
        config: wording.
        write_frame_times: also write the frames' times as text, for families whose processor
            does not (Qwen2.5-VL); Qwen3-VL's processor writes them itself.

    Raises:
        UserError: the question or an option holds a control token.
    """
    for text in (asked.question, *asked.options, config.system, config.instruction or ""):
        if token := control_token(text):
            raise UserError(
                f"question id={asked.id!r} contains the control token {token!r}; "
                "remove it from the question, the options, student.prompt.system or "
                "student.prompt.instruction"
            )
    compact = config.style == "compact"
    lines = [asked.question.strip()]
    letters = option_letters(len(asked.options))
    lines += [
        f"{letter}. {option.strip()}"
        for letter, option in zip(letters, asked.options, strict=True)
    ]
    lines.append(instruction_for(asked.answer_type, config))
    text = ("\n" if compact else "\n\n").join([*lines[:1], "\n".join(lines[1:])])
    if write_frame_times:
        times = ", ".join(f"{t:.1f}" for t in video.axis.times_s)
        text = f"Frames at {times} s.\n{text}"
    messages = [Message("user", (video, TextPart(text)))]
    if config.system.strip():
        messages.insert(0, Message("system", (TextPart(config.system.strip()),)))
    return StudentPrompt(tuple(messages), question_id=asked.id)


def render_patched(
    asked: AskedQuestion,
    video: VideoPart,
    patch: EvidencePatch,
    images: Mapping[str, npt.NDArray[np.uint8]],
    config: PromptConfig,
    *,
    write_frame_times: bool = False,
) -> StudentPrompt:
    """The prompt of the second pass: the first one with the patch at its end.

    Args:
        asked: the question without its answer.
        video: sampled frames of the first pass, unchanged.
        patch: evidence that has passed the leak gate.
        images: decoded evidence images by SHA-256, uint8 RGB (H, W, 3), at the student's
            patch size; only ``structured_visual`` reads them, one per patch frame.
        config: wording.
        write_frame_times: as in ``render_question``.

    Raises:
        UserError: the question holds a control token.
        PatchRenderError: an image is missing or the patch's text holds a control token.
    """
    base = render_question(asked, video, config, write_frame_times=write_frame_times)
    parts = _joined(_patch_parts(patch, images, config))
    for part in parts:
        if isinstance(part, TextPart) and (token := control_token(part.text)):
            raise PatchRenderError(
                f"patch {patch.patch_id[:12]} contains the control token {token!r}; "
                "the teacher's output must be refused before it is rendered"
            )
    last = base.messages[-1]
    patched = Message(last.role, tuple(_joined([*last.parts, *parts])))
    return StudentPrompt((*base.messages[:-1], patched), patch.patch_id, asked.id)


def prompt_wording() -> tuple[str, ...]:
    """Fixed phrases of prompts and answers; a tiny tokenizer is trained on them.

    The form of spans is left out: tiny students are not asked for any, and their vocabulary stays.
    """
    forms = [form for kind, form in _ANSWER_FORM.items() if kind != "span"]
    return (
        _THINK, *forms, _KEYFRAMES, _COMPACT, _COMPACT_KEYFRAMES,
        _SEPARATOR, _COMPACT_SEPARATOR, "Frames at 0.5, 1.5 s.\n", "<1.0 seconds>", "\n4.7 s",
        "\n4.7 s zoom", "\nA. ", "\nB. ", "\nC. ", "\nD. ", "at ",
    )


def instruction_for(answer_type: AnswerType, config: PromptConfig) -> str:
    """What is asked behind a question of this type."""
    if config.instruction is not None:
        return config.instruction.strip()
    if config.style == "compact":
        return _COMPACT_KEYFRAMES if config.ask_keyframes else _COMPACT
    form = _ANSWER_FORM[answer_type]
    if config.style == "direct":
        return f"{_DIRECT} {form}"
    return " ".join([_THINK, form, *([_KEYFRAMES] if config.ask_keyframes else [])])


def _patch_parts(
    patch: EvidencePatch, images: Mapping[str, npt.NDArray[np.uint8]], config: PromptConfig
) -> Iterator[Part]:
    compact = config.style == "compact"
    structured = config.patch_render != "content_only"
    yield TextPart(_COMPACT_SEPARATOR if compact else _SEPARATOR)
    if structured and not compact:
        yield from (TextPart(f"\n{line}") for line in _structured_lines(patch))
    elif structured and patch.key_times_s and config.patch_render == "structured":
        yield TextPart(" " + ", ".join(format_time(t) for t in patch.key_times_s))
    if guidance := _one_line(patch.guidance):
        yield TextPart(f" {guidance}" if compact else f"\nGuidance: {guidance}")
    if config.patch_render == "structured_visual":
        for index, frame in enumerate(patch.frames):
            if frame.image_sha256 not in images:
                raise PatchRenderError(
                    f"patch {patch.patch_id[:12]} names image {frame.image_sha256[:12]} "
                    f"({format_time(frame.t_s)}) but it was not given; load it from the media store"
                )
            # An image ends with its own token: a compact label behind one needs no line break.
            start = "" if compact and index else "\n"
            yield TextPart(f"{start}{_image_label(frame, compact=compact)}")
            yield ImagePart(images[frame.image_sha256])


def _structured_lines(patch: EvidencePatch) -> Iterator[str]:
    """The labelled lines of the paper's Fig. 2, without pixels."""
    yield f"Error type: {', '.join(patch.error_types)}"
    if patch.key_times_s:
        yield f"Key times: {', '.join(format_time(t) for t in patch.key_times_s)}"
    if markers := [m for m in map(_one_line, patch.temporal_markers) if m]:
        yield f"When: {'; '.join(markers)}"
    if patch.spatial_regions:
        yield f"Where: {'; '.join(_region(r) for r in patch.spatial_regions)}"


def _region(region: SpatialRegion) -> str:
    words = [format_time(region.t_s)]
    if region.box is not None:
        words.append(_box(region.box))
    if desc := _one_line(region.desc):
        words.append(desc)
    return ", ".join(words)


def _box(box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = box
    return f"x {x0:.2f}-{x1:.2f} y {y0:.2f}-{y1:.2f}"


def _image_label(frame: PatchFrame, *, compact: bool) -> str:
    time = format_time(frame.t_s)
    if compact:
        return time if frame.box is None else f"{time} zoom"
    words = [time]
    if frame.box is not None:
        words.append(f"zoom on {_box(frame.box)}")
    if label := _one_line(frame.label):
        words.append(label)
    return f"{', '.join(words)}: "


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _joined(parts: Iterator[Part] | list[Part]) -> list[Part]:
    """Neighbouring texts as one part, so that every engine sees the same string."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, TextPart) and joined and isinstance(joined[-1], TextPart):
            joined[-1] = TextPart(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined
