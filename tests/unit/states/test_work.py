"""Task, Parallel and Map: their events, Retry and Catch."""

from __future__ import annotations

import pytest

from mapfold.states import (
    BatcherSpec,
    EndScope,
    FailScope,
    Json,
    ReaderSpec,
    RunIterations,
    RunMap,
    RunTask,
    StateError,
    TaskFailed,
    TaskSucceeded,
    WriterSpec,
    compile_machine,
)

from .conftest import FUNCTION, RunMachine, World, one_state

INVOKE = "arn:aws:states:::lambda:invoke"
BROKEN = TaskFailed("Broken", "it broke")
ECHO = {"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}}
PROCESSOR = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
    "StartAt": "E",
    "States": {"E": {"Type": "Pass", "End": True}},
}


def task(**fields: Json) -> dict[str, Json]:
    return {"Type": "Task", "Resource": FUNCTION, **fields}


def two_states(first: dict[str, Json]) -> dict[str, Json]:
    """The state S, then the state After, which ends with its input."""
    return {"StartAt": "S", "States": {"S": {**first, "Next": "After"}, "After": {"Type": "Pass", "End": True}}}


class TestTask:
    def test_a_function_by_arn(self, run_machine: RunMachine) -> None:
        """Its result is the function's output. `…Started` is the driver's."""
        end, world = run_machine(one_state(task()), {"a": 1}, answers={FUNCTION: [TaskSucceeded({"r": 1}, '{"r":1}')]})

        assert end == EndScope({"r": 1})
        assert world.types == [
            "TaskStateEntered",
            "LambdaFunctionScheduled",
            "LambdaFunctionSucceeded",
            "TaskStateExited",
        ]
        assert world.details("LambdaFunctionScheduled") == {
            "resource": FUNCTION,
            "input": '{"a":1}',
            "inputDetails": {"truncated": False},
        }
        assert world.details("LambdaFunctionSucceeded") == {"output": '{"r":1}', "outputDetails": {"truncated": False}}

    def test_an_integration(self, run_machine: RunMachine) -> None:
        """Its events carry service, action and region; numbers of seconds only where the definition has them."""
        state = {
            "Type": "Task",
            "Resource": INVOKE,
            "Parameters": {"FunctionName": "work", "Payload.$": "$"},
            "TimeoutSeconds": 60,
            "HeartbeatSecondsPath": "$.beat",
            "Credentials": {"RoleArn.$": "$.role"},
            "OutputPath": "$.Payload",
        }
        data = {"beat": 5, "role": "arn:aws:iam::123456789012:role/r"}

        end, world = run_machine(one_state(state), data, answers={INVOKE: [TaskSucceeded({"Payload": [1]})]})

        assert end == EndScope([1])
        assert world.details("TaskScheduled") == {
            "resourceType": "lambda",
            "resource": "invoke",
            "region": "us-east-1",
            "parameters": '{"FunctionName":"work","Payload":{"beat":5,"role":"arn:aws:iam::123456789012:role/r"}}',
            "timeoutInSeconds": 60,
            "heartbeatInSeconds": 5,
            "taskCredentials": {"roleArn": "arn:aws:iam::123456789012:role/r"},
        }
        (effect,) = world.effects
        assert isinstance(effect, RunTask)
        assert (effect.timeout_seconds, effect.heartbeat_seconds) == (60, 5)

    def test_a_timeout_has_an_event_of_its_own_and_no_cause(self, run_machine: RunMachine) -> None:
        """…TimedOut with States.Timeout; caught, its Cause is an empty string."""
        state = task(Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "After"}])

        end, world = run_machine(
            two_states(state), answers={FUNCTION: [TaskFailed("States.Timeout", None, timed_out=True)]}
        )

        assert end == EndScope({"Error": "States.Timeout", "Cause": ""})
        assert world.details("LambdaFunctionTimedOut") == {"error": "States.Timeout"}

    def test_a_task_token_is_in_the_arguments_and_in_the_effect(self, run_machine: RunMachine) -> None:
        """Each attempt has a new one, so its arguments are evaluated anew."""
        resource = f"{INVOKE}.waitForTaskToken"
        retry = [{"ErrorEquals": ["States.ALL"]}]
        state = {
            "Type": "Task",
            "Resource": resource,
            "Parameters": {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}},
            "Retry": retry,
        }

        _, world = run_machine(one_state(state), answers={resource: [BROKEN, TaskSucceeded(1)]})

        tasks = [effect for effect in world.effects if isinstance(effect, RunTask)]
        tokens = [effect.token for effect in tasks]
        assert [effect.arguments["Payload"]["token"] for effect in tasks] == tokens
        assert len(set(tokens)) == 2
        assert world.details("TaskScheduled")["resource"] == "invoke.waitForTaskToken"

    def test_an_activity(self, run_machine: RunMachine) -> None:
        """Activities have events of their own family."""
        arn = "arn:aws:states:us-east-1:123456789012:activity:paint"

        _, world = run_machine(one_state({"Type": "Task", "Resource": arn}), answers={arn: [TaskSucceeded(1)]})

        assert world.types[1:3] == ["ActivityScheduled", "ActivitySucceeded"]
        assert world.details("ActivityScheduled")["resource"] == arn


class TestRetry:
    def test_delays_grow_up_to_the_limit(self, run_machine: RunMachine) -> None:
        """delay(n) = min(IntervalSeconds * BackoffRate^(n-1), MaxDelaySeconds)."""
        retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10}]

        end, world = run_machine(
            one_state(task(Retry=retry)), answers={FUNCTION: [BROKEN, BROKEN, BROKEN, TaskSucceeded("ok")]}
        )

        assert (end, world.sleeps) == (EndScope("ok"), [2, 6, 10])

    def test_full_jitter_draws_from_nothing_up_to_the_delay(self, run_machine: RunMachine) -> None:
        """The randomness is handed in, so a seed repeats the delays."""
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100, "JitterStrategy": "FULL"}]
        answers = {FUNCTION: [BROKEN, BROKEN, TaskSucceeded("ok")]}

        first, again = (run_machine(one_state(task(Retry=retry)), answers=answers, seed=3)[1] for _ in range(2))

        assert first.sleeps == again.sleeps
        assert 0 <= first.sleeps[0] <= 100
        assert 0 <= first.sleeps[1] <= 200

    def test_an_exhausted_retrier_goes_to_catch_and_not_to_the_next_one(self, run_machine: RunMachine) -> None:
        """The first retrier that matches decides alone."""
        retry = [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 9}]
        state = task(Retry=retry, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "After"}])

        end, world = run_machine(two_states(state), answers={FUNCTION: [BROKEN, BROKEN]})

        assert end == EndScope({"Error": "Broken", "Cause": "it broke"})
        assert world.sleeps == [1]

    def test_counters_are_per_retrier(self, run_machine: RunMachine) -> None:
        """Another error does not use up the attempts of the first."""
        retry = [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}, {"ErrorEquals": ["Other"], "MaxAttempts": 1}]
        answers = {FUNCTION: [BROKEN, TaskFailed("Other", None), TaskSucceeded("ok")]}

        end, _ = run_machine(one_state(task(Retry=retry)), answers=answers)

        assert end == EndScope("ok")

    def test_a_retry_has_no_event_and_schedules_the_same_payload(self, run_machine: RunMachine) -> None:
        """…Failed is followed by the next …Scheduled, which points at it."""
        state = task(Retry=[{"ErrorEquals": ["States.TaskFailed"]}], Parameters={"id.$": "States.UUID()"})

        _, world = run_machine(one_state(state), answers={FUNCTION: [BROKEN, TaskSucceeded("ok")]})

        assert world.types[1:5] == [
            "LambdaFunctionScheduled",
            "LambdaFunctionFailed",
            "LambdaFunctionScheduled",
            "LambdaFunctionSucceeded",
        ]
        first, failed, second = world.history.events[1:4]
        assert first.details["input"] == second.details["input"]
        assert second.previous == failed.id

    def test_a_retry_of_an_input_keeps_its_text(self, run_machine: RunMachine) -> None:
        """What was sent is scheduled as it was sent, also after a result has been looked at."""
        data = {"a": 1}
        state = task(
            QueryLanguage="JSONata",
            Output="{% $states.result.no %}",
            Retry=[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
        )
        world = World(answers={FUNCTION: [TaskSucceeded(1), TaskSucceeded(2)]})

        world.frame.remember(data, '{"a": 1}')
        world.run(compile_machine(one_state(state)).scope, data)

        scheduled = [event for event in world.history.events if event.type == "LambdaFunctionScheduled"]
        assert [event.details["input"] for event in scheduled] == ['{"a": 1}'] * 2

    @pytest.mark.parametrize("whole", ["$$.State", "$$", "States.JsonToString($$.State)"])
    def test_the_retry_count_is_read_anew_in_what_holds_it(self, run_machine: RunMachine, whole: str) -> None:
        """A payload that hands on all of `$$.State` holds the count of its attempt, too."""
        state = task(Retry=[{"ErrorEquals": ["States.ALL"]}], Parameters={"c.$": whole})

        _, world = run_machine(one_state(state), answers={FUNCTION: [BROKEN, TaskSucceeded("ok")]})

        scheduled = [event for event in world.history.events if event.type == "LambdaFunctionScheduled"]
        inputs = [str(event.details["input"]).replace("\\", "") for event in scheduled]
        assert ['"RetryCount":0' in inputs[0], '"RetryCount":1' in inputs[1]] == [True, True]

    def test_the_retry_count_is_read_anew(self, run_machine: RunMachine) -> None:
        """Arguments that read it are evaluated at every attempt."""
        state = task(Retry=[{"ErrorEquals": ["States.ALL"]}], Parameters={"n.$": "$$.State.RetryCount"})

        _, world = run_machine(one_state(state), answers={FUNCTION: [BROKEN, TaskSucceeded("ok")]})

        scheduled = [event for event in world.history.events if event.type == "LambdaFunctionScheduled"]
        assert [event.details["input"] for event in scheduled] == ['{"n":0}', '{"n":1}']

    @pytest.mark.parametrize(
        ("names", "error", "is_retried"),
        [
            (["States.ALL"], "Anything", True),
            (["States.ALL"], "States.Timeout", True),
            (["States.TaskFailed"], "Anything", True),
            (["States.TaskFailed"], "States.Timeout", False),
            (["States.Timeout"], "States.HeartbeatTimeout", True),
            (["States.HeartbeatTimeout"], "States.Timeout", False),
            (["States.ALL"], "States.HeartbeatTimeout", True),
            (["States.ALL"], "States.DataLimitExceeded", True),
            (["States.TaskFailed"], "States.DataLimitExceeded", False),
            (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
            (["States.TaskFailed"], "States.TaskFailed", True),
            (["States.TaskFailed"], "States.Permissions", True),
            (["States.TaskFailed"], "States.QueryEvaluationError", True),
            (["States.Permissions"], "States.TaskFailed", False),
            (["Other", "Broken"], "Broken", True),
            (["broken"], "Broken", False),
            (["Broken*"], "Broken.One", False),
            (["States.ALL"], None, True),
            (["Broken"], None, False),
        ],
    )
    def test_which_names_match(
        self, run_machine: RunMachine, names: list[str], error: str | None, is_retried: bool
    ) -> None:
        """States.TaskFailed is every failure but a timeout; names are case-sensitive, and nothing is a wildcard."""
        state = task(Retry=[{"ErrorEquals": names}])

        end, _ = run_machine(one_state(state), answers={FUNCTION: [TaskFailed(error, None), TaskSucceeded("ok")]})

        assert isinstance(end, EndScope) is is_retried

    @pytest.mark.parametrize("names", [["States.ALL"], ["States.Runtime"], ["States.TaskFailed"]])
    def test_no_name_matches_a_runtime_error(self, run_machine: RunMachine, names: list[str]) -> None:
        """Nor does a catcher: the execution fails at once."""
        state = task(Parameters={"v.$": "$.none"}, Retry=[{"ErrorEquals": names}])

        end, world = run_machine(one_state(state))

        assert isinstance(end, FailScope)
        assert (end.error, end.catchable, world.sleeps) == ("States.Runtime", False, [])


class TestCatch:
    def test_the_error_goes_where_result_path_says(self, run_machine: RunMachine) -> None:
        """Into the raw input. OutputPath and ResultSelector are not applied on this way."""
        catch = [{"ErrorEquals": ["Broken"], "ResultPath": "$.error", "Next": "After", "Assign": {"e.$": "$.Error"}}]
        state = task(Catch=catch, OutputPath="$.nowhere", Parameters={})

        end, world = run_machine(two_states(state), {"a": 1}, answers={FUNCTION: [BROKEN]})

        assert end == EndScope({"a": 1, "error": {"Error": "Broken", "Cause": "it broke"}})
        assert world.frame.variables == {"e": "Broken"}
        assert world.types[:4] == [
            "TaskStateEntered",
            "LambdaFunctionScheduled",
            "LambdaFunctionFailed",
            "TaskStateExited",
        ]

    def test_a_jsonata_catcher_has_the_error_output(self, run_machine: RunMachine) -> None:
        """`$states.errorOutput`, in Output and Assign."""
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "After", "Output": {"why": "{% $states.errorOutput.Cause %}"}}]
        definition = {"QueryLanguage": "JSONata", **two_states(task(Catch=catch))}

        end, _ = run_machine(definition, answers={FUNCTION: [BROKEN]})

        assert end == EndScope({"why": "it broke"})

    def test_a_runtime_error_is_not_caught_even_by_name(self, run_machine: RunMachine) -> None:
        """As recorded: neither States.ALL nor States.Runtime itself."""
        catch = [{"ErrorEquals": ["States.Runtime"], "Next": "After"}]
        state = task(Retry=[{"ErrorEquals": ["States.ALL"]}], Catch=catch, Parameters={"x.$": "$.nope"})

        end, _ = run_machine(two_states(state))

        assert isinstance(end, FailScope)
        assert (end.error, end.catchable) == ("States.Runtime", False)

    def test_an_evaluation_error_is_caught(self, run_machine: RunMachine) -> None:
        """EvaluationFailed points where Entered points; what follows points at it."""
        catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "After"}]
        state = task(Arguments="{% $states.input.nope %}", Catch=catch)

        end, world = run_machine({"QueryLanguage": "JSONata", **two_states(state)})

        assert isinstance(end, EndScope)
        events = world.history.events[:3]
        assert [event.type for event in events] == ["TaskStateEntered", "EvaluationFailed", "TaskStateExited"]
        assert [event.previous for event in events] == [0, 0, 2]

    def test_an_uncaught_failure_keeps_the_task_s_error_and_cause(self, run_machine: RunMachine) -> None:
        """No prefix: the cause is the task's own."""
        end, _ = run_machine(one_state(task()), answers={FUNCTION: [BROKEN]})

        assert end == FailScope("Broken", "it broke")


class TestParallel:
    BRANCHES = (
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}},
        {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}},
    )

    def test_outputs_come_in_the_order_of_the_branches(self, run_machine: RunMachine) -> None:
        """Every branch has the effective input; ParallelStateSucceeded is nobody's previous event."""
        state = {"Type": "Parallel", "Parameters": {"p.$": "$.a"}, "Branches": list(self.BRANCHES)}

        end, world = run_machine(one_state(state), {"a": 5})

        assert end == EndScope([1, {"p": 5}])
        assert world.types == [
            "ParallelStateEntered",
            "ParallelStateStarted",
            "PassStateEntered",
            "PassStateExited",
            "PassStateEntered",
            "PassStateExited",
            "ParallelStateSucceeded",
            "ParallelStateExited",
        ]
        assert [event.previous for event in world.history.events] == [0, 1, 2, 3, 2, 5, 6, 6]

    def test_a_failed_branch_fails_the_state_with_its_own_error(self, run_machine: RunMachine) -> None:
        """And the state's Catch sees that error."""
        branch = {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Mine", "Cause": "c"}}}
        catch = [{"ErrorEquals": ["Mine"], "Next": "After"}]

        end, world = run_machine(two_states({"Type": "Parallel", "Branches": [branch], "Catch": catch}))

        assert end == EndScope({"Error": "Mine", "Cause": "c"})
        assert world.types[2:5] == ["FailStateEntered", "ParallelStateFailed", "ParallelStateExited"]

    def test_a_runtime_error_in_a_branch_cannot_be_caught_outside(self, run_machine: RunMachine) -> None:
        """States.Runtime goes through every enclosing Catch."""
        branch = {"StartAt": "A", "States": {"A": {"Type": "Pass", "InputPath": "$.nope", "End": True}}}
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]

        end, _ = run_machine(two_states({"Type": "Parallel", "Branches": [branch], "Catch": catch}))

        assert isinstance(end, FailScope)
        assert (end.error, end.catchable) == ("States.Runtime", False)


class TestInlineMap:
    def test_items_are_selected_one_by_one(self, run_machine: RunMachine) -> None:
        """`$` in ItemSelector is the Map's input, `$$.Map.Item` the item and its index."""
        state = {
            "Type": "Map",
            "ItemsPath": "$.xs",
            "ItemSelector": {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "all.$": "$.k"},
            "ItemProcessor": ECHO,
            "MaxConcurrencyPath": "$.n",
            "ResultPath": "$.out",
        }

        end, world = run_machine(one_state(state), {"xs": ["a", "b"], "k": 1, "n": 3})

        assert isinstance(end, EndScope)
        assert end.data["out"] == [{"v": "a", "i": 0, "all": 1}, {"v": "b", "i": 1, "all": 1}]
        (effect,) = world.effects
        assert isinstance(effect, RunIterations)
        assert (effect.name, effect.count, effect.at_once) == ("S", 2, 3)
        assert world.types[:2] == ["MapStateEntered", "MapStateStarted"]
        assert world.types[-2:] == ["MapStateSucceeded", "MapStateExited"]

    def test_the_old_names_still_work(self, run_machine: RunMachine) -> None:
        """Iterator and Parameters."""
        state = {"Type": "Map", "Iterator": ECHO, "Parameters": {"v.$": "$$.Map.Item.Value"}}

        end, _ = run_machine(one_state(state), [1])

        assert end == EndScope([{"v": 1}])

    def test_jsonata_items_and_selector(self, run_machine: RunMachine) -> None:
        """Items gives the array, and `$states.context.Map.Item` the item."""
        state = {
            "Type": "Map",
            "Items": "{% $states.input.xs %}",
            "ItemSelector": {"v": "{% $states.context.Map.Item.Value + $states.input.k %}"},
            "ItemProcessor": ECHO,
            "Output": "{% $states.result.v %}",
        }

        end, _ = run_machine(one_state(state, QueryLanguage="JSONata"), {"xs": [1, 2], "k": 10})

        assert end == EndScope([11, 12])

    def test_no_items_need_no_iterations(self, run_machine: RunMachine) -> None:
        """An empty array succeeds at once with an empty array."""
        end, world = run_machine(one_state({"Type": "Map", "ItemProcessor": ECHO}), [])

        assert (end, world.effects) == (EndScope([]), [])
        assert world.details("MapStateStarted") == {"length": 0}
        assert world.types == ["MapStateEntered", "MapStateStarted", "MapStateSucceeded", "MapStateExited"]

    @pytest.mark.parametrize(
        ("fields", "data", "cause"),
        [
            ({"ItemsPath": "$.x"}, {"x": 1}, 'Reference path "$.x" must point to array.'),
            (
                {"MaxConcurrencyPath": "$[0]"},
                ["many"],
                'The MaxConcurrencyPath field refers to value "many" which is not a valid integer: $[0]',
            ),
        ],
    )
    def test_fields_that_make_no_sense_are_runtime_errors(
        self, run_machine: RunMachine, fields: dict[str, Json], data: Json, cause: str
    ) -> None:
        """There is neither MapStateStarted nor MapStateFailed then."""
        end, world = run_machine(one_state({"Type": "Map", "ItemProcessor": ECHO, **fields}), data)

        assert isinstance(end, FailScope)
        assert (end.error, end.catchable) == ("States.Runtime", False)
        assert (end.cause or "").endswith(cause)
        assert world.types == ["MapStateEntered"]

    def test_a_failed_selector_says_in_which_state(self, run_machine: RunMachine) -> None:
        """The driver asks for inputs later, and reports the cause as it is."""
        state = {"Type": "Map", "ItemProcessor": ECHO, "ItemSelector": {"v.$": "$$.Map.Item.Value.nope"}}

        end, world = run_machine(one_state(state), [{}])

        assert isinstance(end, FailScope)
        assert (end.cause or "").startswith("An error occurred while executing the state 'S' (entered at the event id")
        assert world.frame.map_item is None

    def test_a_retry_runs_all_iterations_again(self, run_machine: RunMachine) -> None:
        """MapStateStarted is recorded again, and MapStateFailed only when the Map gives up."""
        processor = {"StartAt": "T", "States": {"T": {**task(), "End": True}}}
        state = {"Type": "Map", "ItemProcessor": processor, "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]}

        end, world = run_machine(one_state(state), [1], answers={FUNCTION: [BROKEN, BROKEN]})

        assert end == FailScope("Broken", "it broke")
        assert world.types.count("MapStateStarted") == 2
        assert world.types.count("MapStateFailed") == 1


class TestDistributedMap:
    def run_map(self, run_machine: RunMachine, fields: dict[str, Json], data: Json = None, **more: Json) -> RunMap:
        state = {"Type": "Map", "ItemProcessor": PROCESSOR, **fields}
        _, world = run_machine(one_state(state, **more), data, answers={"S": [TaskSucceeded("out")]})
        (effect,) = world.effects
        assert isinstance(effect, RunMap)
        return effect

    def test_every_field_is_evaluated(self, run_machine: RunMachine) -> None:
        """Paths are read from the Map's effective input; MaxItems is taken out of the reader's config."""
        effect = self.run_map(
            run_machine,
            {
                "InputPath": "$.in",
                "Label": "Fan",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItemsPath": "$.n"},
                    "Parameters": {"Bucket": "b", "Key.$": "$.key"},
                },
                "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.key"},
                "ItemBatcher": {"MaxItemsPerBatchPath": "$.n", "BatchInput": {"run.$": "$$.Execution.Name"}},
                "MaxConcurrencyPath": "$.n",
                "ToleratedFailurePercentagePath": "$.share",
                "ToleratedFailureCount": 3,
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {"Bucket": "out", "Prefix.$": "States.Format('runs/{}', $$.Execution.Name)"},
                    "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
                },
            },
            {"in": {"key": "a.csv", "n": 50, "share": 2.5}},
        )

        assert effect.reader == ReaderSpec(
            "s3:getObject", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, {"Bucket": "b", "Key": "a.csv"}
        )
        assert effect.batcher == BatcherSpec(50, None, {"run": "run-1"})
        assert effect.writer == WriterSpec("out", "runs/run-1", "JSONL", "COMPACT")
        assert (effect.items, effect.max_items, effect.label, effect.child_type) == (None, 50, "Fan", "EXPRESS")
        assert (effect.max_concurrency, effect.tolerated_count, effect.tolerated_percentage) == (50, 3, 2.5)
        assert effect.select is not None
        assert effect.select(4, "x", None, "STATE_DATA") == {"i": 4, "v": "x", "k": "a.csv"}
        assert effect.processor.start_at == "E"

    def test_everything_in_jsonata(self, run_machine: RunMachine) -> None:
        """The same fields without …Path, as expressions."""
        effect = self.run_map(
            run_machine,
            {
                "Items": "{% $states.input.xs %}",
                "ItemSelector": {"k": "{% $states.context.Map.Item.Key %}"},
                "ItemBatcher": {
                    "MaxInputBytesPerBatch": "{% $states.input.n %}",
                    "BatchInput": "{% $states.input.n %}",
                },
                "MaxConcurrency": "{% $states.input.n %}",
                "ToleratedFailureCount": "{% $states.input.n %}",
                "ResultWriter": {"WriterConfig": {"OutputType": "JSON"}},
            },
            {"xs": {"a": 1}, "n": 7},
            QueryLanguage="JSONata",
        )

        assert effect.items == {"a": 1}
        assert effect.batcher == BatcherSpec(None, 7, 7)
        assert effect.writer == WriterSpec(None, "", "JSON", "COMPACT")
        assert (effect.max_concurrency, effect.tolerated_count) == (7, 7)
        assert effect.select is not None
        assert effect.select(0, 1, "a", "STATE_DATA") == {"k": "a"}

    @pytest.mark.parametrize(
        ("value", "jsonata"),
        [
            *((value, jsonata) for value in (0, 7, 100_000_001) for jsonata in (False, True)),
            (-1, False),
            (7.0, True),
            ("7", False),
        ],
    )
    def test_max_items_is_left_to_the_map_run(self, run_machine: RunMachine, value: Json, jsonata: bool) -> None:
        """Any whole number that is found goes to the map run: a path's negative one fails there, as a reader's failure.

        A path may find it as a string. 7.0 is whole to JSONata only.
        """
        config = {"MaxItems": "{% $states.input.n %}"} if jsonata else {"MaxItemsPath": "$.n"}
        reader = {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "ReaderConfig": config,
            "Arguments" if jsonata else "Parameters": {"Bucket": "b"},
        }
        language = {"QueryLanguage": "JSONata"} if jsonata else {}

        effect = self.run_map(run_machine, {"ItemReader": reader, **language}, {"n": value})

        assert effect.max_items == int(value)
        assert effect.reader == ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "b"})

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (1.5, "1.5"),
            (2.0, "2.0"),
            ("1.5", "1.5"),
            (" 1", " 1"),
            (2**63, "9223372036854775808"),
            (True, "true"),
            (None, "null"),
            ([1], "[1]"),
        ],
    )
    def test_a_max_items_path_that_finds_no_whole_number_fails_before_the_run(
        self, run_machine: RunMachine, value: Json, shown: str
    ) -> None:
        """States.Runtime in AWS's words, and no MapStateFailed: the run has not begun."""
        reader = {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "ReaderConfig": {"MaxItemsPath": "$.MaxItems"},
            "Parameters": {"Bucket": "b"},
        }
        state = {"Type": "Map", "ItemProcessor": PROCESSOR, "ItemReader": reader}

        end, world = run_machine(one_state(state), {"MaxItems": value})

        assert isinstance(end, FailScope)
        assert (end.error, world.types) == ("States.Runtime", ["MapStateEntered", "MapStateStarted"])
        assert (end.cause or "").endswith(
            f'The MaxItemsPath field refers to value "{shown}" which is not a valid integer: $.MaxItems'
        )

    def test_a_jsonata_max_items_that_is_no_whole_number_is_a_query_error(self, run_machine: RunMachine) -> None:
        """As every JSONata field of the wrong type."""
        reader = {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "ReaderConfig": {"MaxItems": "{% 'many' %}"},
            "Arguments": {"Bucket": "b"},
        }
        state = {"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": PROCESSOR, "ItemReader": reader}

        end, _ = run_machine(one_state(state), {})

        assert isinstance(end, FailScope)
        assert end.error == "States.QueryEvaluationError"

    @pytest.mark.parametrize("whole", [False, True])
    def test_a_readers_arguments_may_be_expressions(self, run_machine: RunMachine, whole: bool) -> None:
        """In JSONata any member, or the object itself."""
        arguments = "{% $states.input %}" if whole else {"Bucket": "{% $states.input.Bucket %}", "Key": "k"}
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"ManifestType": "S3_INVENTORY"},
            "Arguments": arguments,
        }

        effect = self.run_map(
            run_machine, {"ItemReader": reader, "QueryLanguage": "JSONata"}, {"Bucket": "b", "Key": "k"}
        )

        assert effect.reader == ReaderSpec(
            "s3:getObject", {"ManifestType": "S3_INVENTORY"}, {"Bucket": "b", "Key": "k"}
        )

    @pytest.mark.parametrize(
        ("fields", "batcher"),
        [
            ({"MaxItemsPerBatchPath": "$.n"}, BatcherSpec(7, None)),
            ({"MaxInputBytesPerBatchPath": "$.n", "MaxItemsPerBatch": 3}, BatcherSpec(3, 7)),
            ({"MaxItemsPerBatch": 3, "BatchInput": {"a.$": "$.n", "b": 1}}, BatcherSpec(3, None, {"a": 7, "b": 1})),
        ],
    )
    def test_the_forms_of_an_item_batcher(
        self, run_machine: RunMachine, fields: dict[str, Json], batcher: BatcherSpec
    ) -> None:
        """Numbers, paths, and a template that sees the Map's effective input."""
        assert self.run_map(run_machine, {"ItemBatcher": fields}, {"n": 7}).batcher == batcher

    @pytest.mark.parametrize(
        ("fields", "cause"),
        [
            ({"MaxItemsPerBatchPath": "$.minus"}, "field MaxItemsPerBatch must be positive"),
            ({"MaxInputBytesPerBatchPath": "$.minus"}, "field MaxInputBytesPerBatch must be positive"),
            ({"MaxInputBytesPerBatchPath": "$.large"}, "MaxInputBytesPerBatch must be between 1 and 262144."),
            (
                {"MaxItemsPerBatchPath": "$.text"},
                'The MaxItemsPerBatchPath field refers to value "x" which is not a valid integer: $.text',
            ),
        ],
    )
    def test_a_batch_limit_that_makes_no_sense_fails_before_the_run(
        self, run_machine: RunMachine, fields: dict[str, Json], cause: str
    ) -> None:
        """States.Runtime, as for the other paths of a Map."""
        state = {"Type": "Map", "ItemProcessor": PROCESSOR, "ItemBatcher": fields}

        end, world = run_machine(one_state(state), {"minus": -1, "large": 262_145, "text": "x"})

        assert isinstance(end, FailScope)
        assert (end.error, world.types) == ("States.Runtime", ["MapStateEntered", "MapStateStarted"])
        assert (end.cause or "").endswith(cause)

    def test_a_selector_that_fails_raises_for_the_map_run(self, run_machine: RunMachine) -> None:
        """With the state's prefix, and whether it may be caught."""
        effect = self.run_map(run_machine, {"ItemSelector": {"k.$": "$$.Map.Item.Key"}}, [1])

        assert effect.select is not None
        with pytest.raises(StateError, match="An error occurred while executing the state 'S'") as caught:
            effect.select(0, 1, None, "STATE_DATA")

        assert not caught.value.catchable

    def test_its_events_and_its_result(self, run_machine: RunMachine) -> None:
        """MapStateStarted has the number of items of the state's input; the map run's events are the driver's."""
        state = {"Type": "Map", "ItemProcessor": PROCESSOR}

        end, world = run_machine(one_state(state), [1, 2], answers={"S": [TaskSucceeded([1], "[1]")]})

        assert end == EndScope([1])
        assert world.details("MapStateStarted") == {"length": 2}
        assert world.types == ["MapStateEntered", "MapStateStarted", "MapStateSucceeded", "MapStateExited"]

    def test_a_failed_map_run_is_retried_as_a_new_one(self, run_machine: RunMachine) -> None:
        """MapStateFailed comes only with the last."""
        failed = TaskFailed("States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold …")
        retry = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "MaxAttempts": 1}]
        state = {"Type": "Map", "ItemProcessor": PROCESSOR, "Retry": retry}

        end, world = run_machine(one_state(state), [1], answers={"S": [failed, failed]})

        assert isinstance(end, FailScope)
        assert world.types == ["MapStateEntered", "MapStateStarted", "MapStateStarted", "MapStateFailed"]

    @pytest.mark.parametrize(
        ("fields", "cause"),
        [
            ({"ToleratedFailureCountPath": "$[0]"}, "ToleratedFailureCount cannot be negative."),
            (
                {"ToleratedFailureCountPath": "$[1]"},
                'The ToleratedFailureCountPath field refers to value "1.5" which is not a valid integer: $[1]',
            ),
            ({"ToleratedFailurePercentagePath": "$[2]"}, "ToleratedFailurePercentage must be between 0 and 100."),
            (
                {"ToleratedFailurePercentagePath": "$[3]"},
                'The ToleratedFailurePercentagePath field refers to value "x" which is not a valid float: $[3]',
            ),
        ],
    )
    def test_limits_that_make_no_sense_fail_before_the_run(
        self, run_machine: RunMachine, fields: dict[str, Json], cause: str
    ) -> None:
        """MapStateEntered, MapStateStarted, and then the execution fails: no MapStateFailed."""
        state = {"Type": "Map", "ItemProcessor": PROCESSOR, **fields}

        end, world = run_machine(one_state(state), [-1, 1.5, 101, "x"])

        assert isinstance(end, FailScope)
        assert (end.error, world.types) == ("States.Runtime", ["MapStateEntered", "MapStateStarted"])
        assert (end.cause or "").endswith(cause)


def test_the_context_object_has_what_the_state_may_see(run_machine: RunMachine) -> None:
    """`$$` alone is all of it. A state that does no work has no RetryCount."""
    end, _ = run_machine(one_state({"Type": "Pass", "Parameters": {"c.$": "$$"}}))

    assert isinstance(end, EndScope)
    assert list(end.data["c"]) == ["Execution", "StateMachine", "State"]
    assert end.data["c"]["State"] == {"Name": "S", "EnteredTime": "2025-01-31T12:00:00.250Z"}


def test_a_region_in_the_resource_wins() -> None:
    """Otherwise it is that of the execution's ARN."""
    resource = "arn:aws:states:eu-west-1:123456789012:sqs:sendMessage"
    world = World(answers={resource: [TaskSucceeded({})]})

    world.run(compile_machine(one_state({"Type": "Task", "Resource": resource})).scope, {})

    assert world.details("TaskScheduled")["region"] == "eu-west-1"


def test_a_missed_heartbeat_is_matched_by_its_name_and_shown_as_a_timeout(run_machine: RunMachine) -> None:
    """The recorded event of a missed heartbeat says States.Timeout."""
    missed = TaskFailed("States.HeartbeatTimeout", None, timed_out=True)
    state = task(Catch=[{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "After"}])

    end, world = run_machine(two_states(state), answers={FUNCTION: [missed]})

    assert end == EndScope({"Error": "States.Timeout", "Cause": ""})
    assert world.details("LambdaFunctionTimedOut") == {"error": "States.Timeout"}
