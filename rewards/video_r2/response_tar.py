"""TAR of one whole response: its claims, by rules or by a judge, against the reference events."""

from __future__ import annotations

from ffr.config.video_r2 import TarConfig
from rewards.video_r2.encoders import SentenceEncoder
from rewards.video_r2.events import (
    Claims,
    claims_from_judge,
    claims_from_text,
    keyed_claims,
    read_references,
)
from rewards.video_r2.gate import first_think
from rewards.video_r2.judging import Judge
from rewards.video_r2.tar import TarScore, default_tar, released_tar
from student.parse import ParsedResponse

__all__ = ["response_tar"]


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
