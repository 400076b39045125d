"""One response scored whole: accuracy, format, TAR, gate, and the reward's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ffr.config.video_r2 import TarConfig, VideoR2RewardConfig
from ffr.data.question import Question
from rewards.accuracy import accuracy
from rewards.format import format_reward
from rewards.tasks.inferred_parity import released_video_r2_accuracy
from rewards.video_r2.encoders import SentenceEncoder
from rewards.video_r2.events import (
    Claims,
    claims_from_judge,
    claims_from_text,
    keyed_claims,
    read_references,
)
from rewards.video_r2.gate import GateVerdict, consistency_gate, first_think
from rewards.video_r2.judging import Judge
from rewards.video_r2.reward import ResponseScores, Terms, video_r2_terms
from rewards.video_r2.tar import TarScore, default_tar, released_tar
from student.parse import ParsedResponse, parse_response

__all__ = ["ScoredResponse", "response_tar", "score_response"]


@dataclass(frozen=True)
class ScoredResponse:
    """A response with everything its reward is made of.

    Attributes:
        scores: before weights.
        terms: weighted components, ``None`` where missing; ``group_totals`` adds them up.
        tar: counts and reasons behind ``scores.tar``.
        gate: who decided and why; ``None`` when there is no gate.
        claims: what was left out of the claims, by kind (default mode).
        problems: the parser's names for what is malformed.
    """

    scores: ResponseScores
    terms: Terms
    tar: TarScore
    gate: GateVerdict | None
    claims: Mapping[str, int]
    problems: tuple[str, ...]


async def score_response(
    response: str,
    question: Question,
    *,
    grounding: object,
    duration_s: float,
    encoder: SentenceEncoder,
    config: VideoR2RewardConfig,
    judge: Judge | None = None,
) -> ScoredResponse:
    """Score one response; a judge that fails leaves a component missing and nothing else changed.

    Args:
        response: the whole decoded response, untrusted.
        question: with the gold answer.
        grounding: reference events as the record has them; ``None``: TAR is not available.
        duration_s: of the video, seconds.
        encoder: compares claims and events.
        config: weights, modes, gate.
        judge: asked where the configuration needs one; ``None``: rules only.

    Raises:
        UserError: the gold answer cannot be scored, or a library is missing.
        ValueError: the configuration needs a judge and there is none.
    """
    parsed = parse_response(response)
    if config.mode == "parity":
        worth = released_video_r2_accuracy(response, f"<answer>{question.answer}</answer>")
    else:
        worth = accuracy(parsed.answer, question)
    tar, left_out = await response_tar(
        response, parsed, grounding=grounding, duration_s=duration_s, encoder=encoder,
        config=config.tar, judge=judge,
    )
    gate = None
    if config.consistency is not None:
        gate = await consistency_gate(
            question.asked, response, judge, config.consistency, parsed=parsed
        )
    scores = ResponseScores(
        accuracy=worth,
        format=format_reward(response, config.mode, parsed=parsed),
        tar=tar.value,
        gate=gate.value if gate else None,
    )
    return ScoredResponse(
        scores, video_r2_terms(scores, config), tar, gate, left_out, parsed.problems
    )


async def response_tar(
    response: str,
    parsed: ParsedResponse,
    *,
    grounding: object,
    duration_s: float,
    encoder: SentenceEncoder,
    config: TarConfig,
    judge: Judge | None = None,
) -> tuple[TarScore, dict[str, int]]:
    """TAR of one response before any gate, and what was left out of its claims, by kind.

    Args:
        response: the whole response, untrusted; the released form reads its first think block.
        parsed: the same as the one parser reads it.
        grounding: reference events, see ``read_references``.
        duration_s: of the video, seconds.
        encoder: compares claims and events.
        config: default or parity.
        judge: reads the claims where ``config.claims`` says so.

    Raises:
        ValueError: the configuration needs a judge and there is none.
    """
    if config.mode == "parity":
        return await _released(response, grounding, encoder, config, judge), {}
    return await _ours(parsed, grounding, duration_s, encoder, config, judge)


async def _ours(
    parsed: ParsedResponse,
    grounding: object,
    duration_s: float,
    encoder: SentenceEncoder,
    config: TarConfig,
    judge: Judge | None,
) -> tuple[TarScore, dict[str, int]]:
    references = read_references(grounding)
    if not references.events:
        return TarScore(None, missing="no_references"), {}
    think = parsed.think or ""
    claims = claims_from_text(
        think, duration_s=duration_s, tolerance_s=config.tolerance_s, max_words=config.max_words
    )
    if config.claims == "judge" and claims != Claims():  # no time mentioned: nothing to ask
        judged = await _needed(judge).claims(think)
        if judged.value is None:
            return TarScore(None, missing=judged.problem), {}
        claims = claims_from_judge(
            judged.value, think, duration_s=duration_s, tolerance_s=config.tolerance_s,
            max_words=config.max_words,
        )  # fmt: skip
    score = default_tar(
        claims, references, duration_s=duration_s, encoder=encoder, config=config
    )
    left_out = {name: n for name, n in vars(claims).items() if name.startswith("n_") and n}
    return score, left_out


async def _released(
    response: str,
    grounding: object,
    encoder: SentenceEncoder,
    config: TarConfig,
    judge: Judge | None,
) -> TarScore:
    think = first_think(response)
    if config.claims == "rules":
        read = claims_from_text(think, duration_s=None, tolerance_s=config.tolerance_s)
        return released_tar(keyed_claims(read), grounding, encoder, config)
    judged = await _needed(judge).claims(think)
    if judged.value is None:
        return TarScore(0.0, problem=judged.problem)
    return released_tar(judged.value, grounding, encoder, config)


def _needed(judge: Judge | None) -> Judge:
    if judge is None:
        raise ValueError("tar.claims='judge' needs a judge; give one, or set tar.claims='rules'")
    return judge
