"""Requests against the service model, in the words of AWS's request validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mapfold.local.service.constraints import check_request, checks
from mapfold.local.service.faults import Fault
from mapfold.local.service.wire import ACTIONS

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
GOOD = {"name": "jobs", "definition": "{}", "roleArn": "r"}


def refusal(action: str, members: Mapping[str, Any]) -> tuple[str, str]:
    with pytest.raises(Fault) as raised:
        check_request(action, members)
    return raised.value.code, raised.value.message


def one(problem: str) -> tuple[str, str]:
    return "ValidationException", f"1 validation error detected: {problem}"


def test_a_required_member_must_be_there() -> None:
    """Missing, or null."""
    expected = one("Value null at 'executionArn' failed to satisfy constraint: Member must not be null")

    assert refusal("DescribeExecution", {}) == expected
    assert refusal("DescribeExecution", {"executionArn": None}) == expected


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Counted, and in AWS's order of members."""
    rule = "failed to satisfy constraint: Member must not be null"

    assert refusal("CreateStateMachine", {"name": "jobs"}) == (
        "ValidationException",
        f"2 validation errors detected: Value null at 'roleArn' {rule}; Value null at 'definition' {rule}",
    )


def test_a_name_has_80_characters_at_the_most() -> None:
    """Of too many AWS says so, and does not call it an InvalidName; they are counted in UTF-16 units."""
    rule = "at 'name' failed to satisfy constraint: Member must have length less than or equal to 80"
    check_request("StartExecution", {"stateMachineArn": MACHINE, "name": "n" * 80})

    long = refusal("StartExecution", {"stateMachineArn": MACHINE, "name": "n" * 81})
    wide = refusal("StartExecution", {"stateMachineArn": MACHINE, "name": "\U0001f600" * 41})

    assert long == one(f"Value '{'n' * 81}' {rule}")
    assert wide == one(f"Value '{chr(0x1F600) * 41}' {rule}")


def test_what_is_sensitive_is_not_repeated() -> None:
    """A definition, an input, a description."""
    assert refusal("CreateStateMachine", {**GOOD, "definition": ""}) == one(
        "Value at 'definition' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )


def test_an_enumeration_is_listed_in_aws_s_order() -> None:
    """Which of executions' statuses is recorded, and not the model's."""
    rule = "failed to satisfy constraint: Member must satisfy enum value set:"

    assert refusal("ListExecutions", {"statusFilter": "DONE"}) == one(
        f"Value 'DONE' at 'statusFilter' {rule} [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]"
    )
    assert refusal("CreateStateMachine", {**GOOD, "type": "FAST"}) == one(
        f"Value 'FAST' at 'type' {rule} [EXPRESS, STANDARD]"
    )


def test_a_number_is_within_its_range() -> None:
    """As recorded for maxResults."""
    assert refusal("ListExecutions", {"maxResults": 1001}) == one(
        "Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000"
    )
    assert refusal("ListExecutions", {"maxResults": -1})[1].endswith("value greater than or equal to 0")


def test_members_inside_others_are_named_by_their_path() -> None:
    """Structures by dots, elements of lists by their number from 1."""
    level = refusal("CreateStateMachine", {**GOOD, "loggingConfiguration": {"level": "LOUD"}})
    key = refusal("CreateStateMachine", {**GOOD, "tags": [{"key": "a", "value": ""}, {"key": "", "value": ""}]})

    assert level == one(
        "Value 'LOUD' at 'loggingConfiguration.level' failed to satisfy constraint: "
        "Member must satisfy enum value set: [ALL, FATAL, ERROR, OFF]"
    )
    assert key == one(
        "Value '' at 'tags.2.member.key' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )


def test_a_list_of_texts_is_shown_with_all_that_an_element_must_be() -> None:
    """Once, whatever number of them is wrong."""
    rules = (
        "Member must have length less than or equal to 128, Member must have length greater than or equal to 1, "
        "Member must not be null"
    )

    assert refusal("UntagResource", {"resourceArn": MACHINE, "tagKeys": ["a", "", "k" * 129]}) == one(
        f"Value '[a, , {'k' * 129}]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [{rules}]"
    )


def test_an_alias_is_not_called_by_a_number() -> None:
    """Its name has to have something else than digits, and of letters the plain ones only."""
    routes = [{"stateMachineVersionArn": f"{MACHINE}:1", "weight": 100}]
    pattern = r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$"

    for name in ("12", "in front"):
        assert refusal("CreateStateMachineAlias", {"name": name, "routingConfiguration": routes}) == one(
            f"Value '{name}' at 'name' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {pattern}"
        )


def test_a_list_of_the_wrong_length_is_shown() -> None:
    """Two routes at the most, one at least."""
    none = refusal("CreateStateMachineAlias", {"name": "a", "routingConfiguration": []})
    three = [{"stateMachineVersionArn": "v", "weight": 1}] * 3
    many = refusal("CreateStateMachineAlias", {"name": "a", "routingConfiguration": three})

    assert none == one(
        "Value '[]' at 'routingConfiguration' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    assert many[1].endswith("' at 'routingConfiguration' failed to satisfy constraint: "
                            "Member must have length less than or equal to 2")  # fmt: skip
    assert "RoutingConfigurationListItem(stateMachineVersionArn=v, weight=1)" in many[1]


@pytest.mark.parametrize(
    ("action", "members", "message"),
    [
        ("DescribeExecution", {"executionArn": 5}, "NUMBER_VALUE cannot be converted to String"),
        ("DescribeExecution", {"executionArn": True}, "TRUE_VALUE cannot be converted to String"),
        ("DescribeExecution", {"executionArn": {}}, "Start of structure or map found where not expected"),
        ("DescribeExecution", {"executionArn": []}, "Start of list found where not expected"),
        ("ListExecutions", {"maxResults": "5"}, "STRING_VALUE cannot be converted to Integer"),
        ("ListExecutions", {"maxResults": 1 << 40}, "Numeric value (1099511627776) out of range of int"),
        ("TagResource", {"tags": "a=b"}, "Unexpected field type"),
        ("CreateStateMachine", {**GOOD, "publish": "true"}, "STRING_VALUE cannot be converted to Boolean"),
        ("CreateStateMachine", {**GOOD, "loggingConfiguration": "ALL"}, "Unexpected field type"),
    ],
)
def test_a_member_of_another_type_is_no_request_at_all(action: str, members: dict[str, Any], message: str) -> None:
    """SerializationException, whatever else is wrong."""
    assert refusal(action, members) == ("SerializationException", message)


def test_members_that_the_model_does_not_know_are_ignored() -> None:
    """As newer SDKs may send them."""
    check_request("ListStateMachines", {"colour": ["red"]})


def test_the_model_knows_every_action_that_we_answer() -> None:
    """An action without a check would take anything."""
    assert ACTIONS.keys() <= checks().keys()
