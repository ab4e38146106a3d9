"""What a Task can call: one small module an integration, found by its resource.

An integration is an async function `(effect, started) -> TaskSucceeded | TaskFailed`. It calls `started()`
once, when the work really begins: that records the event and starts the clock of TimeoutSeconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from mapfold.local.engine.activities import Activities
from mapfold.local.engine.integrations.lambda_function import call_function, invoke_function
from mapfold.local.engine.tokens import TaskTokens, wait_on
from mapfold.local.lambda_ import LambdaService
from mapfold.states.effects import Resource, RunTask, TaskFailed, TaskSucceeded

Started = Callable[[], None]
Integration = Callable[[RunTask, Started], Awaitable[TaskSucceeded | TaskFailed]]


class Integrations:
    """The integrations of this embedded AWS."""

    def __init__(self, lambda_service: LambdaService, *, tokens: TaskTokens, activities: Activities) -> None:
        self.activities = activities
        self._wait_on: Integration = partial(wait_on, tokens)
        self._table: Mapping[tuple[str, str, str], Integration] = {
            ("lambda", "", ""): partial(call_function, lambda_service),
            ("lambda", "invoke", ""): partial(invoke_function, lambda_service),
        }

    def find(self, resource: Resource) -> Integration | None:
        """The integration for `resource`, or None where this embedded AWS has none."""
        found = self._table.get((resource.service, resource.action, resource.pattern))
        return self.activities.run if found is None and resource.family == "activity" else found

    def going_on(self, resource: Resource) -> Integration:
        """What goes on with a task of `resource` that was cut off while somebody outside worked on it."""
        return self.activities.run if resource.family == "activity" else self._wait_on

    @property
    def known(self) -> str:
        """What a Task's Resource may be here, for error messages."""
        return "a Lambda function ARN, an activity ARN, or arn:aws:states:::lambda:invoke"
