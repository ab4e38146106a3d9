"""TestState: one state, run by itself, with its work done or mocked; and what was made of its data on the way.

Nothing is kept: no execution, no history. A failure is not retried but told, with who would handle it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from typing import Any
from uuid import uuid4

import orjson

from mapfold.errors import DefinitionError
from mapfold.local.arns import express_arn, is_role_arn, state_machine_arn
from mapfold.local.engine.integrations.written import refused_parameters
from mapfold.local.sdk.models import knows_action
from mapfold.local.service.context import Service
from mapfold.local.service.execution_input import check_input
from mapfold.local.service.faults import Fault, invalid_role
from mapfold.local.service.mock import Mock, read_mock
from mapfold.local.service.mock_schema import check_result
from mapfold.local.service.request import DEFINITION_LENGTH, PAYLOAD_BYTES, Request
from mapfold.states import Effect, Frame, Json, State, compile_machine, encode, format_timestamp
from mapfold.states.effects import HttpTrace, RunTask
from mapfold.states.inspection import Notes
from mapfold.states.machine import compile_state
from mapfold.states.map_distributed import DistributedMap
from mapfold.states.map_inline import InlineMap
from mapfold.states.map_items import whole_array, whole_object
from mapfold.states.parallel import Parallel
from mapfold.states.task import Task
from mapfold.states.trial import Outcome, find_state, try_state
from mapfold.states.work import WorkState

TIME_LIMIT_SECONDS = 300
NAME = "TestState"
"""Of a state that comes without one, and of the machine that there is not."""
NEVER_MOCKED = "TestState API does not support Map or Parallel states. Supported state types include: "
KINDS = "[Task, Wait, Pass, Succeed, Fail, Choice]"


async def test_state(service: Service, request: Request) -> dict[str, Any]:
    """TestState: status, output or error, the next state, and from DEBUG on inspectionData."""
    definition = request.text("definition", least=1, most=DEFINITION_LENGTH)
    role_arn = request.optional_text("roleArn", most=256)
    input_text = request.optional_text("input", most=PAYLOAD_BYTES)
    level = request.choice("inspectionLevel", ("INFO", "DEBUG", "TRACE"), "INFO")
    name = request.optional_text("stateName", most=80)
    reveals = request.flag("revealSecrets", default=False)
    retries = request.part("stateConfiguration").whole("retrierRetryCount", least=0) or 0
    mock = read_mock(request)
    variables = _parse_object(request.optional_text("variables"), "variables")
    context = _parse_object(request.optional_text("context"), "context")
    data = _parse_input(input_text)
    _check_mock(mock, request, reveals=reveals)
    if role_arn is not None and not is_role_arn(role_arn):
        raise invalid_role(role_arn)
    notes: Notes = {}
    state = await asyncio.to_thread(_compile, definition, name, _member(context, "State", "Name") or NAME, notes)
    _check_state(state, mock, role_arn)
    if mock is not None and not mock.failed:
        await _check_result(state, mock)
    frame = _make_frame(service, data, context, variables)
    if input_text is not None:
        frame.remember(data, input_text)  # so that it goes on as it is written where the state leaves it alone
    trial = try_state(
        state,
        data,
        frame,
        notes,
        retries=retries,
        token=_member(context, "Task", "Token"),
    )
    trace = HttpTrace(reveals) if level == "TRACE" else None
    outcome = await _run(service, trial, frame, mock, notes, role_arn or "", trace)
    answer = _answer(outcome, frame)
    if level != "INFO":
        answer["inspectionData"] = _inspect(state, outcome, notes, input_text or "{}", frame)
    if trace is not None:
        told = {"request": trace.request, "response": trace.response}
        answer["inspectionData"] |= {name: value for name, value in told.items() if value is not None}
    return answer


# --- the request --------------------------------------------------------------------------------------------


def _parse_object(text: str | None, name: str) -> dict[str, Json]:
    try:
        value = {} if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Fault("ValidationException", f"{name} must be a valid JSON object")
    return value


def _parse_input(text: str | None) -> Json:
    if text is None:
        return {}
    check_input(text)
    return orjson.loads(text)


def _check_mock(mock: Mock | None, request: Request, *, reveals: bool) -> None:
    if mock is not None and reveals:
        raise Fault("ValidationException", "TestState does not support RevealSecrets when a mock is specified.")
    if mock is None and request.has("context"):
        raise Fault("ValidationException", "State context can only be specified when a mock is specified.")
    if mock is None and request.has("stateConfiguration"):
        raise Fault("ValidationException", "State configuration can only be specified when a mock is specified.")


def _member(context: Mapping[str, Json], group: str, name: str) -> str | None:
    holder = context.get(group)
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else None


def _compile(definition: str, name: str | None, own_name: str, notes: Notes) -> State:
    try:
        if name is None:
            return compile_state(
                definition, own_name, knows_action=knows_action, refuses_parameters=refused_parameters, notes=notes
            )
        machine = compile_machine(
            definition, knows_action=knows_action, refuses_parameters=refused_parameters, notes=notes
        )
    except DefinitionError as error:
        raise Fault("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error
    state = find_state(machine.scope, name)
    if state is None:
        raise Fault("ValidationException", f"State '{name}' does not exist in the state machine definition")
    return state


def _check_state(state: State, mock: Mock | None, role_arn: str | None) -> None:
    """Whether the state may be tested like this. Only work can be mocked; some work can only be mocked."""
    if mock is not None:
        if not isinstance(state, WorkState):
            kind = type(state).__name__
            raise Fault("ValidationException", f"State type '{kind}' is not supported when a mock is specified")
        return
    if isinstance(state, InlineMap | DistributedMap | Parallel):
        raise Fault("InvalidDefinition", f"{NEVER_MOCKED}{KINDS}")
    if not isinstance(state, Task):
        return
    if state.resource.family == "activity" or state.resource.pattern:
        raise Fault("InvalidDefinition", f"TestState API supports {state.resource.arn} only when a mock is specified")
    if role_arn is None:
        raise Fault("ValidationException", "RoleArn must be specified when testing a Task state")


async def _check_result(state: State, mock: Mock) -> None:
    """Whether a mocked result is of the form that the state's work gives. A Map that writes its results tells where."""
    if isinstance(state, Task):
        await asyncio.to_thread(check_result, mock.result, state.resource, mock.mode)
    elif not isinstance(state, DistributedMap) or state.writer is None:
        if not isinstance(mock.result, list):
            raise Fault("ValidationException", "Mocked result must be an array.")
    elif state.writer.arguments is not None and not isinstance(mock.result, dict):
        raise Fault("ValidationException", "Mocked result must be a JSON object.")


# --- the run ------------------------------------------------------------------------------------------------


class _NoHistory:
    """Numbers events, and keeps none."""

    def __init__(self) -> None:
        self.last = 1  # what would be ExecutionStarted

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        self.last += 1
        return self.last

    def keep(self) -> None:
        """Nothing is kept."""


def _make_frame(service: Service, data: Json, context: Mapping[str, Json], variables: Mapping[str, Json]) -> Frame:
    """Where the state stands: in an execution that there is not, or in the context that was handed in."""
    name = str(uuid4())
    execution = {
        "Id": express_arn(NAME, name, name, region=service.region),
        "Input": data,
        "StartTime": format_timestamp(service.clock()),
        "Name": name,
        "RoleArn": "",
    }
    machine = {"Id": state_machine_arn(NAME, region=service.region), "Name": NAME}
    frame = Frame(
        history=_NoHistory(),
        clock=service.clock,
        execution={
            "Execution": context.get("Execution", execution),
            "StateMachine": context.get("StateMachine", machine),
            "region": service.region,
        },
        previous=1,
    )
    if isinstance(context.get("State"), dict):
        frame.execution = {**frame.execution, "State": context["State"]}
    item = context.get("Map")
    if isinstance(item, dict) and isinstance(item.get("Item"), dict):
        frame.map_item = item["Item"]
    frame.variables.update(variables)
    return frame


async def _run(
    service: Service,
    trial: Generator[Effect, Any, Outcome],
    frame: Frame,
    mock: Mock | None,
    notes: Notes,
    role_arn: str,
    trace: HttpTrace | None,
) -> Outcome:
    """Let the state work for at most five minutes."""
    try:
        async with asyncio.timeout(TIME_LIMIT_SECONDS):
            step = _step(trial, None)
            while not isinstance(step, Outcome):
                if mock is not None:
                    answer = mock.answer(step, notes)
                else:
                    if isinstance(step, RunTask):
                        step.trace = trace
                    answer = await service.engine.perform(step, frame, role_arn=role_arn)
                step = _step(trial, answer)
            return step
    except TimeoutError:
        return Outcome("FAILED", error="States.Timeout")
    finally:
        trial.close()


def _step(trial: Generator[Effect, Any, Outcome], answer: Any) -> Effect | Outcome:
    try:
        return trial.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's return value has no type here


# --- the answer ---------------------------------------------------------------------------------------------


def _answer(outcome: Outcome, frame: Frame) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": outcome.status}
    if outcome.has_output:
        answer["output"] = frame.text_of(outcome.output)
    told = {"nextState": outcome.next, "error": outcome.error, "cause": outcome.cause}
    return answer | {name: value for name, value in told.items() if value is not None}


_AS_NUMBERS = ("maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage")


def _inspect(state: State, outcome: Outcome, notes: Notes, input_text: str, frame: Frame) -> dict[str, Any]:
    """inspectionData: the input as it came, and each step as JSON text."""
    hidden = _hidden(state)
    inspected: dict[str, Any] = {"input": input_text}
    for name, value in notes.items():
        if name not in hidden:
            inspected[name] = value if name in _AS_NUMBERS else encode(value)
    if frame.variables:
        inspected["variables"] = encode(frame.variables)
    if outcome.handled:
        inspected["errorDetails"] = dict(outcome.handled)
    return inspected


def _hidden(state: State) -> set[str]:
    """Steps that AWS does not tell of: what a Map leaves unsaid, and the result of a Map or Parallel, which is the mock."""
    if isinstance(state, Parallel):
        return {"result"}
    if not isinstance(state, InlineMap | DistributedMap):
        return set()
    hidden = {"result"}
    if state.max_concurrency is None:
        hidden.add("maxConcurrency")
    if state.flow.select is None or state.items in (whole_array, whole_object):  # in JSONata there is no ItemsPath
        hidden.add("afterItemsPath")
    return hidden
