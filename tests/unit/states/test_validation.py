"""What a definition may not be: every problem at once, with AWS's words and JSON pointers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import Json, compile_machine

from .conftest import FUNCTION, one_state

PROCESSOR = {"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}}
DISTRIBUTED = {**PROCESSOR, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


def problems(definition: Any, **options: Any) -> list[str]:
    """The problems of a definition as text; none if it compiles."""
    try:
        compile_machine(definition, **options)
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []


def of_state(state: dict[str, Json], **more: Json) -> list[str]:
    return problems(one_state(state, **more))


def test_all_problems_are_reported_at_once() -> None:
    """A bad field does not hide the next one, not even in a nested scope."""
    definition = {
        "StartAt": "X",
        "States": {
            "A": {"Type": "Map", "ItemProcessor": {"States": {}}, "Next": "Nowhere"},
            "B": {"Type": "Nope"},
            "C": {"Type": "Pass", "InputPath": "a", "Parameters": {"x.$": "y"}},
        },
    }

    assert problems(definition) == [
        "SCHEMA_VALIDATION_FAILED: These fields are required: [StartAt] at /States/A/ItemProcessor",
        "SCHEMA_VALIDATION_FAILED: Value cannot be empty at /States/A/ItemProcessor/States",
        (
            "SCHEMA_VALIDATION_FAILED: The field 'Type' should have one of these values: "
            "[Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/B/Type"
        ),
        "SCHEMA_VALIDATION_FAILED: One of the fields 'Next' or 'End' is required but was missing at /States/C",
        (
            "SCHEMA_VALIDATION_FAILED: Value is not a Path: a path starts with '$' at character 1 of 'a' "
            "at /States/C/InputPath"
        ),
        (
            "SCHEMA_VALIDATION_FAILED: The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic "
            "function call at /States/C/Parameters"
        ),
        "MISSING_TRANSITION_TARGET: Missing 'StartAt' target: X at /StartAt",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Nowhere at /States/A/Next",
    ]


@pytest.mark.parametrize("definition", ["", "{", "[]", "5", '{"StartAt": NaN}', 7])
def test_what_is_no_json_object_is_no_definition(definition: Any) -> None:
    """As text or as a value."""
    assert problems(definition) == ["INVALID_JSON_DESCRIPTION: Definition must be a valid JSON object"]


def test_an_empty_object_lacks_two_fields() -> None:
    """In the order in which the service lists them."""
    assert problems({}) == ["SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt]"]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"Type": "Task"}, "The field 'Resource' is required but was missing at /States/S"),
        (
            {"Type": "Task", "Resource": "arn:aws:nope"},
            (
                "The resource provided arn:aws:nope is not recognized. The value is not a valid resource ARN, "
                "or the resource is not available in this region. at /States/S/Resource"
            ),
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "Credentials": {}},
            "The field 'RoleArn' is required but was missing at /States/S/Credentials",
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 5, "HeartbeatSeconds": 5},
            "HeartbeatSeconds must be smaller than TimeoutSeconds at /States/S/HeartbeatSeconds",
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": "50"},
            'Expected value of type Integer, but was "50" at /States/S/TimeoutSeconds',
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "Arguments": {}},
            "The field 'Arguments' is not supported when 'QueryLanguage' is 'JSONPath' at /States/S/Arguments",
        ),
        (
            {"Type": "Pass", "QueryLanguage": "JSONata", "Result": 1},
            "The field 'Result' is not supported when 'QueryLanguage' is 'JSONata' at /States/S/Result",
        ),
        ({"Type": "Pass", "Retry": []}, "The field 'Retry' is not supported at /States/S/Retry"),
        ({"Type": "Choice", "Choices": []}, "Value cannot be empty at /States/S/Choices"),
        ({"Type": "Parallel", "Branches": []}, "Value cannot be empty at /States/S/Branches"),
        ({"Type": "Map"}, "The field 'ItemProcessor' is required but was missing at /States/S"),
        (
            {"Type": "Wait", "Timestamp": "soon"},
            "String does not match RFC3339 timestamp at /States/S/Timestamp",
        ),
        (
            {"Type": "Wait", "Seconds": 1, "SecondsPath": "$.a"},
            "Exactly one of these fields is required: [Seconds, SecondsPath, Timestamp, TimestampPath] at /States/S",
        ),
        ({"Type": "Fail", "Error": "a", "ErrorPath": "$.a"}, "Only one of 'Error' and 'ErrorPath' may be given"),
        ({"Type": "Fail", "CausePath": "States.MathAdd(1, 2)"}, "Value is not a Reference Path"),
        ({"Type": "Pass", "ResultPath": "$$.a"}, "ResultPath must point into the state's input"),
        ({"Type": "Pass", "Assign": {"states": 1}}, "The variable name 'states' is reserved"),
        ({"Type": "Pass", "Assign": {"a.b": 1}}, "Invalid variable name 'a.b' at /States/S/Assign/a.b"),
        ({"Type": "Pass", "Parameters": {"a": 1, "a.$": "$"}}, "The field 'a' is given twice"),
        ({"Type": "Map", "ItemProcessor": PROCESSOR, "Label": "x"}, "only supported when the Map's mode is"),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED, "Label": "a b"}, "Label has a character"),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED, "ResultWriter": {}}, "Value cannot be empty"),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemBatcher": {}}, "At least one of 'MaxItemsPerBatch'"),
        (
            {"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemBatcher": {"MaxItemsPerBatch": -1}},
            "-1 must be greater than or equal to 0 at /States/S/ItemBatcher/MaxItemsPerBatch",
        ),
        (
            {"Type": "Map", "ItemProcessor": {**PROCESSOR, "ProcessorConfig": {"Mode": "DISTRIBUTED"}}},
            "The field 'ExecutionType' is required but was missing at /States/S/ItemProcessor/ProcessorConfig",
        ),
        (
            {
                "Type": "Map",
                "ItemProcessor": DISTRIBUTED,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"},
                    "Parameters": {"Bucket": "b", "Key": "k"},
                },
            },
            "The field 'CSVHeaders' is required but was missing at /States/S/ItemReader/ReaderConfig",
        ),
        (
            {
                "Type": "Map",
                "QueryLanguage": "JSONata",
                "ItemProcessor": DISTRIBUTED,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:listObjectsV2",
                    "Arguments": "bucket",
                },
            },
            'Expected value of type Object, but was "bucket" at /States/S/ItemReader/Arguments',
        ),
        (
            {
                "Type": "Map",
                "QueryLanguage": "JSONata",
                "ItemProcessor": DISTRIBUTED,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:listObjectsV2",
                    "ReaderConfig": {"MaxItemsPath": "$.n"},
                    "Arguments": {"Bucket": "b"},
                },
            },
            "The field 'MaxItemsPath' is not supported at /States/S/ItemReader/ReaderConfig/MaxItemsPath",
        ),
        (
            {
                "Type": "Map",
                "ItemProcessor": DISTRIBUTED,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "PARQUET"},
                    "Parameters": {"Bucket": "b", "Key": "k", "VersionId.$": "$.v"},
                },
            },
            "'VersionId' is not supported when 'InputType' is 'PARQUET' at /States/S/ItemReader/Parameters/VersionId.$",
        ),
    ],
)
def test_a_state_is_refused(state: dict[str, Json], problem: str) -> None:
    """One problem each, at its place."""
    (found,) = of_state(state)

    assert found.startswith("SCHEMA_VALIDATION_FAILED: ")
    assert problem in found


def reading(resource: str, config: dict[str, Json]) -> list[str]:
    """The problems of a distributed Map that reads with `config`, without their code and place."""
    parameters = {"Bucket": "b"} if resource == "listObjectsV2" else {"Bucket": "b", "Key": "k"}
    reader = {"Resource": f"arn:aws:states:::s3:{resource}", "ReaderConfig": config, "Parameters": parameters}
    found = of_state({"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemReader": reader})
    return [text.removeprefix("SCHEMA_VALIDATION_FAILED: ").partition(" at /States")[0] for text in found]


CSV: dict[str, Json] = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}
GIVEN: dict[str, Json] = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"]}
FLATTEN: dict[str, Json] = {"Transformation": "LOAD_AND_FLATTEN"}
ATHENA: dict[str, Json] = {"ManifestType": "ATHENA_DATA"}
INVENTORY: dict[str, Json] = {"ManifestType": "S3_INVENTORY"}


@pytest.mark.parametrize(
    ("resource", "config"),
    [
        ("getObject", CSV | {"CSVDelimiter": "TAB", "MaxItems": 0}),
        ("getObject", GIVEN),
        ("getObject", {"InputType": "JSON", "ItemsPointer": "/a/b", "MaxItemsPath": "$.n"}),
        ("getObject", {"InputType": "JSONL"}),
        ("getObject", {"InputType": "PARQUET"}),
        ("getObject", {"InputType": "MANIFEST"}),
        ("getObject", INVENTORY),
        ("getObject", ATHENA | GIVEN),
        ("getObject", ATHENA | {"InputType": "JSONL"}),
        ("getObject", ATHENA | {"InputType": "PARQUET"}),
        ("listObjectsV2", {}),
        ("listObjectsV2", {"Transformation": "NONE", "MaxItems": 5}),
        ("listObjectsV2", FLATTEN | CSV),
        ("listObjectsV2", FLATTEN | {"InputType": "JSON", "ItemsPointer": "/a"}),
        ("listObjectsV2", FLATTEN | {"InputType": "JSONL"}),
        ("listObjectsV2", FLATTEN | {"InputType": "PARQUET"}),
    ],
)
def test_reader_configs_of_all_datasets(resource: str, config: dict[str, Json]) -> None:
    """One for each line of the table of datasets (distributed-map reference, section 2)."""
    assert reading(resource, config) == []


@pytest.mark.parametrize(
    ("resource", "config", "problem"),
    [
        ("getObject", {}, "The field 'InputType' is required but was missing"),
        ("getObject", ATHENA, "The field 'InputType' is required but was missing"),
        ("listObjectsV2", FLATTEN, "The field 'InputType' is required but was missing"),
        (
            "getObject",
            {"InputType": "XML"},
            "The field 'InputType' should have one of these values: [CSV, JSON, JSONL, PARQUET, MANIFEST]",
        ),
        (
            "getObject",
            ATHENA | {"InputType": "JSON"},
            "The field 'InputType' should have one of these values: [CSV, JSONL, PARQUET]",
        ),
        (
            "listObjectsV2",
            FLATTEN | {"InputType": "MANIFEST"},
            "The field 'InputType' should have one of these values: [CSV, JSON, JSONL, PARQUET]",
        ),
        (
            "getObject",
            {"ManifestType": "ICEBERG"},
            "The field 'ManifestType' should have one of these values: [S3_INVENTORY, ATHENA_DATA]",
        ),
        (
            "getObject",
            INVENTORY | {"InputType": "MANIFEST"},
            "'InputType' may not be given when 'ManifestType' is 'S3_INVENTORY'",
        ),
        ("listObjectsV2", INVENTORY, "The field 'ManifestType' is only supported with s3:getObject"),
        (
            "getObject",
            {"InputType": "JSONL"} | FLATTEN,
            "The field 'Transformation' is only supported with s3:listObjectsV2",
        ),
        ("getObject", {"InputType": "CSV"}, "The field 'CSVHeaderLocation' is required but was missing"),
        ("getObject", ATHENA | {"InputType": "CSV"}, "The field 'CSVHeaderLocation' is required but was missing"),
        ("listObjectsV2", FLATTEN | {"InputType": "CSV"}, "The field 'CSVHeaderLocation' is required but was missing"),
        (
            "getObject",
            CSV | {"CSVHeaders": ["a"]},
            "'CSVHeaders' may only be given when 'CSVHeaderLocation' is 'GIVEN'",
        ),
        ("getObject", GIVEN | {"CSVHeaders": []}, "Value cannot be empty"),
        ("getObject", GIVEN | {"CSVHeaders": [1]}, "Expected value of type String"),
        (
            "getObject",
            {"InputType": "JSON", "CSVDelimiter": "TAB"},
            "The field 'CSVDelimiter' is only supported when 'InputType' is 'CSV'",
        ),
        (
            "getObject",
            INVENTORY | {"CSVHeaders": ["a"]},
            "The field 'CSVHeaders' is only supported when 'InputType' is 'CSV'",
        ),
        (
            "getObject",
            CSV | {"CSVDelimiter": ";"},
            "The field 'CSVDelimiter' should have one of these values: [COMMA, PIPE, SEMICOLON, SPACE, TAB]",
        ),
        (
            "getObject",
            {"InputType": "JSONL", "ItemsPointer": "/a"},
            "The field 'ItemsPointer' is only supported when 'InputType' is 'JSON'",
        ),
        (
            "getObject",
            {"InputType": "JSON", "ItemsPointer": "$.a"},
            "ItemsPointer must be a JSON Pointer such as /results/items",
        ),
        ("getObject", {"InputType": "JSON", "MaxItems": -1}, "-1 must be greater than or equal to 0"),
        (
            "getObject",
            {"InputType": "JSON", "MaxItems": 100_000_001},
            "100000001 must be less than or equal to 100000000",
        ),
        ("getObject", {"InputType": "JSON", "MaxItems": "5"}, 'Expected value of type Integer, but was "5"'),
        (
            "getObject",
            {"InputType": "JSON", "MaxItems": 1, "MaxItemsPath": "$.n"},
            "Only one of 'MaxItems' and 'MaxItemsPath' may be given",
        ),
        ("getObject", {"InputType": "JSON", "Encoding": "utf-8"}, "The field 'Encoding' is not supported"),
    ],
)
def test_a_reader_config_is_refused(resource: str, config: dict[str, Json], problem: str) -> None:
    """What does not go together; one problem each."""
    assert reading(resource, config) == [problem]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "One of the fields 'Next' or 'End' is required but was missing"),
        ({"Next": "S", "End": True}, "Only one of 'Next' and 'End' may be given"),
    ],
)
def test_a_state_goes_on_or_ends(fields: dict[str, Json], problem: str) -> None:
    """Exactly one of Next and End."""
    definition = {"StartAt": "S", "States": {"S": {"Type": "Pass", **fields}}}

    assert problems(definition) == [f"SCHEMA_VALIDATION_FAILED: {problem} at /States/S"]


@pytest.mark.parametrize(
    ("retrier", "problem"),
    [
        ({}, "The field 'ErrorEquals' is required but was missing at /States/S/Retry/0"),
        ({"ErrorEquals": []}, "Value cannot be empty at /States/S/Retry/0/ErrorEquals"),
        ({"ErrorEquals": ["States.ALL", "A"]}, "'States.ALL' must be alone in ErrorEquals"),
        ({"ErrorEquals": ["States.Mine"]}, "The error name 'States.Mine' is not one of the States Language"),
        ({"ErrorEquals": ["A"], "BackoffRate": 0.5}, "0.5 must be greater than or equal to 1.0"),
        ({"ErrorEquals": ["A"], "IntervalSeconds": 5, "MaxDelaySeconds": 5}, "MaxDelaySeconds must be greater"),
        ({"ErrorEquals": ["A"], "JitterStrategy": "SOME"}, "should have one of these values: [NONE, FULL]"),
    ],
)
def test_a_retrier_is_refused(retrier: dict[str, Json], problem: str) -> None:
    """Bounds are those of the service."""
    (found,) = of_state({"Type": "Task", "Resource": FUNCTION, "Retry": [retrier]})

    assert problem in found


def test_states_all_comes_last() -> None:
    """Behind it no retrier would be looked at."""
    retry = [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]

    (found,) = of_state({"Type": "Task", "Resource": FUNCTION, "Retry": retry})

    assert found.endswith("at /States/S/Retry/0/ErrorEquals")


def test_unknown_targets_and_unreachable_states() -> None:
    """Wherever a transition stands: Next, Default, a rule, a catcher."""
    definition = {
        "StartAt": "S",
        "States": {
            "S": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "X"}],
                "Default": "T",
            },
            "T": {
                "Type": "Task",
                "Resource": FUNCTION,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Y"}],
                "End": True,
            },
            "Lost": {"Type": "Succeed"},
        },
    }

    assert problems(definition) == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/S/Choices/0/Next",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Y at /States/T/Catch/0/Next",
        'MISSING_TRANSITION_TARGET: State "Lost" is not reachable. at /States/Lost',
    ]


def test_state_names_are_unique_in_the_whole_machine() -> None:
    """Nested scopes included."""
    branch = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}

    (found,) = of_state({"Type": "Parallel", "Branches": [branch]})

    assert found == (
        "DUPLICATE_STATE_NAME: Duplicate State name: S, also at /States/S at /States/S/Branches/0/States/S"
    )


def test_an_inner_scope_may_not_assign_an_outer_variable() -> None:
    """Wherever the outer scope assigns it. The children of a distributed Map are executions of their own."""
    inner = {"StartAt": "I", "States": {"I": {"Type": "Pass", "Assign": {"x": 1}, "End": True}}}
    distributed = {**inner, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    assign = {"x.$": "$"}

    (found,) = of_state({"Type": "Map", "ItemProcessor": inner, "Assign": assign})

    assert "The variable 'x' is assigned in an outer scope" in found
    assert of_state({"Type": "Map", "ItemProcessor": distributed, "Assign": assign}) == []


def test_a_jsonata_machine_has_no_jsonpath_states() -> None:
    """The other direction is allowed; nested states have the machine's language, not their parent's."""
    refused = of_state({"Type": "Pass", "QueryLanguage": "JSONPath"}, QueryLanguage="JSONata")
    processor = {"StartAt": "E", "States": {"E": {"Type": "Pass", "InputPath": "$.a", "End": True}}}
    nested = of_state({"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": processor})

    assert refused == [
        (
            "SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine "
            "at /States/S"
        )
    ]
    assert nested == []


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (
            {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2"},
            "Express state machine does not support '.sync' service integration at /States/S/Resource",
        ),
        (
            {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"},
            "Express state machine does not support '.waitForTaskToken' service integration  at /States/S/Resource",
        ),
        (
            {"Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:a"},
            "Express state machine does not support Activity ARN at /States/S/Resource",
        ),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED}, "does not support Map state in 'DISTRIBUTED' mode"),
    ],
)
def test_an_express_machine_lacks_some_tasks(state: dict[str, Json], problem: str) -> None:
    """As do the EXPRESS children of a standard machine's distributed Map."""
    (found,) = problems(one_state(state), express=True)

    assert problem in found


def test_a_definition_compiles_from_text_too() -> None:
    """With what belongs to the machine itself."""
    text = json.dumps(one_state({"Type": "Succeed"}, TimeoutSeconds=5, Comment="c", Version="1.0"))

    machine = compile_machine(text)

    assert (machine.timeout_seconds, machine.comment, machine.scope.start_at) == (5, "c", "S")
    assert list(machine.scope.states) == ["S"]
