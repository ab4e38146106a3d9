"""Where a client speaks to."""

from __future__ import annotations

import pytest

from mapfold.client import aws_target, environment_target, lambda_target, local_target
from mapfold.errors import UsageError

PORTS = {"service_url": "http://127.0.0.1:1", "aws_url": "http://127.0.0.1:2"}


def test_step_functions_and_lambda_are_on_the_one_port_and_the_rest_on_the_other() -> None:
    """As `mapfold local` serves them."""
    endpoints = local_target(**PORTS, environment={}).endpoints

    assert endpoints["stepfunctions"] == endpoints["lambda"] == "http://127.0.0.1:1"
    assert endpoints["s3"] == endpoints["dynamodb"] == "http://127.0.0.1:2"


def test_another_s3_takes_the_place_of_the_embedded_one() -> None:
    """By the standard variable, and only S3."""
    endpoints = local_target(**PORTS, environment={"AWS_ENDPOINT_URL_S3": "http://s3"}).endpoints

    assert (endpoints["s3"], endpoints["dynamodb"]) == ("http://s3", "http://127.0.0.1:2")


def test_the_region_is_the_environments() -> None:
    """AWS_REGION before AWS_DEFAULT_REGION before us-east-1."""
    both = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}

    assert local_target(**PORTS, environment=both).region == "eu-west-1"
    assert local_target(**PORTS, environment={"AWS_DEFAULT_REGION": "eu-west-2"}).region == "eu-west-2"
    assert local_target(**PORTS, environment={}).region == "us-east-1"


def test_the_real_aws_is_in_the_region_of_the_command_line_or_of_the_environment() -> None:
    """AWS_REGION is the environment's, as for the AWS CLI; what boto3 knows by itself is left to it."""
    environment = {"AWS_REGION": "eu-west-1"}
    said, of_environment, unsaid = (
        aws_target(profile=None, region=region, environment=given).region
        for region, given in (("us-west-2", environment), (None, environment), (None, {}))
    )

    assert (said, of_environment, unsaid) == ("us-west-2", "eu-west-1", None)


def test_the_region_that_the_embedded_aws_says_it_is_in_comes_first() -> None:
    """Another shell may have another AWS_REGION than the one that `mapfold local` was started in."""
    target = local_target(**PORTS, environment={"AWS_REGION": "eu-west-1"}, region="us-east-1")

    assert target.region == "us-east-1"


def test_a_step_functions_endpoint_of_the_users_is_honoured() -> None:
    """With the variables that design.md names; without it, there is no choice of the user's."""
    chosen = environment_target({"AWS_ENDPOINT_URL": "http://aws", "AWS_ENDPOINT_URL_SFN": "http://sfn"})

    assert chosen is not None
    assert chosen.endpoints["stepfunctions"] == chosen.endpoints["lambda"] == "http://sfn"
    assert chosen.endpoints["s3"] == "http://aws"
    assert environment_target({"AWS_ENDPOINT_URL": "http://aws"}) is None


LAMBDA = "arn:aws:lambda:eu-west-1:210987654321:function:mapfold-dev-Api-1X"
STAGE = {
    "MAPFOLD_MACHINE_PREFIX": "mapfold-dev-",
    "MAPFOLD_DEPLOYED_JOBS": "flights,words",
    "MAPFOLD_RUNS_BUCKET": "runs-1x",
    "MAPFOLD_RUNS_TABLE": "table-1x",
    "MAPFOLD_DATA_BUCKET": "data-1x",
}


def test_a_function_finds_its_stage_in_its_environment() -> None:
    """Account and region are those of its own ARN: nobody has to be asked."""
    target = lambda_target(STAGE, LAMBDA)

    assert (target.machine_prefix, target.jobs) == ("mapfold-dev-", ("flights", "words"))
    assert (target.region, target.account) == ("eu-west-1", "210987654321")
    assert (target.runs_bucket, target.runs_table, target.data_bucket) == ("runs-1x", "table-1x", "data-1x")
    assert not target.is_local


def test_a_function_of_another_partition_makes_that_partitions_arns() -> None:
    """Such as GovCloud's."""
    target = lambda_target(STAGE, LAMBDA.replace("arn:aws:", "arn:aws-us-gov:"))

    assert target.machine_arn("words", region="us-gov-west-1", account="1").startswith("arn:aws-us-gov:states:")


def test_a_function_of_the_embedded_aws_lists_state_machines() -> None:
    """Jobs come and go there while it is warm; Step Functions is where its environment says."""
    environment = {name: value for name, value in STAGE.items() if name != "MAPFOLD_DEPLOYED_JOBS"}

    target = lambda_target({**environment, "AWS_ENDPOINT_URL_SFN": "http://sfn"}, LAMBDA)

    assert (target.jobs, target.endpoints["stepfunctions"]) == (None, "http://sfn")


def test_all_that_a_functions_environment_lacks_is_named() -> None:
    """One deployment mends it all."""
    with pytest.raises(UsageError, match="has no MAPFOLD_RUNS_TABLE, MAPFOLD_DATA_BUCKET"):
        lambda_target({"MAPFOLD_MACHINE_PREFIX": "m-", "MAPFOLD_RUNS_BUCKET": "b"}, LAMBDA)
