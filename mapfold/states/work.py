"""What Task, Parallel and Map have in common: they wait for work that may fail, be retried, and be caught."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states.data_flow import Flow
from mapfold.states.effects import Effect, EndScope, FailScope, Goto, Json, Sleep, StateError, TaskFailed, Transition
from mapfold.states.frame import Frame
from mapfold.states.recovery import Catcher, Recovery, error_output
from mapfold.states.visit import WorkFailed, enter, explain, fail, leave, record_evaluation_failure


@dataclass(frozen=True, slots=True)
class WorkState:
    """The visit of a state that does work. A kind of state says what the work is, in `work`."""

    name: str
    next: str | None
    flow: Flow
    recovery: Recovery

    entered_type: ClassVar[str] = ""
    exited_type: ClassVar[str] = ""

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """Do the work until it succeeds, is caught, or fails the scope.

        Arguments are evaluated once: a retry does the same work again (the scheduled payload is the same at each
        attempt), unless they read the retry count or the task token.
        """
        before = frame.previous
        enter(self.entered_type, self.name, data, frame)
        flow = self.flow
        known, known_text = frame.known, frame.known_text
        frame.retry_count = 0
        used: dict[int, int] | None = None
        prepared = False
        inputs = arguments = data
        while True:
            try:
                self.before_attempt(frame)
                if not prepared or flow.per_attempt:
                    inputs = data if flow.select is None else flow.select(data, frame)
                    arguments = inputs if flow.arguments is None else flow.arguments(inputs, frame)
                    prepared = True
                result = yield from self.work(inputs, arguments, frame)
                output = result if flow.give is None else flow.give(data, result, frame)
                assigned = None if flow.assign is None else flow.assign(data, result, frame)
                return leave(self.exited_type, self.name, output, assigned, frame, self.next)
            except StateError as error:
                failure = error
            cause = explain(failure, frame)
            record_evaluation_failure(failure, cause, before, frame)
            used = {} if used is None else used
            delay = self.recovery.next_delay(failure, used, frame.random)
            if delay is None:
                self.give_up(failure, frame)
                return self._end(failure, cause, data, frame, before)
            yield Sleep(until=frame.clock() + delay)
            frame.retry_count = (frame.retry_count or 0) + 1
            frame.remember(known, known_text)  # a result may have taken its place, and the input keeps its text

    def before_attempt(self, frame: Frame) -> None:
        """Called before each attempt, and before its arguments are evaluated."""

    def work(self, inputs: Json, arguments: Json, frame: Frame) -> Generator[Effect, Any, Json]:
        """Do the work once and return its result; StateError where it fails.

        `inputs` is the state's input after InputPath, `arguments` that after Parameters or Arguments.
        """
        raise NotImplementedError

    def give_up(self, error: StateError, frame: Frame) -> None:
        """Called when the failure will not be retried, before it is caught or fails the scope."""

    def _end(
        self, failure: StateError, cause: str | None, data: Json, frame: Frame, before: int
    ) -> Goto | EndScope | FailScope:
        name = failure.name if isinstance(failure, WorkFailed) else failure.error
        catcher = self.recovery.find_catcher(failure)
        if catcher is None:
            return FailScope(name, cause, failure.catchable)
        try:
            return self._catch(catcher, data, error_output(name, cause), frame)
        except StateError as error:
            return fail(error, before, frame)

    def _catch(self, catcher: Catcher, data: Json, caught: Json, frame: Frame) -> Goto | EndScope:
        output = caught if catcher.give is None else catcher.give(data, caught, frame)
        assigned = None if catcher.assign is None else catcher.assign(data, caught, frame)
        return leave(self.exited_type, self.name, output, assigned, frame, catcher.next)


def failure_of(answer: TaskFailed) -> WorkFailed:
    """The world's failure, as an exception for the visit."""
    failure = WorkFailed(answer.error, answer.cause, catchable=answer.catchable)
    if answer.error == "States.HeartbeatTimeout":
        failure.name = "States.Timeout"  # matched by its own name, shown as the service shows it
    return failure
