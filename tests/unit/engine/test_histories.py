"""Whole histories, compared strictly: ids, types, what each event points back to, and all details (history-events).

Each case is a machine, its input, and the events after ExecutionStarted in a short form: `(previous, type, details)`,
where the ids are the places in the list, from 2. Payload flags (`inputDetails` …) are checked and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.engine.fakes import FunctionError, Gate
from tests.unit.engine.world import Ended, Event, World, function, pass_, task, wait

Short = tuple[int, str, Any]

BROKEN = {"error": "Broken", "cause": '{"errorMessage": "broken", "errorType": "Broken"}'}
CAUGHT = '{"Error":"Broken","Cause":"{\\"errorMessage\\": \\"broken\\", \\"errorType\\": \\"Broken\\"}"}'
JSONATA = {"QueryLanguage": "JSONata"}
ALL = ["States.ALL"]


@dataclass(frozen=True)
class Case:
    """A machine, and the events that it must record after ExecutionStarted."""

    states: Mapping[str, Any]
    events: list[Short]
    data: Any = field(default_factory=lambda: {"a": 1})
    top: Mapping[str, Any] = field(default_factory=dict)


def named(name: str, **payload: str) -> dict[str, Any]:
    return {"name": name, **payload}


def scheduled(name: str, text: str) -> dict[str, Any]:
    return {"resource": function(name), "input": text}


def failing(field_: str, expression: str, *, state: str = "S", entered: int = 2) -> dict[str, str]:
    """The error and cause of an expression that gives nothing."""
    return {
        "error": "States.QueryEvaluationError",
        "cause": (
            f"An error occurred while executing the state '{state}' (entered at the event id #{entered}). "
            f"The JSONata expression '{expression}' specified for the field '{field_}' returned nothing (undefined)."
        ),
    }


def short(ended: Ended) -> list[Short]:
    """The events after ExecutionStarted in the short form."""
    assert [event["id"] for event in ended.events] == list(range(1, len(ended.events) + 1))
    assert (ended.types[0], ended.previous("ExecutionStarted")) == ("ExecutionStarted", [0])
    return [(event["previousEventId"], event["type"], _details(event)) for event in ended.events[1:]]


def _details(event: Event) -> Any:
    found = next((value for key, value in event.items() if key.endswith("EventDetails")), None)
    if found is None:
        return None
    assert key_of(event) in event
    details = dict(found)
    for payload, flag in (("input", "inputDetails"), ("output", "outputDetails")):
        if payload in details:
            assert details.pop(flag) == {"truncated": False}
    if "assignedVariables" in details:
        assert details.pop("assignedVariablesDetails") == {"truncated": False}
    return details


def key_of(event: Event) -> str:
    """The name of an event's details: its type's, or that of all Entered, or all Exited ones."""
    type_: str = event["type"]
    for ending in ("StateEntered", "StateExited"):
        if type_.endswith(ending):
            return f"s{ending[1:]}EventDetails"
    return f"{type_[0].lower()}{type_[1:]}EventDetails"


def entered_task(text: str = '{"a":1}') -> Short:
    return 0, "TaskStateEntered", named("S", input=text)


def attempt(first: int, name: str, text: str = '{"a":1}', *, previous: int | None = None) -> list[Short]:
    """A function that was called and failed: events `first`, `first` + 1 and `first` + 2."""
    return [
        (first - 1 if previous is None else previous, "LambdaFunctionScheduled", scheduled(name, text)),
        (first, "LambdaFunctionStarted", None),
        (first + 1, "LambdaFunctionFailed", BROKEN),
    ]


def after(first: int, text: str) -> list[Short]:
    """The Pass state After, and the execution's success, from the event with the id `first` on."""
    return [
        (first - 1, "PassStateEntered", named("After", input=text)),
        (first, "PassStateExited", named("After", output=text)),
        (first + 1, "ExecutionSucceeded", {"output": text}),
    ]


RETRY_EACH = [
    {"ErrorEquals": ["Broken"], "MaxAttempts": 1},
    {"ErrorEquals": ALL, "MaxAttempts": 5},
]

CASES: dict[str, Case] = {
    "a payload is the text that was sent until a state changes it": Case(
        {"S": pass_(Next="T"), "T": pass_(Parameters={"b.$": "$.a"})},
        [
            (0, "PassStateEntered", named("S", input='{"a":1}')),
            (2, "PassStateExited", named("S", output='{"a":1}')),
            (3, "PassStateEntered", named("T", input='{"a":1}')),
            (4, "PassStateExited", named("T", output='{"b":1}')),
            (5, "ExecutionSucceeded", {"output": '{"b":1}'}),
        ],
    ),
    "variables are in the Exited event as JSON text": Case(
        {"S": pass_(Assign={"x": {"y": [1, "ü"]}, "z.$": "$.a"})},
        [
            (0, "PassStateEntered", named("S", input='{"a":1}')),
            (2, "PassStateExited", {**named("S", output='{"a":1}'), "assignedVariables": {"x": '{"y":[1,"ü"]}', "z": "1"}}),
            (3, "ExecutionSucceeded", {"output": '{"a":1}'}),
        ],
    ),
    "a Fail state leaves its scope without an event of its own": Case(
        {"S": pass_(Next="F"), "F": {"Type": "Fail", "Error": "Enough", "Cause": "it is"}},
        [
            (0, "PassStateEntered", named("S", input='{"a":1}')),
            (2, "PassStateExited", named("S", output='{"a":1}')),
            (3, "FailStateEntered", named("F", input='{"a":1}')),
            (4, "ExecutionFailed", {"error": "Enough", "cause": "it is"}),
        ],
    ),
    "a Fail state may say nothing": Case(
        {"F": {"Type": "Fail"}},
        [(0, "FailStateEntered", named("F", input='{"a":1}')), (2, "ExecutionFailed", {})],
    ),
    "a path that finds nothing ends the execution, and nothing catches it": Case(
        {"S": task("echo", Parameters={"b.$": "$.b"}, Retry=[{"ErrorEquals": ALL}],
                   Catch=[{"ErrorEquals": ALL, "Next": "After"}]), "After": pass_()},
        [
            entered_task(),
            (2, "ExecutionFailed", {
                "error": "States.Runtime",
                "cause": "An error occurred while executing the state 'S' (entered at the event id #2). The JSONPath '$.b' "
                "specified for the field 'b.$' could not be found in the input '{\"a\":1}'",
            }),
        ],
    ),
    "each retrier counts its own attempts, and the first that matches decides alone": Case(
        {"S": task("broken", Retry=RETRY_EACH)},
        [entered_task(), *attempt(3, "broken"), *attempt(6, "broken"), (8, "ExecutionFailed", BROKEN)],
    ),
    "no attempts are allowed with MaxAttempts 0": Case(
        {"S": task("broken", Retry=[{"ErrorEquals": ALL, "MaxAttempts": 0}])},
        [entered_task(), *attempt(3, "broken"), (5, "ExecutionFailed", BROKEN)],
    ),
    "three retries are made where MaxAttempts is not given": Case(
        {"S": task("broken", Retry=[{"ErrorEquals": ["States.TaskFailed"]}])},
        [
            entered_task(), *attempt(3, "broken"), *attempt(6, "broken"), *attempt(9, "broken"), *attempt(12, "broken"),
            (14, "ExecutionFailed", BROKEN),
        ],
    ),
    "a failure that no retrier names goes to Catch at once": Case(
        {"S": task("broken", Retry=[{"ErrorEquals": ["Other", "States.Timeout"]}],
                   Catch=[{"ErrorEquals": ["Other"], "Next": "After"}, {"ErrorEquals": ["Broken"], "Next": "After"}]),
         "After": pass_()},
        [entered_task(), *attempt(3, "broken"), (5, "TaskStateExited", named("S", output=CAUGHT)), *after(7, CAUGHT)],
    ),
    "ResultPath puts the error output deep into the raw input": Case(
        {"S": task("broken", Parameters={"only.$": "$.a"}, OutputPath="$.nowhere",
                   Catch=[{"ErrorEquals": ALL, "ResultPath": "$.x.y", "Next": "After"}]), "After": pass_()},
        [
            entered_task(), *attempt(3, "broken", '{"only":1}'),
            (5, "TaskStateExited", named("S", output=f'{{"a":1,"x":{{"y":{CAUGHT}}}}}')),
            *after(7, f'{{"a":1,"x":{{"y":{CAUGHT}}}}}'),
        ],
    ),
    "ResultPath null keeps the raw input": Case(
        {"S": task("broken", Catch=[{"ErrorEquals": ALL, "ResultPath": None, "Next": "After"}]), "After": pass_()},
        [entered_task(), *attempt(3, "broken"), (5, "TaskStateExited", named("S", output='{"a":1}')), *after(7, '{"a":1}')],
    ),
    "a catcher's Assign replaces the state's, and sees the error output": Case(
        {"S": task("broken", Assign={"x": 1}, Catch=[
            {"ErrorEquals": ALL, "ResultPath": None, "Assign": {"e.$": "$.Error"}, "Next": "After"}]), "After": pass_()},
        [
            entered_task(), *attempt(3, "broken"),
            (5, "TaskStateExited", {**named("S", output='{"a":1}'), "assignedVariables": {"e": '"Broken"'}}),
            *after(7, '{"a":1}'),
        ],
    ),
    "a JSONata catcher makes its output of the input and the error output": Case(
        {"S": task("broken", Catch=[{
            "ErrorEquals": ALL, "Next": "After",
            "Output": "{% $states.input.a & $states.errorOutput.Error %}",
            "Assign": {"e": "{% $states.errorOutput.Error %}"}}]), "After": pass_()},
        [
            entered_task(), *attempt(3, "broken"),
            (5, "TaskStateExited", {**named("S", output='"1Broken"'), "assignedVariables": {"e": '"Broken"'}}),
            *after(7, '"1Broken"'),
        ],
        top=JSONATA,
    ),
    "a catcher whose expression fails ends the execution": Case(
        {"S": task("broken", Catch=[{"ErrorEquals": ALL, "Next": "After", "Output": "{% $states.errorOutput.No %}"}]),
         "After": pass_()},
        [
            entered_task(), *attempt(3, "broken"),
            (5, "EvaluationFailed",
             {"state": "S", "location": "Catch[0]/Output", **failing("Catch[0]/Output", "$states.errorOutput.No")}),
            (6, "ExecutionFailed", failing("Catch[0]/Output", "$states.errorOutput.No")),
        ],
        top=JSONATA,
    ),
    "arguments that cannot be evaluated point where the state's entry does": Case(
        {"P": pass_(Next="S"), "S": task("echo", Arguments="{% $states.input.b %}")},
        [
            (0, "PassStateEntered", named("P", input='{"a":1}')),
            (2, "PassStateExited", named("P", output='{"a":1}')),
            (3, "TaskStateEntered", named("S", input='{"a":1}')),
            (3, "EvaluationFailed",
             {"state": "S", "location": "Arguments", **failing("Arguments", "$states.input.b", entered=4)}),
            (5, "ExecutionFailed", failing("Arguments", "$states.input.b", entered=4)),
        ],
        top=JSONATA,
    ),
    "an evaluation that fails is recorded once an attempt, and can be caught": Case(
        {"S": task("echo", Arguments="{% $states.input.b %}",
                   Retry=[{"ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 1}],
                   Catch=[{"ErrorEquals": ALL, "Next": "After", "Output": "{% $states.errorOutput.Error %}"}]),
         "After": pass_()},
        [
            entered_task(),
            (0, "EvaluationFailed", {"state": "S", "location": "Arguments", **failing("Arguments", "$states.input.b")}),
            (3, "EvaluationFailed", {"state": "S", "location": "Arguments", **failing("Arguments", "$states.input.b")}),
            (4, "TaskStateExited", named("S", output='"States.QueryEvaluationError"')),
            *after(6, '"States.QueryEvaluationError"'),
        ],
        top=JSONATA,
    ),
    "an output that cannot be evaluated fails the state after its work": Case(
        {"S": task("echo", Output="{% $states.result.b %}")},
        [
            entered_task(),
            (2, "LambdaFunctionScheduled", scheduled("echo", '{"a":1}')),
            (3, "LambdaFunctionStarted", None),
            (4, "LambdaFunctionSucceeded", {"output": '{"a":1}'}),
            (5, "EvaluationFailed", {"state": "S", "location": "Output", **failing("Output", "$states.result.b")}),
            (6, "ExecutionFailed", failing("Output", "$states.result.b")),
        ],
        top=JSONATA,
    ),
    "a timeout has no cause, and is matched by its name and by States.ALL alone": Case(
        {"S": task("waits", TimeoutSeconds=1, Catch=[
            {"ErrorEquals": ["States.TaskFailed"], "Next": "Never"}, {"ErrorEquals": ALL, "Next": "After"}]),
         "After": pass_(), "Never": {"Type": "Fail"}},
        [
            entered_task(),
            (2, "LambdaFunctionScheduled", {**scheduled("waits", '{"a":1}'), "timeoutInSeconds": 1}),
            (3, "LambdaFunctionStarted", None),
            (4, "LambdaFunctionTimedOut", {"error": "States.Timeout"}),
            (5, "TaskStateExited", named("S", output='{"Error":"States.Timeout","Cause":""}')),
            *after(7, '{"Error":"States.Timeout","Cause":""}'),
        ],
    ),
    "a machine that takes too long is over for a reason of no state": Case(
        {"P": pass_(Next="W"), "W": wait()},
        [
            (0, "PassStateEntered", named("P", input='{"a":1}')),
            (2, "PassStateExited", named("P", output='{"a":1}')),
            (3, "WaitStateEntered", named("W", input='{"a":1}')),
            (0, "ExecutionTimedOut", {"error": "States.Timeout"}),
        ],
        top={"TimeoutSeconds": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_the_history(world: World, case: Case) -> None:
    """As the reference has it, event by event; what it leaves open is said in docs/embedded-aws.md."""

    def broken(_: Any) -> Any:
        raise FunctionError("Broken")

    world.functions.handlers |= {"broken": broken, "echo": lambda event: event, "waits": Gate()}

    ended = await world.run(case.states, case.data, **case.top)

    assert short(ended) == case.events


@pytest.mark.parametrize("given", [(), ("Enough", None), ("Enough", "too long")], ids=["nothing", "error", "both"])
async def test_a_stop_is_the_last_event_and_points_back_to_none(world: World, given: tuple[str | None, ...]) -> None:
    """It comes from outside (recorded: previousEventId 0). Its details are what the caller said, and no more."""
    world.functions.handlers["waits"] = Gate()
    started = await world.start({"P": pass_(Next="S"), "S": task("waits")})
    await world.until(lambda: bool(world.functions.calls))

    ended = await world.stop(started, *given)

    details = {name: text for name, text in zip(("error", "cause"), given, strict=False) if text is not None}
    assert short(ended)[-2:] == [(5, "LambdaFunctionStarted", None), (0, "ExecutionAborted", details)]


async def test_errors_and_causes_are_cut_to_their_limits(world: World) -> None:
    """256 characters of an error and 32,768 of a cause, in the task's event, the execution's and its description."""

    def long(_: Any) -> Any:
        raise FunctionError("E" * 300, "c" * 40_000)

    world.functions.handlers["long"] = long

    ended = await world.run({"S": task("long")})

    lengths = [
        (len(details["error"]), len(details["cause"]))
        for details in (ended.details("LambdaFunctionFailed"), ended.details("ExecutionFailed"))
    ]
    assert lengths == [(256, 32_768)] * 2
    assert (len(ended.row.error or ""), len(ended.row.cause or "")) == (256, 32_768)


async def test_white_space_and_forms_of_numbers_stay_while_nothing_changes_the_input(world: World) -> None:
    """The text that was sent is in ExecutionStarted and in every event until a state makes another value."""
    text = '{ "n" : 1.50, "big": 12345678901234567890123 }'
    machine = world.machine("kept", {"P": pass_(Next="C"), "C": {"Type": "Succeed"}})
    started = await world.engine.start_execution(machine, name="one", input_text=text)

    ended = await world.end(started)

    assert {details.get("input", details.get("output")) for details in map(_details, ended.events)} == {text}
    assert ended.row.output == text


async def test_a_cause_shows_the_text_of_the_input_as_it_was_sent(world: World) -> None:
    """Line breaks and all, in the second state too, as long as nothing has changed the value (seen on the service)."""
    states = {"P": pass_(Next="Job"), "Job": pass_(Parameters={"option.$": "$.option"})}
    text = '{\n    "Comment": "Insert your JSON here"\n}'
    started = await world.engine.start_execution(world.machine("shown", states), name="one", input_text=text)

    ended = await world.end(started)

    assert ended.row.cause == (
        "An error occurred while executing the state 'Job' (entered at the event id #4). "
        f"The JSONPath '$.option' specified for the field 'option.$' could not be found in the input '{text}'"
    )
