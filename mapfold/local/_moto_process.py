"""What the moto process runs: `python -P _moto_process.py PARENT_PID SOCKET FOLDER REPORTS`.

It ends with its parent, however that ends: on Linux the kernel sees to it (PR_SET_PDEATHSIG), elsewhere a thread
watches. A script, started with -P, so that this folder does not come before the package `moto`.

It serves moto's application as `moto_server` does, with a journal in FOLDER around it (`aws_journal/`), and behind a
guard like that of our own port (`service/guard.py`): a web page in the user's browser could else read every bucket, for
moto allows all origins, or empty them by one POST to /moto-api/reset. Calls of Step Functions and Lambda are refused: they have a
port of their own.

SOCKET is the file descriptor of a bound socket. REPORTS is one, for lines that people should see; one that starts with
"unreadable: " says why it ends without serving.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

PR_SET_PDEATHSIG = 1
LOOK_EVERY_SECONDS = 0.5


def end_with(parent: int) -> None:
    """Make this process die when `parent` is gone."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it went before we asked
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_SECONDS)  # no system but Linux tells a process of its parent's end
    os._exit(1)


def guarded(application: Application) -> Application:
    """WSGI: 403 for a Host (DNS rebinding) that is not this machine, and for what another machine's page asks."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_this_machine(environ.get("HTTP_HOST", "")) and not _is_of_another_page(environ):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"Only programs on this machine may call. Call 127.0.0.1 or localhost.\n"]

    return answer


ELSEWHERE = {"states": ("Step Functions", "SFN"), "lambda": ("Lambda", "LAMBDA")}
"""By the service's name in a signature: the services that moto knows and Mapfold serves itself, and how SDKs are sent there."""


def without_ours(application: Application) -> Application:
    """WSGI: 400 for what was meant for Mapfold's own port. moto would keep state machines and never run them."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        elsewhere = ELSEWHERE.get(_signed_for(environ.get("HTTP_AUTHORIZATION", "")))
        if elsewhere is None:
            return application(environ, start_response)
        name, variable = elsewhere
        message = (
            f"{name} is not on this port, which is that of S3, DynamoDB and the rest. Set AWS_ENDPOINT_URL_{variable} to "
            "the address that `mapfold local` prints after `ready`"
        )
        code = "UnknownOperationException"
        start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", code)])
        return [json.dumps({"__type": code, "message": message}).encode()]

    return answer


def _signed_for(authorization: str) -> str:
    """`states` of `AWS4-HMAC-SHA256 Credential=any/20261127/us-east-1/states/aws4_request, …`; "" if it is none of these."""
    scope, slash, _ = authorization.partition("/aws4_request")
    return scope.rpartition("/")[2] if slash else ""


def _is_of_another_page(environ: Mapping[str, Any]) -> bool:
    """By the Origin, which a script's requests and a form have; a picture's has none, but says that it is cross-site.

    What that one may not do is to ask for an action: a page at localhost may show a picture from 127.0.0.1.
    """
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None:
        return not is_this_machine(urlsplit(origin).netloc)
    return environ.get("HTTP_SEC_FETCH_SITE") == "cross-site" and "Action=" in environ.get("QUERY_STRING", "")


def is_this_machine(host: str) -> bool:
    """Whether a Host names this machine, perhaps with what SDKs put before it: `bucket.localhost`, `data-127.0.0.1`."""
    name, colon, port = host.rpartition(":")
    name = (name if colon and port.isdigit() else host).lower()
    return name == "[::1]" or any(
        name == machine or name.endswith((f".{machine}", f"-{machine}")) for machine in ("127.0.0.1", "localhost")
    )


def create_application() -> Any:
    """moto's application for every service.

    Which service serves a host it finds by listing its own folder, for each request anew: 0.8 of an S3 PUT's 2 ms. It
    is always the same, so the answers are remembered.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from mapfold.local import told_events

    told_events.install()

    class Dispatcher(DomainDispatcherApplication):
        get_backend_for_host = lru_cache(maxsize=1024)(DomainDispatcherApplication.get_backend_for_host)

    return Dispatcher(create_backend_app)


def main() -> int:
    """Become moto's server."""
    parent, descriptor, folder, reports = sys.argv[1:]
    end_with(int(parent))
    os.umask(0o077)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request would cost more than some requests
    bound = socket.socket(fileno=int(descriptor))
    host, port = bound.getsockname()
    os.environ["MOTO_PORT"] = str(port)  # moto writes it into the URLs that it gives back
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    sys.path.append(str(Path(__file__).parents[2]))  # Mapfold may run from a folder, without having been installed
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    from mapfold.local.aws_journal.errors import JournalError
    from mapfold.local.aws_journal.kept_moto import open_kept
    from mapfold.local.told_events import OtherMoto

    with os.fdopen(int(reports), "w", buffering=1) as lines:
        try:
            kept = open_kept(create_application(), Path(folder), lambda line: lines.writelines([line, "\n"]))
        except (JournalError, OtherMoto) as error:
            lines.write(f"unreadable: {error}\n")
            return 1
        except OSError as error:
            why = f"{error.filename or folder}: {error.strerror}. Nothing was changed. Mend that, and start again"
            lines.write(f"unreadable: what S3, DynamoDB and the rest keep cannot be brought back: {why}.\n")
            return 1
    application: Any = guarded(without_ours(kept.application))
    server = make_server(host, port, application, threaded=True, request_handler=MotoRequestHandler, fd=bound.fileno())
    server.server_activate()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
