"""The HTTP side of the demo teacher: a threaded server on the loopback interface.

Threads, because a waiting request (``latency_s``) costs next to nothing in one, and the
standard library then suffices; pixels are looked at by one thread at a time, so the server
never takes more than one core from training.
"""

from __future__ import annotations

import errno
import json
import threading
import time
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ffr.demo.observer import Observer, ObserverSettings
from ffr.demo.observer_calls import read_tools
from ffr.demo.observer_images import ImageReader, UnreadableImageError
from ffr.demo.observer_reading import read_conversation
from ffr.demo.server_wire import RequestError, error_body, models_body, parse_chat, reply_body
from ffr.errors import UserError

__all__ = ["HOST", "ObserverHTTPServer"]

HOST = "127.0.0.1"


class ObserverHTTPServer(ThreadingHTTPServer):
    """Chat-completions over a scripted observer; ``serve_forever`` and ``shutdown`` as usual.

    Args:
        port: 0 takes a free one; ``server_port`` tells which.
        latency_s: every chat completion waits this long first, as a distant model would.
        max_body_bytes: larger requests get status 413.

    Raises:
        UserError: the port is in use, forbidden or out of range.
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        port: int,
        *,
        latency_s: float = 0.0,
        max_body_bytes: int = 64 * 2**20,
        settings: ObserverSettings | None = None,
    ) -> None:
        if not 0 <= port <= 65535:
            raise UserError(f"port={port} is not allowed; give 1 to 65535, or 0 for a free one")
        self.latency_s = latency_s
        self.max_body_bytes = max_body_bytes
        self.images = ImageReader()
        self._observer = Observer(self.images, settings)
        self._look_lock = threading.Lock()
        self._count_lock = threading.Lock()
        self._requests = self._in_flight = self._most_in_flight = 0
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            why = "is already in use" if error.errno == errno.EADDRINUSE else f"failed: {error}"
            raise UserError(
                f"port {port} on {HOST} {why}; give another port, or 0 for a free one"
            ) from error

    def complete(self, body: bytes) -> dict[str, Any]:
        """Answer one chat completion.

        Raises:
            RequestError: the request is refused.
        """
        with self._count_lock:
            self._requests += 1
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
        try:
            request = parse_chat(body, self.images)
            if self.latency_s > 0:
                time.sleep(self.latency_s)
            with self._look_lock:
                conversation = read_conversation(request.messages)
                reply = self._observer.decide(conversation, read_tools(request.tools))
            return reply_body(request, reply)
        except UnreadableImageError as error:
            raise RequestError(str(error), param="messages") from error
        except RecursionError as error:
            raise RequestError("the body is nested too deeply") from error
        finally:
            with self._count_lock:
                self._in_flight -= 1

    def health(self) -> dict[str, Any]:
        """Counters since the start; ``cpu_s`` is the whole process's."""
        with self._count_lock:
            return {
                "status": "ok",
                "requests": self._requests,
                "in_flight": self._in_flight,
                "most_in_flight": self._most_in_flight,
                "cpu_s": time.process_time(),
            }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 2**16  # head and body leave in one packet
    timeout = 60  # seconds an idle or stalled connection keeps its thread
    server: ObserverHTTPServer

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(HTTPStatus.OK, self.server.health())
        elif self.path == "/v1/models":
            self._send(HTTPStatus.OK, models_body())
        elif self.path == "/v1/chat/completions":
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, error_body("use POST for this address"))
        else:
            self._send(HTTPStatus.NOT_FOUND, error_body(f"unknown address {self.path!r}"))

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path != "/v1/chat/completions":
                raise RequestError(f"unknown address {self.path!r}", status=404)
            answer = self.server.complete(body)
        except RequestError as error:
            self._send(HTTPStatus(error.status), error_body(str(error), param=error.param))
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client is gone
        except Exception:  # noqa: BLE001 - the edge of the process; told to client and log
            traceback.print_exc()
            self._send(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                error_body("the demo teacher failed; see its log", kind="server_error"),
            )
        else:
            self._send(HTTPStatus.OK, answer)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise RequestError("a Content-Length header is required", status=411)
        if int(length) > self.server.max_body_bytes:
            self.close_connection = True
            self._discard(min(int(length), 8 * self.server.max_body_bytes))
            raise RequestError(
                f"the body of {length} bytes is too large; "
                f"send at most {self.server.max_body_bytes} bytes",
                status=413,
            )
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the connection ended inside the body")
        return body

    def _discard(self, length: int) -> None:
        """Read over a body, so that the client gets round to reading the answer."""
        while length > 0:
            chunk = self.rfile.read(min(length, 2**20))
            if not chunk:
                return
            length -= len(chunk)

    def _send(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        try:
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing: one line a request would drown the training log."""
