"""What a worker process runs: `python _worker.py HANDLER`, which becomes `python -m awslambdaric HANDLER`.

Run by its path, not as a module, so that the function's folder needs no `mapfold` in it. It ties the process to the
server's life before any code of the function is imported, and puts the folder first on `sys.path`, as `-m` would.
"""

import os
import runpy
import sys

PR_SET_PDEATHSIG = 1
SIGKILL = 9


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even by SIGKILL (Linux; elsewhere a no-op).

    Elsewhere an orphan ends at its next call of the Runtime API, which nobody answers any more.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(os.environ.pop("_MAPFOLD_PARENT")))
    sys.path[0] = os.getcwd()
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
