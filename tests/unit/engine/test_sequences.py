"""The canonical event sequences of states that run one after the other (history-events 3 and 4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.engine.fakes import FunctionError
from tests.unit.engine.world import World, function, pass_, task, wait

CAUGHT = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}]}


def breaking(type_: str | None, *, times: int = 1_000_000) -> Any:
    """A handler that fails the first `times` times, and then gives back its event."""
    left = [times]

    def handler(event: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise FunctionError(type_)
        return event

    return handler


class TestPlainStates:
    async def test_pass(self, world: World) -> None:
        """ExecutionStarted is nobody's previous: the first state's Entered event points at 0 (rule 1)."""
        ended = await world.run({"P": pass_()}, {"a": 1})

        assert ended.line == [
            ("ExecutionStarted", 0),
            ("PassStateEntered", 0),
            ("PassStateExited", 2),
            ("ExecutionSucceeded", 3),
        ]
        assert [event["id"] for event in ended.events] == [1, 2, 3, 4]
        assert ended.details("PassStateEntered") == {
            "name": "P",
            "input": '{"a":1}',
            "inputDetails": {"truncated": False},
        }
        assert ended.details("ExecutionSucceeded") == {"output": '{"a":1}', "outputDetails": {"truncated": False}}
        assert ended.details("ExecutionStarted")["roleArn"].endswith(":role/any")

    async def test_the_context_object_has_the_members_in_the_service_s_order(self, world: World) -> None:
        """As texts of the service have them: in outputs, payloads and causes."""
        ended = await world.run({"P": pass_(Parameters={"all.$": "$$"})}, {"a": 1})

        context = ended.output["all"]
        assert list(context) == ["Execution", "StateMachine", "State"]
        assert list(context["Execution"]) == ["Id", "Input", "StartTime", "Name", "RoleArn", "RedriveCount"]
        assert list(context["State"]) == ["Name", "EnteredTime"]

    async def test_choice_wait_succeed(self, world: World) -> None:
        """Each has an Entered and an Exited event in one chain; Choice and Wait give their input on."""
        choice = {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "W"}]}

        ended = await world.run({"C": choice, "W": wait(Seconds=5, Next="S"), "S": {"Type": "Succeed"}}, {"a": 1})

        assert ended.line[1:] == [
            ("ChoiceStateEntered", 0),
            ("ChoiceStateExited", 2),
            ("WaitStateEntered", 3),
            ("WaitStateExited", 4),
            ("SucceedStateEntered", 5),
            ("SucceedStateExited", 6),
            ("ExecutionSucceeded", 7),
        ]
        assert ended.output == {"a": 1}

    async def test_fail_has_no_exited_event(self, world: World) -> None:
        """What Fail leaves out, ExecutionFailed leaves out."""
        ended = await world.run({"F": {"Type": "Fail", "Error": "Enough"}})

        assert ended.line[1:] == [("FailStateEntered", 0), ("ExecutionFailed", 2)]
        assert ended.details("ExecutionFailed") == {"error": "Enough"}
        assert ended.failure == ("FAILED", "Enough", None)

    async def test_a_choice_that_nothing_matches_is_a_runtime_error(self, world: World) -> None:
        """No event of the Choice itself; the cause names the state and the id of its Entered event."""
        choice = {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "P"}]}

        ended = await world.run({"C": choice, "P": pass_()}, {"a": 2})

        assert ended.types == ["ExecutionStarted", "ChoiceStateEntered", "ExecutionFailed"]
        assert ended.row.error == "States.Runtime"
        assert (ended.row.cause or "").startswith(
            "An error occurred while executing the state 'C' (entered at the event id #2). "
        )

    async def test_variables_are_shown_where_they_are_assigned(self, world: World) -> None:
        """The Exited event has them as JSON text; a later state reads them."""
        ended = await world.run(
            {"A": pass_(Assign={"x": {"y": 1}}, Next="B"), "B": pass_(Parameters={"seen.$": "$x.y"})}
        )

        assert ended.details("PassStateExited")["assignedVariables"] == {"x": '{"y":1}'}
        assert ended.output == {"seen": 1}

    async def test_a_failed_jsonata_expression(self, world: World) -> None:
        """EvaluationFailed shares its previous with the state's Entered event (rule 6)."""
        ended = await world.run(
            {"A": pass_(Next="B"), "B": pass_(Output="{% $nothing.here %}")}, QueryLanguage="JSONata"
        )

        assert ended.line[3:] == [("PassStateEntered", 3), ("EvaluationFailed", 3), ("ExecutionFailed", 5)]
        assert ended.row.error == "States.QueryEvaluationError"
        assert ended.details("EvaluationFailed")["location"] == "Output"


class TestTasks:
    async def test_a_function_by_its_arn(self, world: World) -> None:
        """Scheduled shows function and event, Started nothing, Succeeded the handler's result."""
        world.functions.handlers["double"] = lambda event: event["n"] * 2

        ended = await world.run({"T": task("double")}, {"n": 21})

        assert ended.line[1:] == [
            ("TaskStateEntered", 0),
            ("LambdaFunctionScheduled", 2),
            ("LambdaFunctionStarted", 3),
            ("LambdaFunctionSucceeded", 4),
            ("TaskStateExited", 5),
            ("ExecutionSucceeded", 6),
        ]
        assert ended.details("LambdaFunctionScheduled") == {
            "resource": function("double"),
            "input": '{"n":21}',
            "inputDetails": {"truncated": False},
        }
        assert ended.details("LambdaFunctionStarted") is None
        assert ended.details("LambdaFunctionSucceeded") == {"output": "42", "outputDetails": {"truncated": False}}

    async def test_lambda_invoke(self, world: World) -> None:
        """The result is the call's response around the payload; Scheduled has the parameters as written."""
        world.functions.handlers["double"] = lambda event: event["n"] * 2
        states = {
            "T": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": function("double"), "Payload.$": "$"},
                "TimeoutSeconds": 30,
                "End": True,
            }
        }

        ended = await world.run(states, {"n": 21})

        assert ended.line[1:] == [
            ("TaskStateEntered", 0),
            ("TaskScheduled", 2),
            ("TaskStarted", 3),
            ("TaskSucceeded", 4),
            ("TaskStateExited", 5),
            ("ExecutionSucceeded", 6),
        ]
        scheduled = ended.details("TaskScheduled")
        assert json.loads(scheduled.pop("parameters")) == {"FunctionName": function("double"), "Payload": {"n": 21}}
        assert scheduled == {
            "resourceType": "lambda",
            "resource": "invoke",
            "region": "us-east-1",
            "timeoutInSeconds": 30,
        }
        assert ended.details("TaskStarted") == {"resourceType": "lambda", "resource": "invoke"}
        assert (ended.output["Payload"], ended.output["StatusCode"]) == (42, 200)
        assert set(ended.output) == {
            "ExecutedVersion",
            "Payload",
            "SdkHttpMetadata",
            "SdkResponseMetadata",
            "StatusCode",
        }

    async def test_an_uncaught_failure(self, world: World) -> None:
        """The exception's class is the error, the error document as text the cause, of the task and of the execution."""
        world.functions.handlers["f"] = breaking("ValueError")

        ended = await world.run({"T": task("f")})

        failure = {"error": "ValueError", "cause": '{"errorMessage": "broken", "errorType": "ValueError"}'}
        assert ended.line[4:] == [("LambdaFunctionFailed", 4), ("ExecutionFailed", 5)]
        assert ended.details("LambdaFunctionFailed") == failure
        assert ended.details("ExecutionFailed") == failure
        assert ended.failure == ("FAILED", failure["error"], failure["cause"])

    async def test_a_caught_failure(self, world: World) -> None:
        """The state is left with the catcher's output; there is no event of the catching."""
        world.functions.handlers["f"] = breaking("ValueError")

        ended = await world.run({"T": task("f", **CAUGHT), "After": pass_()})

        assert ended.line[4:] == [
            ("LambdaFunctionFailed", 4),
            ("TaskStateExited", 5),
            ("PassStateEntered", 6),
            ("PassStateExited", 7),
            ("ExecutionSucceeded", 8),
        ]
        assert ended.output["Error"] == "ValueError"

    async def test_retries_follow_the_failure_without_an_event_of_their_own(self, world: World) -> None:
        """The next Scheduled points at the failure (rule 8), with the same input."""
        world.functions.handlers["f"] = breaking("ValueError", times=2)

        ended = await world.run({"T": task("f", Retry=[{"ErrorEquals": ["ValueError"], "IntervalSeconds": 1}])}, [7])

        attempt = ["LambdaFunctionScheduled", "LambdaFunctionStarted"]
        assert ended.types[2:] == [
            *(*attempt, "LambdaFunctionFailed"),
            *(*attempt, "LambdaFunctionFailed"),
            *(*attempt, "LambdaFunctionSucceeded"),
            "TaskStateExited",
            "ExecutionSucceeded",
        ]
        assert ended.previous("LambdaFunctionScheduled") == [2, 5, 8]
        assert world.functions.calls == [("f", [7])] * 3

    @pytest.mark.parametrize(("type_", "error"), [("Sandbox.Timedout", "Sandbox.Timedout"), (None, "Lambda.Unknown")])
    async def test_failures_of_the_function_itself(self, world: World, type_: str | None, error: str) -> None:
        """A payload without errorType is Lambda.Unknown, as after a hard crash."""
        world.functions.handlers["f"] = breaking(type_)

        ended = await world.run({"T": task("f")})

        assert ended.row.error == error

    async def test_a_function_that_is_not_there(self, world: World) -> None:
        """Lambda's refusal names the version that was meant, with the suffix of the service's SDK (recorded)."""
        ended = await world.run({"T": task("gone")})

        assert ended.types[2:5] == ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionFailed"]
        assert ended.row.error == "Lambda.ResourceNotFoundException"
        assert ended.row.cause == (
            f"Function not found: {function('gone')}:$LATEST (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; "
            "Request ID: request-2; Proxy: null)"
        )

    async def test_a_result_that_is_too_large_can_be_caught(self, world: World) -> None:
        """More than 262,144 bytes: the task fails with States.DataLimitExceeded, which States.ALL catches (recorded)."""
        world.functions.handlers["f"] = lambda event: "x" * 262_143

        ended = await world.run({"T": task("f", **CAUGHT), "After": pass_()})

        assert "LambdaFunctionFailed" in ended.types
        assert ended.output["Error"] == "States.DataLimitExceeded"

    async def test_a_resource_that_the_embedded_aws_does_not_have(self, world: World) -> None:
        """The execution fails with what there is, and nothing catches it."""
        states = {"T": {**task("f", **CAUGHT), "Resource": "arn:aws:states:::sqs:sendMessage"}, "After": pass_()}

        ended = await world.run(states)

        assert ended.row.error == "States.Runtime"
        assert "cannot call arn:aws:states:::sqs:sendMessage" in (ended.row.cause or "")
