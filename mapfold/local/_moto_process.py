"""What the moto process runs: `python -P _moto_process.py PARENT_PID PORT`.

It ends with its parent, however that ends: on Linux the kernel sees to it (PR_SET_PDEATHSIG), elsewhere a thread
watches. A script by itself, started with -P, so that this folder does not come before the package `moto`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

PR_SET_PDEATHSIG = 1
LOOK_EVERY_SECONDS = 0.5
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


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
        time.sleep(LOOK_EVERY_SECONDS)
    os._exit(1)


def loopback_only(app: WSGIApplication) -> WSGIApplication:
    """`app` for programs on this machine: 403 for a Host that is not this machine (DNS rebinding), as on our own port."""

    def guarded(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if is_this_machine(environ.get("HTTP_HOST", "")):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Connection", "close")])
        return [b"Host is not this machine. Call 127.0.0.1 or localhost.\n"]

    return guarded


def is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine, also as S3's virtual hosts do (`bucket.s3.localhost:8084`)."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.lower() in HOSTS or name.lower().endswith(".localhost")


def main() -> None:
    """Serve moto, as `python -m moto.server` does, on loopback."""
    parent, port = map(int, sys.argv[1:])
    end_with(parent)
    os.environ.setdefault("MOTO_PORT", str(port))
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request would cost more than some requests
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import run_simple

    app = loopback_only(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
