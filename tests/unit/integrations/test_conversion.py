"""A Task's arguments as an API's parameters, and its answer as the Task's result."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest

from mapfold.local.engine.integrations.catalog import Catalog
from mapfold.local.engine.integrations.requests import build_request
from mapfold.local.engine.integrations.results import build_result
from mapfold.local.engine.integrations.styles import OPTIMIZED, SDK, iso_time


@cache
def catalog() -> Catalog:
    return Catalog()


def operation(service: str, action: str) -> Any:
    found = catalog().service(service)
    assert found is not None
    return found.operation(action)


def request(service: str, action: str, arguments: Any, style: Any = SDK) -> Any:
    return build_request(operation(service, action).input_shape, arguments, style)


class TestRequests:
    def test_members_are_named_as_the_api_does_at_every_depth(self) -> None:
        """PascalCase members become the API's, keys of maps stay as they are."""
        built = request(
            "sfn",
            "createStateMachine",
            {
                "Name": "m",
                "Definition": "{}",
                "RoleArn": "r",
                "LoggingConfiguration": {"Level": "OFF", "Destinations": [{"CloudWatchLogsLogGroup": {}}]},
                "Tags": [{"Key": "a", "Value": "b"}],
            },
        )

        assert built.problems == []
        assert built.params == {
            "name": "m",
            "definition": "{}",
            "roleArn": "r",
            "loggingConfiguration": {"level": "OFF", "destinations": [{"cloudWatchLogsLogGroup": {}}]},
            "tags": [{"key": "a", "value": "b"}],
        }

    def test_json_is_written_as_text_where_the_api_takes_text_or_bytes(self) -> None:
        """An object as a message, a number as a string, an object as a body."""
        message = request("sqs", "sendMessage", {"QueueUrl": "q", "MessageBody": {"a": [1, None]}})
        body = request("s3", "putObject", {"Bucket": "b", "Key": 7, "Body": {"a": "ä"}})

        assert message.params["MessageBody"] == '{"a":[1,null]}'
        assert body.params == {"Bucket": "b", "Key": "7", "Body": '{"a":"ä"}'.encode()}

    def test_times_are_iso_text_or_epoch_seconds(self) -> None:
        """Both give botocore a moment."""
        text = request("s3", "getObject", {"Bucket": "b", "Key": "k", "IfModifiedSince": "2025-01-31T12:00:00Z"})
        number = request("s3", "getObject", {"Bucket": "b", "Key": "k", "IfModifiedSince": 1738324800})

        assert (
            text.params["IfModifiedSince"] == number.params["IfModifiedSince"] == datetime(2025, 1, 31, 12, tzinfo=UTC)
        )

    def test_null_is_as_good_as_nothing(self) -> None:
        """A member that is null is not sent, and counts as missing."""
        built = request("sqs", "sendMessage", {"QueueUrl": "q", "MessageBody": None, "DelaySeconds": None})

        assert built.params == {"QueueUrl": "q"}
        assert built.problems == ["The field 'MessageBody' is required but was missing"]

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (
                {"Bucket": "b", "Key": "k", "bucket": "b"},
                'The field "bucket" is not supported by Step Functions',
            ),
            ({"Bucket": "b"}, "The field 'Key' is required but was missing"),
            (
                {"Bucket": "b", "Key": "k", "PartNumber": "three"},
                "The value of the field 'PartNumber' has an invalid format",
            ),
            (
                {"Bucket": "b", "Key": "k", "IfModifiedSince": "yesterday"},
                "The value of the field 'IfModifiedSince' has an invalid format",
            ),
        ],
    )
    def test_what_is_wrong_is_said_in_the_services_words(self, arguments: Any, problem: str) -> None:
        """Unknown fields in double quotes, missing and ill-formed ones in single quotes."""
        assert request("s3", "getObject", arguments).problems == [problem]

    def test_an_unknown_field_is_found_at_any_depth(self) -> None:
        """It is named by its own name alone."""
        built = request(
            "sfn", "createStateMachine", {"Name": "m", "Definition": {}, "RoleArn": "r", "Tags": [{"key": 1}]}
        )

        assert built.problems == ['The field "key" is not supported by Step Functions']

    def test_dynamodb_values_are_taken_by_both_names(self) -> None:
        """`Bool`, as the accessor of the SDK is called, and `BOOL`, as the API has it."""
        item = {"a": {"Bool": True}, "b": {"BOOL": False}, "c": {"M": {"x": {"Ss": ["1"]}}}, "d": {"NULL": True}}

        built = request("dynamodb", "putItem", {"TableName": "t", "Item": item})

        assert built.problems == []
        assert built.params["Item"] == {
            "a": {"BOOL": True},
            "b": {"BOOL": False},
            "c": {"M": {"x": {"SS": ["1"]}}},
            "d": {"NULL": True},
        }


class TestResults:
    def test_members_are_in_pascal_case_and_in_order(self) -> None:
        """At every depth; keys of maps stay as they are; ResponseMetadata is left out."""
        answer = {
            "stateMachines": [{"type": "STANDARD", "stateMachineArn": "a", "name": "m"}],
            "nextToken": "n",
            "ResponseMetadata": {},
        }

        result = build_result(operation("sfn", "listStateMachines").output_shape, answer, SDK)

        assert result == {
            "NextToken": "n",
            "StateMachines": [{"Name": "m", "StateMachineArn": "a", "Type": "STANDARD"}],
        }
        assert list(result) == ["NextToken", "StateMachines"]
        assert list(result["StateMachines"][0]) == ["Name", "StateMachineArn", "Type"]

    def test_streamed_bodies_are_text(self) -> None:
        """An object of S3 is its text."""
        answer = {"Body": io.BytesIO("ä".encode()), "Metadata": {"my-key": "v"}, "ContentLength": 2}

        result = build_result(operation("s3", "getObject").output_shape, answer, SDK)

        assert result == {"Body": "ä", "ContentLength": 2, "Metadata": {"my-key": "v"}}

    def test_times_are_iso_text_in_one_style_and_milliseconds_in_the_other(self) -> None:
        """`aws-sdk:` has the newer SDK's, optimized integrations the older's."""
        answer = {
            "executionArn": "a",
            "startDate": datetime(2025, 1, 31, 13, 0, 0, 250_000, timezone(timedelta(hours=1))),
        }
        shape = operation("sfn", "startExecution").output_shape

        assert build_result(shape, answer, SDK) == {"ExecutionArn": "a", "StartDate": "2025-01-31T12:00:00.250Z"}
        assert build_result(shape, answer, OPTIMIZED) == {"ExecutionArn": "a", "StartDate": 1738324800250}

    @pytest.mark.parametrize(
        ("microseconds", "text"), [(0, "12:00:00Z"), (120_000, "12:00:00.120Z"), (1, "12:00:00.000001Z")]
    )
    def test_digits_of_a_second_come_in_groups_of_three(self, microseconds: int, text: str) -> None:
        """As Java writes an instant."""
        assert iso_time(datetime(2025, 1, 31, 12, 0, 0, microseconds, UTC)) == f"2025-01-31T{text}"

    def test_an_operation_without_output_gives_an_empty_object(self) -> None:
        """`{}`, whatever botocore adds."""
        assert build_result(None, {"ResponseMetadata": {}}, SDK) == {}
