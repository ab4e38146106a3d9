"""Workers of an activity over a real server, which is killed while one of them has a task."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.embedded import until_ended
from tests.integration.embedded.server import are_gone, session, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

ROLE = "arn:aws:iam::123456789012:role/any"


def test_a_task_that_a_worker_has_survives_a_kill(tmp_path: Path) -> None:
    """The worker answers after the restart, with the token that it was given before it: nothing is scheduled again."""
    data = tmp_path / "data"
    with session(data) as opened:
        client = opened.aws.stepfunctions
        arn = client.create_activity(name="review")["activityArn"]
        definition = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": arn, "End": True}}}
        machine = client.create_state_machine(name="m", definition=json.dumps(definition), roleArn=ROLE)
        execution = client.start_execution(stateMachineArn=machine["stateMachineArn"], input="7")["executionArn"]
        task = client.get_activity_task(activityArn=arn, workerName="w")
        processes = opened.descendants()
        opened.end(signal.SIGKILL)
        until(lambda: are_gone(processes))

    with session(data) as opened:
        client = opened.aws.stepfunctions
        client.send_task_success(taskToken=task["taskToken"], output='{"seen": true}')
        until_ended(client, execution)
        output = client.describe_execution(executionArn=execution).get("output")
        events = client.get_execution_history(executionArn=execution)["events"]

    assert output == '{"seen": true}'
    assert [event["type"] for event in events][2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
