"""ARNs of Step Functions: every form is made and taken apart; everything else is refused in AWS's words."""

from __future__ import annotations

import pytest

from mapfold.local.arns import (
    ArnError,
    Kind,
    child_arn,
    execution_arn,
    expect_arn,
    express_arn,
    is_valid_name,
    map_run_arn,
    parse_arn,
    state_machine_arn,
)

HOME = "arn:aws:states:eu-west-1:123456789012"


@pytest.mark.parametrize(
    "text",
    [
        f"{HOME}:stateMachine:jobs",
        f"{HOME}:stateMachine:jobs:PROD",
        f"{HOME}:stateMachine:jobs/Map",
        f"{HOME}:execution:jobs:run-1",
        f"{HOME}:execution:jobs/Map:0d3b",
        f"{HOME}:express:jobs:run-1:0d3b",
        f"{HOME}:mapRun:jobs/Map:77aa",
        f"{HOME}:activity:approve",
    ],
)
def test_an_arn_taken_apart_and_put_together_is_the_same(text: str) -> None:
    """Every form that service-api 1 and distributed-map 8 list."""
    assert str(parse_arn(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("jobs", "Invalid ARN prefix: jobs"),
        ("arn:aws:lambda:r:1:function:f", "Invalid ARN prefix: arn:aws:lambda:r:1:function:f"),
        (f"{HOME}:alias:x", "Resource type not valid in this context: alias"),
        (f"{HOME}:execution:jobs", f"Invalid ARN: {HOME}:execution:jobs"),
        (f"{HOME}:mapRun:jobs:1", f"Invalid ARN: {HOME}:mapRun:jobs:1"),
        (f"{HOME}:stateMachine:jobs/", f"Invalid ARN: {HOME}:stateMachine:jobs/"),
    ],
)
def test_what_is_no_arn_is_refused_with_aws_s_reason(text: str, reason: str) -> None:
    """The reason goes into InvalidArn's message."""
    with pytest.raises(ArnError) as raised:
        parse_arn(text)

    assert raised.value.reason == reason


def test_an_arn_of_the_wrong_kind_is_refused() -> None:
    """As recorded: the resource type, not the ARN, is named."""
    with pytest.raises(ArnError, match="Resource type not valid in this context: express"):
        expect_arn(express_arn("jobs", "n", "u", region="eu-west-1"), Kind.EXECUTION)


def test_a_child_leads_back_to_its_map_and_its_machine() -> None:
    """A child's state machine is `<machine>/<label>`."""
    run = parse_arn(map_run_arn("jobs", "Map", "77aa", region="eu-west-1"))

    child = parse_arn(child_arn(run, "0d3b"))

    assert child.is_child
    assert child.machine_arn == state_machine_arn("jobs", region="eu-west-1")
    assert child.labelled_machine_arn == f"{HOME}:stateMachine:jobs/Map"
    assert not parse_arn(execution_arn("jobs", "run-1", region="eu-west-1")).is_child


@pytest.mark.parametrize("name", ["a", "flight-delays_2013.1", "x" * 80, "日本"])
def test_good_names(name: str) -> None:
    """1 to 80 characters, none of the forbidden ones."""
    assert is_valid_name(name)


@pytest.mark.parametrize("name", ["", "x" * 81, "a b", "a/b", "a:b", "a?", "a\x00", "a\x9f", "{a}", "a~"])
def test_bad_names(name: str) -> None:
    """API Reference: CreateStateMachine, StartExecution."""
    assert not is_valid_name(name)


def test_a_label_has_at_most_40_characters() -> None:
    """Otherwise it is as a name."""
