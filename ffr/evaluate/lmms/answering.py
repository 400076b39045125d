"""Answer items of a benchmark under a protocol; knows nothing of lmms-eval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from ffr.config.protocol import EvalProtocol
from ffr.data.bad_rows import RowPolicy
from ffr.data.question import AskedQuestion, option_letters
from ffr.errors import UserError
from ffr.evaluate.drive import ask_batches, cut
from ffr.evaluate.lmms.task_item import TaskItem
from ffr.evaluate.reply import Asker, Reply
from ffr.evaluate.rows import Failure
from ffr.evaluate.score_item import read_response
from rewards.accuracy_parity import first_answer
from student.parse import parse_choice

__all__ = ["Answer", "answer_items", "answer_of", "check_failures", "failures_of"]

Progress = Callable[[int], None]
Known = Callable[[TaskItem], "Answer | None"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of an item.

    Attributes:
        item: as it was asked: of an item asked again the name says how often.
        reply: text for the benchmark's own scorer; empty where there is no answer.
        answer: what was read from the response; ``None`` without one.
        failure: why there is no response.
        raw: the model's reply; ``None`` when it was not asked now.
    """

    item: TaskItem
    reply: str
    answer: str | None
    failure: Failure | None
    raw: Reply | None


async def answer_items(
    items: Sequence[TaskItem], asker: Asker, protocol: EvalProtocol, *,
    batch_size: int, at_once: int, form: Literal["answer", "full"] = "answer",
    progress: Progress = lambda _done: None, known: Known = lambda _item: None,
    keep: Callable[[Sequence[Answer]], None] = lambda _answers: None,
) -> list[Answer]:  # fmt: skip
    """One answer per item, in order.

    Batches hold consecutive items of one benchmark, so that what is asked together does not depend
    on which benchmarks run beside it; an item that is asked again has a random stream of its own.

    Args:
        items: what is asked.
        asker: the model under its protocol.
        protocol: says how responses are read.
        batch_size: items asked together.
        at_once: batches under way.
        form: what the benchmarks get.
        progress: told how many items are done.
        known: an answer from an earlier launch; a batch is asked unless all of its are known.
        keep: gets the answers of each batch as soon as they are there.

    Raises:
        UserError: the model does not respond any more.
    """
    answers = {
        position: Answer(item, "", None, item.failure, None)
        for position, item in enumerate(items)
        if item.asked is None
    }
    done = 0

    def take(places: Sequence[int], found: Sequence[Answer]) -> None:
        nonlocal done
        answers.update(zip(places, found, strict=True))
        done += len(found)
        progress(done)

    for places, asked in _by_task(items):
        todo = []
        for number, batch in cut([item.asked for item in asked if item.asked], batch_size):
            here = slice(number * batch_size, number * batch_size + len(batch))
            old = [known(item) for item in asked[here]]
            if all(answer is not None for answer in old):
                take(places[here], [answer for answer in old if answer is not None])
            else:
                todo.append((number, batch))

        async def note(
            batch: tuple[int, Sequence[AskedQuestion]], replies: Sequence[Reply],
            places: Sequence[int] = places, asked: Sequence[TaskItem] = asked,
        ) -> None:  # fmt: skip
            here = slice(batch[0] * batch_size, batch[0] * batch_size + len(replies))
            found = [
                answer_of(item, reply, protocol, form)
                for item, reply in zip(asked[here], replies, strict=True)
            ]
            keep(found)
            take(places[here], found)

        await ask_batches(todo, asker, note, at_once=at_once)
    return [answers[position] for position in range(len(items))]


def _by_task(items: Sequence[TaskItem]) -> list[tuple[list[int], list[TaskItem]]]:
    """Positions and items that can be asked, benchmark by benchmark, each under its own name."""
    seen: Counter[tuple[str, str]] = Counter()
    parts = []
    for _, members in groupby(enumerate(items), key=lambda pair: pair[1].task):
        places: list[int] = []
        asked: list[TaskItem] = []
        for position, item in members:
            if item.asked is None:
                continue
            again = seen[item.task, item.name]
            seen[item.task, item.name] += 1
            name = f"{item.name}#{again}" if again else item.name
            places.append(position)
            question = item.asked.model_copy(update={"id": name})
            asked.append(replace(item, name=name, asked=question))
        if places:
            parts.append((places, asked))
    return parts


def answer_of(
    item: TaskItem, reply: Reply, protocol: EvalProtocol, form: Literal["answer", "full"]
) -> Answer:
    """What the benchmark gets of a reply.

    An option is given by the benchmark's own label; an answer that names none goes as it is.
    """
    if reply.failure is not None or reply.raw is None:
        return Answer(item, "", None, reply.failure, reply)
    if reply.election is not None:
        answer = reply.election.answer
    elif protocol.scoring == "parity":
        answer = first_answer(reply.raw.text) or None
    else:
        answer = read_response(reply.raw.text, thinking=protocol.thinking).answer
    text = reply.raw.text if form == "full" else _labelled(item, answer)
    return Answer(item, text, answer, None, reply)


def _labelled(item: TaskItem, answer: str | None) -> str:
    if answer is None:
        return ""
    options = item.text.options
    letter = parse_choice(answer, options) if options else None
    if letter is None:
        return answer
    return item.text.labels[option_letters(len(options)).index(letter)]


def failures_of(items: Sequence[TaskItem]) -> list[Answer]:
    """Items that cannot be asked; known before any model is loaded."""
    return [Answer(item, "", None, item.failure, None) for item in items if item.asked is None]


def check_failures(answers: Sequence[Answer], total: int, policy: RowPolicy) -> Counter[str]:
    """Failures by kind.

    Args:
        answers: those without a failure do not matter.
        total: items in all.
        policy: how many failures are borne.

    Raises:
        UserError: more than ``policy`` bears, or every item failed.
    """
    failed = [(a.item, a.failure) for a in answers if a.failure is not None]
    kinds = Counter(failure.kind for _, failure in failed)
    if not failed:
        return Counter()
    item, failure = failed[0]
    said = f"{item.task}, {item.name}: {failure.detail}"
    if len(failed) == total:
        raise UserError(f"none of {total} items has a response; the first: {said}")
    borne = {"skip": total, "limit": policy.limit, "fail": 0}[policy.mode]
    if len(failed) > borne:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        raise UserError(
            f"{len(failed)} of {total} items have no response ({counts}); the first: {said}. They "
            "would be scored as wrong: mend that, or bear it with on_failure=skip or "
            "on_failure='limit N'"
        )
    return Counter[str](kinds)
