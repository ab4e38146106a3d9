"""A WSGI request as it is kept, and as it is handed to moto: now and when it is done again, in exactly the same form."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_KEPT = frozenset(
    {
        *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI", "CONTENT_TYPE"),
        *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.url_scheme", "moto.preserved_header_names"),
    }
)
_NOT_KEPT = frozenset(
    {
        # Of the connection, not of the request: the body is whole by now.
        *("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_CONNECTION", "HTTP_ACCEPT_ENCODING", "HTTP_CONTENT_LENGTH"),
        *("HTTP_AMZ_SDK_INVOCATION_ID", "HTTP_AMZ_SDK_REQUEST"),
        # Whoever has these may be somebody elsewhere, on the real AWS: they do not go to disk.
        *("HTTP_X_AMZ_SECURITY_TOKEN", "HTTP_COOKIE"),
    }
)
_OF_URL = frozenset({"QUERY_STRING", "RAW_URI", "REQUEST_URI", "HTTP_REFERER"})
_TOKEN_IN_URL = re.compile("(X-Amz-Security-Token=)[^&]*", re.IGNORECASE)


def kept(environ: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request's WSGI variables is kept; JSON."""
    return {
        name: _TOKEN_IN_URL.sub(r"\1", value) if name in _OF_URL else value
        for name, value in environ.items()
        if name in _KEPT or (name.startswith("HTTP_") and name not in _NOT_KEPT)
    }


def for_moto(kept_environ: Mapping[str, Any], body: IO[bytes], size: int) -> dict[str, Any]:
    """The WSGI variables that moto sees."""
    return {
        **kept_environ,
        "CONTENT_LENGTH": str(size),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application answered. `body` is not read yet."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]

    @property
    def code(self) -> int:
        """The HTTP status."""
        return int(self.status.split(maxsplit=1)[0])

    def content(self) -> bytes:
        """Its body whole, read once."""
        try:
            return b"".join(self.body)
        finally:
            self.close()

    def close(self) -> None:
        """Say that no more of it is wanted."""
        close = getattr(self.body, "close", None)
        if close is not None:
            close()


def ask(application: Application, environ: dict[str, Any]) -> Answer:
    """Call an application, holding back what it wants to start its response with."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started.append((status, headers))

    body = application(environ, start_response)
    status, headers = started[-1]
    return Answer(status, headers, body)
