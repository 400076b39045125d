"""Turn a rendered prompt into what the model reads: token ids and vision tensors.

One class for tiny and real checkpoints.  Frames arrive sampled and sized by
``student.frames``, so the library neither samples nor resizes; their true times go in as
metadata, which Qwen3-VL's processor writes before each frame group.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402
from transformers import AutoConfig, AutoProcessor, GenerationConfig  # noqa: E402
from transformers.video_utils import VideoMetadata  # noqa: E402

from ffr.errors import UserError  # noqa: E402
from student.prompt_parts import StudentPrompt  # noqa: E402

__all__ = ["EncodedPrompt", "PromptTooLongError", "RawVideo", "StudentProcessor"]

RawVideo = tuple[Any, dict[str, Any]]
"""Frames, uint8 (T, H, W, 3) as an array or (T, 3, H, W) as a tensor, with their metadata."""

_WRITES_TIMES = ("qwen3_vl", "qwen3_vl_moe")
_CONTROL = re.compile(r"<\|[^<>|\s]+\|>")


class PromptTooLongError(UserError):
    """A prompt has more tokens than allowed; prompts are never cut."""


@dataclass(frozen=True, eq=False)
class EncodedPrompt:
    """A prompt as the model reads it.

    Attributes:
        prompt_ids: token ids, with one id per visual token.
        tensors: ``pixel_values``, ``image_grid_thw``, ``pixel_values_videos``,
            ``video_grid_thw``, ``second_per_grid_ts``: whichever the media need, media of one
            prompt concatenated along the first axis, in reading order.
        key: equal keys mean equal tokens and pixels.
    """

    prompt_ids: tuple[int, ...]
    tensors: dict[str, torch.Tensor] = field(repr=False)
    key: str

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


class StudentProcessor:
    """Tokenizer, chat template and vision preprocessing of one checkpoint; safe for threads.

    Args:
        folder: a Hugging Face checkpoint folder.
        max_prompt_tokens: longest prompt allowed, in tokens; ``None`` for no limit.
        cache_bytes: encoded prompts are kept up to this many bytes of tensors, so that the
            rollouts of one question preprocess its frames once.

    Raises:
        UserError: the folder holds no usable processor.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        max_prompt_tokens: int | None = None,
        cache_bytes: int = 256 * 2**20,
    ) -> None:
        try:
            self.hf: Any = AutoProcessor.from_pretrained(folder)
            self.model_type: str = AutoConfig.from_pretrained(folder).model_type
        except (OSError, ValueError) as error:
            raise UserError(
                f"student.path={str(folder)!r} holds no loadable checkpoint "
                f"({type(error).__name__}: {str(error).splitlines()[0]}); give a Hugging Face "
                "folder with config, tokenizer and processor files"
            ) from error
        if not hasattr(self.hf, "video_processor"):
            raise UserError(
                f"student.path={str(folder)!r} is a {self.model_type!r} without a video "
                "processor; give a video model such as Qwen3-VL or Qwen2.5-VL"
            )
        self.tokenizer: Any = self.hf.tokenizer
        self.max_prompt_tokens = max_prompt_tokens
        self._lock = threading.Lock()  # fast tokenizers do not allow concurrent use
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[str, EncodedPrompt] = OrderedDict()
        self._cached_bytes = 0
        try:
            end = GenerationConfig.from_pretrained(folder).eos_token_id
        except OSError:
            end = None
        if end is None:
            end = self.tokenizer.eos_token_id
        self.stop_token_ids: tuple[int, ...] = tuple(end) if isinstance(end, list) else (int(end),)
        """Tokens that end a response."""
        self.suppress_token_ids: tuple[int, ...] = tuple(
            index
            for token, index in sorted(self.tokenizer.get_vocab().items(), key=lambda t: t[1])
            if _CONTROL.fullmatch(token) and index not in self.stop_token_ids
        )
        """Tokens that must never be sampled: a sampled vision token crashes the update."""

    @property
    def write_frame_times(self) -> bool:
        """Whether prompts must carry frame times as text because the processor writes none."""
        return self.model_type not in _WRITES_TIMES

    @property
    def size_multiple(self) -> int:
        """Sides of frames and images must be multiples of this, pixels."""
        processor = self.hf.video_processor
        return int(processor.patch_size) * int(processor.merge_size)

    def text(self, prompt: StudentPrompt) -> str:
        """The prompt through the chat template, media as placeholders, ready to be answered."""
        return str(
            self.hf.apply_chat_template(
                prompt.chat_messages(), tokenize=False, add_generation_prompt=True
            )
        )

    def encode(self, prompt: StudentPrompt) -> EncodedPrompt:
        """Tokens and tensors of one prompt.

        Raises:
            PromptTooLongError: more than ``max_prompt_tokens`` tokens.
            UserError: an image or frame size the model cannot take.
        """
        images, videos = self.raw_media(prompt)
        text = self.text(prompt)
        key = _key(text.encode(), images, videos)
        with self._lock:
            encoded = self._recall(key)
            if encoded is None:
                media = self._media_arguments(images, videos)
                batch = self.hf(
                    text=[text], **media, return_mm_token_type_ids=False, return_tensors="pt"
                )
                ids = tuple(batch["input_ids"][0].tolist())
                encoded = self._remember(EncodedPrompt(ids, _vision_tensors(batch), key))
        if self.max_prompt_tokens is not None and len(encoded.prompt_ids) > self.max_prompt_tokens:
            raise PromptTooLongError(
                f"the prompt of question id={prompt.question_id!r} has {len(encoded.prompt_ids)} "
                f"tokens, student.max_prompt_tokens is {self.max_prompt_tokens}; raise it, or "
                "lower student.frames.count or max_pixels"
            )
        return encoded

    def placeholder_ids(self, prompt: StudentPrompt) -> tuple[int, ...]:
        """Token ids with one placeholder per medium, for engines that expand them themselves."""
        text = self.text(prompt)
        with self._lock:
            return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_expanded(
        self,
        prompt_ids: Sequence[int],
        images: Sequence[npt.NDArray[np.uint8]] = (),
        videos: Sequence[RawVideo] = (),
    ) -> EncodedPrompt:
        """Add vision tensors to a prompt whose ids already hold its visual tokens.

        What a rollout server is asked with: ids from the agent loop, media beside them.

        Args:
            prompt_ids: expanded token ids.
            images: uint8 RGB (H, W, 3), PIL images, or tensors (3, H, W), in reading order.
            videos: frames with metadata, in reading order.

        Raises:
            UserError: an image or frame size the model cannot take.
        """
        key = _key(np.asarray(prompt_ids, dtype=np.int64).tobytes(), images, videos)
        with self._lock:
            encoded = self._recall(key)
            if encoded is None:
                tensors = self._preprocess(self._media_arguments(images, videos))
                encoded = self._remember(EncodedPrompt(tuple(prompt_ids), tensors, key))
        return encoded

    def raw_media(
        self, prompt: StudentPrompt
    ) -> tuple[list[npt.NDArray[np.uint8]], list[RawVideo]]:
        """Images and (frames, metadata) of a prompt in reading order, not yet preprocessed."""
        images = [part.image for part in prompt.images]
        videos: list[RawVideo] = [
            (part.frames, dict(part.axis.video_metadata())) for part in prompt.videos
        ]
        return images, videos

    def batch(self, prompts: Sequence[EncodedPrompt]) -> dict[str, torch.Tensor]:
        """Model inputs of several prompts, left-padded.

        Returns:
            ``input_ids``, ``attention_mask`` and ``mm_token_type_ids`` of shape
            (prompts, longest), plus the concatenated vision tensors.
        """
        longest = max(len(p.prompt_ids) for p in prompts)
        ids = torch.full((len(prompts), longest), self.tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            start = longest - len(prompt.prompt_ids)
            ids[row, start:] = torch.tensor(prompt.prompt_ids)
            mask[row, start:] = 1
        kinds = torch.zeros_like(ids)
        kinds[ids == self.hf.image_token_id] = 1
        kinds[ids == self.hf.video_token_id] = 2
        inputs = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": kinds}
        for name in dict.fromkeys(name for p in prompts for name in p.tensors):
            inputs[name] = torch.cat([p.tensors[name] for p in prompts if name in p.tensors])
        return inputs

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of a response without special tokens; the reasoning tags stay."""
        with self._lock:
            return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        with self._lock:
            return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _preprocess(self, media: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Vision tensors alone, as the whole processor would make them."""
        tensors: dict[str, torch.Tensor] = {}
        if "images" in media:
            batch = self.hf.image_processor(
                images=media["images"], do_resize=False, return_tensors="pt"
            )
            tensors |= _vision_tensors(batch)
        if "videos" in media:
            batch = self.hf.video_processor(
                videos=media["videos"],
                video_metadata=media["video_metadata"],
                do_sample_frames=False,
                do_resize=False,
                return_metadata=True,
                return_tensors="pt",
            )
            tensors |= _vision_tensors(batch)
            if "second_per_grid_ts" in self.hf.model_input_names:
                step = float(self.hf.video_processor.temporal_patch_size)
                tensors["second_per_grid_ts"] = torch.tensor(
                    [step / metadata.sampled_fps for metadata in batch["video_metadata"]]
                )
        return tensors

    def _recall(self, key: str) -> EncodedPrompt | None:
        found = self._cached.get(key)
        if found is not None:
            self._cached.move_to_end(key)
        return found

    def _remember(self, encoded: EncodedPrompt) -> EncodedPrompt:
        self._cached[encoded.key] = encoded
        self._cached_bytes += encoded.nbytes
        while self._cached_bytes > self._cache_bytes:
            _, dropped = self._cached.popitem(last=False)
            self._cached_bytes -= dropped.nbytes
        return encoded

    def _media_arguments(
        self, images: Sequence[Any], videos: Sequence[RawVideo]
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if images:
            arguments["images"] = [_channels_first(image) for image in images]
            arguments["do_resize"] = False
        if videos:
            arguments["videos"] = [_channels_first(frames) for frames, _ in videos]
            arguments["video_metadata"] = [_metadata(given) for _, given in videos]
            arguments |= {"do_sample_frames": False, "do_resize": False}
        for tensor in (*arguments.get("images", ()), *arguments.get("videos", ())):
            height, width = tensor.shape[-2:]
            if height % self.size_multiple or width % self.size_multiple:
                raise UserError(
                    f"a frame or image of {height}x{width} pixels does not fit the model; set "
                    f"student.frames.size_multiple to {self.size_multiple} and exact sizes to "
                    "multiples of it"
                )
        return arguments


def _metadata(given: dict[str, Any]) -> Any:
    known = {
        "total_num_frames", "fps", "width", "height", "duration", "video_backend",
        "frames_indices",
    }
    copied = {name: value for name, value in given.items() if name in known}
    if copied.get("frames_indices") is not None:
        copied["frames_indices"] = [int(i) for i in copied["frames_indices"]]
    return VideoMetadata(**copied)


def _channels_first(media: Any) -> torch.Tensor:
    """Torch (..., 3, H, W) uint8 of an image or frames in any of the accepted forms."""
    if isinstance(media, torch.Tensor):
        return media
    array = np.asarray(media)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, -3)))


def _vision_tensors(batch: Any) -> dict[str, torch.Tensor]:
    names = (
        "pixel_values", "image_grid_thw", "pixel_values_videos", "video_grid_thw",
        "second_per_grid_ts",
    )
    return {name: torch.as_tensor(batch[name]) for name in names if name in batch}


def _key(head: bytes, images: Sequence[Any], videos: Sequence[RawVideo]) -> str:
    digest = hashlib.blake2b(head, digest_size=16)
    for media in (*images, *(frames for frames, _ in videos)):
        array = np.asarray(media)
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for _, metadata in videos:
        digest.update(repr(sorted(metadata.items(), key=lambda item: item[0])).encode())
    return digest.hexdigest()
