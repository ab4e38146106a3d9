"""Input and output processing, variables, and the payload limit."""

from __future__ import annotations

import json

import pytest

from mapfold.states import EndScope, FailScope, Goto, Json, TaskSucceeded, compile_machine

from .conftest import FUNCTION, RunMachine, World, one_state

PREFIX = "An error occurred while executing the state 'S' (entered at the event id #1). "


def task(**fields: Json) -> dict[str, Json]:
    return {"Type": "Task", "Resource": FUNCTION, **fields}


class TestJsonPath:
    def test_the_steps_come_in_the_documented_order(self, run_machine: RunMachine) -> None:
        """
        InputPath, Parameters, the work, ResultSelector, ResultPath into the raw input, OutputPath:
        ResultPath writes into what the state was given, not into what Parameters made of it.
        """
        state = task(
            InputPath="$.inner",
            Parameters={"sent.$": "$.a", "fixed": [1, {"deep.$": "$.a"}]},
            ResultSelector={"kept.$": "$.r"},
            ResultPath="$.inner.result",
            OutputPath="$.inner",
        )

        end, world = run_machine(
            one_state(state), {"inner": {"a": 1}, "b": 2}, answers={FUNCTION: [TaskSucceeded({"r": 9, "s": 8})]}
        )

        assert end == EndScope({"a": 1, "result": {"kept": 9}})
        assert world.details("LambdaFunctionScheduled")["input"] == '{"fixed":[1,{"deep":1}],"sent":1}'

    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            (
                ["MyLetters", "MyNumbers", "MyString", "MyObject", "MyArray"],
                "MyNumbers MyObject MyString MyLetters MyArray",
            ),
            (["ContextIndex", "ContextValue"], "ContextValue ContextIndex"),
            (["MyMultiplicationFactor", "MyItem"], "MyMultiplicationFactor MyItem"),
            ([f"c{n}" for n in range(13)], "c11 c10 c12 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9"),
        ],
    )
    def test_what_is_filled_in_stands_in_the_order_of_java_s_hash_map(
        self, run_machine: RunMachine, written: list[str], shown: str
    ) -> None:
        """The developer guide's examples, whose printed outputs have this order; the table grows with the thirteenth."""
        state = {"Type": "Pass", "Parameters": {f"{name}.$": "$" for name in written} | {"fixed": 0}}

        _, world = run_machine(one_state(state), 1)

        assert list(json.loads(world.details("PassStateExited")["output"])) == ["fixed", *shown.split()]

    @pytest.mark.parametrize(
        ("fields", "output"),
        [
            ({"InputPath": None}, {}),
            ({"OutputPath": None}, {}),
            ({"ResultPath": None, "Result": 1}, {"a": 1}),
            ({"ResultPath": "$.x.y", "Result": 1}, {"a": 1, "x": {"y": 1}}),
            ({"ResultPath": "$.a", "Result": 2}, {"a": 2}),
            ({"Result": {"b.$": "$.a"}}, {"b.$": "$.a"}),
            ({"Parameters": {"b.$": "$$.Execution.Name"}}, {"b": "run-1"}),
            ({"Parameters": {"b": "$.a", "c": ["$.a"]}}, {"b": "$.a", "c": ["$.a"]}),
        ],
    )
    def test_a_pass_shapes_its_input(self, run_machine: RunMachine, fields: dict[str, Json], output: Json) -> None:
        """A path that is null gives {}; ResultPath null keeps the input; nothing in Result is evaluated."""
        end, _ = run_machine(one_state({"Type": "Pass", **fields}), {"a": 1})

        assert end == EndScope(output)

    @pytest.mark.parametrize(
        ("fields", "cause"),
        [
            ({"InputPath": "$.X"}, "Invalid path '$.X' : No results for path: $['X']"),
            ({"OutputPath": "$.no.X"}, "Invalid path '$.no.X' : Missing property in path $['no']"),
            (
                {"Parameters": {"value.$": "$.x"}},
                "The JSONPath '$.x' specified for the field 'value.$' could not be found in the input '{\"a\":1}'",
            ),
        ],
    )
    def test_a_path_to_nothing_is_a_runtime_error(
        self, run_machine: RunMachine, fields: dict[str, Json], cause: str
    ) -> None:
        """The service says States.Runtime, which nothing may catch, and has no event for it."""
        end, world = run_machine(one_state({"Type": "Pass", **fields}), {"a": 1})

        assert end == FailScope("States.Runtime", PREFIX + cause, catchable=False)
        assert world.types == ["PassStateEntered"]


class TestJsonata:
    def test_output_sees_the_input_and_the_result(self, run_machine: RunMachine) -> None:
        """`$states.input` is always the state's original input; Output and Assign see the same values."""
        state = task(
            Arguments={"n": "{% $states.input.a %}"},
            Output={"in": "{% $states.input.a %}", "out": "{% $states.result.r %}"},
            Assign={"seen": "{% $states.result.r %}"},
        )

        end, world = run_machine(
            one_state(state, QueryLanguage="JSONata"), {"a": 1}, answers={FUNCTION: [TaskSucceeded({"r": 9})]}
        )

        assert end == EndScope({"in": 1, "out": 9})
        assert world.details("LambdaFunctionScheduled")["input"] == '{"n":1}'
        assert world.details("TaskStateExited")["assignedVariables"] == {"seen": "9"}

    def test_a_task_without_output_gives_its_result_and_others_their_input(self, run_machine: RunMachine) -> None:
        """The specification's prose says that a Task echoes its input; its table and the service say the result."""
        answers = {FUNCTION: [TaskSucceeded("r")]}

        from_task, _ = run_machine(one_state(task(), QueryLanguage="JSONata"), "i", answers=answers)
        from_pass, _ = run_machine(one_state({"Type": "Pass"}, QueryLanguage="JSONata"), "i")

        assert (from_task, from_pass) == (EndScope("r"), EndScope("i"))


class TestVariables:
    def test_assignments_see_the_values_at_entry(self, run_machine: RunMachine) -> None:
        """All of Assign is evaluated, then all is committed: two variables can change places."""
        states = {
            "A": {"Type": "Pass", "Assign": {"x": 1, "y": 2}, "Next": "B"},
            "B": {"Type": "Pass", "Assign": {"x.$": "$y", "y.$": "$x"}, "Next": "C"},
            "C": {"Type": "Pass", "Parameters": {"x.$": "$x", "y.$": "$y"}, "End": True},
        }

        end, _ = run_machine({"StartAt": "A", "States": states})

        assert end == EndScope({"x": 2, "y": 1})

    def test_exit_events_carry_what_was_assigned_as_json_text(self, run_machine: RunMachine) -> None:
        """In the order of the definition, each value serialised."""
        _, world = run_machine(one_state({"Type": "Pass", "Assign": {"x": {"a": 1}, "s": "t"}}))

        details = world.details("PassStateExited")
        assert details["assignedVariables"] == {"x": '{"a":1}', "s": '"t"'}
        assert details["assignedVariablesDetails"] == {"truncated": False}

    def test_assign_of_a_task_reads_the_raw_result(self, run_machine: RunMachine) -> None:
        """`$` in Assign is the result before ResultSelector and ResultPath."""
        state = task(ResultSelector={"k.$": "$.r"}, ResultPath=None, Assign={"v.$": "$.r"})

        _, world = run_machine(one_state(state), {"a": 1}, answers={FUNCTION: [TaskSucceeded({"r": 9})]})

        assert world.frame.variables == {"v": 9}

    def test_branches_read_outer_variables_and_keep_their_own(self, run_machine: RunMachine) -> None:
        """What a branch assigns is gone when it ends."""
        inner = {"Type": "Pass", "Parameters": {"seen.$": "$x"}, "Assign": {"mine": 1}, "End": True}
        states = {
            "A": {"Type": "Pass", "Assign": {"x": 7}, "Next": "P"},
            "P": {"Type": "Parallel", "Branches": [{"StartAt": "I", "States": {"I": inner}}], "End": True},
        }

        end, world = run_machine({"StartAt": "A", "States": states})

        assert end == EndScope([{"seen": 7}])
        assert world.frame.variables == {"x": 7}

    def test_an_unset_variable_is_a_runtime_error_in_jsonpath(self, run_machine: RunMachine) -> None:
        """In JSONata the same is undefined, and so States.QueryEvaluationError."""
        end, _ = run_machine(one_state({"Type": "Pass", "Parameters": {"v.$": "$nope"}}))

        assert isinstance(end, FailScope)
        assert end.error == "States.Runtime"


class TestSizes:
    def test_an_output_over_the_limit_fails_the_execution(self, run_machine: RunMachine) -> None:
        """262,144 bytes of JSON are allowed, quotes included; one more is not."""
        state = one_state({"Type": "Pass"})

        fits, _ = run_machine(state, "x" * 262_142)
        end, world = run_machine(state, "é" * 131_072)

        assert isinstance(fits, EndScope)
        assert end == FailScope(
            "States.DataLimitExceeded",
            "The state/task 'S' returned a result with a size exceeding the maximum number of bytes service limit.",
        )
        assert world.types == ["PassStateEntered"]

    def test_a_result_over_the_limit_is_a_failure_that_can_be_caught(self, run_machine: RunMachine) -> None:
        """The task fails with an event of its own; a lone States.ALL catches it, as recorded on AWS."""
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]
        states = {
            "S": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Catch": catch, "Next": "After"},
            "After": {"Type": "Succeed"},
        }

        end, world = run_machine(
            {"StartAt": "S", "States": states},
            answers={"arn:aws:states:::lambda:invoke": [TaskSucceeded("x" * 300_000)]},
        )

        assert isinstance(end, EndScope)
        assert end.data["Error"] == "States.DataLimitExceeded"
        assert end.data["Cause"].startswith("The state/task 'lambda' returned a result")
        assert world.types[:4] == ["TaskStateEntered", "TaskScheduled", "TaskFailed", "TaskStateExited"]


def test_a_payload_that_wanders_unchanged_is_encoded_once(run_machine: RunMachine) -> None:
    """The text of an output is the text of the next input, and that which the driver had already is kept."""
    world = World()
    data = {"a": [1]}
    world.frame.remember(data, '{"a": [1]}')
    machine = compile_machine(one_state({"Type": "Pass"}))

    world.run(machine.scope, data)

    assert world.details("PassStateEntered")["input"] is world.details("PassStateExited")["output"]
    assert world.details("PassStateExited")["output"] == '{"a": [1]}'


class TestSimpleStates:
    def test_choice_takes_the_first_rule_and_its_assign(self, run_machine: RunMachine) -> None:
        """A matched rule's Assign stands in for the state's, which is for Default alone."""
        states = {
            "S": {
                "Type": "Choice",
                "Assign": {"by": "state"},
                "Choices": [
                    {"Variable": "$.n", "NumericLessThan": 5, "Next": "E", "Assign": {"by": "rule"}},
                    {"Variable": "$.n", "NumericLessThan": 9, "Next": "E"},
                ],
                "Default": "E",
            },
            "E": {"Type": "Pass", "End": True},
        }
        definition = {"StartAt": "S", "States": states}

        variables = [run_machine(definition, {"n": n})[1].frame.variables for n in (1, 7, 20)]

        assert variables == [{"by": "rule"}, {}, {"by": "state"}]

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            ({"n": 1}, "Failed to transition out of the state. The state does not point to a next state."),
            ({}, "Invalid path '$.n': The choice state's condition path references an invalid value."),
        ],
    )
    def test_a_choice_that_cannot_choose_fails(self, run_machine: RunMachine, data: Json, cause: str) -> None:
        """No match without Default, and a Variable that is not there, are States.Runtime on the service."""
        rule = {"Variable": "$.n", "NumericEquals": 5, "Next": "E"}
        states = {"S": {"Type": "Choice", "Choices": [rule]}, "E": {"Type": "Succeed"}}

        end, world = run_machine({"StartAt": "S", "States": states}, data)

        assert end == FailScope("States.Runtime", PREFIX + cause, catchable=False)
        assert world.types == ["ChoiceStateEntered"]

    def test_a_jsonata_choice_wants_a_boolean(self, run_machine: RunMachine) -> None:
        """Anything else is an error, however true it looks."""
        rule = {"Condition": "{% $states.input.n %}", "Next": "E", "Output": {"picked": "{% $states.input.n %}"}}
        states = {"S": {"Type": "Choice", "Choices": [rule]}, "E": {"Type": "Succeed"}}
        definition = {"QueryLanguage": "JSONata", "StartAt": "S", "States": states}

        chosen, _ = run_machine(definition, {"n": True})
        end, _ = run_machine(definition, {"n": 1})

        assert chosen == EndScope({"picked": True})
        assert isinstance(end, FailScope)
        assert end.error == "States.QueryEvaluationError"
        assert (end.cause or "").endswith("Expected 'boolean', but was 'number' for value: 1")

    @pytest.mark.parametrize(
        ("fields", "slept"),
        [
            ({"Seconds": 3}, [3]),
            ({"Seconds": 0}, []),
            ({"SecondsPath": "$.n"}, [4]),
            ({"Timestamp": "2025-01-31T12:00:10.9Z"}, [9.75]),
            ({"Timestamp": "2020-01-01T00:00:00Z"}, []),
            ({"TimestampPath": "$.t"}, [9.75]),
            ({"QueryLanguage": "JSONata", "Seconds": "{% $states.input.n + 1 %}"}, [5]),
            ({"QueryLanguage": "JSONata", "Timestamp": "{% $states.input.t %}"}, [9.75]),
        ],
    )
    def test_a_wait_sleeps_until_its_moment(
        self, run_machine: RunMachine, fields: dict[str, Json], slept: list[float]
    ) -> None:
        """Timestamps are cut to whole seconds; what is past is not waited for."""
        data = {"n": 4, "t": "2025-01-31T13:00:10+01:00"}

        end, world = run_machine(one_state({"Type": "Wait", **fields}), data)

        assert (end, world.sleeps) == (EndScope(data), slept)

    @pytest.mark.parametrize(
        ("fields", "cause"),
        [
            ({"SecondsPath": "$.neg"}, "The SecondsPath parameter references a negative value: $.neg == -1"),
            ({"SecondsPath": "$.f"}, "The SecondsPath parameter cannot be parsed as a long value: $.f == 1.5"),
            ({"SecondsPath": "$.p"}, "The SecondsPath parameter does not reference an input value: $.p"),
            (
                {"TimestampPath": "$.s"},
                (
                    "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
                    "string: $.s == soon"
                ),
            ),
            ({"SecondsPath": "$.long"}, "Wait state delay is too long."),
        ],
    )
    def test_a_wait_that_makes_no_sense_fails(
        self, run_machine: RunMachine, fields: dict[str, Json], cause: str
    ) -> None:
        """In the service's words."""
        data = {"neg": -1, "f": 1.5, "s": "soon", "long": 100_000_000}

        end, _ = run_machine(one_state({"Type": "Wait", **fields}), data)

        assert end == FailScope("States.Runtime", PREFIX + cause, catchable=False)

    @pytest.mark.parametrize(
        ("fields", "end"),
        [
            ({}, FailScope(None, None)),
            ({"Error": "Mine", "Cause": "because"}, FailScope("Mine", "because")),
            ({"ErrorPath": "$.e", "CausePath": "States.Format('n={}', $.n)"}, FailScope("FromInput", "n=5")),
            ({"QueryLanguage": "JSONata", "Error": "{% $states.input.e %}"}, FailScope("FromInput", None)),
        ],
    )
    def test_a_fail_says_why(self, run_machine: RunMachine, fields: dict[str, Json], end: FailScope) -> None:
        """Error and Cause are both optional, and there is no FailStateExited."""
        failed, world = run_machine(one_state({"Type": "Fail", **fields}), {"e": "FromInput", "n": 5})

        assert failed == end
        assert world.types == ["FailStateEntered"]

    def test_a_succeed_ends_the_scope(self, run_machine: RunMachine) -> None:
        """With its input, cut by its paths."""
        end, world = run_machine(one_state({"Type": "Succeed", "OutputPath": "$.a"}), {"a": 1})

        assert end == EndScope(1)
        assert world.types == ["SucceedStateEntered", "SucceedStateExited"]

    def test_the_first_state_points_to_no_event(self, run_machine: RunMachine) -> None:
        """The first Entered has previous 0, and each later event of a chain the one before it."""
        states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": True}}

        _, world = run_machine({"StartAt": "A", "States": states})

        assert [(event.id, event.previous) for event in world.history.events] == [(1, 0), (2, 1), (3, 2), (4, 3)]

    def test_a_state_says_where_to_go(self) -> None:
        """The transition comes back as data; nothing is run."""
        world = World()
        states = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": True}}
        visit = compile_machine({"StartAt": "A", "States": states}).scope.states["A"].run(5, world.frame)

        with pytest.raises(StopIteration) as stopped:
            visit.send(None)

        assert stopped.value.value == Goto("B", 5)
