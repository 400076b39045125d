"""Start the proxy: who may reach it, which key, which port."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from ffr.config.elect import ElectConfig, ServeConfig
from ffr.elect.endpoint import is_loopback
from ffr.errors import UserError

__all__ = ["client_key", "serve"]

_BACKLOG = 2048


def client_key(config: ServeConfig) -> str | None:
    """The key clients must send; ``None`` on this machine's own address without one.

    Raises:
        UserError: the address can be reached from elsewhere and there is no key.
    """
    key = os.environ.get(config.api_key_env, "").strip()
    if not key and not is_loopback(config.host):
        raise UserError(
            f"serve.host={config.host!r} can be reached from other machines; export a key for "
            f"clients in {config.api_key_env} (serve.api_key_env), or serve on 127.0.0.1"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(f"{config.api_key_env} holds characters no key has; set it again")
    return key or None


def serve(config: ElectConfig, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        config: settings; only endpoints can be served.
        ready: told the base URL for clients once the port is bound.

    Raises:
        UserError: no key where one is needed, no endpoint, a port that cannot be had, or the
            packages of the extra ``serve`` are missing.
    """
    if config.student is not None:
        raise UserError("ffr elect serve stands in front of an endpoint; leave student out")
    key = client_key(config.serve)
    try:
        import uvicorn

        from ffr.elect.proxy.app import build_app
    except ImportError as error:
        raise UserError(f"ffr elect serve needs the extra 'serve' ({error}); install it") from error
    app = build_app(config, key)
    with _bound(config.serve) as bound:
        host, port = bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, backlog=_BACKLOG)
        )
        ready(f"http://{shown}:{port}/v1")
        server.run(sockets=[bound])


def _bound(config: ServeConfig) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise UserError(
            f"cannot listen on {config.host!r} port {config.port}: {error.strerror or error}; "
            "give another --host or --port (0 takes a free one)"
        ) from error
    return bound
