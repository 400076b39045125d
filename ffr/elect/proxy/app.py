"""The HTTP side of the proxy: keys, limits, deadlines, clients that go away.

Requests must be ``application/json``: a web page can then not reach a proxy on this machine
behind its owner's back, because browsers ask first and get no permission.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Iterator

import openai
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ffr.config.elect import ElectConfig
from ffr.elect.election import Election, hold_election
from ffr.elect.endpoint import ChatEndpoint
from ffr.elect.proxy.chat_poll import ChatPoll, request_config
from ffr.elect.proxy.images import BadImageError
from ffr.elect.proxy.reply import completion, error_body, events
from ffr.elect.proxy.request import ChatAsk, RequestError, parse_request

__all__ = ["ElectionServer", "build_app"]

_BODY_TIMEOUT_S = 60.0
_GONE = 499  # the client closed the connection; nobody reads this


class ElectionServer:
    """Holds elections for HTTP requests; the state behind the app.

    Args:
        config: settings of elections and limits.
        endpoint: where candidates come from.
        key: what clients must send as bearer token; ``None`` asks for none.
    """

    def __init__(self, config: ElectConfig, endpoint: ChatEndpoint, key: str | None) -> None:
        self.config = config
        self.endpoint = endpoint
        self._key = key
        self.in_flight = 0
        self.served = 0
        self.cancelled = 0

    async def chat(self, request: Request) -> Response:
        """``POST /v1/chat/completions``."""
        try:
            self._authorise(request)
            with self._place():
                body = await self._body(request)
                asked = await asyncio.to_thread(parse_request, body, self.config.serve)
                return await self._elected(request, asked)
        except RequestError as error:
            headers = {"Retry-After": "1"} if error.status == 429 else None
            return JSONResponse(error_body(error), error.status, headers)

    async def models(self, request: Request) -> Response:
        """``GET /v1/models``: the endpoint's own list."""
        try:
            self._authorise(request)
            return JSONResponse(await self.endpoint.models())
        except RequestError as error:
            return JSONResponse(error_body(error), error.status)
        except openai.OpenAIError as error:
            problem = RequestError(
                f"the endpoint gives no list of models ({type(error).__name__})", status=502,
                kind="upstream_error",
            )  # fmt: skip
            return JSONResponse(error_body(problem), 502)

    async def health(self, _: Request) -> Response:
        """``GET /health``: counters since the start."""
        return JSONResponse(
            {
                "status": "ok",
                "in_flight": self.in_flight,
                "served": self.served,
                "cancelled": self.cancelled,
            }
        )

    async def _elected(self, request: Request, asked: ChatAsk) -> Response:
        config = request_config(asked, self.config)
        poll = ChatPoll(asked, self.endpoint, config)
        started = time.monotonic()
        election = await self._while_wanted(request, poll, config)
        if election is None:
            self.cancelled += 1
            return Response(status_code=_GONE)
        body = completion(
            asked, election, poll.reader.scale, asked.model or config.endpoint.model,
            config.serve.reply, time.monotonic() - started,
        )  # fmt: skip
        self.served += 1
        if asked.stream:
            return StreamingResponse(iter(events(body)), media_type="text/event-stream")
        return JSONResponse(body)

    async def _while_wanted(
        self, request: Request, poll: ChatPoll, config: ElectConfig
    ) -> Election | None:
        """The election, or ``None`` when the client went away: its calls are cancelled then."""
        election = asyncio.create_task(hold_election(poll, config))
        gone = asyncio.create_task(_disconnected(request))
        try:
            done, _ = await asyncio.wait(
                {election, gone}, timeout=config.serve.deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )  # fmt: skip
            if election in done:
                return election.result()
            if gone in done:
                return None
            raise RequestError(
                f"no election within serve.deadline_s={config.serve.deadline_s:g} s; raise it or "
                "lower budget.most", status=504, kind="timeout",
            )  # fmt: skip
        except BadImageError as error:
            raise RequestError(f"an image cannot be used: {error}") from error
        finally:
            for task in (election, gone):
                task.cancel()
            await asyncio.gather(election, gone, return_exceptions=True)

    def _authorise(self, request: Request) -> None:
        if self._key is None:
            return
        given = request.headers.get("authorization", "")
        wanted = f"Bearer {self._key}"
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise RequestError(
                f"the key is missing or wrong; send the value of {self.config.serve.api_key_env} "
                "as bearer token", status=401, kind="authentication_error",
            )  # fmt: skip

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        limit = self.config.serve.max_requests
        if self.in_flight >= limit:
            raise RequestError(
                f"{limit} elections are under way (serve.max_requests); try again later",
                status=429, kind="rate_limit_error",
            )  # fmt: skip
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestError("content-type must be application/json", status=415)
        most = self.config.serve.max_body_bytes
        too_large = RequestError(
            f"the body is too large; send at most {most} bytes (serve.max_body_bytes)", status=413
        )
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise too_large
        except TimeoutError as error:
            raise RequestError("the body did not arrive in time", status=408) from error
        return bytes(body)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def build_app(config: ElectConfig, key: str | None) -> Starlette:
    """The ASGI application; its endpoint is opened and closed with it.

    Raises:
        UserError: the endpoint's address or key is missing or wrong.
    """
    endpoint = ChatEndpoint(config.endpoint)
    server = ElectionServer(config, endpoint, key)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await endpoint.aclose()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", server.chat, methods=["POST"]),
            Route("/v1/models", server.models, methods=["GET"]),
            Route("/health", server.health, methods=["GET"]),
        ],
        lifespan=lifespan,
    )
