"""``ffr`` and ``ffr_elect`` as lmms-eval models; the only module here that needs lmms-eval."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate import Accelerator
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from ffr.data.bad_rows import RowPolicy
from ffr.evaluate.lmms.answering import Answer, answer_items, check_failures, failures_of
from ffr.evaluate.lmms.opening import OpenPlugin, open_plugin
from ffr.evaluate.lmms.record import Record
from ffr.evaluate.lmms.settings import read_settings
from ffr.evaluate.lmms.task_item import TaskItem, read_item
from ffr.evaluate.protocol import protocol_hash

__all__ = ["FfrElectModel", "FfrModel"]

_PADDING = "__padding_only__"


class FfrModel(lmms):  # type: ignore[misc]
    """One response a question, in the words of a protocol.

    Keyword arguments are those of ``ffr.evaluate.lmms.settings``. The protocol decides about
    frames, wording and sampling; a benchmark's ``generation_kwargs`` are not read.
    """

    is_simple = False
    elects: ClassVar[bool] = False

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self._settings, self._protocol = read_settings(arguments, elects=self.elects)
        self._take_rank()
        self._runner = asyncio.Runner()
        self._open: OpenPlugin | None = None
        self._record: Record | None = None

    @property
    def device(self) -> torch.device:
        """Where lmms-eval may put its own tensors."""
        return torch.device(self._device)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer requests, in order.

        Raises:
            UserError: more items failed than ``on_failure`` bears; those whose video is missing
                are told before anything is asked.
        """
        real = [request for request in requests if not _is_padding(request)]
        items = [self._item(request) for request in real]
        policy = RowPolicy.parse(self._settings.on_failure)
        unasked = failures_of(items)
        check_failures(unasked, len(items), policy)
        answers = self._runner.run(self._ask(items)) if items else []
        if self._record is not None:
            self._record.add(unasked)
        failed = check_failures(answers, len(items), policy)
        if failed:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(failed.items()))
            logger.warning(
                f"{failed.total()} of {len(items)} items have no response and are scored as wrong "
                f"({counts})"
            )
        results = iter(map(_result, answers))
        return [
            GenerationResult(text="") if _is_padding(request) else next(results)
            for request in requests
        ]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Not offered.

        Raises:
            UserError: always.
        """
        raise _single_round(requests)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered: our students answer in words.

        Raises:
            UserError: always.
        """
        raise _single_round(requests)

    def clean(self) -> None:
        """Free the model before lmms-eval starts its judges."""
        if self._open is not None:
            self._runner.run(self._open.model.source.aclose())
            self._open = None
        super().clean()

    def _take_rank(self) -> None:
        """Our part of the data where several processes share it."""
        self._device = self._settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            self.accelerator = Accelerator()
            self._rank = self.accelerator.process_index
            self._world_size = self.accelerator.num_processes
            if self._device == "cuda":
                self._device = f"cuda:{self.accelerator.local_process_index}"

    def _item(self, request: Instance) -> TaskItem:
        _, to_messages, _, number, task, split = request.args
        document = self.task_dict[task][split][number]
        return read_item(
            task, split, number, document, _messages(to_messages, document),
            media_root=Path(self._settings.media_root), open_type=self._settings.open_type,
        )  # fmt: skip

    async def _ask(self, items: Sequence[TaskItem]) -> list[Answer]:
        if self._open is None:
            self._open = await asyncio.to_thread(
                open_plugin, self._settings, self._protocol, self._device
            )
            logger.info(
                f"protocol {self._protocol.name}, sha256 {protocol_hash(self._protocol)}, "
                f"model {self._open.identity}"
            )
            self._begin_record(self._open)
        plugin, record = self._open, self._record
        total = sum(item.asked is not None for item in items)
        with tqdm(total=total, desc="ffr", disable=self.rank != 0) as bar:
            return await answer_items(
                items, plugin.asker, self._protocol, batch_size=plugin.batch_size,
                at_once=plugin.at_once, form=self._settings.reply,
                progress=lambda done: bar.update(done - bar.n),
                known=(lambda _item: None) if record is None else record.known,
                keep=(lambda _answers: None) if record is None else record.add,
            )  # fmt: skip

    def _begin_record(self, plugin: OpenPlugin) -> None:
        if self._settings.record is None:
            return
        self._record = Record(Path(self._settings.record), self.rank)
        execution = {**plugin.execution, "reply": self._settings.reply}
        versions = {"lmms_eval": version("lmms_eval")}
        known = self._record.begin(self._protocol, plugin.identity, execution, versions)
        if known:
            logger.info(f"{known} answers are in {self._settings.record} already")


class FfrElectModel(FfrModel):
    """An elected answer a question (``ffr.elect``)."""

    elects = True


def _messages(to_messages: Any, document: Any) -> Any:
    """The task's messages; some tasks end the process where a video is missing."""
    try:
        return to_messages(document)
    except (SystemExit, OSError, AssertionError) as error:
        return [{"content": [{"type": "video", "url": f"missing://{error}"}]}]


def _result(answer: Answer) -> GenerationResult:
    raw = None if answer.raw is None else answer.raw.raw
    counts = None
    if raw is not None and raw.completion_tokens:
        counts = TokenCounts(raw.prompt_tokens, raw.completion_tokens)
    return GenerationResult(text=answer.reply, token_counts=counts)


def _is_padding(request: Instance) -> bool:
    return bool((request.metadata or {}).get(_PADDING))


def _single_round(requests: list[Instance]) -> Exception:
    from ffr.errors import UserError

    tasks = sorted({str(request.task_name) for request in requests})
    return UserError(
        f"{', '.join(tasks)}: only single-round generation is offered; leave these tasks out"
    )
