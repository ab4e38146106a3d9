"""Distributed Maps on a real `mapfold local`: definitions, runs, and what the API tells of them."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import count
from typing import Any

from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.integration.embedded.server import ROLE, until

_NAMES = (f"map-{number}" for number in count())
PASS = {"P": {"Type": "Pass", "End": True}}
HOLD = {"H": {"Type": "Wait", "Seconds": 600, "End": True}}
"""A child that does not end by itself."""


@lru_cache(maxsize=1)
def client_of(aws: EmbeddedAws) -> Any:
    """A client for Step Functions: to make one takes longer than a whole map run, so the last one is kept."""
    return aws.stepfunctions


def distributed(states: dict[str, Any] = PASS, *, children: str = "STANDARD", **fields: Any) -> dict[str, Any]:
    """A distributed Map that is its machine's end; `states` are its children's, the first one first."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": children},
        "StartAt": next(iter(states)),
        "States": states,
    }
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


def start(aws: EmbeddedAws, each: dict[str, Any], given: Any = None) -> str:
    """Start a machine whose only state is `each`; the execution's ARN."""
    definition = json.dumps({"StartAt": "Each", "States": {"Each": each}})
    sfn = client_of(aws)
    machine = sfn.create_state_machine(name=next(_NAMES), definition=definition, roleArn=ROLE)
    execution = sfn.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(given))
    return str(execution["executionArn"])


def ended(aws: EmbeddedAws, each: dict[str, Any], given: Any = None) -> dict[str, Any]:
    """The same, run to its end: DescribeExecution's answer."""
    execution = start(aws, each, given)
    until_ended(client_of(aws), execution, ask_every_seconds=0.01)
    described: dict[str, Any] = client_of(aws).describe_execution(executionArn=execution)
    return described


def output(aws: EmbeddedAws, each: dict[str, Any], given: Any = None) -> Any:
    """The output of an execution that succeeds."""
    described = ended(aws, each, given)
    assert described["status"] == "SUCCEEDED", (described.get("error"), described.get("cause"))
    return json.loads(described["output"])


def failure(aws: EmbeddedAws, each: dict[str, Any], given: Any = None) -> tuple[str, str]:
    """The error and cause of an execution that fails."""
    described = ended(aws, each, given)
    assert described["status"] == "FAILED", described.get("output")
    return described["error"], described["cause"]


def only_map_run(aws: EmbeddedAws, execution: str) -> dict[str, Any]:
    """DescribeMapRun of the execution's map run, as soon as it has one."""
    sfn = client_of(aws)
    (listed,) = until(lambda: sfn.list_map_runs(executionArn=execution)["mapRuns"])
    described: dict[str, Any] = sfn.describe_map_run(mapRunArn=listed["mapRunArn"])
    return described


def counted(map_run: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """The item and the execution counts that are not 0."""
    items, executions = map_run["itemCounts"], map_run["executionCounts"]
    return {name: n for name, n in items.items() if n}, {name: n for name, n in executions.items() if n}


def until_running(aws: EmbeddedAws, execution: str, children: int) -> dict[str, Any]:
    """The execution's map run, once so many of its children run."""
    found: dict[str, Any] = until(
        lambda: (run := only_map_run(aws, execution))["executionCounts"]["running"] == children and run
    )
    return found


def history(aws: EmbeddedAws, execution: str) -> list[tuple[str, int, Any]]:
    """(type, previousEventId, details) of each event."""
    events = client_of(aws).get_execution_history(executionArn=execution, maxResults=1000)["events"]
    found: list[tuple[str, int, Any]] = []
    for event in events:
        details = [value for name, value in event.items() if name.endswith("EventDetails")]
        found.append((event["type"], event["previousEventId"], details[0] if details else None))
    return found
