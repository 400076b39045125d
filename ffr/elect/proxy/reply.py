"""What clients get back: OpenAI's forms, with the election beside the answer under ``ffr``."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, Literal

from ffr.elect.election import Election
from ffr.elect.proxy.request import ChatAsk, RequestError
from ffr.elect.record import record_of
from rewards.rler import CitationScale

__all__ = ["completion", "error_body", "events"]


def completion(
    asked: ChatAsk, election: Election, scale: CitationScale, model: str,
    reply: Literal["answer", "full"], seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """The ``chat.completion`` object of an election.

    Raises:
        RequestError: there is no answer: status 502 when the endpoint failed every call, 422 when
            it answered and no candidate could be counted; the raw texts are in the message's
            ``candidates``.
    """
    tally = election.tally
    record = record_of("", election, scale, seconds=seconds)
    if tally is None or election.answer is None:
        raise NoAnswerError(election, [c.model_dump(mode="json") for c in record.candidates])
    content = election.answer
    if reply == "full":
        best = tally.best_supporter(tally.winner).number
        content = next(p.raw.text for p in election.polled if p.view.number == best)
    told = record.model_dump(
        mode="json",
        include={
            "votes", "margin", "confidence", "generated", "stopped_early", "dropped", "cited",
            "referee", "seconds",
        },
    )  # fmt: skip
    told["invalid"] = [c.reason for c in record.candidates if c.reason]
    told["ignored_parameters"] = list(asked.ignored)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": election.prompt_tokens,
            "completion_tokens": election.completion_tokens,
            "total_tokens": election.prompt_tokens + election.completion_tokens,
        },
        "ffr": told,
    }


class NoAnswerError(RequestError):
    """No candidate could be counted; ``candidates`` are the raw ones."""

    def __init__(self, election: Election, candidates: list[dict[str, Any]]) -> None:
        reasons = sorted({f"{c['reason']}: {c['detail']}" for c in candidates})
        failed = election.status == "failed"
        super().__init__(
            f"none of {len(candidates)} candidates could be counted ({'; '.join(reasons)[:500]})",
            status=502 if failed else 422,
            kind="upstream_error" if failed else "no_answer",
        )
        self.candidates = candidates


def error_body(error: RequestError) -> dict[str, Any]:
    """An error in OpenAI's form; without an answer it carries the raw candidates."""
    body: dict[str, Any] = {
        "error": {"message": str(error), "type": error.kind, "param": None, "code": None}
    }
    if isinstance(error, NoAnswerError):
        body["error"]["candidates"] = error.candidates
    return body


def events(body: dict[str, Any]) -> Iterator[bytes]:
    """A completion as server-sent events: an elected answer comes in one piece."""
    head = {key: body[key] for key in ("id", "created", "model")}
    message = body["choices"][0]["message"]
    first = {"index": 0, "delta": message, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    for choice, more in ((first, {}), (last, {"usage": body["usage"], "ffr": body["ffr"]})):
        chunk = {**head, "object": "chat.completion.chunk", "choices": [choice], **more}
        yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
