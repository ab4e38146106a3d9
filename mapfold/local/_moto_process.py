"""What the moto process runs: `python -P _moto_process.py PARENT_PID [moto's own arguments]`.

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
        time.sleep(LOOK_EVERY_SECONDS)
    os._exit(1)


def main() -> None:
    """Become moto's server."""
    parent, *arguments = sys.argv[1:]
    end_with(int(parent))
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request would cost more than some requests
    from moto.server import main as serve

    serve(arguments)


if __name__ == "__main__":
    main()
