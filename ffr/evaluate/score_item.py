"""One response to one question: what was answered, and what it is worth.

The one scoring of ``ffr eval``, of the last stage of ``ffr-train`` and of the lmms-eval plug-in.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffr.data.question import Question
from rewards.tasks.response import relative_accuracy
from rewards.verdict import VerdictMode, answer_of, verdict
from student.parse import ParsedResponse, parse_direct, parse_response

__all__ = ["AnswerScore", "ItemScore", "read_response", "score_answer", "score_response"]


@dataclass(frozen=True)
class AnswerScore:
    """What an answer is worth.

    Attributes:
        accuracy: the verifier's accuracy in [0, 1].
        right: whether that counts as right; the share of these is the reported *accuracy*.
        score: the graded score in [0, 1]: mean relative accuracy for ``regression``, else
            ``accuracy``.
        mra: mean relative accuracy of ``number`` and ``regression``; ``None`` for other types.
    """

    accuracy: float
    right: bool
    score: float
    mra: float | None


@dataclass(frozen=True)
class ItemScore(AnswerScore):
    """The same with what the response says.

    Attributes:
        answer: content of the answer block (parity: of the first one); ``None`` without one.
        well_formed: the response has the form that was asked for and nothing else.
        problems: the parser's names for what is malformed.
    """

    answer: str | None
    well_formed: bool
    problems: tuple[str, ...]


def read_response(response: str, *, thinking: bool = True) -> ParsedResponse:
    """The response through the one parser.

    Args:
        response: the whole decoded text.
        thinking: whether reasoning was asked for.
    """
    return parse_response(response) if thinking else parse_direct(response)


def score_response(
    question: Question, response: str, *, thinking: bool = True, scoring: VerdictMode = "default"
) -> ItemScore:
    """Read and score one response.

    Args:
        question: with the gold answer.
        response: the whole decoded text.
        thinking: whether reasoning was asked for; without, the answer needs no think block.
        scoring: our scorers or the released ones, which read the first answer tag pair.

    Raises:
        UserError: the gold answer cannot be scored, or a scoring library is missing.
    """
    parsed = read_response(response, thinking=thinking)
    answer = answer_of(response, parsed, scoring)
    worth = score_answer(question, answer, scoring=scoring)
    return ItemScore(
        accuracy=worth.accuracy, right=worth.right, score=worth.score, mra=worth.mra,
        answer=answer, well_formed=parsed.well_formed, problems=parsed.problems,
    )  # fmt: skip


def score_answer(
    question: Question, answer: str | None, *, scoring: VerdictMode = "default"
) -> AnswerScore:
    """Score an answer that was already read; ``None`` is wrong.

    Raises:
        UserError: as ``score_response``.
    """
    worth, right = verdict(answer, question, scoring)
    mra = None
    if question.answer_type in ("number", "regression"):
        mra = relative_accuracy(answer, question)
    return AnswerScore(
        accuracy=worth,
        right=right,
        score=worth if mra is None or question.answer_type == "number" else mra,
        mra=mra,
    )
