"""A target from the outputs of a deployed stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from mapfold.client import AwsClient, Target, aws_target, stack_target
from mapfold.client.stack import StackFacts
from mapfold.errors import ServiceError, UsageError

OUTPUTS = {
    "MachinePrefix": "mapfold-dev-",
    "Jobs": "flights,words",
    "DataBucket": "mapfold-dev-data-1x",
    "RunsBucket": "mapfold-dev-runs-1x",
    "RunsTable": "mapfold-dev-RunsTable-1X",
    "ApiUrl": "https://abc.execute-api.eu-west-1.amazonaws.com/v1/",
}
STACK = "arn:aws:cloudformation:eu-west-1:210987654321:stack/mapfold-dev/6f1c2d00-0000-0000-0000-000000000000"


@dataclass
class Stacks:
    """CloudFormation in a dict."""

    stacks: dict[str, StackFacts]
    target: Target = field(default_factory=lambda: aws_target(profile="work", region="eu-west-1", environment={}))
    region: str = "eu-west-1"

    def find_stack(self, name: str) -> StackFacts | None:
        return self.stacks.get(name)


def stacks(*, status: str = "CREATE_COMPLETE", reason: str = "", **outputs: str) -> Stacks:
    return Stacks({"mapfold-dev": StackFacts(STACK, status, reason, OUTPUTS | outputs)})


def test_a_stack_says_its_jobs_and_where_their_runs_keep_things() -> None:
    """Nothing else of the target changes: the profile and the region are those of the command line."""
    target = stack_target(stacks(), "mapfold-dev")

    assert (target.machine_prefix, target.jobs) == ("mapfold-dev-", ("flights", "words"))
    assert (target.data_bucket, target.runs_bucket) == ("mapfold-dev-data-1x", "mapfold-dev-runs-1x")
    assert (target.runs_table, target.account, target.stack) == (
        "mapfold-dev-RunsTable-1X",
        "210987654321",
        "mapfold-dev",
    )
    assert (target.profile, target.region) == ("work", "eu-west-1")


def test_a_state_machine_is_named_by_stack_and_job() -> None:
    """And a state machine's name says the job again."""
    target = stack_target(stacks(), "mapfold-dev")

    arn = target.machine_arn("flights", region="eu-west-1", account="210987654321")

    assert arn == "arn:aws:states:eu-west-1:210987654321:stateMachine:mapfold-dev-flights"
    assert target.job_of(arn) == "flights"


def test_a_stack_that_is_not_there_is_said_with_the_region_and_what_to_do() -> None:
    """A wrong region is the usual reason."""
    with pytest.raises(UsageError, match=r"no stack 'mapfold-prod' in eu-west-1\. `make deploy` .* --stack"):
        stack_target(stacks(), "mapfold-prod")


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS", "CREATE_FAILED"])
def test_a_stack_that_was_never_complete_is_refused(status: str) -> None:
    """With its status, and the reason that CloudFormation gives."""
    with pytest.raises(UsageError, match=f"not complete: it is {status} .User initiated."):
        stack_target(stacks(status=status, reason="User initiated"), "mapfold-dev")


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_that_is_updated_goes_on_having_its_jobs(status: str) -> None:
    """Who looks at a run need not wait for a deployment."""
    assert stack_target(stacks(status=status), "mapfold-dev").jobs == ("flights", "words")


def test_outputs_that_are_missing_are_all_named() -> None:
    """An older version of Mapfold deployed it."""
    with pytest.raises(UsageError, match=r"no output Jobs, RunsTable: .* Deploy it again"):
        stack_target(stacks(Jobs="", RunsTable=""), "mapfold-dev")


class TestCloudFormation:
    @pytest.fixture
    def cloudformation(self) -> Iterator[Stubber]:
        client = boto3.client(
            "cloudformation", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        with Stubber(client) as stub:
            stub.client = client
            yield stub
            stub.assert_no_pending_responses()

    def aws(self, cloudformation: Any) -> AwsClient:
        return AwsClient(Target(region="eu-west-1"), clients={"cloudformation": cloudformation.client})

    def test_outputs_are_read_by_their_keys(self, cloudformation: Stubber) -> None:
        """A stack without any has none."""
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        stack = {"StackId": STACK, "StackName": "mapfold-dev", "StackStatus": "CREATE_COMPLETE", "CreationTime": 0}
        cloudformation.add_response("describe_stacks", {"Stacks": [{**stack, "Outputs": outputs}]})

        facts = self.aws(cloudformation).find_stack("mapfold-dev")

        assert facts == StackFacts(STACK, "CREATE_COMPLETE", "", OUTPUTS)

    def test_a_stack_that_is_not_there_is_none(self, cloudformation: Stubber) -> None:
        """CloudFormation says it with the code of any wrong request."""
        message = "Stack with id mapfold-dev does not exist"
        cloudformation.add_client_error("describe_stacks", "ValidationError", message)

        assert self.aws(cloudformation).find_stack("mapfold-dev") is None

    def test_what_is_not_allowed_is_a_service_error(self, cloudformation: Stubber) -> None:
        """Not a stack that is not there."""
        cloudformation.add_client_error("describe_stacks", "AccessDenied", "not authorized")

        with pytest.raises(ServiceError, match="DescribeStacks was refused: AccessDenied: not authorized"):
            self.aws(cloudformation).find_stack("mapfold-dev")
