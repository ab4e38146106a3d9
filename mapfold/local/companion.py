"""A command that runs beside the server once that answers, such as one that deploys to it.

What it has to say goes to our stderr; its stdout, which is for who called it, to nobody. It ends with us.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


async def accompany(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run `command` to its end, with `variables` in its environment. Cancelled, it is killed."""
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
        return
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
