"""Who may call: only programs on this machine that mean us.

Everything is bound to loopback, so no other machine reaches it; but a web page in the user's browser might. A page
whose name was made to point at 127.0.0.1 (DNS rebinding) shows in Host; a page that just sends requests shows in Origin.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "sync-127.0.0.1", "sync-localhost"})
"""Names of this machine, and what SDKs make of them for StartSyncExecution and TestState."""


class LoopbackOnly:
    """ASGI middleware: 403 for a Host or an Origin that is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            problem = _problem(scope)
            if problem is not None:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                    return
                await JSONResponse({"__type": "AccessDeniedException", "message": problem}, 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_this_machine(host: str) -> bool:
    """Whether a Host header (with or without a port) names this machine."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower() in HOSTS


def _problem(scope: Scope) -> str | None:
    host = origin = None
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            origin = value.decode("latin-1")
    if host is None or not is_this_machine(host):
        return f"Host '{host}' is not this machine. Call 127.0.0.1 or localhost."
    if origin is not None and not is_this_machine(urlsplit(origin).netloc):
        return f"Origin '{origin}' is not this machine."
    return None
