"""The consistency gate g: does the reasoning conclude what is answered?

Default: rules first, a judge only where they are silent, and *unknown* when neither can tell
(errata ruling 10).  Parity: always the judge, 1 only if it says TRUE, 0 for everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ffr.data.question import AskedQuestion
from rewards.accuracy_parity import first_answer
from rewards.video_r2.agreement import same_conclusion
from rewards.video_r2.conclusion import rules_conclusion
from rewards.video_r2.judging import Judge
from student.parse import ParsedResponse, parse_response

__all__ = [
    "GateVerdict", "consistency_gate", "first_think", "read_verdict", "released_verdict",
    "rules_gate",
]  # fmt: skip

_WORD = re.compile(r"\b(?:TRUE|FALSE)\b")
_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)


@dataclass(frozen=True)
class GateVerdict:
    """The gate's value and where it comes from.

    Attributes:
        value: 1.0 consistent, 0.0 not, ``None`` unknown.
        by: who decided.
        reason: a counter's name, such as ``same``, ``differs``, ``no_think``, ``timeout``.
    """

    value: float | None
    by: Literal["rules", "judge", "nobody"]
    reason: str


def rules_gate(question: AskedQuestion, parsed: ParsedResponse) -> GateVerdict:
    """The verdict of the rules alone; unknown where they are silent.

    A response without readable reasoning or answer is inconsistent: nothing supports the answer.
    """
    if not parsed.think:
        return GateVerdict(0.0, "rules", "no_think")
    if parsed.answer is None:
        return GateVerdict(0.0, "rules", "no_answer")
    concluded = rules_conclusion(parsed.think, question)
    if concluded is None:
        return GateVerdict(None, "nobody", "no_conclusion")
    same = same_conclusion(concluded, parsed.answer, question)
    if same is None:
        return GateVerdict(None, "nobody", "not_comparable")
    return GateVerdict(float(same), "rules", "same" if same else "differs")


async def consistency_gate(
    question: AskedQuestion,
    response: str,
    judge: Judge | None,
    mode: Literal["default", "parity"] = "default",
    *,
    parsed: ParsedResponse | None = None,
) -> GateVerdict:
    """The gate of one response, whatever it says.

    Args:
        question: as the student saw it.
        response: the whole response, untrusted.
        judge: ``None``: rules only.
        mode: ``parity``: always the judge, and the released reading of its verdict.
        parsed: the response already parsed, to save the work.

    Raises:
        ValueError: parity without a judge.
    """
    if mode == "parity":
        if judge is None:
            raise ValueError("the released gate is a judge; give one, or use mode='default'")
        judged = await judge.consistent(
            question, first_think(response), first_answer(response), released=True
        )
        return GateVerdict(float(judged.value is True), "judge", judged.problem or "verdict")
    parsed = parsed or parse_response(response)
    verdict = rules_gate(question, parsed)
    if verdict.value is not None or judge is None:
        return verdict
    assert parsed.think is not None
    assert parsed.answer is not None
    judged = await judge.consistent(question, parsed.think, parsed.answer)
    if judged.value is None:
        return GateVerdict(None, "judge", judged.problem)
    return GateVerdict(float(judged.value), "judge", "same" if judged.value else "differs")


def first_think(response: str) -> str:
    """Content of the first think block, stripped, else "": the released rule."""
    match = _THINK.search(response)
    return match.group(1).strip() if match else ""


def released_verdict(reply: str) -> bool | None:
    """TRUE or FALSE as the released code reads it: ``UNTRUE`` is true (spec video_r2 §10.4)."""
    first = _first_line(reply)
    for word, verdict in (("TRUE", True), ("FALSE", False)):
        if first.startswith(word):
            return verdict
    has_true, has_false = "TRUE" in first, "FALSE" in first
    return None if has_true == has_false else has_true


def read_verdict(reply: str) -> bool | None:
    """TRUE or FALSE as a whole word of the first line; both or neither is undecided."""
    said = set(_WORD.findall(_first_line(reply)))
    return None if len(said) != 1 else said == {"TRUE"}


def _first_line(reply: str) -> str:
    return next((line.strip().upper() for line in reply.splitlines() if line.strip()), "")
