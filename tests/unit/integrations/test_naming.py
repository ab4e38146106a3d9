"""Names of services, members and errors, as the developer guide and the SDK for Java have them."""

from __future__ import annotations

import pytest

from mapfold.local.engine.integrations.catalog import Catalog
from mapfold.local.sdk.naming import (
    action_name,
    error_prefix,
    exception_name,
    optimized_exception_name,
    optimized_member,
    sdk_member,
)


@pytest.mark.parametrize(
    ("service_id", "prefix"),
    [
        ("ACM PCA", "AcmPca"),
        ("Application Discovery Service", "ApplicationDiscovery"),
        ("CloudHSM V2", "CloudHsmV2"),
        ("CloudWatch Logs", "CloudWatchLogs"),
        ("codestar notifications", "CodestarNotifications"),
        ("Cognito Identity Provider", "CognitoIdentityProvider"),
        ("Config Service", "Config"),
        ("DynamoDB", "DynamoDb"),
        ("EC2 Instance Connect", "Ec2InstanceConnect"),
        ("ElastiCache", "ElastiCache"),
        ("EventBridge", "EventBridge"),
        ("FSx", "FSx"),
        ("IoT Wireless", "IotWireless"),
        ("IoTSiteWise", "IoTSiteWise"),
        ("Kinesis Analytics V2", "KinesisAnalyticsV2"),
        ("MTurk", "MTurk"),
        ("MemoryDB", "MemoryDB"),
        ("RDS Data", "RdsData"),
        ("Resource Groups Tagging API", "ResourceGroupsTaggingApi"),
        ("Route53Resolver", "Route53Resolver"),
        ("S3", "S3"),
        ("SFN", "Sfn"),
        ("SQS", "Sqs"),
        ("SSO OIDC", "SsoOidc"),
        ("SageMaker A2I Runtime", "SageMakerA2IRuntime"),
        ("WAFV2", "Wafv2"),
        ("XRay", "XRay"),
    ],
)
def test_exception_prefixes_are_those_of_the_guides_table(service_id: str, prefix: str) -> None:
    """The developer guide lists a prefix for every service; the rule makes it of the service's id."""
    assert error_prefix(service_id) == prefix


@pytest.mark.parametrize(
    ("member", "sdk", "optimized"),
    [
        ("stateMachineArn", "StateMachineArn", "StateMachineArn"),
        ("DBClusterIdentifier", "DbClusterIdentifier", "DBClusterIdentifier"),
        ("DBClusters", "DbClusters", "DBClusters"),
        ("ETag", "ETag", "ETag"),
        ("ARN", "Arn", "ARN"),
        ("SSEKMSKeyId", "SsekmsKeyId", "SSEKMSKeyId"),
        ("MD5OfMessageBody", "Md5OfMessageBody", "MD5OfMessageBody"),
        ("equals", "EqualsValue", "Equals"),
        ("default", "DefaultValue", "Default"),
        ("NULL", "Nul", "NULL"),
    ],
)
def test_members_are_pascal_case_as_javas_accessors_make_them(member: str, sdk: str, optimized: str) -> None:
    """Capitals that begin a name become small but for its next word's; names that Java does not allow get `Value`."""
    assert sdk_member(member) == sdk
    assert optimized_member(member) == optimized


@pytest.mark.parametrize(
    ("operation", "action"),
    [("PutItem", "putItem"), ("DescribeDBClusters", "describeDBClusters"), ("ListObjectsV2", "listObjectsV2")],
)
def test_actions_begin_with_a_small_letter(operation: str, action: str) -> None:
    """The API action in a Resource is camel case."""
    assert action_name(operation) == action


@pytest.mark.parametrize(
    ("shape", "sdk", "optimized"),
    [
        ("NoSuchKey", "NoSuchKeyException", "NoSuchKeyException"),
        ("ResourceNotFoundException", "ResourceNotFoundException", "ResourceNotFoundException"),
        ("DBInstanceNotFoundFault", "DbInstanceNotFoundException", "DBInstanceNotFoundFaultException"),
        ("InvalidToken", "InvalidTokenException", "InvalidTokenException"),
    ],
)
def test_errors_end_with_exception(shape: str, sdk: str, optimized: str) -> None:
    """Whatever the service calls them (guide: "append the Exception suffix")."""
    assert exception_name(shape) == sdk
    assert optimized_exception_name(shape) == optimized


def test_a_service_is_found_by_the_name_that_its_id_makes() -> None:
    """botocore's own name may be another one; errors begin with words of the id, too."""
    catalog = Catalog()

    found = {name: catalog.service(name) for name in ("cloudwatchlogs", "sfn", "costexplorer", "eventbridge")}

    assert {name: service and (service.name, service.prefix) for name, service in found.items()} == {
        "cloudwatchlogs": ("logs", "CloudWatchLogs"),
        "sfn": ("stepfunctions", "Sfn"),
        "costexplorer": ("ce", "CostExplorer"),
        "eventbridge": ("events", "EventBridge"),
    }


def test_a_service_that_is_known_is_found_while_another_ones_model_is_read() -> None:
    """The event loop asks for it, and must not wait for the thread that reads."""
    catalog = Catalog()
    catalog.service("sfn")

    with catalog._lock:
        found = catalog.service("sfn")

    assert found is catalog.known("sfn")


def test_a_service_or_action_that_there_is_not_is_none() -> None:
    """A Resource names what botocore has, in the spelling of Step Functions."""
    catalog = Catalog()
    sqs = catalog.service("sqs")

    assert catalog.service("nosuchservice") is None
    assert catalog.service("stepfunctions") is None  # `sfn` is
    assert sqs is not None
    assert sqs.operation("SendMessage") is None
    found = sqs.operation("sendMessage")
    assert found is not None
    assert found.name == "SendMessage"
