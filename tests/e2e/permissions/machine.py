"""What a state machine asked of IAM in its own name: functions called, children started, followed, stopped, redriven."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.e2e.permissions.iam import Request

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def requests_of(stepfunctions: SFNClient, execution_arn: str) -> Iterator[Request]:
    """All that the execution did but S3, which the recorder sees."""
    machine = stepfunctions.describe_state_machine_for_execution(executionArn=execution_arn)
    states = json.loads(machine["definition"])["States"]
    for event in _events(stepfunctions, execution_arn):
        if event["type"] == "TaskScheduled":
            called = json.loads(event["taskScheduledEventDetails"]["parameters"])["FunctionName"]
            yield Request("lambda:InvokeFunction", called)
    for page in stepfunctions.get_paginator("list_map_runs").paginate(executionArn=execution_arn):
        for run in page["mapRuns"]:
            label = run["mapRunArn"].rsplit("/", 1)[1].split(":")[0]
            function = _function_of(next(state for state in states.values() if state.get("Label") == label))
            for child in _children(stepfunctions, run["mapRunArn"]):
                yield from _of_child(child, machine["stateMachineArn"], function)


def _of_child(child: Any, machine_arn: str, function: str) -> Iterator[Request]:
    yield Request("states:StartExecution", machine_arn)
    yield Request("states:DescribeExecution", child["executionArn"])
    yield Request("lambda:InvokeFunction", function)
    if child["status"] == "ABORTED":
        yield Request("states:StopExecution", child["executionArn"])
    if child.get("redriveCount"):
        yield Request("states:RedriveExecution", child["executionArn"])


def _function_of(map_state: Any) -> str:
    (task,) = map_state["ItemProcessor"]["States"].values()
    return str(task["Parameters"]["FunctionName"])


def _events(stepfunctions: SFNClient, execution_arn: str) -> Iterator[Any]:
    for page in stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution_arn):
        yield from page["events"]


def _children(stepfunctions: SFNClient, map_run_arn: str) -> Iterator[Any]:
    for page in stepfunctions.get_paginator("list_executions").paginate(mapRunArn=map_run_arn):
        yield from page["executions"]
