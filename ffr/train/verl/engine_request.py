"""Requests in the form each rollout engine takes, and a check of what the engine read.

``ffr_hf`` takes expanded token ids beside raw media, as our own server wants them.  vLLM
takes one placeholder per medium and expands it itself: for Qwen3-VL it would expand every
frame group of an expanded prompt into a whole video, without a word.  SGLang takes expanded ids
and what the student's own processor made of the media: verl hands it no raw frames at all, and
without them it would answer blindly.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from ffr.errors import FfrError
from student.processor import EncodedPrompt, RawVideo, StudentProcessor
from student.prompt_parts import StudentPrompt

__all__ = ["EngineRequests", "PromptMismatchError"]

_VLLM = ("vllm", "ffr_vllm_cpu")
_SGLANG = "sglang"
_IMAGE_TENSORS = ("pixel_values", "image_grid_thw")
_VIDEO_TENSORS = ("pixel_values_videos", "video_grid_thw", "second_per_grid_ts")
_NEVER = -100.0  # the strongest bias vLLM accepts


class PromptMismatchError(FfrError):
    """The rollout engine read another prompt than the one that is trained."""


class EngineRequests:
    """Builds requests for one engine; one object per worker.

    Args:
        engine: verl's name of the rollout engine.
        processor: of the student.
    """

    def __init__(self, engine: str, processor: StudentProcessor) -> None:
        self._processor = processor
        self._for_vllm = engine in _VLLM
        self._for_sglang = engine == _SGLANG
        self._never = dict.fromkeys(processor.suppress_token_ids, _NEVER)
        self._checked: set[bool] = set()

    def build(
        self, prompt: StudentPrompt, encoded: EncodedPrompt, sampling: dict[str, Any]
    ) -> dict[str, Any]:
        """Keyword arguments for verl's server client, but for the request id.

        Args:
            prompt: what is asked.
            encoded: the same as tokens.
            sampling: verl's sampling parameters with a ``seed``.
        """
        if self._for_sglang:
            return self._processed(encoded, sampling)
        images, videos = self._processor.raw_media(prompt)
        if not self._for_vllm:
            return {
                "prompt_ids": list(encoded.prompt_ids),
                "sampling_params": sampling,
                "image_data": images or None,
                "video_data": videos or None,
            }
        # A sampled vision token has no pixels behind it and would crash the update.
        sampling = {**sampling, "logit_bias": self._never}
        if bool(images) not in self._checked:
            sampling["prompt_logprobs"] = 0  # makes vLLM return the prompt as it read it
        return {
            "prompt_ids": list(self._processor.placeholder_ids(prompt)),
            "sampling_params": sampling,
            "image_data": [Image.fromarray(image) for image in images] or None,
            "video_data": videos or None,
            "mm_processor_kwargs": self._processor_arguments(videos),
        }

    def _processed(self, encoded: EncodedPrompt, sampling: dict[str, Any]) -> dict[str, Any]:
        """Media as SGLang's ``processor_output``: within a request it allows one form only."""
        sampling = dict(sampling)
        sampling["sampling_seed"] = sampling.pop("seed")  # its name there
        sampling["logit_bias"] = {str(index): bias for index, bias in self._never.items()}
        images, videos = (
            {name: encoded.tensors[name] for name in names if name in encoded.tensors}
            for names in (_IMAGE_TENSORS, _VIDEO_TENSORS)
        )
        form = {"format": "processor_output"}
        return {
            "prompt_ids": list(encoded.prompt_ids),
            "sampling_params": sampling,
            "image_data": [form | images] if images else None,
            # verl's client puts this into the place of the frames.
            "mm_processor_output": [form | videos] if videos else None,
        }

    def _processor_arguments(self, videos: list[RawVideo]) -> dict[str, Any]:
        # Frames come sampled and sized; a second resize would change the number of tokens.
        arguments: dict[str, Any] = {"do_resize": False, "do_sample_frames": False}
        if videos and self._processor.write_frame_times:
            # vLLM drops the metadata of models without time stamps in the prompt, but their
            # positions need the seconds per frame group.
            arguments["video_metadata"] = [metadata for _, metadata in videos]
        return arguments

    def check(self, prompt: StudentPrompt, encoded: EncodedPrompt, read: dict[str, Any]) -> None:
        """Compare, once with and once without images, the prompt the engine read with ours.

        Args:
            prompt: what was asked.
            encoded: the same as tokens.
            read: ``extra_fields`` of the engine's answer.

        Raises:
            PromptMismatchError: they differ.
        """
        if "prompt_ids" not in read:
            return
        # verl leaves out the first token and pads the end.
        seen = [ids[0] for ids in read["prompt_ids"][:-1]]
        ours = list(encoded.prompt_ids[1:])
        if seen != ours:
            at = next((i for i, (a, b) in enumerate(zip(seen, ours, strict=False)) if a != b), -1)
            raise PromptMismatchError(
                f"the rollout engine read {len(seen) + 1} prompt tokens where the trainer has "
                f"{len(ours) + 1}, first difference at {at + 1}; its processor treats the media "
                "differently: use the versions of requirements/, or hardware.rollout=transformers"
            )
        self._checked.add(bool(prompt.images))
