"""What an integration tells of its work while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapfold.states.effects import Json, RunTask
from mapfold.states.frame import NOT_TRUNCATED, Frame, encode, is_oversized
from mapfold.states.task import identity_of

Started = Callable[[], None]


class Progress:
    """Of one attempt of a Task. Call it once, when the work begins: that starts the clock of TimeoutSeconds."""

    __slots__ = ("_effect", "_frame", "_started")

    def __init__(self, started: Started, effect: RunTask, frame: Frame) -> None:
        self._started = started
        self._effect = effect
        self._frame = frame

    def __call__(self) -> None:
        self._started()

    def submitted(self, output: Json) -> None:
        """Record that the call of a `.sync` or `.waitForTaskToken` task was accepted, and its output."""
        text = encode(output)
        if is_oversized(text):  # the result of the task is another one; no event may be larger
            text = "{}"
        details = {**identity_of(self._effect.resource), "output": text, "outputDetails": NOT_TRUNCATED}
        self._frame.record("TaskSubmitted", "taskSubmittedEventDetails", details)
        self._frame.history.keep()  # after a restart it is waited for, not submitted again

    @property
    def execution(self) -> Mapping[str, Json]:
        """The context object's `Execution` and `StateMachine`."""
        return self._frame.execution

    @property
    def attempt(self) -> str:
        """A text that is this attempt's alone, and the same again when the embedded AWS was restarted meanwhile."""
        execution = self._frame.execution.get("Execution", {})
        return f"{execution.get('Id')}#{execution.get('RedriveCount')}#{self._frame.entered}#{self._frame.retry_count}"
