"""Where a client speaks to."""

from __future__ import annotations

from mapfold.client import environment_target, local_target

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
