"""Optional metrics by name: a protocol lists them, whoever has a new one registers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ffr.config.protocol import EvalProtocol
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.evaluate.reply import Reply
from ffr.evaluate.rows import ItemRow
from rewards.video_r2.judging import Judge
from student.parse import ParsedResponse

__all__ = ["Metric", "MetricContext", "MetricFactory", "Seen", "build_metrics", "metric_names",
           "register_metric"]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Seen:
    """One answered item, as a metric sees it.

    Attributes:
        question: with the gold answer.
        reply: prompt and response; of an election the best supporter's text and the record.
        row: the item so far, scored.
        parsed: the response through the one parser.
    """

    question: Question
    reply: Reply
    row: ItemRow
    parsed: ParsedResponse


@dataclass(frozen=True, eq=False)
class MetricContext:
    """What a metric may use.

    Attributes:
        protocol: of the evaluation.
        media_root: folder the videos lie under.
        judge: of the protocol, or ``None``.
        generator: the model of a checkpoint in this process
            (``student.generate.BatchGenerator``, held by its lock while it generates);
            ``None`` behind an endpoint.
        renderer: makes prompts for that model (``ffr.repair.renderer.Renderer``).
        videos: of all questions of the evaluation, in order.
    """

    protocol: EvalProtocol
    media_root: Path
    judge: Judge | None = None
    generator: Any = None
    renderer: Any = None
    videos: Sequence[str] = ()


class Metric(Protocol):
    """Something measured on every answered item."""

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """Plain JSON data of one item, kept in its row; the same for the same item."""
        ...

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """Plain JSON data over all rows; those without this metric failed."""
        ...


MetricFactory = Callable[[MetricContext], Metric]
_FACTORIES: dict[str, MetricFactory] = {}


def register_metric(name: str, factory: MetricFactory) -> None:
    """Make a metric known under a name protocols may list.

    Raises:
        ValueError: the name is taken.
    """
    if name in _FACTORIES:
        raise ValueError(f"metric {name!r} is already registered; choose another name")
    _FACTORIES[name] = factory


def metric_names() -> tuple[str, ...]:
    """Names of all registered metrics."""
    _load_shipped()
    return tuple(sorted(_FACTORIES))


def build_metrics(context: MetricContext) -> dict[str, Metric]:
    """The metrics a protocol lists, by name.

    Raises:
        UserError: one is unknown, or lacks what it needs (a judge, a checkpoint).
    """
    known = metric_names()
    for name in context.protocol.metrics:
        if name not in known:
            raise UserError(f"metrics: {name!r} is unknown; give some of {', '.join(known)}")
    return {name: _FACTORIES[name](context) for name in context.protocol.metrics}


def _load_shipped() -> None:
    from ffr.evaluate.metrics import (  # noqa: F401 - they register
        attention,
        citations,
        claims,
        counterfactual,
        grounding,
        tac,
    )
