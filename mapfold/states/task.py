"""Task: one piece of work outside, by a function, an activity or a service integration."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states import problems
from mapfold.states.amounts import Amount, compile_amount, read_whole
from mapfold.states.context import region_of
from mapfold.states.data_flow import compile_flow
from mapfold.states.definition import Node
from mapfold.states.effects import (
    CheckTask,
    Effect,
    FindActivity,
    Json,
    Resource,
    RunTask,
    StateError,
    TaskFailed,
    TaskSucceeded,
)
from mapfold.states.fail import compile_text_expression
from mapfold.states.fields import compile_next
from mapfold.states.frame import NOT_TRUNCATED, Frame, encode, is_oversized
from mapfold.states.intrinsic_calls import compile_value
from mapfold.states.json_path import PathSyntaxError
from mapfold.states.queries import Query
from mapfold.states.recovery import MOST_SECONDS, compile_recovery
from mapfold.states.resource import compile_resource
from mapfold.states.task_token import make_token
from mapfold.states.visit import error_details, too_large
from mapfold.states.work import WorkState, failure_of

PREFIXES: Mapping[str, tuple[str, str]] = {
    "lambda": ("LambdaFunction", "lambdaFunction"),
    "activity": ("Activity", "activity"),
    "task": ("Task", "task"),
}
"""How the events of each family of resource begin, and their details' keys."""


class EventNames:
    """The types of the events of one family of resource, each with the key of its details. Put together once."""

    __slots__ = ("failed", "scheduled", "submit_failed", "succeeded", "timed_out")

    def __init__(self, type_: str, key: str) -> None:
        self.scheduled = (f"{type_}Scheduled", f"{key}ScheduledEventDetails")
        self.succeeded = (f"{type_}Succeeded", f"{key}SucceededEventDetails")
        self.failed = (f"{type_}Failed", f"{key}FailedEventDetails")
        self.timed_out = (f"{type_}TimedOut", f"{key}TimedOutEventDetails")
        self.submit_failed = (f"{type_}SubmitFailed", f"{key}SubmitFailedEventDetails")


NAMES: Mapping[str, EventNames] = {family: EventNames(*prefixes) for family, prefixes in PREFIXES.items()}


@dataclass(frozen=True, slots=True)
class Task(WorkState):
    """A Task state. `timeout` and `heartbeat` are seconds; `role` gives the ARN of Credentials."""

    resource: Resource
    timeout: Amount
    heartbeat: Amount
    role: Query | None

    takes_token: bool = False
    """Whether somebody outside answers it, by a task token."""

    entered_type: ClassVar[str] = "TaskStateEntered"
    exited_type: ClassVar[str] = "TaskStateExited"

    def before_attempt(self, frame: Frame) -> None:
        if self.takes_token:
            execution = frame.execution.get("Execution", {})
            frame.task_token = make_token(execution.get("Id", ""), execution.get("RedriveCount", 0), frame.previous)

    def work(self, inputs: Json, arguments: Json, frame: Frame) -> Generator[Effect, Any, Json]:
        """Schedule the task, run it, and record how it ended."""
        resource = self.resource
        text = frame.known_text if arguments is frame.known else encode(arguments)
        if is_oversized(text):
            raise too_large(self._subject())
        effect = RunTask(resource, arguments)
        if self.timeout is not None:
            effect.timeout_seconds = read_whole(self.timeout, inputs, frame)
        if self.heartbeat is not None:
            effect.heartbeat_seconds = self._read_heartbeat(effect.timeout_seconds, inputs, frame)
        if self.role is not None:
            effect.role_arn = self._read_role(self.role(inputs, frame))
        effect.token = frame.task_token
        if resource.family == "activity":
            effect.text = text
            if (yield FindActivity(resource.arn)) is False:
                raise StateError("States.Runtime", f"The activity {resource.arn} does not exist.")
        elif resource.family == "task" and not _is_plain_invoke(resource, arguments):
            refused: str | None = yield CheckTask(resource, arguments)
            if refused is not None:
                raise StateError("States.Runtime", refused)
        self._record_scheduled(effect, text, frame)
        answer: TaskSucceeded | TaskFailed = yield effect
        if isinstance(answer, TaskFailed):
            self._record_failed(answer, frame)
            raise failure_of(answer)
        return self._take_result(answer, frame)

    def _read_heartbeat(self, timeout: float | None, inputs: Json, frame: Frame) -> int | None:
        heartbeat = read_whole(self.heartbeat, inputs, frame)
        if heartbeat is not None and timeout is not None and heartbeat >= timeout:
            raise StateError("States.Runtime", "HeartbeatSeconds must be smaller than TimeoutSeconds.")
        return heartbeat

    def _take_result(self, answer: TaskSucceeded, frame: Frame) -> Json:
        output = answer.output
        if answer.text is not None:
            frame.remember(output, answer.text)
        text = frame.text_of(output)
        if is_oversized(text):
            failure = too_large(self._subject())
            self._record_failed(TaskFailed(failure.error, failure.cause), frame)
            raise failure
        details = identity_of(self.resource)
        details["output"] = text
        details["outputDetails"] = NOT_TRUNCATED
        frame.record(*NAMES[self.resource.family].succeeded, details)
        if self.takes_token:
            frame.history.keep()  # the worker was told that its answer counts: it is forgotten once it is in here
        return output

    def _record_scheduled(self, effect: RunTask, text: str, frame: Frame) -> None:
        resource = self.resource
        if resource.family == "task":
            details = identity_of(self.resource)
            details["region"] = region_of(resource.arn, frame)
            details["parameters"] = text
        else:
            details = {"resource": resource.arn, "input": text, "inputDetails": NOT_TRUNCATED}
        if effect.timeout_seconds is not None:
            details["timeoutInSeconds"] = effect.timeout_seconds
        if effect.heartbeat_seconds is not None and resource.family != "lambda":  # that event has no such member
            details["heartbeatInSeconds"] = effect.heartbeat_seconds
        if effect.role_arn is not None:
            details["taskCredentials"] = {"roleArn": effect.role_arn}
        frame.record(*NAMES[resource.family].scheduled, details)

    def _record_failed(self, answer: TaskFailed, frame: Frame) -> None:
        names = NAMES[self.resource.family]
        if answer.in_submission:
            frame.record(*names.submit_failed, error_details(answer.error, answer.cause, **identity_of(self.resource)))
            return
        # A missed heartbeat matches States.HeartbeatTimeout, but its event says States.Timeout (seen on the service).
        error = "States.Timeout" if answer.timed_out else answer.error
        details = error_details(error, answer.cause, **identity_of(self.resource))
        frame.record(*(names.timed_out if answer.timed_out else names.failed), details)
        if self.takes_token:
            frame.history.keep()

    def _subject(self) -> str:
        """How the service names this task in messages about sizes."""
        return self.resource.service if self.resource.family == "task" else self.resource.arn

    def _read_role(self, role: Json) -> str:
        if not isinstance(role, str):
            raise StateError("States.Runtime", f"The RoleArn of Credentials must be a string, not {encode(role)}")
        return role


def identity_of(resource: Resource) -> dict[str, Any]:
    """The members that events of a service integration share; functions and activities have none."""
    if resource.family != "task":
        return {}
    action = f"{resource.action}.{resource.pattern}" if resource.pattern else resource.action
    return {"resourceType": resource.service, "resource": action}


def _is_plain_invoke(resource: Resource, arguments: Json) -> bool:
    """Whether it calls a function, with a Payload at the most: nobody need look at that."""
    return (
        resource.service == "lambda"
        and type(arguments) is dict
        and type(arguments.get("FunctionName")) is str
        and (len(arguments) == 1 or (len(arguments) == 2 and "Payload" in arguments))
    )


def compile_task(node: Node) -> Task:
    """The Task state `node`."""
    timeout = compile_amount(node, "TimeoutSeconds", least=1, most=MOST_SECONDS)
    heartbeat = compile_amount(node, "HeartbeatSeconds", least=1, most=MOST_SECONDS)
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        node.problem("HeartbeatSeconds must be smaller than TimeoutSeconds", "HeartbeatSeconds")
    resource = compile_resource(node)
    return Task(
        name=node.name,
        next=compile_next(node),
        flow=compile_flow(node, extra="result"),
        recovery=compile_recovery(node),
        resource=resource or Resource("", "task", "", "", ""),
        timeout=timeout,
        heartbeat=heartbeat,
        role=_compile_role(node),
        takes_token=resource is not None and (resource.family == "activity" or resource.pattern == "waitForTaskToken"),
    )


def _compile_role(node: Node) -> Query | None:
    if not node.has("Credentials"):
        return None
    credentials = node.object("Credentials")
    if credentials is None:
        return None
    credentials.check_fields(("RoleArn",) if node.is_jsonata else ("RoleArn", "RoleArn.$"))
    credentials.only_one_of("RoleArn", "RoleArn.$")
    dynamic = credentials.fields.get("RoleArn.$")
    if not node.is_jsonata and isinstance(dynamic, str):
        try:
            return compile_value(dynamic, "RoleArn.$")
        except PathSyntaxError:
            credentials.problem(problems.no_path_or_call("RoleArn.$"), "RoleArn.$")
            return None
    if not credentials.require_parameter("RoleArn"):
        return None
    if credentials.holds_expression("RoleArn"):
        return compile_text_expression(credentials, "RoleArn")
    role = credentials.string("RoleArn")
    return None if role is None else lambda data, frame: role
