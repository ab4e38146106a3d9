"""Mocked results against the models of the APIs that they stand for."""

from __future__ import annotations

import pytest

from mapfold.local.service.faults import Fault
from mapfold.local.service.mock_schema import check_result
from mapfold.states import Json
from mapfold.states.resource import parse_resource


@pytest.mark.parametrize(
    ("resource", "result", "mode", "problem"),
    [
        ("aws-sdk:sfn:startExecution", {"ExecutionArn": "a", "StartDate": "now"}, "STRICT", None),
        ("aws-sdk:sfn:startExecution", {"ExecutionArn": "a"}, "STRICT", "Required field 'StartDate' is missing"),
        ("aws-sdk:sfn:startExecution", {"ExecutionArn": "a"}, "PRESENT", None),
        ("aws-sdk:sfn:startExecution", {"ExecutionArn": 1}, "PRESENT", "Field 'ExecutionArn' must be a string"),
        ("aws-sdk:sfn:startExecution", {"ExecutionArn": 1}, "NONE", None),
        ("aws-sdk:sfn:startExecution", {"Others": 1}, "PRESENT", None),
        ("aws-sdk:s3:listObjectsV2", {"IsTruncated": "no"}, "STRICT", "Field 'IsTruncated' must be a boolean"),
        ("aws-sdk:s3:listObjectsV2", {"KeyCount": True}, "STRICT", "Field 'KeyCount' must be a number"),
        ("aws-sdk:s3:listObjectsV2", {"Contents": [{"Size": "1"}]}, "STRICT", "Field 'Size' must be a number"),
        (
            "aws-sdk:s3:listObjectsV2",
            {"EncodingType": "x"},
            "STRICT",
            "Field 'EncodingType' is not an expected value",
        ),
        ("dynamodb:getItem", {"Item": {"a": {"L": "x"}}}, "STRICT", "Field 'L' must be an array"),
        ("emr-serverless:startJobRun", {"JobRunId": 1}, "PRESENT", "Field 'JobRunId' must be a string"),
        ("lambda:invoke", {"Payload": {"any": 1}, "StatusCode": 200}, "STRICT", None),
        ("sqs:sendMessage.waitForTaskToken", {"MessageId": 1}, "STRICT", None),
    ],
)
def test_a_result_is_one_that_the_api_could_give(resource: str, result: Json, mode: str, problem: str | None) -> None:
    """By the names and types of its model, as strictly as asked for."""
    parsed = parse_resource(f"arn:aws:states:::{resource}")
    assert parsed is not None

    if problem is None:
        check_result(result, parsed, mode)
        return
    with pytest.raises(Fault) as raised:
        check_result(result, parsed, mode)
    assert raised.value.message == f"Mock result schema validation error: {problem}"


def test_a_result_may_be_nested_deeply() -> None:
    """Types that hold themselves are followed without recursion."""
    resource = parse_resource("arn:aws:states:::dynamodb:getItem")
    assert resource is not None
    value: Json = {"S": "x"}
    for _ in range(5_000):
        value = {"L": [value]}

    check_result({"Item": {"a": value}}, resource, "STRICT")
