"""Functions that are deployed anew while they are used (rules: `mapfold/client/deploy.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mapfold.client import AwsClient, local_target
from mapfold.client.deploy import FunctionPlan, all_at_once, functions
from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.integration.embedded.server import ROLE

pytestmark = pytest.mark.timeout(120)

CODE = """
import os, time

def handler(event, context):
    time.sleep(0.02)
    return [OF, os.environ["OF"]]
"""


def client(aws: EmbeddedAws) -> AwsClient:
    return AwsClient(
        local_target(
            service_url=f"http://127.0.0.1:{aws.port}", aws_url=f"http://127.0.0.1:{aws.aws_port}", environment={}
        )
    )


def write(folder: Path, name: str) -> Path:
    """A folder whose function answers the name, and the one in its environment."""
    (folder / name).mkdir()
    (folder / name / "deployed.py").write_text(f"OF = {name!r}\n{CODE}")
    return folder / name


def deploy(aws: AwsClient, folder: Path, *, edit: int = 0) -> list[str]:
    """Bring the function to what is in the folder; what that did to it."""
    variables = {"OF": folder.name, "EDIT": str(edit)}
    plan = FunctionPlan("deployed", "deployed.handler", timeout_seconds=30, memory_mb=128, environment=variables)
    done = all_at_once(functions([plan], folder, aws))
    assert not done.errors
    return [change.action for change in done.changes]


@pytest.fixture
def execution(embedded_aws: EmbeddedAws, tmp_path: Path) -> Iterator[str]:
    """One that calls the function 300 times, a few at a time, and retries nothing. It has begun."""
    deploy(client(embedded_aws), write(tmp_path, "first"))
    arn = embedded_aws.functions.get_function(FunctionName="deployed")["Configuration"]["FunctionArn"]
    call = {"StartAt": "Call", "States": {"Call": {"Type": "Task", "Resource": arn, "End": True}}}
    states = {"Each": {"Type": "Map", "MaxConcurrency": 8, "ItemProcessor": call, "End": True}}
    machine = embedded_aws.stepfunctions.create_state_machine(
        name="calls", roleArn=ROLE, definition=json.dumps({"StartAt": "Each", "States": states})
    )["stateMachineArn"]
    given = json.dumps(list(range(300)))
    yield embedded_aws.stepfunctions.start_execution(stateMachineArn=machine, input=given)["executionArn"]
    embedded_aws.stepfunctions.delete_state_machine(stateMachineArn=machine)


def test_what_runs_goes_on_though_two_deploy_other_code_at_once(
    embedded_aws: EmbeddedAws, execution: str, tmp_path: Path
) -> None:
    """
    No call finds the function away. And in the end it is what one of the two wanted: never the code of one with the
    settings of the other, which the next deployment would take for what it wants.
    """
    numbers = count()

    def deploys(name: str) -> list[str]:
        aws, folder = client(embedded_aws), write(tmp_path, name)
        return [action for _ in range(15) for action in deploy(aws, folder, edit=next(numbers))]

    with ThreadPoolExecutor(2) as pool:
        actions = [action for done in pool.map(deploys, ["second", "third"]) for action in done]
    status = until_ended(embedded_aws.stepfunctions, execution)
    last = json.load(embedded_aws.functions.invoke(FunctionName="deployed")["Payload"])

    described: Any = embedded_aws.stepfunctions.describe_execution(executionArn=execution)
    assert (status, described.get("cause")) == ("SUCCEEDED", None)
    answers = {code for code, _ in json.loads(described["output"])}
    assert set(actions) == {"replaced"}
    assert "first" in answers
    assert len(answers) > 1
    assert last in (["second", "second"], ["third", "third"])
