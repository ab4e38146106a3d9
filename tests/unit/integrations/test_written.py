"""Parameters that a definition writes down, checked when the machine is made."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.errors import DefinitionError
from mapfold.local.engine.integrations.written import refused_parameters
from mapfold.states import compile_machine
from tests.unit.integrations.tasks import call


def found(resource: str, parameters: Any) -> list[str]:
    """The problems of a machine of one Task."""
    try:
        compile_machine(
            {"StartAt": "Call", "States": call(resource, parameters)}, refuses_parameters=refused_parameters
        )
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []


def unknown(name: str) -> str:
    return f'SCHEMA_VALIDATION_FAILED: The field "{name}" is not supported by Step Functions at /States/Call/Parameters'


def invalid(name: str) -> str:
    return f"SCHEMA_VALIDATION_FAILED: The value for the '{name}' field is not valid at /States/Call/Parameters"


def missing(name: str) -> str:
    return f"SCHEMA_VALIDATION_FAILED: The field '{name}' is required but was missing at /States/Call/Parameters"


@pytest.mark.parametrize(
    ("resource", "parameters", "problems"),
    [
        ("aws-sdk:s3:getObject", {"Bucket": "b", "Key.$": "$.k"}, []),
        ("aws-sdk:s3:getObject", {"bucket": "b", "Key": "k"}, [missing("Bucket"), unknown("bucket")]),
        ("aws-sdk:s3:listBuckets", {}, []),
        ("bedrock:invokeModel", {"ModelId": "m", "Input": {"S3Uri": "s3://b/i"}, "Output": {"S3Uri": "s3://b/o"}}, []),
        ("bedrock:invokeModel", {"Body": {}}, [missing("ModelId")]),
        ("aws-sdk:sts:getCallerIdentity", {"A": 1}, [unknown("A")]),
        ("aws-sdk:dynamodb:putItem", {"TableName": "t", "Item": {"any": {"BOOL": True}, "x": {"Bool": False}}}, []),
        ("aws-sdk:dynamodb:putItem", {"TableName": "t", "Item": {"any": {"Text": "x"}}}, [unknown("Text")]),
        (
            "aws-sdk:verifiedpermissions:createPolicy",
            {"PolicyStoreId": "p", "Definition": {"static": {"Statement": "s"}}},
            [unknown("static")],
        ),
        (
            "aws-sdk:verifiedpermissions:createPolicy",
            {"PolicyStoreId": "p", "Definition": {"StaticValue": {"Statement": "s"}}},
            [],
        ),
        (
            "aws-sdk:ec2:describeInstances",
            {"Filters": [{"Name": "n", "Values.$": "$.v", "Nope": 1}]},
            [unknown("Nope")],
        ),
        ("batch:submitJob.sync", {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "Foo": 1}, [unknown("Foo")]),
        (
            "ecs:runTask",
            {"TaskDefinition": "d", "Overrides": {"containerOverrides": []}},
            [unknown("containerOverrides")],
        ),
        ("elasticmapreduce:terminateCluster", {"ClusterId": "j"}, []),
        ("bedrock:invokeModel", {"ModelId": "m", "Input": {"S3Uri.$": "$.u"}, "Output": {"S3Uri": "s3://b/k"}}, []),
        ("bedrock:invokeModel", {"Body": {}, "Prompt": "p"}, [missing("ModelId"), unknown("Prompt")]),
        (
            "aws-sdk:rds:copyDBSnapshot",
            {"SourceDBSnapshotIdentifier": "a", "TargetDBSnapshotIdentifier": "b", "SourceRegion": "us-west-2"},
            [],
        ),
        (
            "aws-sdk:bedrockruntime:converse",
            {"ModelId": "m", "AdditionalModelRequestFields": {"any": {"thing": 1}}, "System": [{"Text.$": "$.t"}]},
            [],
        ),
        ("http:invoke", {"Method": "GET"}, [missing("ApiEndpoint")]),
        ("http:invoke", {"Method": "GET", "ApiEndpoint": "States.Format('https://{}', $.a)"}, [invalid("ApiEndpoint")]),
        (
            "http:invoke",
            {"Method": "GET", "ApiEndpoint.$": "$.a", "Authentication": {"ConnectionArn": "mine"}},
            [invalid("ConnectionArn")],
        ),
        ("dynamodb:putItem", {"TableName": "t", "Item": {"id": {"s": "1"}, "n.$": "$.n"}}, [unknown("s")]),
        ("sqs:sendMessage", {"QueueUrl": "q", "Foo": {}}, [missing("MessageBody"), unknown("Foo")]),
        ("lambda:invoke", {"FunctionName": "f", "Other": 1}, [unknown("Other")]),
        ("lambda:invoke.waitForTaskToken", {"FunctionName": "f", "TaskToken.$": "$$.Task.Token"}, []),
    ],
)
def test_names_are_checked_at_every_depth(resource: str, parameters: Any, problems: list[str]) -> None:
    """Where they are written; the place is that of the parameters. A path's name is looked at when it runs."""
    assert found(resource, parameters) == problems


def test_names_of_jsonata_are_checked_as_they_are() -> None:
    """There are no paths; what an expression will give is not known."""
    of_s3 = ("aws-sdk:s3", "getObject")

    assert refused_parameters(*of_s3, {"Bucket": "{% $b %}", "Key.$": "k"}, has_paths=False) == (["Key"], ["Key.$"])
