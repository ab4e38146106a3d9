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
    """A bad field does not hide the next one, not even in a nested scope. Transitions are looked at once all is well."""
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
        "SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /States/C",
        "SCHEMA_VALIDATION_FAILED: Value must be a valid JSONPath. at /States/C/InputPath",
        (
            "SCHEMA_VALIDATION_FAILED: The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic "
            "function call at /States/C/Parameters"
        ),
    ]


@pytest.mark.parametrize(
    "definition",
    [
        "{",
        "[]",
        "5",
        "null",
        '"x"',
        '{"StartAt": NaN}',
        '{"a": 1,}',
        "{'a': 1}",
        "// no",
        '{"Comment": "\\ud800"}',
        '{"Comment": "\ud800"}',
        "[" * 2_000,
        7,
    ],
)
def test_what_is_no_json_object_is_no_definition(definition: Any) -> None:
    """As text or as a value."""
    assert problems(definition) == ["INVALID_JSON_DESCRIPTION: Definition must be a valid JSON object at /"]


@pytest.mark.parametrize("definition", ["", " \n"])
def test_a_definition_may_not_be_blank(definition: str) -> None:
    """What has no place in the definition is `at null`, as on the service."""
    assert problems(definition) == ["MISSING_DESCRIPTION: Received a null or empty workflow input. at null"]


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Result": json.loads("[" * 300 + "]" * 300)},
        {"Type": "Pass", "InputPath": "$[?(" + "(" * 20_000 + "@.a == 1" + ")" * 20_000 + ")]"},
    ],
    ids=["JSON", "a path"],
)
def test_what_is_nested_too_deeply_is_refused(state: dict[str, Json]) -> None:
    """Objects and arrays, and what stands in paths."""
    (found,) = of_state(state)

    assert found.startswith(("TOO_DEEPLY_NESTED: ", "SCHEMA_VALIDATION_FAILED: ", "INVALID_JSONATA_EXPRESSION: "))


def test_an_empty_object_lacks_two_fields() -> None:
    """In the order in which the service lists them."""
    assert problems({}) == ["SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"]


def test_what_is_missing_is_told_before_what_is_not_supported() -> None:
    """Of each object: somebody was told the first two by the service."""
    states: dict[str, Json] = {
        "S": {"Kind": "x", "Type": "Task"},
        "P": {"Type": "Parallel", "Branches": [{"Start": "A"}], "End": True},
    }
    catch = [{"Error": "A", "Next": "S"}]

    assert problems({"Fn::Sub": "x"}) == [
        "SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /",
        "SCHEMA_VALIDATION_FAILED: Field 'Fn::Sub' is not supported at /",
    ]
    assert problems({"StartAt": "S", "States": states}) == [
        "SCHEMA_VALIDATION_FAILED: These fields are required: [Resource] at /States/S",
        "SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /States/S",
        "SCHEMA_VALIDATION_FAILED: Field 'Kind' is not supported at /States/S",
        "SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /States/P/Branches[0]",
        "SCHEMA_VALIDATION_FAILED: Field 'Start' is not supported at /States/P/Branches[0]",
    ]
    assert of_state({"Type": "Task", "Resource": FUNCTION, "Catch": catch}) == [
        "SCHEMA_VALIDATION_FAILED: These fields are required: [ErrorEquals] at /States/S/Catch[0]",
        "SCHEMA_VALIDATION_FAILED: Field 'Error' is not supported at /States/S/Catch[0]",
    ]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"Type": "Task"}, "These fields are required: [Resource] at /States/S"),
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
            "Expected value of type Integer at /States/S/TimeoutSeconds",
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "Arguments": {}},
            "The QueryLanguage is set to 'JSONPath', but field 'Arguments' is only supported for the 'JSONata' QueryLanguage at /States/S",
        ),
        (
            {"Type": "Pass", "QueryLanguage": "JSONata", "Result": 1},
            "The QueryLanguage is set to 'JSONata', but field 'Result' is only supported for the 'JSONPath' QueryLanguage at /States/S",
        ),
        ({"Type": "Pass", "Retry": []}, "Field 'Retry' is not supported at /States/S"),
        ({"Type": "Choice", "Choices": []}, "Value cannot be empty at /States/S/Choices"),
        ({"Type": "Parallel", "Branches": []}, "Value cannot be empty at /States/S/Branches"),
        ({"Type": "Map"}, "These fields are required: [ItemProcessor] at /States/S"),
        (
            {"Type": "Wait", "Timestamp": "soon"},
            "String does not match RFC3339 timestamp at /States/S/Timestamp",
        ),
        (
            {"Type": "Wait", "Seconds": 1, "SecondsPath": "$.a"},
            "There should only be one of the following fields: [Seconds, SecondsPath, Timestamp, TimestampPath] at /States/S",
        ),
        (
            {"Type": "Fail", "Error": "a", "ErrorPath": "$.a"},
            "There should only be one of the following fields: [Error, ErrorPath] at /States/S",
        ),
        ({"Type": "Fail", "CausePath": "States.MathAdd(1, 2)"}, "The value for the field 'CausePath' must be"),
        ({"Type": "Pass", "ResultPath": "$$.a"}, "Value is not a Reference Path at /States/S/ResultPath"),
        ({"Type": "Pass", "ResultPath": "$x.a"}, "Value is not a Reference Path at /States/S/ResultPath"),
        ({"Type": "Pass", "Parameters": {"a": 1, "a.$": "$"}}, "The field 'a' is given twice"),
        ({"Type": "Map", "ItemProcessor": PROCESSOR, "Label": "x"}, "only supported when the Map's mode is"),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED, "Label": "a b"}, "INVALID_LABEL_NAME: Label has a character"),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED, "ResultWriter": {}}, "Value cannot be empty"),
        ({"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemBatcher": {}}, "At least one of 'MaxItemsPerBatch'"),
        (
            {"Type": "Map", "ItemProcessor": DISTRIBUTED, "ItemBatcher": {"MaxItemsPerBatch": -1}},
            "Minimum value is 0 at /States/S/ItemBatcher/MaxItemsPerBatch",
        ),
        (
            {"Type": "Map", "ItemProcessor": {**PROCESSOR, "ProcessorConfig": {"Mode": "DISTRIBUTED"}}},
            "These fields are required: [ExecutionType] at /States/S/ItemProcessor/ProcessorConfig",
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
            "These fields are required: [CSVHeaders] at /States/S/ItemReader/ReaderConfig",
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
            "Expected value of type Object at /States/S/ItemReader/Arguments",
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
            "The QueryLanguage is set to 'JSONata', but field 'MaxItemsPath' is only supported for the 'JSONPath' QueryLanguage at /States/S/ItemReader/ReaderConfig",
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
        ("getObject", {}, "These fields are required: [InputType]"),
        ("getObject", ATHENA, "These fields are required: [InputType]"),
        ("listObjectsV2", FLATTEN, "These fields are required: [InputType]"),
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
        ("getObject", {"InputType": "CSV"}, "These fields are required: [CSVHeaderLocation]"),
        ("getObject", ATHENA | {"InputType": "CSV"}, "These fields are required: [CSVHeaderLocation]"),
        ("listObjectsV2", FLATTEN | {"InputType": "CSV"}, "These fields are required: [CSVHeaderLocation]"),
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
        ("getObject", {"InputType": "JSON", "MaxItems": -1}, "Minimum value is 0"),
        (
            "getObject",
            {"InputType": "JSON", "MaxItems": 100_000_001},
            "Maximum value is 100000000",
        ),
        ("getObject", {"InputType": "JSON", "MaxItems": "5"}, "Expected value of type Integer"),
        (
            "getObject",
            {"InputType": "JSON", "MaxItems": 1, "MaxItemsPath": "$.n"},
            "There should only be one of the following fields: [MaxItems, MaxItemsPath]",
        ),
        ("getObject", {"InputType": "JSON", "Encoding": "utf-8"}, "Field 'Encoding' is not supported"),
    ],
)
def test_a_reader_config_is_refused(resource: str, config: dict[str, Json], problem: str) -> None:
    """What does not go together; one problem each."""
    assert reading(resource, config) == [problem]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "These fields are required: [Next]"),
        ({"Next": "S", "End": True}, "There should only be one of the following fields: [Next, End]"),
    ],
)
def test_a_state_goes_on_or_ends(fields: dict[str, Json], problem: str) -> None:
    """Exactly one of Next and End."""
    definition = {"StartAt": "S", "States": {"S": {"Type": "Pass", **fields}}}

    assert problems(definition) == [f"SCHEMA_VALIDATION_FAILED: {problem} at /States/S"]


@pytest.mark.parametrize(
    ("retrier", "problem"),
    [
        ({}, "These fields are required: [ErrorEquals] at /States/S/Retry[0]"),
        ({"ErrorEquals": []}, "Value cannot be empty at /States/S/Retry[0]/ErrorEquals"),
        (
            {"ErrorEquals": ["States.ALL", "A"]},
            "States.ALL must appear alone and at end of list at /States/S/Retry[0]/ErrorEquals[0]",
        ),
        ({"ErrorEquals": ["States.Mine"]}, "The error name 'States.Mine' is not one of the States Language"),
        ({"ErrorEquals": ["A"], "BackoffRate": 0.5}, "Minimum value is 1.0"),
        ({"ErrorEquals": ["A"], "MaxDelaySeconds": 0}, "Minimum value is 1 at /States/S/Retry[0]/MaxDelaySeconds"),
        ({"ErrorEquals": ["A"], "JitterStrategy": "SOME"}, "should have one of these values: [NONE, FULL]"),
    ],
)
def test_a_retrier_is_refused(retrier: dict[str, Json], problem: str) -> None:
    """Bounds are those of the service."""
    (found,) = of_state({"Type": "Task", "Resource": FUNCTION, "Retry": [retrier]})

    assert problem in found


def test_the_longest_delay_may_be_below_the_first() -> None:
    """It is a bound for all delays; the developer guide asks for nothing but its own range."""
    retry = [{"ErrorEquals": ["A"], "IntervalSeconds": 5, "MaxDelaySeconds": 3}]

    assert of_state({"Type": "Task", "Resource": FUNCTION, "Retry": retry}) == []


def test_states_all_comes_last() -> None:
    """Behind it no retrier would be looked at."""
    retry = [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]

    (found,) = of_state({"Type": "Task", "Resource": FUNCTION, "Retry": retry})

    assert found.endswith("at /States/S/Retry[0]/ErrorEquals[0]")


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
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/S/Choices[0]/Next",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Y at /States/T/Catch[0]/Next",
        'MISSING_TRANSITION_TARGET: State "Lost" is not reachable. at /States/Lost',
    ]


def test_whatever_field_names_a_state_that_is_not_there_it_is_called_next() -> None:
    """StartAt and Default too. A state that another one leads to is not told to be out of reach."""
    states = {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": True, "Next": "B"}], "Default": "Y"},
        "B": {"Type": "Succeed"},
    }

    assert problems({"StartAt": "X", "States": states}) == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /StartAt",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Y at /States/A/Default",
        'MISSING_TRANSITION_TARGET: State "A" is not reachable. at /States/A',
    ]


def test_a_workflow_ends_somewhere() -> None:
    """Without an end nothing is said of states that are not reached; with one that is not reached, nothing of the end."""
    loop: dict[str, Json] = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    lost = {"C": {"Type": "Pass", "Next": "A"}}
    end = {"C": {"Type": "Pass", "End": True}}
    no_end = "MISSING_END_STATE: Workflow has no terminal state at null"

    assert problems({"StartAt": "A", "States": loop}) == [no_end]
    assert problems({"StartAt": "A", "States": loop | lost}) == [no_end]
    assert problems({"StartAt": "A", "States": loop | end}) == [
        'MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C'
    ]
    assert problems({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "NOPE"}}}) == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: NOPE at /States/A/Next",
        no_end,
    ]


def test_state_names_are_unique_in_the_whole_machine() -> None:
    """Nested scopes included."""
    branch = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}

    assert of_state({"Type": "Parallel", "Branches": [branch]}) == [
        "DUPLICATE_STATE_NAME: Duplicate State name: S at /States/S/Branches[0]/States/S"
    ]


def test_a_state_name_has_at_most_80_characters() -> None:
    """One more is refused by name."""
    fits, long = "n" * 80, "n" * 81

    assert problems({"StartAt": fits, "States": {fits: {"Type": "Succeed"}}}) == []
    (found,) = problems({"StartAt": long, "States": {long: {"Type": "Succeed"}}})
    told = f"Invalid State name: State '{long}' exceeds the 80-character limit allowed by the service"
    assert found == f"INVALID_STATE_NAME: {told} at /States/{long}"


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


@pytest.mark.parametrize("kind", ["Pass", "Wait", "Choice", "Succeed", "Fail"])
@pytest.mark.parametrize("field", ["TimeoutSeconds", "Retry", "Catch", "Resource"])
def test_a_field_belongs_to_some_kinds_of_states(kind: str, field: str) -> None:
    """The service names the field, and the state as its place."""
    assert f"SCHEMA_VALIDATION_FAILED: Field '{field}' is not supported at /States/S" in of_state(
        {"Type": kind, field: []}
    )


def test_what_no_object_of_the_language_has_is_refused() -> None:
    """At the top, in branches and processors, in retriers and rules. Only the machine and its states have a language."""
    branch = {"StartAt": "I", "States": {"I": {"Type": "Succeed"}}, "TimeoutSeconds": 1}
    processor = {**PROCESSOR, "QueryLanguage": "JSONata"}
    retry = [{"ErrorEquals": ["A"], "Next": "S"}]
    rule = {"Variable": "$.a", "IsNull": True, "Next": "E", "End": True}

    assert of_state({"Type": "Succeed"}, Extra=1) == ["SCHEMA_VALIDATION_FAILED: Field 'Extra' is not supported at /"]
    assert of_state({"Type": "Parallel", "Branches": [branch]}) == [
        "SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported at /States/S/Branches[0]"
    ]
    assert of_state({"Type": "Map", "ItemProcessor": processor}) == [
        "SCHEMA_VALIDATION_FAILED: Field 'QueryLanguage' is not supported at /States/S/ItemProcessor"
    ]
    assert of_state({"Type": "Task", "Resource": FUNCTION, "Retry": retry}) == [
        "SCHEMA_VALIDATION_FAILED: Field 'Next' is not supported at /States/S/Retry[0]"
    ]
    assert of_state({"Type": "Choice", "Choices": [rule, {"And": [rule], "Next": "S"}]}) == [
        "SCHEMA_VALIDATION_FAILED: Field 'End' is not supported at /States/S/Choices[0]",
        "SCHEMA_VALIDATION_FAILED: Field 'Next' is not supported at /States/S/Choices[1]/And[0]",
        "SCHEMA_VALIDATION_FAILED: Field 'End' is not supported at /States/S/Choices[1]/And[0]",
    ]


@pytest.mark.parametrize(
    ("state", "own", "field", "place"),
    [
        ({"Type": "Pass", "Output": 1}, "JSONPath", "Output", "/States/S"),
        (
            {"Type": "Choice", "Choices": [{"Condition": True, "Next": "S"}]},
            "JSONPath",
            "Condition",
            "/States/S/Choices[0]",
        ),
        ({"Type": "Task", "Resource": FUNCTION, "Parameters": {}}, "JSONata", "Parameters", "/States/S"),
        (
            {"Type": "Choice", "Choices": [{"Condition": True, "Variable": "$", "Next": "S"}]},
            "JSONata",
            "Variable",
            "/States/S/Choices[0]",
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "Catch": [{"ErrorEquals": ["A"], "Output": 1, "Next": "S"}]},
            "JSONPath",
            "Output",
            "/States/S/Catch[0]",
        ),
        (
            {
                "Type": "Map",
                "ItemProcessor": DISTRIBUTED,
                "ItemBatcher": {"MaxItemsPerBatch": 1, "MaxInputBytesPerBatchPath": "$.n"},
            },
            "JSONata",
            "MaxInputBytesPerBatchPath",
            "/States/S/ItemBatcher",
        ),
    ],
)
def test_fields_of_the_other_language(state: dict[str, Json], own: str, field: str, place: str) -> None:
    """Named with both languages, at the object that has them."""
    other = "JSONPath" if own == "JSONata" else "JSONata"

    (found,) = of_state(state, QueryLanguage=own)

    assert found == (
        f"SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to '{own}', but field '{field}' is only supported for the "
        f"'{other}' QueryLanguage at {place}"
    )


def test_a_query_language_that_is_not_known_counts_as_jsonata() -> None:
    """It is reported once, and the fields of JSONata are not."""
    (found,) = of_state({"Type": "Pass", "Output": 1}, QueryLanguage="jsonpath")

    assert found == (
        "SCHEMA_VALIDATION_FAILED: The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata] "
        "at /QueryLanguage"
    )


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"Type": "Wait", "Seconds": 10**16}, "Maximum value is 99999999 at /States/S/Seconds"),
        ({"Type": "Wait", "Seconds": "$.n"}, "Expected value of type Integer at /States/S/Seconds"),
        (
            {"Type": "Map", "ItemProcessor": DISTRIBUTED, "ToleratedFailurePercentage": -1},
            "Minimum value is 0.0 at /States/S/ToleratedFailurePercentage",
        ),
        (
            {"Type": "Map", "ItemProcessor": DISTRIBUTED, "ToleratedFailurePercentage": 101},
            "Maximum value is 100.0 at /States/S/ToleratedFailurePercentage",
        ),
        (
            {"Type": "Map", "ItemProcessor": PROCESSOR, "MaxConcurrency": -1},
            "Minimum value is 0 at /States/S/MaxConcurrency",
        ),
        (
            {"Type": "Map", "ItemProcessor": PROCESSOR, "MaxConcurrencyPath": "$$.Execution.Input.n"},
            "Value is not a Reference Path at /States/S/MaxConcurrencyPath",
        ),
        (
            {"Type": "Choice", "Choices": [{"Variable": "Test", "IsNull": True, "Next": "S"}]},
            "Value is not a Reference Path: Reference path didn't start with '$' at /States/S/Choices[0]/Variable",
        ),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$", "StringMatches": "Test"}]},
            "These fields are required: [Next] at /States/S/Choices[0]",
        ),
        (
            {"Type": "Task", "Resource": FUNCTION, "Catch": [{}]},
            "These fields are required: [ErrorEquals, Next] at /States/S/Catch[0]",
        ),
        ({"Type": "Pass", "OutputPath": "Test"}, "Value must be a valid JSONPath. at /States/S/OutputPath"),
        (
            {"Type": "Pass", "Assign": {"v.$": "Test"}},
            (
                "The value for the field 'v.$' must be a valid JSONPath or a valid intrinsic function call "
                "at /States/S/Assign"
            ),
        ),
        ({"Type": "Pass", "Comment": 1}, "Expected value of type String at /States/S/Comment"),
    ],
)
def test_words_that_others_were_told_by_the_service(state: dict[str, Json], problem: str) -> None:
    """As people quote them in what they report."""
    assert of_state(state) == [f"SCHEMA_VALIDATION_FAILED: {problem}"]


def test_a_choice_has_choices() -> None:
    """Even where it has a Default."""
    assert problems({"StartAt": "S", "States": {"S": {"Type": "Choice", "Default": "S"}}}) == [
        "SCHEMA_VALIDATION_FAILED: These fields are required: [Choices] at /States/S"
    ]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("phone", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported."),
        ("1 +", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression"),
        ('"unterminated', "INVALID_JSONATA_EXPRESSION: String literal must be terminated by a matching quote"),
    ],
)
def test_an_expression_is_refused_with_the_words_of_its_parser(expression: str, problem: str) -> None:
    """At its place, without the parser's code."""
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"v": [f"{{% {expression} %}}"]}}

    assert of_state(state) == [f"{problem} at /States/S/Output/v[0]"]


@pytest.mark.parametrize(
    "resource",
    [
        "lambda:invoke.waitForTaskToken",
        "dynamodb:putItem",
        "states:startExecution.sync:2",
        "ecs:runTask.sync",
        "aws-sdk:s3:listObjectsV2",
        "aws-sdk:ssm:startAutomationExecution.waitForTaskToken",
    ],
)
def test_integrations_that_there_are(resource: str) -> None:
    """With the patterns that each has."""
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}"}

    assert problems(one_state(state), knows_action=lambda service, action: True) == []


@pytest.mark.parametrize(
    "resource",
    [
        "sqs:sendMessage.sync",
        "sqs:receiveMessage",
        "lambda:invoke.sync",
        "glue:startJobRun.sync:2",
        "nope:do",
        "aws-sdk:s3:getObject.sync",
        "aws-sdk:s3:nope",
    ],
)
def test_integrations_that_there_are_not(resource: str) -> None:
    """A service, an action, or a pattern that Step Functions does not have."""
    arn = f"arn:aws:states:::{resource}"
    state = {"Type": "Task", "Resource": arn}

    (found,) = problems(one_state(state), knows_action=lambda service, action: action != "nope")

    assert found == (
        f"SCHEMA_VALIDATION_FAILED: The resource provided {arn} is not recognized. The value is not a valid resource "
        "ARN, or the resource is not available in this region. at /States/S/Resource"
    )


def test_parameters_of_an_integration_that_it_needs_or_does_not_know() -> None:
    """Where they are written down: a `.$` member counts as the member; what an expression gives is not known yet."""
    arn = "arn:aws:states:::lambda:invoke"
    written = {"FunctionName.$": "$.f", "Payload": {}, "Colour": 1}

    assert of_state({"Type": "Task", "Resource": arn, "Parameters": written}) == [
        'SCHEMA_VALIDATION_FAILED: The field "Colour" is not supported by Step Functions at /States/S/Parameters'
    ]
    assert of_state({"Type": "Task", "Resource": arn, "Arguments": {}}, QueryLanguage="JSONata") == [
        "SCHEMA_VALIDATION_FAILED: The field 'FunctionName' is required but was missing at /States/S/Arguments"
    ]
    assert of_state({"Type": "Task", "Resource": arn, "Arguments": "{% $x %}"}, QueryLanguage="JSONata") == []
