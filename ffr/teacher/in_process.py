"""A vision-language model in this process, through transformers.

The only module here that uses torch, and only once a model is made.  Loading and generation
happen in one worker thread, one conversation at a time: right for making patches on one GPU
and for machines without a server; a serving engine batches and is many times faster.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ffr.config.teacher import InProcessConfig
from ffr.errors import UserError
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.chat import CallFailed, ChatReply, Message
from ffr.teacher.spending import Spending, Usage, Usages
from ffr.teacher.template_messages import for_template
from ffr.teacher.text_calls import read_tool_calls

__all__ = ["LocalVLM"]

_PROBE = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
_PROBE_TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
}


@dataclass(frozen=True)
class _Generated:
    text: str
    usage: Usage
    cut_off: bool


class LocalVLM:
    """A checkpoint that answers conversations; use it from one event loop.

    Tools are given to the chat template, and calls are read from the text of the reply.

    Args:
        config: folder, device, data type.
        model: name patches are known by.
        temperature: 0 is greedy; ``None`` keeps the checkpoint's own sampling settings.
        max_output_tokens: most tokens of one reply.
        call_timeout_s: wall time of one generation in seconds, looked at after every token.
        breaker: shared by all calls.
        native_tools: require a chat template that knows tools.
        spending: budgets; default none.

    Raises:
        UserError: torch is not installed, the folder holds no such model, the device is missing,
            or the chat template knows no tools though ``native_tools``.
    """

    def __init__(
        self,
        config: InProcessConfig,
        *,
        model: str,
        temperature: float | None,
        max_output_tokens: int,
        call_timeout_s: float,
        breaker: CircuitBreaker,
        native_tools: bool = True,
        spending: Spending | None = None,
    ) -> None:
        _check(config)
        self.model = model
        self.counters: Counter[str] = Counter()
        self.spending = spending or Spending()
        self._config = config
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._call_timeout_s = call_timeout_s
        self._breaker = breaker
        self._usages = Usages(max_output_tokens)
        self._processor: Any = None
        self._network: Any = None
        self._control = re.compile(r"<\|")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ffr-teacher")
        try:
            self._thread.submit(self._load, native_tools).result()
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        may_call_tools: bool = True,  # noqa: ARG002 - the conversation itself says so in words
        ends_at: float = math.inf,
        counters: Counter[str] | None = None,
    ) -> ChatReply:
        """One reply to a conversation; see ``ChatModel``.

        A cancelled call ends after its current token and frees the thread.

        Raises:
            CallFailed: the one way a call fails.
        """
        mine: Counter[str] = Counter()
        try:
            self.check_available()
            expected = self._usages.expect(messages)
            self.spending.reserve(expected)
            used = Usage()
            stop = threading.Event()
            work = self._thread.submit(self._turn, messages, tools, ends_at, stop, mine)
            try:
                generated = await asyncio.wrap_future(work)
                used = generated.usage
                self._usages.learn(messages, used)
            finally:
                stop.set()
                self.spending.settle(expected, used)
        finally:
            self.counters.update(mine)
            if counters is not None:
                counters.update(mine)
        content, requests = read_tool_calls(generated.text) if tools else (generated.text, ())
        return ChatReply(content, requests, cut_off=generated.cut_off)

    def check_available(self) -> None:
        """Fail early, before any other work is done for a call.

        Raises:
            CallFailed: the circuit is open and no probe is due.
        """
        if self._breaker.blocked:
            raise CallFailed("circuit_open", "the model failed too often in a row")

    async def aclose(self) -> None:
        """End the thread and drop the model."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._network = self._processor = None

    # In the worker thread ---------------------------------------------------------------------

    def _load(self, native_tools: bool) -> None:
        from student import torchvision_shim

        torchvision_shim.install()
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        config, folder = self._config, self._config.path
        try:
            self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            network = AutoModelForImageTextToText.from_pretrained(
                folder,
                dtype="auto" if config.dtype == "auto" else getattr(torch, config.dtype),
                attn_implementation=config.attention,
                local_files_only=True,
            )
        except (OSError, ValueError, ImportError) as error:
            raise UserError(
                f"teacher.in_process.path={folder!r} cannot be loaded as a vision-language model "
                f"({type(error).__name__}: {_first_line(error)}); give the folder of a complete "
                "Hugging Face checkpoint"
            ) from error
        device = config.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._network = network.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            raise UserError(
                f"teacher.in_process.device={config.device!r} cannot be used "
                f"({_first_line(error)}); give a device this machine has, with enough memory"
            ) from error
        if native_tools and self._template(_PROBE, [_PROBE_TOOL]) == self._template(_PROBE, []):
            raise UserError(
                f"the chat template of teacher.in_process.path={folder!r} knows no tools; set "
                "teacher.tool_calling=text"
            )
        tokens = self._processor.tokenizer.added_tokens_decoder.values()
        special = sorted((t.content for t in tokens if t.special), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, [*special, "<|"])))

    def _turn(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        ends_at: float,
        stop: threading.Event,
        counts: Counter[str],
    ) -> _Generated:
        if stop.is_set() or time.monotonic() >= ends_at:
            raise CallFailed("deadline", "the deadline passed while other calls were answered")
        if not self._breaker.allow():
            counts["call_circuit_open"] += 1
            raise CallFailed("circuit_open", "the model failed too often in a row")
        counts["calls"] += 1
        verdict = self._breaker.failure
        try:
            generated = self._generate(messages, tools, stop)
            if generated is None:
                counts["call_timeout"] += 1
                raise CallFailed(
                    "timeout", f"no reply within call_timeout_s={self._call_timeout_s:g}"
                )
            verdict = self._breaker.success
        except CallFailed as error:
            if error.reason != "timeout":  # the request, not the model
                counts["call_refused"] += 1
                verdict = self._breaker.neutral
            raise
        except Exception as error:  # whatever a model raises ends one call
            counts["call_error"] += 1
            detail = f"the model failed ({type(error).__name__}: {_first_line(error)})"
            raise CallFailed("provider_error", detail) from error
        finally:
            verdict()
        counts["call_ok"] += 1
        counts["tokens_in"] += generated.usage.tokens_in
        counts["tokens_out"] += generated.usage.tokens_out
        return generated

    def _generate(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        stop: threading.Event,
    ) -> _Generated | None:
        """One reply, or ``None`` when it took too long or nobody waits any more."""
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        late = time.monotonic() + self._call_timeout_s
        interrupted = threading.Event()

        class Interrupt(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
                if stop.is_set() or time.monotonic() > late:
                    interrupted.set()
                ended = interrupted.is_set()
                return torch.full((input_ids.shape[0],), ended, device=input_ids.device)

        converted, images = for_template(messages, self._control)
        inputs = self._processor(
            text=[self._template(converted, tools)],
            images=[self._sized(image) for image in images] or None,
            return_tensors="pt",
        ).to(self._network.device, dtype=self._network.dtype)
        prompt = int(inputs["input_ids"].shape[1])
        if prompt > self._config.max_prompt_tokens:
            raise CallFailed(
                "provider_error",
                f"the conversation has {prompt} tokens, teacher.in_process.max_prompt_tokens is "
                f"{self._config.max_prompt_tokens}; raise it, or lower teacher.max_images or "
                "first_view_frames",
            )
        with torch.inference_mode():
            output = self._network.generate(
                **inputs,
                **self._sampling(),
                max_new_tokens=self._max_output_tokens,
                stopping_criteria=StoppingCriteriaList([Interrupt()]),
            )
        if interrupted.is_set():
            return None
        reply = output[0, prompt:]
        text = self._processor.tokenizer.decode(reply, skip_special_tokens=True)
        ended = int(reply[-1]) in self._end_ids()
        return _Generated(text, Usage(prompt, len(reply)), cut_off=not ended)

    def _template(self, messages: Sequence[Any], tools: Sequence[Any]) -> str:
        return str(
            self._processor.apply_chat_template(
                list(messages), tools=list(tools) or None, tokenize=False,
                add_generation_prompt=True,
            )
        )  # fmt: skip

    def _sampling(self) -> dict[str, Any]:
        if self._temperature is None:
            return {}
        if self._temperature == 0:
            return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        return {"do_sample": True, "temperature": self._temperature}

    def _end_ids(self) -> set[int]:
        ends = self._network.generation_config.eos_token_id
        return set(ends if isinstance(ends, list) else [ends])

    def _sized(self, image: Image.Image) -> Image.Image:
        """Fit an image to processors that do not resize: sides in whole merged patches."""
        settings = self._processor.image_processor
        if getattr(settings, "do_resize", True):
            return image
        unit = int(settings.patch_size) * int(settings.merge_size)
        width, height = (max(unit, round(side / unit) * unit) for side in image.size)
        return image.resize((width, height), Image.Resampling.LANCZOS)


def _check(config: InProcessConfig) -> None:
    missing = [n for n in ("torch", "transformers") if importlib.util.find_spec(n) is None]
    if missing:
        raise UserError(
            f"teacher.kind=in_process needs {' and '.join(missing)}, which is not installed; "
            "install the extra 'train' or 'cpu'"
        )
    if not (Path(config.path) / "config.json").is_file():
        raise UserError(
            f"teacher.in_process.path={config.path!r} holds no config.json; give the folder of a "
            "Hugging Face checkpoint (nothing is ever downloaded)"
        )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:200]
