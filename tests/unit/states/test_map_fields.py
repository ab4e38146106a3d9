"""The numbers and expressions of a Map's own fields: what they may be, and what is said of those that are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.states import FailScope, Json, RunMap, TaskSucceeded, compile_machine

from .conftest import RunMachine, one_state
from .test_validation import DISTRIBUTED, PROCESSOR, of_state

GET = "arn:aws:states:::s3:getObject"
PREFIX = "An error occurred while executing the state 'S' (entered at the event id #1). "


def failed(run_machine: RunMachine, fields: dict[str, Json], data: Json) -> tuple[str | None, str | None, list[str]]:
    """The error and cause of a distributed Map with `fields`, and its events."""
    end, world = run_machine(one_state({"Type": "Map", "ItemProcessor": DISTRIBUTED, **fields}), data)
    assert isinstance(end, FailScope)
    return end.error, end.cause, world.types


@pytest.mark.parametrize("name", ["MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage"])
def test_a_path_that_finds_nothing_is_named(run_machine: RunMachine, name: str) -> None:
    """In the words of templates: that States.Runtime names the field is known, these words of it are unconfirmed."""
    error, cause, _ = failed(run_machine, {f"{name}Path": "$.n", "ItemsPath": "$.xs"}, {"xs": []})

    assert error == "States.Runtime"
    assert cause == (
        f"{PREFIX}The JSONPath '$.n' specified for the field '{name}Path' could not be found in the input "
        "'{\"xs\":[]}'"
    )


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("ToleratedFailureCount", "1.5", 'refers to value "1.5" which is not a valid integer: $.n'),
        ("ToleratedFailureCount", True, 'refers to value "true" which is not a valid integer: $.n'),
        ("ToleratedFailurePercentage", "x", 'refers to value "x" which is not a valid float: $.n'),
        ("ToleratedFailurePercentage", [1], 'refers to value "[1]" which is not a valid float: $.n'),
    ],
)
def test_a_path_to_no_number_fails_after_the_states_start(
    run_machine: RunMachine, name: str, value: Json, cause: str
) -> None:
    """MapStateStarted is there, a map run is not (recorded)."""
    error, text, types = failed(run_machine, {f"{name}Path": "$.n", "ItemsPath": "$.xs"}, {"xs": [], "n": value})

    assert (error, text) == ("States.Runtime", f"{PREFIX}The {name}Path field {cause}")
    assert types == ["MapStateEntered", "MapStateStarted"]


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("ToleratedFailureCount", -1, "ToleratedFailureCount cannot be negative."),
        ("ToleratedFailurePercentage", 100.1, "ToleratedFailurePercentage must be between 0 and 100."),
        ("ToleratedFailurePercentage", "-0.1", "ToleratedFailurePercentage must be between 0 and 100."),
        ("MaxConcurrency", "-3", "Expected non-negative integer for MaxConcurrency, got '-3' instead."),
    ],
)
def test_a_path_to_a_number_out_of_bounds(run_machine: RunMachine, name: str, value: Json, cause: str) -> None:
    """A number may come as a string."""
    error, text, _ = failed(run_machine, {f"{name}Path": "$.n", "ItemsPath": "$.xs"}, {"xs": [], "n": value})

    assert (error, text) == ("States.Runtime", PREFIX + cause)


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"ItemReader": {"Resource": GET, "Arguments": {"Bucket": "b", "Key": "{% $nope %}"}}}, "ItemReader/Arguments/Key"),
        (
            {
                "ItemReader": {
                    "Resource": GET,
                    "ReaderConfig": {"InputType": "JSON", "MaxItems": "{% $nope %}"},
                    "Arguments": {"Bucket": "b", "Key": "k"},
                }
            },
            "ItemReader/ReaderConfig/MaxItems",
        ),
        ({"ItemBatcher": {"MaxItemsPerBatch": "{% $nope %}"}}, "ItemBatcher/MaxItemsPerBatch"),
        ({"ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": {"a": "{% $nope %}"}}}, "ItemBatcher/BatchInput/a"),
        (
            {"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "{% $nope %}"}}},
            "ResultWriter/Arguments/Bucket",
        ),
        ({"MaxConcurrency": "{% $nope %}"}, "MaxConcurrency"),
        ({"ToleratedFailureCount": "{% $nope %}"}, "ToleratedFailureCount"),
    ],
)  # fmt: skip
def test_an_expression_is_named_by_its_place_in_the_state(
    run_machine: RunMachine, fields: dict[str, Any], location: str
) -> None:
    """In the cause and as the location of EvaluationFailed, however deep it is."""
    reader = fields.get("ItemReader")
    if reader is not None:
        reader = {"ReaderConfig": {"InputType": "JSON"}, **reader}
        fields = {"ItemReader": reader}
    state = {"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": DISTRIBUTED, **fields}

    end, world = run_machine(one_state(state), [1])

    assert isinstance(end, FailScope)
    assert (end.error, world.details("EvaluationFailed")["location"]) == ("States.QueryEvaluationError", location)
    assert f"specified for the field '{location}' returned nothing (undefined)." in (end.cause or "")
    assert world.types[-1] == "MapStateFailed"


def test_a_negative_max_items_of_an_expression_fails_before_the_run(run_machine: RunMachine) -> None:
    """States.QueryEvaluationError, as of any expression (seen on the service; the words are unconfirmed)."""
    config = {"InputType": "JSON", "MaxItems": "{% -1 %}"}
    reader = {"Resource": GET, "ReaderConfig": config, "Arguments": {"Bucket": "b", "Key": "k"}}

    error, cause, types = failed(run_machine, {"QueryLanguage": "JSONata", "ItemReader": reader}, {})

    assert (error, cause) == ("States.QueryEvaluationError", f"{PREFIX}field MaxItems must be positive")
    assert types == ["MapStateEntered", "MapStateStarted", "EvaluationFailed", "MapStateFailed"]


def test_an_items_path_beside_an_item_reader_counts_for_nothing(run_machine: RunMachine) -> None:
    """It may point nowhere (an issue of another emulator, measured on AWS)."""
    reader = {"Resource": GET, "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket": "b", "Key": "k"}}
    state = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemReader": reader, "ItemsPath": "$.nothing"}

    _, world = run_machine(one_state(state), {}, answers={"S": [TaskSucceeded([])]})

    (effect,) = [effect for effect in world.effects if isinstance(effect, RunMap)]
    assert effect.items is None
    assert world.details("MapStateStarted") == {"length": 0}


@pytest.mark.parametrize("name", ["MaxItemsPerBatch", "MaxInputBytesPerBatch"])
def test_a_batch_limit_of_zero_is_none(run_machine: RunMachine, name: str) -> None:
    """As it is for MaxItems and MaxConcurrency (unconfirmed; a definition with it is taken)."""
    state = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemBatcher": {name: 0}}

    _, world = run_machine(one_state(state), [1], answers={"S": [TaskSucceeded([])]})

    (effect,) = [effect for effect in world.effects if isinstance(effect, RunMap)]
    assert effect.batcher is not None
    assert (effect.batcher.max_items, effect.batcher.max_bytes) == (None, None)


def test_an_inline_processor_has_no_execution_type() -> None:
    """Only children have a type."""
    config = {"ProcessorConfig": {"Mode": "INLINE", "ExecutionType": "STANDARD"}}

    (problem,) = of_state({"Type": "Map", "ItemProcessor": {**config, **PROCESSOR}})

    assert "Field 'ExecutionType' is not supported at /States/S/ItemProcessor/ProcessorConfig" in problem


def test_iterator_may_be_distributed_too() -> None:
    """The old name of ItemProcessor, with a ProcessorConfig (recorded)."""
    machine = compile_machine(one_state({"Type": "Map", "Iterator": DISTRIBUTED, "Parameters": {"a": 1}}))

    assert machine.scope.start_at == "S"
