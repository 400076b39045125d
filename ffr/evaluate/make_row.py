"""From a reply to a row: scored, and measured by the metrics of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ffr.config.protocol import EvalProtocol
from ffr.data.question import Question
from ffr.evaluate.metrics.registry import Metric, Seen
from ffr.evaluate.reply import Reply
from ffr.evaluate.rows import ItemRow
from ffr.evaluate.score_item import read_response, score_answer, score_response

__all__ = ["make_row"]


async def make_row(
    index: int, question: Question, reply: Reply, protocol: EvalProtocol,
    metrics: Mapping[str, Metric],
) -> ItemRow:  # fmt: skip
    """The row of one question.

    Args:
        index: position in the data.
        question: with the gold answer.
        reply: what came back.
        protocol: how it was asked.
        metrics: by name, in the order of the protocol.

    Raises:
        UserError: the gold answer cannot be scored.
    """
    known: dict[str, Any] = {
        "index": index, "question_id": question.id, "video": question.video,
        "family": question.family, "answer_type": question.answer_type, "gold": question.answer,
        "patch_id": reply.patch_id,
    }  # fmt: skip
    if reply.failure is not None or reply.raw is None:
        return ItemRow(**known, failure=reply.failure)
    raw = reply.raw
    known |= {
        "response": raw.text, "truncated": raw.truncated, "prompt_tokens": raw.prompt_tokens,
        "completion_tokens": raw.completion_tokens, "election": reply.election,
    }  # fmt: skip
    if reply.election is None:
        one = score_response(
            question, raw.text, thinking=protocol.thinking, scoring=protocol.scoring
        )
        known |= {"answer": one.answer, "well_formed": one.well_formed, "problems": one.problems}
        worth = (one.right, one.accuracy, one.score, one.mra)
    else:
        # The elected answer counts, whatever form its supporters' texts have.
        answer = reply.election.answer
        elected = score_answer(question, answer, scoring=protocol.scoring)
        known |= {"answer": answer, "well_formed": answer is not None}
        worth = (elected.right, elected.accuracy, elected.score, elected.mra)
    known |= dict(zip(("right", "accuracy", "score", "mra"), worth, strict=True))
    row = ItemRow(**known)
    if not metrics:
        return row
    parsed = read_response(raw.text, thinking=protocol.thinking)
    seen = Seen(question, reply, row, parsed)
    measured = {name: dict(await metric.item(seen)) for name, metric in metrics.items()}
    return row.model_copy(update={"metrics": measured})
