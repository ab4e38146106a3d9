"""`.waitForTaskToken`: a task that ends when somebody answers its token, not when its call has been answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.tokens import TaskTokens
from mapfold.states.effects import Json, RunTask, TaskFailed, TaskSucceeded

Submit = Callable[[], Awaitable[Json | TaskFailed]]
"""Makes the call; what it gives is the output of TaskSubmitted, or why the task fails at once."""


async def wait_for_token(
    tokens: TaskTokens, effect: RunTask, progress: Progress, submit: Submit
) -> TaskSucceeded | TaskFailed:
    """Make the call, then wait for the answer to the task's token.

    The token is open before the call is made: who gets it may answer at once. The heartbeat's clock starts when the call
    has been answered (states-language 10: for a function, when it returns).
    """
    token = tokens.open(effect.token or "", heartbeat_seconds=effect.heartbeat_seconds)
    try:
        output = await submit()
        if isinstance(output, TaskFailed):
            return output
        progress.submitted(output)
        token.beat()
        return await token.answer()
    finally:
        token.close()
