"""Inline Map: iterations side by side in one history (history-events 3 and 4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.engine.fakes import FunctionError, Gate
from tests.unit.engine.world import World, inline_map, pass_, scope, task

CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]
FAIL = {"F": {"Type": "Fail", "Error": "Broken"}}


class TestSuccess:
    async def test_an_empty_map(self, world: World) -> None:
        """No iteration; the output is an empty array."""
        ended = await world.run({"M": inline_map({"P": pass_()})}, [])

        assert ended.line[1:] == [
            ("MapStateEntered", 0),
            ("MapStateStarted", 2),
            ("MapStateSucceeded", 3),
            ("MapStateExited", 3),
            ("ExecutionSucceeded", 5),
        ]
        assert ended.details("MapStateStarted") == {"length": 0}
        assert ended.output == []

    @pytest.mark.parametrize("processor", [{"P": pass_()}, {"T": task("echo")}])
    async def test_iterations_that_begin_together_point_at_the_maps_start(
        self, world: World, processor: dict[str, Any]
    ) -> None:
        """All are started before the first of them goes on, and each points at MapStateStarted (rule 3)."""
        world.functions.handlers["echo"] = lambda event: event

        ended = await world.run({"M": inline_map(processor)}, [7, 8, 9])

        assert ended.types[1:6] == ["MapStateEntered", "MapStateStarted", *["MapIterationStarted"] * 3]
        assert ended.previous("MapIterationStarted") == [3, 3, 3]
        assert [ended.details("MapIterationStarted", nth) for nth in range(3)] == [
            {"name": "M", "index": index} for index in range(3)
        ]
        assert ended.output == [7, 8, 9]

    async def test_a_serial_map_is_one_chain_with_leaves(self, world: World) -> None:
        """With MaxConcurrency 1 an iteration points at the last inner event of the one before, as that one's leaf does."""
        ended = await world.run({"M": inline_map({"P": pass_()}, MaxConcurrency=1)}, [7, 8])

        assert ended.line[1:] == [
            ("MapStateEntered", 0),
            ("MapStateStarted", 2),
            ("MapIterationStarted", 3),
            ("PassStateEntered", 4),
            ("PassStateExited", 5),
            ("MapIterationSucceeded", 6),
            ("MapIterationStarted", 6),
            ("PassStateEntered", 8),
            ("PassStateExited", 9),
            ("MapIterationSucceeded", 10),
            ("MapStateSucceeded", 10),
            ("MapStateExited", 10),
            ("ExecutionSucceeded", 13),
        ]

    @pytest.mark.parametrize(("limit", "at_once"), [(3, 3), (0, 40)])
    async def test_max_concurrency_bounds_what_runs_at_once(self, world: World, limit: int, at_once: int) -> None:
        """0 is the service's own bound of 40."""
        gate = Gate()
        world.functions.handlers["waits"] = gate
        started = await world.start({"M": inline_map({"T": task("waits")}, MaxConcurrency=limit)}, list(range(50)))
        await world.until(lambda: gate.waiting == at_once)
        called = len(world.functions.calls)
        gate.open()

        ended = await world.end(started)

        assert called == at_once
        assert ended.output == list(range(50))

    async def test_item_selector_sees_item_and_input(self, world: World) -> None:
        """`$` is the Map's input, `$$.Map.Item` the item."""
        fields: dict[str, Any] = {
            "ItemsPath": "$.items",
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"},
        }

        ended = await world.run({"M": inline_map({"P": pass_()}, **fields)}, {"items": ["a"], "k": 5})

        assert ended.output == [{"i": 0, "v": "a", "k": 5}]


class TestFailure:
    async def test_the_first_failure_aborts_the_running_iterations(self, world: World) -> None:
        """Failed and MapStateFailed share the failing event; each other one leaves two Aborted leaves (rule 4)."""
        gate = Gate()

        async def one_fails(event: Any) -> Any:
            if event == 1:
                await world.until(lambda: gate.waiting == 2)
                raise FunctionError("Broken")
            return await gate(event)

        world.functions.handlers["f"] = one_fails
        states = {"M": inline_map({"T": task("f")}, MaxConcurrency=3)}

        ended = await world.run(states, [0, 1, 2, 3, 4])

        failed = ended.id("LambdaFunctionFailed")
        assert ended.types[failed:] == [
            "MapIterationFailed",
            "TaskStateAborted",
            "MapIterationAborted",
            "TaskStateAborted",
            "MapIterationAborted",
            "MapStateFailed",
            "ExecutionFailed",
        ]
        assert ended.previous("MapIterationFailed") == ended.previous("MapStateFailed") == [failed]
        assert ended.previous("ExecutionFailed") == [ended.id("MapStateFailed")]
        assert ended.details("MapIterationFailed") == {"name": "M", "index": 1}
        assert {ended.details("MapIterationAborted", nth)["index"] for nth in (0, 1)} == {0, 2}
        assert ended.types.count("MapIterationStarted") == 3

    async def test_no_iteration_begins_after_a_failure(self, world: World) -> None:
        """Though none of them would ever have waited for anything."""
        choice = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 0, "Next": "F"}], "Default": "P"}

        ended = await world.run(
            {"M": inline_map({"C": choice, **FAIL, "P": pass_()}, MaxConcurrency=2)}, list(range(10))
        )

        assert ended.types.count("MapIterationStarted") == 2
        assert ended.previous("MapStateFailed") == [ended.id("FailStateEntered")]

    async def test_a_caught_failure(self, world: World) -> None:
        """MapStateFailed, then MapStateExited with the catcher's output."""
        ended = await world.run({"M": inline_map(FAIL, Catch=CATCH), "After": pass_()}, [1])

        assert ended.line[4:8] == [
            ("FailStateEntered", 4),
            ("MapIterationFailed", 5),
            ("MapStateFailed", 5),
            ("MapStateExited", 7),
        ]

    async def test_a_retry_has_no_map_state_failed_between_attempts(self, world: World) -> None:
        """The next MapStateStarted points at the failing inner event (rule 8)."""
        retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 1}]

        ended = await world.run({"M": inline_map(FAIL, Retry=retry)}, [1])

        assert ended.line[2:] == [
            ("MapStateStarted", 2),
            ("MapIterationStarted", 3),
            ("FailStateEntered", 4),
            ("MapIterationFailed", 5),
            ("MapStateStarted", 5),
            ("MapIterationStarted", 7),
            ("FailStateEntered", 8),
            ("MapIterationFailed", 9),
            ("MapStateFailed", 9),
            ("ExecutionFailed", 11),
        ]

    async def test_an_item_selector_that_fails_ends_the_execution(self, world: World) -> None:
        """With the cause that names the Map state, no state of the processor entered, and nothing failed but all."""
        fields: dict[str, Any] = {"ItemSelector": {"v.$": "$$.Map.Item.Value.x"}}

        ended = await world.run({"M": inline_map({"P": pass_()}, **fields)}, [1])

        assert ended.line[2:] == [("MapStateStarted", 2), ("MapIterationStarted", 3), ("ExecutionFailed", 4)]
        assert ended.row.error == "States.Runtime"
        assert (ended.row.cause or "").startswith(
            "An error occurred while executing the state 'M' (entered at the event id #2). "
        )

    async def test_what_fails_in_the_same_moment_is_aborted_after_the_first(self, world: World) -> None:
        """Each failure is recorded; then the first fails its iteration, and the others are aborted (recorded)."""
        gate = Gate()

        async def all_fail(event: Any) -> Any:
            await gate(event)
            raise FunctionError("Broken")

        world.functions.handlers["f"] = all_fail
        started = await world.start({"M": inline_map({"T": task("f")})}, [0, 1, 2])
        await world.until(lambda: gate.waiting == 3)
        gate.open()

        ended = await world.end(started)

        first = ended.id("LambdaFunctionFailed")
        failures = [first, first + 1, first + 2]
        assert ended.types[first - 1 : first + 2] == ["LambdaFunctionFailed"] * 3
        assert ended.line[first + 2 :] == [
            ("MapIterationFailed", failures[0]),
            ("TaskStateAborted", failures[1]),
            ("MapIterationAborted", failures[1]),
            ("TaskStateAborted", failures[2]),
            ("MapIterationAborted", failures[2]),
            ("MapStateFailed", failures[0]),
            ("ExecutionFailed", first + 8),
        ]
        assert ended.details("MapIterationFailed") == {"name": "M", "index": 0}

    async def test_a_runtime_error_in_an_iteration_ends_the_execution(self, world: World) -> None:
        """Nothing can catch it, and nothing fails or is aborted in between (seen on the service)."""
        processor = {"P": pass_(InputPath="$.nothing")}
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]

        ended = await world.run({"M": inline_map(processor, Catch=catch), "After": pass_()}, [{}, {}])

        assert ended.line[2:] == [
            ("MapStateStarted", 2),
            ("MapIterationStarted", 3),
            ("MapIterationStarted", 3),
            ("PassStateEntered", 4),
            ("ExecutionFailed", 6),
        ]
        assert ended.row.error == "States.Runtime"


class TestExpressions:
    async def test_an_item_selector_that_cannot_be_evaluated(self, world: World) -> None:
        """
        EvaluationFailed is an event of the iteration, in the Map's name and with the field's place. The Map may catch
        it. What it points back to is unconfirmed.
        """
        selector = {"v": "{% $states.context.Map.Item.Value.x %}"}
        each = inline_map({"P": pass_()}, QueryLanguage="JSONata", ItemSelector=selector, Catch=CATCH)

        ended = await world.run({"M": each, "After": pass_()}, [{"x": 1}, {}])

        failed = ended.id("EvaluationFailed")
        after = ended.id("MapStateFailed")
        cause = (
            "An error occurred while executing the state 'M' (entered at the event id #2). The JSONata expression "
            "'$states.context.Map.Item.Value.x' specified for the field 'ItemSelector/v' returned nothing (undefined)."
        )
        assert ended.details("EvaluationFailed") == {
            "state": "M",
            "error": "States.QueryEvaluationError",
            "cause": cause,
            "location": "ItemSelector/v",
        }
        assert ended.previous("EvaluationFailed") == [ended.id("MapIterationStarted", 1)]
        assert ended.previous("MapIterationFailed") == ended.previous("MapStateFailed") == [failed]
        assert ended.details("MapIterationFailed") == {"name": "M", "index": 1}
        assert ended.line[after : after + 2] == [("MapStateExited", after), ("PassStateEntered", after + 1)]
        assert ended.output == {"Error": "States.QueryEvaluationError", "Cause": cause}

    async def test_each_attempt_fails_to_be_evaluated(self, world: World) -> None:
        """A retried Map evaluates all again; MapStateFailed comes after the last attempt only."""
        retry = [{"ErrorEquals": ["States.QueryEvaluationError"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        each = inline_map(
            {"P": pass_()}, QueryLanguage="JSONata", ItemSelector="{% $states.context.Map.Item.Value.x %}", Retry=retry
        )

        ended = await world.run({"M": each}, [{}])

        assert ended.line[2:] == [
            ("MapStateStarted", 2),
            ("MapIterationStarted", 3),
            ("EvaluationFailed", 4),
            ("MapIterationFailed", 5),
            ("MapStateStarted", 5),
            ("MapIterationStarted", 7),
            ("EvaluationFailed", 8),
            ("MapIterationFailed", 9),
            ("MapStateFailed", 9),
            ("ExecutionFailed", 11),
        ]

    @pytest.mark.parametrize(
        ("items", "data", "cause"),
        [
            (
                {"Items": "{% $states.input.n %}"},
                {"n": 1},
                (
                    "The JSONata expression '$states.input.n' specified for the field 'Items' returned an unexpected "
                    "result type. Expected 'array', but was 'number' for value: 1"
                ),
            ),
            ({}, {"n": 1}, 'Map state input must be an array but was: {"n":1}'),
        ],
    )
    async def test_items_that_are_no_array(self, world: World, items: dict[str, Any], data: Any, cause: str) -> None:
        """MapStateFailed without MapStateStarted (rule 6: EvaluationFailed points where Entered points)."""
        ended = await world.run({"M": inline_map({"P": pass_()}, QueryLanguage="JSONata", **items)}, data)

        assert ended.line[1:] == [
            ("MapStateEntered", 0),
            ("EvaluationFailed", 0),
            ("MapStateFailed", 3),
            ("ExecutionFailed", 4),
        ]
        assert ended.failure == (
            "FAILED",
            "States.QueryEvaluationError",
            f"An error occurred while executing the state 'M' (entered at the event id #2). {cause}",
        )

    @pytest.mark.parametrize(
        ("fields", "data", "cause"),
        [
            ({"ItemsPath": "$.n"}, {"n": {}}, 'Reference path "$.n" must point to array.'),
            (
                {"ItemsPath": "$.xs", "MaxConcurrencyPath": "$.n"},
                {"xs": [1], "n": "x"},
                'The MaxConcurrencyPath field refers to value "x" which is not a valid integer: $.n',
            ),
            (
                {"ItemsPath": "$.xs", "MaxConcurrencyPath": "$.n"},
                {"xs": [1], "n": -1},
                "Expected non-negative integer for MaxConcurrency, got '-1' instead.",
            ),
        ],
    )
    async def test_paths_that_find_nothing_of_use(
        self, world: World, fields: dict[str, Any], data: Any, cause: str
    ) -> None:
        """States.Runtime before MapStateStarted, and no MapStateFailed."""
        ended = await world.run({"M": inline_map({"P": pass_()}, **fields)}, data)

        assert ended.line[1:] == [("MapStateEntered", 0), ("ExecutionFailed", 2)]
        assert ended.failure == (
            "FAILED",
            "States.Runtime",
            f"An error occurred while executing the state 'M' (entered at the event id #2). {cause}",
        )

    async def test_a_concurrency_may_be_a_string(self, world: World) -> None:
        """ "2" is 2 (seen on the service, of MaxItemsPath)."""
        each = inline_map({"P": pass_()}, ItemsPath="$.xs", MaxConcurrencyPath="$.n")

        ended = await world.run({"M": each}, {"xs": [1, 2, 3], "n": "2"})

        assert ended.types[3:6] == ["MapIterationStarted", "MapIterationStarted", "PassStateEntered"]
        assert ended.output == [1, 2, 3]


class TestOldNames:
    async def test_iterator_and_parameters(self, world: World) -> None:
        """Iterator with a ProcessorConfig, and Parameters: the same as ItemProcessor and ItemSelector."""
        processor = {"ProcessorConfig": {"Mode": "INLINE"}, **scope({"P": pass_()})}
        each = {
            "Type": "Map",
            "InputPath": "$.a",
            "ItemsPath": "$.xs",
            "Parameters": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"},
            "Iterator": processor,
            "ResultSelector": {"all.$": "$"},
            "ResultPath": "$.r",
            "OutputPath": "$.r",
            "End": True,
        }

        ended = await world.run({"M": each}, {"a": {"xs": ["x", "y"], "k": 5}})

        assert ended.output == {"all": [{"i": 0, "v": "x", "k": 5}, {"i": 1, "v": "y", "k": 5}]}

    async def test_the_item_is_not_seen_in_the_iterations_states(self, world: World) -> None:
        """`$$.Map` belongs to ItemSelector alone (seen on the service)."""
        ended = await world.run({"M": inline_map({"P": pass_(Parameters={"v.$": "$$.Map.Item.Value"})})}, [1])

        assert ended.row.error == "States.Runtime"
        assert "The JSONPath '$$.Map.Item.Value' specified for the field 'v.$' could not be found" in (
            ended.row.cause or ""
        )


class TestNesting:
    async def test_a_map_in_a_map_is_aborted_from_the_inside(self, world: World) -> None:
        """Every state and iteration that is stopped has its leaf, the innermost first."""
        gate = Gate()

        async def fail(event: Any) -> Any:
            await world.until(lambda: gate.waiting == 1)
            raise FunctionError("Broken")

        world.functions.handlers |= {"waits": gate, "fails": fail}
        inner = inline_map({"T": task("waits")})
        choice = {"Type": "Choice", "Choices": [{"Variable": "$[0]", "NumericEquals": 1, "Next": "I"}], "Default": "F"}

        ended = await world.run({"M": inline_map({"C": choice, "I": inner, "F": task("fails")})}, [[1], [0]])

        failed = ended.id("MapIterationFailed")
        started = ended.id(
            "LambdaFunctionStarted", 0 if ended.details("LambdaFunctionScheduled")["input"] == "1" else 1
        )
        inner_started = ended.id("MapStateStarted", 1)
        assert ended.line[failed:] == [
            ("TaskStateAborted", started),
            ("MapIterationAborted", started),
            ("MapStateAborted", inner_started),
            ("MapIterationAborted", inner_started),
            ("MapStateFailed", ended.id("LambdaFunctionFailed")),
            ("ExecutionFailed", failed + 5),
        ]

    async def test_a_stopped_execution_has_no_aborted_events(self, world: World) -> None:
        """StopExecution ends all at once."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": inline_map({"I": inline_map({"T": task("waits")})})}, [[1], [2]])
        await world.until(lambda: gate.waiting == 2)

        ended = await world.stop(started)

        assert not [type_ for type_ in ended.types if type_.endswith("Aborted") and type_ != "ExecutionAborted"]


class TestSize:
    async def test_an_item_that_its_selector_makes_too_large_fails_its_iteration(self, world: World) -> None:
        """Before any of its states is entered (unconfirmed)."""
        selector = {"a.$": "$", "b.$": "$"}
        each = inline_map({"P": pass_()}, ItemSelector=selector)

        ended = await world.run({"M": each}, ["x" * 200_000])

        assert ended.types[3:] == ["MapIterationStarted", "MapIterationFailed", "MapStateFailed", "ExecutionFailed"]
        assert ended.failure[1] == "States.DataLimitExceeded"

    async def test_a_result_that_is_too_large_fails_the_map(self, world: World) -> None:
        """Before it has succeeded; a Catch may name the error."""
        catch = [{"ErrorEquals": ["States.DataLimitExceeded"], "Next": "After"}]
        each = inline_map({"P": pass_(Result="x" * 100_000)}, Catch=catch)

        ended = await world.run({"M": each, "After": pass_()}, [1, 2, 3])

        assert "MapStateSucceeded" not in ended.types
        assert ended.types[-5:] == [
            "MapStateFailed",
            "MapStateExited",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]
        assert ended.output == {
            "Error": "States.DataLimitExceeded",
            "Cause": (
                "The state/task 'M' returned a result with a size exceeding the maximum number of bytes service limit."
            ),
        }
