"""A command that runs beside the server once that answers, such as one that deploys to it.

What it has to say goes to our stderr; its stdout, which is for who called it, to nobody. It ends with us.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


async def accompany(command: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Run `command` to its end, with `variables` in its environment. Cancelled, it is killed.

    Whether it succeeded. An end that is no success is in the log: what it had to do may be half done.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, **variables},
            start_new_session=True,  # a Ctrl-C in the terminal reaches us alone
        )
    except OSError as error:
        log.warning("%s cannot be started: %s", command[0], error)
        return False
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.warning("%s %s: not all that it was to do is done", shlex.join(command), _ending(process.returncode))
    return process.returncode == 0


def _ending(returncode: int) -> str:
    return f"was ended by signal {-returncode}" if returncode < 0 else f"ended with exit code {returncode}"
