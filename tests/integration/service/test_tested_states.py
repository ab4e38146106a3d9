"""TestState: one state by itself, with its work done or mocked, and what became of its data on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.states import CheckTask, Json, RunTask, TaskFailed, TaskSucceeded
from mapfold.states.effects import HttpTrace

from .conftest import ROLE, Running, error_of, sfn_client

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:work"
TASK: dict[str, Json] = {"Type": "Task", "Resource": FUNCTION, "Next": "After"}
EACH = {"StartAt": "Each", "States": {"Each": {"Type": "Pass", "End": True}}}
MAP: dict[str, Json] = {"Type": "Map", "ItemProcessor": EACH, "End": True}
SPREAD: dict[str, Json] = {
    **MAP,
    "ItemProcessor": {**EACH, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
}
RETRY = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 2}]
CATCH = [
    {"ErrorEquals": ["Gone"], "Next": "Lost"},
    {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Sorry"},
]


def try_state(service: Running, state: Json, data: Json = None, **members: Any) -> dict[str, Any]:
    """The answer to TestState, its JSON texts parsed."""
    if data is not None:
        members["input"] = json.dumps(data)
    answer = service.client.test_state(definition=json.dumps(state), roleArn=ROLE, **members)
    told: dict[str, Any] = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    if "output" in told:
        told["output"] = json.loads(told["output"])
    if "inspectionData" in told:
        told["inspectionData"] = {
            name: json.loads(value) if isinstance(value, str) else value
            for name, value in told["inspectionData"].items()
        }
    return told


class TestWithoutMock:
    def test_the_guide_s_own_example(self, service: Running) -> None:
        """A Pass state, with every step of JSONPath (developer guide)."""
        state = {
            "Type": "Pass",
            "InputPath": "$.payload",
            "Parameters": {"data": 1},
            "ResultPath": "$.result",
            "OutputPath": "$.result.data",
            "Next": "Another State",
        }

        told = try_state(service, state, {"payload": {"foo": "bar"}}, inspectionLevel="DEBUG")

        assert told == {
            "status": "SUCCEEDED",
            "output": 1,
            "nextState": "Another State",
            "inspectionData": {
                "input": {"payload": {"foo": "bar"}},
                "afterInputPath": {"foo": "bar"},
                "afterParameters": {"data": 1},
                "afterResultSelector": {"data": 1},
                "afterResultPath": {"payload": {"foo": "bar"}, "result": {"data": 1}},
            },
        }

    @pytest.mark.parametrize(
        ("state", "output"),
        [
            ({"Type": "Choice", "Choices": [{"Variable": "$.number", "NumericEquals": 2, "Next": "Equals 2"}]}, '{"number": 2}'),
            ({"Type": "Pass", "Parameters": {"number.$": "$.number"}, "Next": "Equals 2"}, '{"number":2}'),
        ],
    )  # fmt: skip
    def test_an_input_that_is_left_alone_goes_on_as_it_was_written(
        self, service: Running, state: Json, output: str
    ) -> None:
        """With its blanks (the developer guide's example of a Choice); what a state makes has none."""
        told = service.client.test_state(definition=json.dumps(state), roleArn=ROLE, input='{"number": 2}')

        assert (told["output"], told["nextState"], told["status"]) == (output, "Equals 2", "SUCCEEDED")

    def test_a_task_does_its_work(self, service: Running) -> None:
        """By the engine, with the arguments that the state makes; INFO tells no steps."""
        service.engine.answers.append(TaskSucceeded({"n": 2}))

        told = try_state(service, {**TASK, "Parameters": {"n.$": "$.n"}, "ResultPath": "$.done"}, {"n": 1})

        (effect,) = service.engine.performed
        assert isinstance(effect, RunTask)
        assert effect.arguments == {"n": 1}
        assert told == {"status": "SUCCEEDED", "output": {"n": 1, "done": {"n": 2}}, "nextState": "After"}

    def test_a_failure_that_nobody_handles(self, service: Running) -> None:
        """With the error and the cause, and without a next state."""
        service.engine.answers.append(TaskFailed("Broken", "why"))

        assert try_state(service, TASK) == {"status": "FAILED", "error": "Broken", "cause": "why"}

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            (
                {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "One"}],
                    "Default": "Many",
                },
                {"status": "SUCCEEDED", "output": {"n": 1}, "nextState": "One"},
            ),
            ({"Type": "Succeed"}, {"status": "SUCCEEDED", "output": {"n": 1}}),
            (
                {"Type": "Fail", "Error": "E", "CausePath": "States.Format('{}', $.n)"},
                {"status": "FAILED", "error": "E", "cause": "1"},
            ),
            (
                {"Type": "Pass", "InputPath": "$.no", "End": True},
                {
                    "status": "FAILED",
                    "error": "States.Runtime",
                    "cause": "Invalid path '$.no' : No results for path: $['no']",
                },
            ),
        ],
    )
    def test_other_states(self, service: Running, state: dict[str, Json], told: dict[str, Json]) -> None:
        """Their causes do not speak of events: there is no history."""
        assert try_state(service, state, {"n": 1}) == told

    def test_a_state_of_a_machine_with_its_variables_in_jsonata(self, service: Running) -> None:
        """By its name, however deep; the language is the machine's. What it assigns is told with what was there."""
        inner = {"Type": "Pass", "Output": "{% $x + 1 %}", "Assign": {"y": "{% $x * 2 %}"}, "End": True}
        branch = {"StartAt": "Deep", "States": {"Deep": inner}}
        states = {"Top": {"Type": "Parallel", "Branches": [branch], "End": True}}
        machine = {"QueryLanguage": "JSONata", "StartAt": "Top", "States": states}

        told = try_state(service, machine, {"a": 1}, stateName="Deep", variables='{"x": 4}', inspectionLevel="DEBUG")

        assert told == {
            "status": "SUCCEEDED",
            "output": 5,
            "inspectionData": {"input": {"a": 1}, "variables": {"x": 4, "y": 8}},
        }


class TestWithMock:
    def test_a_result_goes_through_the_state(self, service: Running) -> None:
        """Nobody is called. Each step is told."""
        state = {**TASK, "ResultSelector": {"v.$": "$.Payload"}, "ResultPath": "$.r"}

        told = try_state(service, state, {"a": 1}, mock={"result": '{"Payload": 5}'}, inspectionLevel="DEBUG")

        assert service.engine.performed == []
        assert told["output"] == {"a": 1, "r": {"v": 5}}
        assert told["inspectionData"] == {
            "input": {"a": 1},
            "afterInputPath": {"a": 1},
            "afterParameters": {"a": 1},
            "result": {"Payload": 5},
            "afterResultSelector": {"v": 5},
            "afterResultPath": {"a": 1, "r": {"v": 5}},
        }

    def test_arguments_in_jsonata(self, service: Running) -> None:
        """In place of the steps of JSONPath."""
        state = {**TASK, "QueryLanguage": "JSONata", "Arguments": {"n": "{% $states.input.a %}"}}

        told = try_state(service, state, {"a": 1}, mock={"result": "7"}, inspectionLevel="DEBUG")

        assert told["inspectionData"] == {"input": {"a": 1}, "afterArguments": {"n": 1}, "result": 7}

    def test_an_error_that_is_tried_again(self, service: Running) -> None:
        """The delay is that of the next attempt, after those that have been made."""
        mock = {"errorOutput": {"error": "Busy", "cause": "full"}}

        first, second, last = (
            try_state(
                service, {**TASK, "Retry": RETRY, "Catch": CATCH}, {},
                mock=mock, stateConfiguration={"retrierRetryCount": count}, inspectionLevel="DEBUG",
            )
            for count in (0, 1, 2)
        )  # fmt: skip

        assert (first["status"], first["error"], first["cause"]) == ("RETRIABLE", "Busy", "full")
        assert first["inspectionData"]["errorDetails"] == {"retryIndex": 0, "retryBackoffIntervalSeconds": 2}
        assert second["inspectionData"]["errorDetails"]["retryBackoffIntervalSeconds"] == 6
        assert last["status"] == "CAUGHT_ERROR"

    def test_an_error_that_is_caught(self, service: Running) -> None:
        """With the catcher's output and next state, the error, and which catcher it was."""
        mock = {"errorOutput": {"error": "Odd", "cause": "why"}}

        told = try_state(service, {**TASK, "Catch": CATCH}, {"a": 1}, mock=mock, inspectionLevel="DEBUG")

        assert told["inspectionData"]["errorDetails"] == {"catchIndex": 1}
        del told["inspectionData"]
        assert told == {
            "status": "CAUGHT_ERROR",
            "output": {"a": 1, "e": {"Error": "Odd", "Cause": "why"}},
            "nextState": "Sorry",
            "error": "Odd",
            "cause": "why",
        }

    def test_the_context_is_the_one_that_is_handed_in(self, service: Running) -> None:
        """Its execution, task token, and what it says of the state: name, time and retry count."""
        state = {
            **TASK,
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": "q",
                "MessageBody": {"id.$": "$$.Execution.Id", "token.$": "$$.Task.Token", "state.$": "$$.State"},
            },
        }
        here = {"Name": "Mine", "EnteredTime": "2025-01-31T12:00:00Z", "RetryCount": 2}
        context = {"Execution": {"Id": "run-1"}, "Task": {"Token": "t"}, "State": here}

        told = try_state(
            service, state, {}, mock={"result": "{}"}, context=json.dumps(context), inspectionLevel="DEBUG"
        )

        assert told["inspectionData"]["afterParameters"]["MessageBody"] == {"id": "run-1", "token": "t", "state": here}

    @pytest.mark.parametrize(
        ("state", "data", "steps"),
        [
            (SPREAD, [{"itemId": 1}], {"input": [{"itemId": 1}], "afterInputPath": [{"itemId": 1}]}),
            ({"Type": "Parallel", "Branches": [EACH], "End": True}, None, {"input": {}}),
        ],
    )
    def test_of_maps_and_parallels_only_the_steps_that_they_have_are_told(
        self, service: Running, state: Json, data: Json, steps: dict[str, Json]
    ) -> None:
        """As AWS's announcement of mocks prints the answers for these two."""
        told = try_state(service, state, data, mock={"result": '[{"done": 1}]'}, inspectionLevel="DEBUG")

        placed = {name: [{"done": 1}] for name in ("afterResultSelector", "afterResultPath")}
        assert told == {"status": "SUCCEEDED", "output": [{"done": 1}], "inspectionData": steps | placed}

    def test_an_inline_map(self, service: Running) -> None:
        """Its items and the inputs of its iterations are told, and the mock is its result."""
        state = {**MAP, "ItemsPath": "$.items", "ItemSelector": {"v.$": "$$.Map.Item.Value"}, "MaxConcurrency": 3}

        told = try_state(service, state, {"items": [1, 2]}, mock={"result": '["a", "b"]'}, inspectionLevel="DEBUG")

        inspected = told["inspectionData"]
        assert told["output"] == ["a", "b"]
        assert (inspected["afterItemsPath"], inspected["maxConcurrency"]) == ([1, 2], 3)
        assert inspected["afterItemSelector"] == [{"v": 1}, {"v": 2}]

    def test_a_distributed_map_with_its_reader_and_batches(self, service: Running) -> None:
        """What the reader reads is handed in; ItemsPointer, ItemSelector and ItemBatcher are applied to it."""
        state = {
            **SPREAD,
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON", "ItemsPointer": "/rows"},
                "Parameters": {"Bucket": "b", "Key": "k"},
            },
            "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"x": 1}},
            "ToleratedFailureCount": 1,
        }
        configuration = {"mapItemReaderData": '{"rows": [1, 2, 3]}', "mapIterationFailureCount": 1}

        told = try_state(
            service, state, {}, mock={"result": "[]"}, stateConfiguration=configuration, inspectionLevel="DEBUG"
        )

        inspected = told["inspectionData"]
        assert told["status"] == "SUCCEEDED"
        assert inspected["afterItemsPointer"] == [1, 2, 3]
        assert inspected["afterItemBatcher"] == [
            {"BatchInput": {"x": 1}, "Items": [1, 2]},
            {"BatchInput": {"x": 1}, "Items": [3]},
        ]
        assert inspected["toleratedFailureCount"] == 1

    @pytest.mark.parametrize(
        ("config", "data", "items"),
        [
            (
                {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                "a,b\n1,x\n2,y\n",
                [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}],
            ),
            ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, '[{"a": 1}]', [{"a": 1}]),
            ({"InputType": "JSONL", "MaxItems": 1}, '{"a": 1}\n{"a": 2}', [{"a": 1}]),
        ],
        ids=["rows", "rows as JSON", "lines"],
    )
    def test_what_is_read_is_as_it_is_in_its_source(
        self, service: Running, config: dict[str, Json], data: str, items: list[Json]
    ) -> None:
        """Rows and lines become items; a pointer is for documents."""
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": config,
            "Parameters": {"Bucket": "b", "Key": "k"},
        }
        state = {**SPREAD, "ItemReader": reader, "ItemSelector": {"v.$": "$$.Map.Item.Value"}}

        told = try_state(
            service, state, {}, mock={"result": "[]"}, stateConfiguration={"mapItemReaderData": data}, inspectionLevel="DEBUG"
        )  # fmt: skip

        assert told["inspectionData"]["afterItemSelector"] == [{"v": item} for item in items]
        assert "afterItemsPointer" not in told["inspectionData"]

    @pytest.mark.parametrize(
        ("config", "data", "cause"),
        [
            (
                {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                "a,a",
                "CSV headers cannot contain duplicates.",
            ),
            ({"InputType": "JSON"}, "5", "Attempting to map over non-iterable node."),
            ({"InputType": "JSON"}, "{", "Attempting to map over non-iterable node."),
            (
                {"InputType": "JSON", "ItemsPointer": "/a~1b/0/none/c"},
                '{"a/b": [{}]}',
                "ItemsPointer /a~1b/0/none points to nothing; expected an array or an object.",
            ),
        ],
    )
    def test_data_that_its_reader_cannot_read(
        self, service: Running, config: dict[str, Json], data: str, cause: str
    ) -> None:
        """Fails the Map as a reader does."""
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": config,
            "Parameters": {"Bucket": "b", "Key": "k"},
        }

        told = try_state(
            service, {**SPREAD, "ItemReader": reader}, {}, mock={"result": "[]"}, stateConfiguration={"mapItemReaderData": data}
        )  # fmt: skip

        assert told == {
            "status": "FAILED",
            "error": "States.ItemReaderFailed",
            "cause": cause,
        }

    def test_a_map_without_items(self, service: Running) -> None:
        """What was made of none is told all the same."""
        state = {**MAP, "ItemsPath": "$", "MaxConcurrency": 2}

        told = try_state(service, state, [], mock={"result": "[]"}, inspectionLevel="DEBUG")

        assert (told["output"], told["inspectionData"]["afterItemsPath"]) == ([], [])
        assert told["inspectionData"]["maxConcurrency"] == 2

    def test_more_failed_items_than_are_tolerated(self, service: Running) -> None:
        """Fail the Map, as they fail a map run."""
        told = try_state(
            service, {**SPREAD, "ToleratedFailurePercentage": 50}, [1, 2, 3],
            mock={"result": "[]"}, stateConfiguration={"mapIterationFailureCount": 2},
        )  # fmt: skip

        assert (told["status"], told["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")

    def test_a_result_is_one_that_the_api_could_give(self, service: Running) -> None:
        """By the names and types of its model, unless that is not asked for."""
        state = {**TASK, "Resource": "arn:aws:states:::aws-sdk:sfn:startExecution"}

        error = error_of(lambda: try_state(service, state, {}, mock={"result": "{}"}))
        told = try_state(service, state, {}, mock={"result": "{}", "fieldValidationMode": "NONE"})

        assert error == (
            "ValidationException",
            "Mock result schema validation error: Required field 'ExecutionArn' is missing",
        )
        assert told["output"] == {}


class TestWorkOfOthers:
    """Jobs, tokens and what is looked at before a task is scheduled."""

    @pytest.mark.parametrize("resource", ["states:startExecution.sync:2", "sqs:sendMessage.waitForTaskToken"])
    def test_what_is_waited_for_can_only_be_mocked(self, service: Running, resource: str) -> None:
        """A job's end, or an answer to a token; nothing is begun."""
        arn = f"arn:aws:states:::{resource}"

        error = error_of(lambda: try_state(service, {**TASK, "Resource": arn}, {}))

        assert error == ("InvalidDefinition", f"TestState API supports {arn} only when a mock is specified")
        assert service.engine.performed == []

    def test_a_mocked_answer_to_a_token(self, service: Running) -> None:
        """The token is the context's, and the mock what SendTaskSuccess would bring; nothing is checked or called."""
        state = {
            **TASK,
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token"}},
        }

        told = try_state(
            service,
            state,
            {},
            mock={"result": '"approved"'},
            context='{"Task": {"Token": "mine"}}',
            inspectionLevel="DEBUG",
        )

        assert told["output"] == "approved"
        assert told["inspectionData"]["afterParameters"] == {"QueueUrl": "q", "MessageBody": {"token": "mine"}}
        assert service.engine.performed == []

    def test_a_mocked_job_that_failed_is_caught(self, service: Running) -> None:
        """As a job's failure is: States.TaskFailed, with the job as the cause."""
        state = {**TASK, "Resource": "arn:aws:states:::states:startExecution.sync", "Catch": CATCH}
        state["Parameters"] = {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"}

        told = try_state(service, state, {}, mock={"errorOutput": {"error": "States.TaskFailed", "cause": "{}"}})

        assert (told["status"], told["nextState"]) == ("CAUGHT_ERROR", "Sorry")
        assert told["output"] == {"e": {"Error": "States.TaskFailed", "Cause": "{}"}}

    def test_parameters_are_looked_at_before_the_call(self, service: Running) -> None:
        """What would fail an execution with States.Runtime fails the test so, and nothing is called."""
        parameters = {"QueueUrl": "q", "MessageBody": "m", "DelaySeconds": {}}
        state = {**TASK, "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage", "Parameters": parameters}
        service.engine.answers = ["The parameters are wrong."]

        told = try_state(service, state, {})

        assert (told["status"], told["error"]) == ("FAILED", "States.Runtime")
        assert told["cause"].endswith("The parameters are wrong.")
        assert [type(effect) for effect in service.engine.performed] == [CheckTask]

    @pytest.mark.parametrize("level", ["DEBUG", "TRACE"])
    def test_only_trace_asks_for_requests_and_answers(self, service: Running, level: str) -> None:
        """Secrets of connections are left out of them, unless they are to be revealed."""
        service.engine.answers = [TaskSucceeded(1), TaskSucceeded(1)]

        for reveals in (False, True):
            try_state(service, TASK, {}, inspectionLevel=level, revealSecrets=reveals)

        traces = [effect.trace for effect in service.engine.performed if isinstance(effect, RunTask)]
        asked = [HttpTrace(reveals=False), HttpTrace(reveals=True)]
        assert traces == (asked if level == "TRACE" else [None, None])


@pytest.mark.parametrize(
    ("state", "members", "error"),
    [
        (
            MAP,
            {},
            (
                "InvalidDefinition",
                (
                    "TestState API does not support Map or Parallel states. Supported state types include: "
                    "[Task, Wait, Pass, Succeed, Fail, Choice]"
                ),
            ),
        ),
        (
            {"Type": "Pass", "End": True},
            {"mock": {"result": "1"}},
            ("ValidationException", "State type 'Pass' is not supported when a mock is specified"),
        ),
        (
            TASK,
            {"mock": {"result": "1", "errorOutput": {"error": "E"}}},
            (
                "ValidationException",
                "A test mock should have only one of the following fields: [result, errorOutput].",
            ),
        ),
        (
            TASK,
            {"mock": {}},
            (
                "ValidationException",
                "A test mock should have only one of the following fields: [result, errorOutput].",
            ),
        ),
        (TASK, {"mock": {"result": "{"}}, ("ValidationException", "Mocked result must be valid JSON")),
        (MAP, {"mock": {"result": "{}"}}, ("ValidationException", "Mocked result must be an array.")),
        (SPREAD, {"mock": {"result": "1"}}, ("ValidationException", "Mocked result must be an array.")),
        (
            {**MAP, "ItemsPath": "$$.Execution.Name"},
            {
                "mock": {"result": "[]"},
                "context": '{"Execution": {"Name": ["a"]}}',
                "stateConfiguration": {"mapIterationFailureCount": 2},
            },
            ("ValidationException", "mapIterationFailureCount exceeds the number of items of the Map state"),
        ),
        (
            {**SPREAD, "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}},
            {"mock": {"result": "[]"}},
            ("ValidationException", "Mocked result must be a JSON object."),
        ),
        (
            {"Type": "Parallel", "Branches": [EACH], "End": True},
            {"mock": {"result": "5"}},
            ("ValidationException", "Mocked result must be an array."),
        ),
        (
            TASK,
            {"mock": {"result": "1"}, "revealSecrets": True},
            ("ValidationException", "TestState does not support RevealSecrets when a mock is specified."),
        ),
        (
            TASK,
            {"context": "{}"},
            ("ValidationException", "State context can only be specified when a mock is specified."),
        ),
        (
            {"Type": "Pass"},
            {},
            (
                "InvalidDefinition",
                "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /'",
            ),
        ),
    ],
)
def test_what_cannot_be_tested(
    service: Running, state: dict[str, Json], members: dict[str, Any], error: tuple[str, str]
) -> None:
    """Only work can be mocked, and some work only that."""
    assert error_of(lambda: try_state(service, state, {}, **members)) == error


def test_a_task_without_a_mock_needs_a_role(service: Running) -> None:
    """Other states do not."""
    error = error_of(lambda: service.client.test_state(definition=json.dumps(TASK)))
    fine = service.client.test_state(definition='{"Type": "Succeed"}')

    assert error == ("ValidationException", "RoleArn must be specified when testing a Task state")
    assert error_of(lambda: service.client.test_state(definition=json.dumps(TASK), roleArn="admin")) == (
        "InvalidArn",
        "Invalid Role Arn: 'admin'",
    )
    assert fine["output"] == "{}"


@pytest.mark.parametrize(
    ("members", "error"),
    [
        (
            {"mock": {"errorOutput": {"error": 5}}},
            ("SerializationException", "NUMBER_VALUE cannot be converted to String"),
        ),
        (
            {"mock": {"result": "1", "fieldValidationMode": "x"}, "stateConfiguration": {"retrierRetryCount": -1}},
            (
                "ValidationException",
                (
                    "2 validation errors detected: Value '-1' at 'stateConfiguration.retrierRetryCount' failed to "
                    "satisfy constraint: Member must have value greater than or equal to 0; "
                    "Value 'x' at 'mock.fieldValidationMode' failed to satisfy constraint: "
                    "Member must satisfy enum value set: [STRICT, NONE, PRESENT]"
                ),
            ),
        ),
    ],
)
def test_members_are_those_of_the_api(service: Running, members: dict[str, Any], error: tuple[str, str]) -> None:
    """In objects, too."""
    client = sfn_client(service.url, parameter_validation=False)

    assert error_of(lambda: client.test_state(definition=json.dumps(TASK), roleArn=ROLE, **members)) == error
