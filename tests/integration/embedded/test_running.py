"""Executions and map runs on one real `mapfold local`, through boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from mapfold.client.express_history import express_events
from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.e2e.embedded import session as aws_session
from tests.integration.embedded.server import ROLE, create_function, session, until, write_code
from tests.integration.wire_model import call, misfits

AT_ONCE = 2
ITEMS = 6


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with session(tmp_path_factory.mktemp("data")) as opened:
        yield opened.aws


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_code(tmp_path_factory.mktemp("code"))


@pytest.fixture(scope="module")
def echo(aws: EmbeddedAws, code: Path) -> str:
    return create_function(aws, code, "echo")


@dataclass(frozen=True)
class Seen:
    """A map run of six items, two at once, of which the last fails: while it ran, and its ARNs."""

    execution: str
    map_run: str
    running: dict[str, Any]
    running_children: list[dict[str, Any]]
    other_children: list[dict[str, Any]]
    child_history: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(aws: EmbeddedAws, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    gate = tmp_path_factory.mktemp("gate") / "open"
    function = create_function(aws, code, "hold")
    sfn: Any = aws.stepfunctions
    execution = start(
        sfn,
        "held",
        {
            "Each": {
                "Type": "Map",
                "Label": "Each",
                "MaxConcurrency": AT_ONCE,
                "ToleratedFailureCount": 1,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Hold",
                    "States": {"Hold": {"Type": "Task", "Resource": function, "End": True}},
                },
                "End": True,
            }
        },
        [{"n": n, "gate": str(gate), "fail": n == ITEMS - 1} for n in range(ITEMS)],
    )
    map_run = until(lambda: sfn.list_map_runs(executionArn=execution)["mapRuns"])[0]["mapRunArn"]

    def children(status: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = sfn.list_executions(mapRunArn=map_run, statusFilter=status)["executions"]
        return found

    def history(child: dict[str, Any]) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = sfn.get_execution_history(executionArn=child["executionArn"])["events"]
        return events

    running = until(lambda: len(children("RUNNING")) == AT_ONCE and children("RUNNING"))
    child = running[0]
    until(lambda: history(child)[-1]["type"] == "LambdaFunctionStarted")
    result = Seen(
        execution,
        map_run,
        sfn.describe_map_run(mapRunArn=map_run),
        running,
        children("SUCCEEDED") + children("FAILED"),
        history(child),
    )
    gate.touch()
    assert until_ended(sfn, execution) == "SUCCEEDED"
    return result


class TestAMapRunThatRuns:
    def test_its_counts_are_those_of_the_moment(self, seen: Seen) -> None:
        """Two run, four wait."""
        counts = seen.running["itemCounts"]

        assert seen.running["status"] == "RUNNING"
        assert "stopDate" not in seen.running
        assert {name: counts[name] for name in ("pending", "running", "succeeded", "failed", "total")} == {
            "pending": ITEMS - AT_ONCE,
            "running": AT_ONCE,
            "succeeded": 0,
            "failed": 0,
            "total": ITEMS,
        }

    def test_its_running_children_are_listed(self, seen: Seen) -> None:
        """With the map run's ARN and how many items they took; none has ended."""
        assert {child["status"] for child in seen.running_children} == {"RUNNING"}
        assert {(child["mapRunArn"], child["itemCount"]) for child in seen.running_children} == {(seen.map_run, 1)}
        assert seen.other_children == []

    def test_a_running_childs_history_is_there(self, seen: Seen) -> None:
        """Up to the moment that its function was started."""
        assert [(event["type"], event["id"], event["previousEventId"]) for event in seen.child_history] == [
            ("ExecutionStarted", 1, 0),
            ("TaskStateEntered", 2, 0),
            ("LambdaFunctionScheduled", 3, 2),
            ("LambdaFunctionStarted", 4, 3),
        ]


class TestAMapRunThatHasEnded:
    def test_its_counts(self, aws: EmbeddedAws, seen: Seen) -> None:
        """The one tolerated failure among them."""
        described: Any = aws.stepfunctions.describe_map_run(mapRunArn=seen.map_run)

        assert described["status"] == "SUCCEEDED"
        assert {name: n for name, n in described["executionCounts"].items() if n} == {
            "succeeded": ITEMS - 1,
            "failed": 1,
            "total": ITEMS,
            "resultsWritten": described["executionCounts"]["resultsWritten"],
        }

    @pytest.mark.parametrize(("status", "count"), [("SUCCEEDED", ITEMS - 1), ("FAILED", 1), ("RUNNING", 0)])
    def test_children_by_status(self, aws: EmbeddedAws, seen: Seen, status: Any, count: int) -> None:
        """Page by page, each child once."""
        pages = aws.stepfunctions.get_paginator("list_executions").paginate(
            mapRunArn=seen.map_run, statusFilter=status, PaginationConfig={"PageSize": 2}
        )

        arns = [child["executionArn"] for page in pages for child in page["executions"]]

        assert len(arns) == len(set(arns)) == count

    def test_a_failed_child_says_why(self, aws: EmbeddedAws, seen: Seen) -> None:
        """DescribeExecution has its error; its history ends with it."""
        sfn: Any = aws.stepfunctions
        (child,) = sfn.list_executions(mapRunArn=seen.map_run, statusFilter="FAILED")["executions"]

        described = sfn.describe_execution(executionArn=child["executionArn"])
        (last,) = sfn.get_execution_history(executionArn=child["executionArn"], reverseOrder=True, maxResults=1)[
            "events"
        ]

        assert (described["error"], described["mapRunArn"]) == ("ValueError", seen.map_run)
        assert last["type"] == "ExecutionFailed"
        assert last["executionFailedEventDetails"]["error"] == "ValueError"

    @pytest.mark.parametrize("of_child", [False, True])
    @pytest.mark.parametrize("size", [1, 3, 1000])
    def test_histories_in_pages_and_in_reverse(self, aws: EmbeddedAws, seen: Seen, of_child: bool, size: int) -> None:
        """Pages of any size are the whole; reverse is the same events the other way round."""
        sfn: Any = aws.stepfunctions
        arn = seen.running_children[0]["executionArn"] if of_child else seen.execution
        whole = sfn.get_execution_history(executionArn=arn)["events"]

        def paged(**options: Any) -> list[Any]:
            pages = sfn.get_paginator("get_execution_history").paginate(
                executionArn=arn, PaginationConfig={"PageSize": size}, **options
            )
            return [event for page in pages for event in page["events"]]

        assert [event["id"] for event in whole] == list(range(1, len(whole) + 1))
        assert paged() == whole
        assert paged(reverseOrder=True) == whole[::-1]


class TestJsonata:
    def test_a_machine_with_variables_from_end_to_end(self, aws: EmbeddedAws, echo: str) -> None:
        """Assign, Arguments, Items, Output and a Choice's Condition in JSONata, around a real function."""
        sfn: Any = aws.stepfunctions
        states = {
            "Set": {"Type": "Pass", "Assign": {"by": "{% $states.input.by %}"}, "Next": "Each"},
            "Each": {
                "Type": "Map",
                "Items": "{% $states.input.numbers %}",
                "ItemSelector": {"n": "{% $states.context.Map.Item.Value * $by %}"},
                "ItemProcessor": {
                    "StartAt": "Echo",
                    "States": {
                        "Echo": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::lambda:invoke",
                            "Arguments": {"FunctionName": echo, "Payload": {"got": "{% $states.input.n %}"}},
                            "Output": "{% $states.result.Payload.got %}",
                            "End": True,
                        }
                    },
                },
                "Assign": {"total": "{% $sum($states.result) %}"},
                "Next": "Large",
            },
            "Large": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $total > 50 %}", "Next": "Done"}],
                "Default": "Small",
            },
            "Small": {"Type": "Fail", "Error": "TooSmall"},
            "Done": {"Type": "Succeed", "Output": {"total": "{% $total %}", "all": "{% $states.input %}"}},
        }

        execution = start(sfn, "jsonata", states, {"by": 10, "numbers": [1, 2, 3]}, QueryLanguage="JSONata")

        assert until_ended(sfn, execution) == "SUCCEEDED"
        output = json.loads(sfn.describe_execution(executionArn=execution)["output"])
        assert output == {"total": 60, "all": [10, 20, 30]}
        exits = [
            event["stateExitedEventDetails"]
            for event in sfn.get_execution_history(executionArn=execution)["events"]
            if event["type"] in ("PassStateExited", "MapStateExited")
        ]
        assert [exit_["assignedVariables"] for exit_ in exits] == [{"by": "10"}, {"total": "60"}]


class TestWithoutExecution:
    def test_a_state_by_itself(self, aws: EmbeddedAws, echo: str) -> None:
        """TestState calls the real function and keeps nothing."""
        state = {"Type": "Task", "Resource": echo, "ResultPath": "$.got", "Next": "After"}
        local = Config(inject_host_prefix=False)
        sfn: Any = aws_session().client("stepfunctions", endpoint_url=f"http://127.0.0.1:{aws.port}", config=local)

        told = sfn.test_state(definition=json.dumps(state), roleArn=ROLE, input='{"n": 1}', inspectionLevel="DEBUG")

        assert (told["status"], told["nextState"]) == ("SUCCEEDED", "After")
        assert json.loads(told["output"]) == {"n": 1, "got": {"n": 1}}
        assert json.loads(told["inspectionData"]["result"]) == {"n": 1}

    def test_a_machine_whose_action_there_is_not(self, aws: EmbeddedAws) -> None:
        """The actions of services are those of botocore's models."""
        sfn: Any = aws.stepfunctions
        with pytest.raises(sfn.exceptions.InvalidDefinition, match=r"aws-sdk:s3:nope is not recognized"):
            start(sfn, "nope", {"A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:nope", "End": True}}, {})


class TestExpress:
    def test_a_synchronous_execution_from_end_to_end(self, aws: EmbeddedAws) -> None:
        """Its answer is what the SDKs' model says; its history is at Mapfold's own endpoint."""
        states = {"P": {"Type": "Pass", "Result": 2, "ResultPath": "$.got", "End": True}}
        machine = aws.stepfunctions.create_state_machine(
            name="express",
            definition=json.dumps({"StartAt": "P", "States": states}),
            roleArn=ROLE,
            type="EXPRESS",
        )["stateMachineArn"]
        url = f"http://127.0.0.1:{aws.port}"

        status, answer = call(url, "StartSyncExecution", {"stateMachineArn": machine, "input": '{"n":1}'})

        assert (status, answer["status"], misfits("StartSyncExecution", answer)) == (200, "SUCCEEDED", [])
        assert json.loads(answer["output"]) == {"n": 1, "got": 2}
        types = [event.type for event in express_events(url, answer["executionArn"], newest_first=False, page=3)]
        assert types == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]


def start(sfn: Any, name: str, states: dict[str, Any], data: Any, **top: Any) -> str:
    """Create a machine that begins with the first state, start it, and give the execution's ARN."""
    definition = json.dumps({"StartAt": next(iter(states)), "States": states, **top})
    machine = sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
    arn: str = sfn.start_execution(stateMachineArn=machine, input=json.dumps(data))["executionArn"]
    return arn
