"""The actions of `aws-sdk` integrations, by the names that Step Functions gives to services and actions."""

from __future__ import annotations

import pytest

from mapfold.local.sdk.models import knows_action, service_models, service_name


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("dynamodb", "putItem"),
        ("s3", "listObjectsV2"),
        ("sfn", "startSyncExecution"),
        ("eventbridge", "putEvents"),
        ("cloudwatchlogs", "createLogGroup"),
        ("ssoadmin", "listPermissionSets"),
    ],
)
def test_actions_of_services(service: str, action: str) -> None:
    """botocore's folder may be called otherwise: `stepfunctions`, `events`, `logs`."""
    assert knows_action(service, action)


@pytest.mark.parametrize(
    ("service", "action"), [("stepfunctions", "startExecution"), ("s3", "ListBuckets"), ("s3", "nope"), ("nope", "x")]
)
def test_what_is_no_action_of_a_service(service: str, action: str) -> None:
    """Neither other names of a service, nor other spellings of an action."""
    assert not knows_action(service, action)


def test_the_name_of_a_service_is_that_of_its_id() -> None:
    """Without blanks, without `Amazon`, `AWS` and `Service` around it, in lower case."""
    assert service_name("Cost and Usage Report Service") == "costandusagereport"
    assert service_name("Elastic Load Balancing v2") == "elasticloadbalancingv2"
    assert len(service_models()) > 300
