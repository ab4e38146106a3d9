"""Distributed Map: the parent's history, its children's, and what a stop does (history-events 4, distributed-map 6, 9)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mapfold.local.engine.map_runs import MOST_WAITING
from tests.unit.engine.fakes import FunctionError, Gate
from tests.unit.engine.world import ALL, Ended, World, distributed_map, parallel, pass_, task, wait

CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]


def failing_on(*items: Any) -> Any:
    def handler(event: Any) -> Any:
        if event in items:
            raise FunctionError("Broken")
        return event

    return handler


def map_run_line(ended: Ended) -> list[tuple[str, int]]:
    """The events from MapStateStarted on."""
    return ended.line[2:]


class TestWaiting:
    async def test_children_that_wait_for_a_worker_are_few(self, world: World) -> None:
        """Of 2,000 items whose function nobody runs, some hundred are started: the others are PENDING."""
        world.functions.handlers["any"] = failing_on()
        world.functions.starts = False
        started = await world.start({"M": distributed_map({"T": task("any")})}, list(range(2000)))

        await world.until(lambda: len(world.functions.calls) >= MOST_WAITING)
        for _ in range(50):
            await asyncio.sleep(0)
        run = await world.live_map_run(started)

        assert MOST_WAITING <= run.item_counts["running"] < 2 * MOST_WAITING
        assert run.item_counts["pending"] == 2000 - run.item_counts["running"]

    async def test_children_whose_work_has_begun_are_not_counted(self, world: World) -> None:
        """2,000 at once inside their function are 2,000 children that run."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")})}, list(range(2000)))

        await world.until(lambda: gate.waiting == 2000)
        gate.open()

        assert (await world.end(started)).row.status == "SUCCEEDED"


class TestParentHistory:
    async def test_a_map_run_that_succeeds(self, world: World) -> None:
        """One chain from MapStateStarted to MapStateSucceeded, and MapStateExited points to MapRunStarted; no child's event."""
        started = await world.start({"M": distributed_map({"P": pass_()})}, [1, 2])

        ended = await world.end(started)

        assert map_run_line(ended) == [
            ("MapStateStarted", 2),
            ("MapRunStarted", 3),
            ("MapRunSucceeded", 4),
            ("MapStateSucceeded", 5),
            ("MapStateExited", 4),
            ("ExecutionSucceeded", 7),
        ]
        assert ended.details("MapStateStarted") == {"length": 2}
        assert ended.details("MapRunStarted") == {"mapRunArn": (await world.map_run(started)).arn}
        assert ended.output == [1, 2]

    async def test_items_of_a_reader_are_not_counted_before(self, world: World) -> None:
        """MapStateStarted then has length 0."""
        world.s3.objects["b", "k"] = b"1\n2\n3\n"
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": "b", "Key": "k"},
        }

        ended = await world.run({"M": distributed_map({"P": pass_()}, ItemReader=reader)})

        assert ended.details("MapStateStarted") == {"length": 0}
        assert ended.output == [1, 2, 3]

    async def test_a_map_run_that_fails(self, world: World) -> None:
        """MapRunFailed has error and cause, MapStateFailed nothing; both in the chain."""
        world.functions.handlers["f"] = failing_on(1)

        ended = await world.run({"M": distributed_map({"T": task("f")})}, [1])

        assert map_run_line(ended) == [
            ("MapStateStarted", 2),
            ("MapRunStarted", 3),
            ("MapRunFailed", 4),
            ("MapStateFailed", 5),
            ("ExecutionFailed", 6),
        ]
        failure = {
            "error": "States.ExceedToleratedFailureThreshold",
            "cause": "The specified tolerated failure threshold was exceeded",
        }
        assert ended.details("MapRunFailed") == ended.details("ExecutionFailed") == failure

    async def test_an_object_that_is_not_there(self, world: World) -> None:
        """MapRunFailed, MapStateFailed and the execution's end, with S3's words; a Catch may name the error."""
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "b", "Key": "k"},
        }
        world.s3.objects["b", "other"] = b"[]"
        catch = [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "After"}]
        each = distributed_map({"P": pass_()}, ItemReader=reader, Catch=catch)

        ended = await world.run({"M": each, "After": pass_()})

        failure = {
            "error": "States.ItemReaderFailed",
            "cause": (
                "The specified key does not exist. "
                "(Service: S3, Status Code: 404, Request ID: R, Extended Request ID: H) (SDK Attempt Count: 1)"
            ),
        }
        assert map_run_line(ended)[:5] == [
            ("MapStateStarted", 2),
            ("MapRunStarted", 3),
            ("MapRunFailed", 4),
            ("MapStateFailed", 5),
            ("MapStateExited", 6),
        ]
        assert ended.details("MapRunFailed") == failure
        assert ended.output == {"Error": failure["error"], "Cause": failure["cause"]}

    @pytest.mark.parametrize(
        ("fields", "error", "cause"),
        [
            (
                {"ItemSelector": {"v.$": "$$.Map.Item.Value.x"}},
                "States.Runtime",
                "The JSONPath '$$.Map.Item.Value.x' specified for the field 'v.$' could not be found",
            ),
            (
                {"QueryLanguage": "JSONata", "ItemSelector": {"v": "{% $states.context.Map.Item.Value.x %}"}},
                "States.QueryEvaluationError",
                "specified for the field 'ItemSelector/v' returned nothing (undefined).",
            ),
        ],
    )
    async def test_an_item_selector_that_fails_fails_the_map_run(
        self, world: World, fields: dict[str, Any], error: str, cause: str
    ) -> None:
        """With its own error, in the Map's name (what AWS records of it is unconfirmed)."""
        ended = await world.run({"M": distributed_map({"P": pass_()}, **fields)}, [{}])

        assert ended.types[2:] == [
            "MapStateStarted",
            "MapRunStarted",
            "MapRunFailed",
            "MapStateFailed",
            "ExecutionFailed",
        ]
        assert ended.details("MapRunFailed")["error"] == error
        assert ended.details("MapRunFailed") == ended.details("ExecutionFailed")
        assert ended.details("MapRunFailed")["cause"].startswith(
            "An error occurred while executing the state 'M' (entered at the event id #2). "
        )
        assert cause in ended.details("MapRunFailed")["cause"]

    @pytest.mark.parametrize(
        ("fields", "after"),
        [
            ({"ToleratedFailureCountPath": "$[0]"}, [("ExecutionFailed", 2)]),
            (
                {"QueryLanguage": "JSONata", "ToleratedFailureCount": "{% 'x' %}"},
                [("EvaluationFailed", 0), ("MapStateFailed", 4), ("ExecutionFailed", 5)],
            ),
        ],
    )
    async def test_a_field_that_fails_before_the_map_run_points_past_the_start(
        self, world: World, fields: dict[str, Any], after: list[tuple[str, int]]
    ) -> None:
        """Tolerance comes after MapStateStarted, but its failure is linked as that of any field of the state."""
        ended = await world.run({"M": distributed_map({"P": pass_()}, **fields)}, ["x"])

        assert map_run_line(ended) == [("MapStateStarted", 2), *after]

    async def test_the_members_of_an_object_are_keys_and_values(self, world: World) -> None:
        """So a child gets one where there is no ItemSelector (seen on the service); length counts the members."""
        ended = await world.run({"M": distributed_map({"P": pass_()})}, {"a": 1, "b": {"x": 2}})

        assert ended.details("MapStateStarted") == {"length": 2}
        assert ended.output == [{"Key": "a", "Value": 1}, {"Key": "b", "Value": {"x": 2}}]

    async def test_the_item_of_the_context_object_has_its_members_in_the_guide_s_order(self, world: World) -> None:
        """Index, Key (of an object's member alone), Value, Source."""
        each = distributed_map({"P": pass_()}, ItemSelector={"item.$": "$$.Map.Item"})

        ended = await world.run({"M": each}, {"a": 1})

        assert ended.row.output == '[{"item":{"Index":0,"Key":"a","Value":1,"Source":"STATE_DATA"}}]'

    async def test_one_in_a_branch_is_aborted_with_it(self, world: World) -> None:
        """MapRunAborted, and MapStateAborted as of any state that waits."""
        gate = world.functions.handlers["waits"] = Gate()

        async def fail(event: Any) -> Any:
            await gate.came.wait()
            raise FunctionError("Broken")

        world.functions.handlers["fails"] = fail
        each = distributed_map({"T": task("waits")})
        both = parallel({"A": pass_(Result=[1], Next="M"), "M": each}, {"F": task("fails")})

        ended = await world.run({"Both": both})

        failed, run_started = ended.id("LambdaFunctionFailed"), ended.id("MapRunStarted")
        assert ended.line[failed:] == [
            ("MapRunAborted", run_started),
            ("MapStateAborted", failed + 1),
            ("ParallelStateFailed", failed),
            ("ExecutionFailed", failed + 3),
        ]

    async def test_a_retry_is_a_new_map_run(self, world: World) -> None:
        """Over all items again."""
        world.functions.handlers["f"] = failing_on(1)
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        states = {"M": distributed_map({"T": task("f")}, Retry=retry, Catch=CATCH), "After": pass_()}
        started = await world.start(states, [1])

        ended = await world.end(started)

        runs = await world.store.map_runs(started.arn, ALL)
        assert [run.status for run in runs] == ["FAILED", "FAILED"]
        assert ended.types.count("MapRunStarted") == ended.types.count("MapStateStarted") == 2
        assert ended.types.count("MapStateFailed") == 1
        assert ended.output["Error"] == "States.ExceedToleratedFailureThreshold"

    async def test_a_path_of_its_own_fields_that_fails(self, world: World) -> None:
        """Before there is a map run: MapStateStarted, then ExecutionFailed with States.Runtime (recorded)."""
        fields: dict[str, Any] = {"ItemsPath": "$.items", "ToleratedFailureCountPath": "$.count"}

        ended = await world.run({"M": distributed_map({"P": pass_()}, **fields)}, {"items": [1], "count": 1.5})

        assert ended.types == ["ExecutionStarted", "MapStateEntered", "MapStateStarted", "ExecutionFailed"]
        assert (ended.row.cause or "").endswith(
            'The ToleratedFailureCountPath field refers to value "1.5" which is not a valid integer: $.count'
        )

    async def test_a_max_concurrency_path_that_fails(self, world: World) -> None:
        """AWS reads that one first: there is no MapStateStarted (recorded of an inline Map)."""
        fields: dict[str, Any] = {"ItemsPath": "$.items", "MaxConcurrencyPath": "$.n"}

        ended = await world.run({"M": distributed_map({"P": pass_()}, **fields)}, {"items": [1], "n": {}})

        assert ended.types == ["ExecutionStarted", "MapStateEntered", "ExecutionFailed"]
        assert (ended.row.cause or "").endswith(
            'The MaxConcurrencyPath field refers to value "{}" which is not a valid integer: $.n'
        )


class TestChildren:
    async def test_a_standard_child_has_a_history_of_its_own(self, world: World) -> None:
        """It begins at 1, and its input is the item."""
        world.functions.handlers["f"] = failing_on(8)
        started = await world.start({"M": distributed_map({"T": task("f")}, ToleratedFailureCount=1)}, [7, 8])
        await world.end(started)
        run = await world.map_run(started)

        good, bad = [await world.store.child_events(run.id, index) for index in (0, 1)]

        assert [(event["type"], event["id"], event["previousEventId"]) for event in good] == [
            ("ExecutionStarted", 1, 0),
            ("TaskStateEntered", 2, 0),
            ("LambdaFunctionScheduled", 3, 2),
            ("LambdaFunctionStarted", 4, 3),
            ("LambdaFunctionSucceeded", 5, 4),
            ("TaskStateExited", 6, 5),
            ("ExecutionSucceeded", 7, 6),
        ]
        assert good[0]["executionStartedEventDetails"]["input"] == "7"
        assert [event["type"] for event in bad[-2:]] == ["LambdaFunctionFailed", "ExecutionFailed"]
        child = await world.store.child(run.id, 1)
        assert child is not None
        assert (child.status, child.error, child.input) == ("FAILED", "Broken", "8")

    async def test_an_express_child_has_a_history_too(self, world: World) -> None:
        """It is kept, though GetExecutionHistory does not show it, as on AWS."""
        started = await world.start({"M": distributed_map({"P": pass_()}, children="EXPRESS")}, [7])
        await world.end(started)
        run = await world.map_run(started)

        child = await world.store.child(run.id, 0)

        assert child is not None
        assert (child.status, child.output) == ("SUCCEEDED", "7")
        events = await world.store.child_events(run.id, 0)
        assert [event["type"] for event in events] == [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]

    async def test_a_child_sees_itself_in_the_context_object(self, world: World) -> None:
        """Execution.Id is its ARN, Execution.Input its item; variables of the parent are not there."""
        states = {"P": pass_(Parameters={"id.$": "$$.Execution.Id", "input.$": "$$.Execution.Input"})}
        started = await world.start({"M": distributed_map(states)}, [5])

        ended = await world.end(started)

        assert ended.output == [{"id": world.child_arn(await world.map_run(started), 0), "input": 5}]

    async def test_a_running_child_can_be_seen_with_all_its_events(self, world: World) -> None:
        """Nothing of it is in the store yet."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")})}, [7])
        await gate.came.wait()
        run = await world.map_run(started)

        live: Any = world.engine.live_execution(world.child_arn(run, 0))

        assert (live.row.status, live.row.input, live.row.map_run_arn) == ("RUNNING", "7", run.arn)
        assert [event["id"] for event in live.events_from(2)] == [2, 3, 4]
        assert [(child.index, child.status) for child in world.engine.live_children(run.arn)] == [(0, "RUNNING")]

    async def test_a_map_run_inside_a_child(self, world: World) -> None:
        """It belongs to the child."""
        inner = {**distributed_map({"P": pass_()}), "Label": "Inner"}
        started = await world.start({"M": distributed_map({"I": inner})}, [[1, 2], [3]])

        ended = await world.end(started)

        (outer,) = await world.store.map_runs(started.arn, ALL)
        (nested,) = await world.store.map_runs(world.child_arn(outer, 0), ALL)
        assert ended.output == [[1, 2], [3]]
        assert (nested.label, nested.status, nested.execution_counts["total"]) == ("Inner", "SUCCEEDED", 2)


class TestTolerance:
    @pytest.mark.parametrize(
        ("tolerance", "status"),
        [
            ({}, "FAILED"),
            ({"ToleratedFailureCount": 1}, "FAILED"),
            ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
            ({"ToleratedFailurePercentage": 49.9}, "FAILED"),
            ({"ToleratedFailurePercentage": 50}, "SUCCEEDED"),
        ],
    )
    async def test_two_failures_of_four(self, world: World, tolerance: dict[str, Any], status: str) -> None:
        """Neither limit may be exceeded; without any, the first failure fails the run."""
        world.functions.handlers["f"] = failing_on(1, 2)

        ended = await world.run({"M": distributed_map({"T": task("f")}, **tolerance)}, [0, 1, 2, 3])

        assert ended.row.status == status

    async def test_running_children_are_aborted_when_it_is_exceeded(self, world: World) -> None:
        """STANDARD ones: their histories end with ExecutionAborted."""
        gate = Gate()

        async def one_fails(event: Any) -> Any:
            if event == 1:
                await world.until(lambda: gate.waiting == 2)
                raise FunctionError("Broken")
            return await gate(event)

        world.functions.handlers["f"] = one_fails
        started = await world.start({"M": distributed_map({"T": task("f")})}, [0, 1, 2])

        await world.end(started)

        run = await world.map_run(started)
        events = await world.store.child_events(run.id, 0)
        assert await world.store.child_counts(run.id) == {"FAILED": (1, 1), "ABORTED": (2, 2)}
        assert events[-1]["type"] == "ExecutionAborted"


class TestStop:
    async def test_a_stopped_execution_aborts_its_map_run(self, world: World) -> None:
        """MapRunAborted, then ExecutionAborted; running children are ABORTED, and nothing catches it."""
        gate = world.functions.handlers["waits"] = Gate()
        batcher = {"MaxItemsPerBatch": 2}
        states = {"M": distributed_map({"T": task("waits")}, MaxConcurrency=2, ItemBatcher=batcher, Catch=CATCH)}
        started = await world.start(states | {"After": pass_()}, list(range(7)))
        await world.until(lambda: gate.waiting == 2)

        ended = await world.stop(started, "Enough")

        run = await world.map_run(started)
        assert ended.line[4:] == [("MapRunAborted", 4), ("ExecutionAborted", 0)]
        assert ended.row.status == run.status == "ABORTED"
        assert await world.store.child_counts(run.id) == {"ABORTED": (2, 4)}
        assert [run.execution_counts[name] for name in ("aborted", "running", "total")] == [2, 0, 4]
        assert [run.item_counts[name] for name in ("aborted", "running", "total")] == [4, 0, 7]

    async def test_result_files_are_written_for_a_stopped_map_run(self, world: World) -> None:
        """The manifest names what failed and what never began."""
        gate = world.functions.handlers["waits"] = Gate()
        writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix": "runs"}}
        states = {"M": distributed_map({"T": task("waits")}, MaxConcurrency=1, ResultWriter=writer)}
        started = await world.start(states, [1, 2, 3])
        await gate.came.wait()

        await world.stop(started)

        uuid = (await world.map_run(started)).arn.rpartition(":")[2]
        files = world.s3.json("out", f"runs/{uuid}/manifest.json")["ResultFiles"]
        assert [len(files[status]) for status in ("SUCCEEDED", "FAILED", "PENDING")] == [0, 1, 1]
        assert [json.loads(one["Input"]) for one in world.s3.json("out", files["PENDING"][0]["Key"])] == [2, 3]

    async def test_one_child_alone_can_be_stopped(self, world: World) -> None:
        """It is ABORTED with the reason, which no tolerance counts; the others go on in its slot."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")}, MaxConcurrency=1)}, [1, 2])
        await gate.came.wait()
        run = await world.map_run(started)

        stopped = await world.engine.stop_execution(world.child_arn(run, 0), error="Enough", cause="of this")
        gate.open()
        ended = await world.end(started)

        child = await world.store.child(run.id, 0)
        assert stopped is not None
        assert child is not None
        assert (child.status, child.error, child.cause) == ("ABORTED", "Enough", "of this")
        assert ended.row.status == "SUCCEEDED"
        counts = (await world.map_run(started)).execution_counts
        assert (counts["succeeded"], counts["aborted"]) == (1, 1)

    async def test_a_stopped_childs_own_catch_does_not_see_it(self, world: World) -> None:
        """The child ends in the state that it is in."""
        gate = world.functions.handlers["waits"] = Gate()
        states = {"T": task("waits", Catch=CATCH), "After": wait()}
        started = await world.start({"M": distributed_map(states)}, [1])
        await gate.came.wait()
        run = await world.map_run(started)

        await world.engine.stop_execution(world.child_arn(run, 0), error=None, cause=None)
        await world.end(started)

        events = await world.store.child_events(run.id, 0)
        assert events[-1]["type"] == "ExecutionAborted"

    async def test_a_machine_timeout_ends_the_map_run(self, world: World) -> None:
        """The children ABORTED, the execution TIMED_OUT."""
        world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")})}, [1, 2], TimeoutSeconds=1)

        ended = await world.end(started)

        run = await world.map_run(started)
        assert (ended.row.status, run.status) == ("TIMED_OUT", "ABORTED")
        assert await world.store.child_counts(run.id) == {"ABORTED": (2, 2)}

    async def test_express_children_run_out(self, world: World) -> None:
        """They cannot be stopped: the execution ends once they have."""
        gate = world.functions.handlers["waits"] = Gate()
        states = {"M": distributed_map({"T": task("waits")}, children="EXPRESS", MaxConcurrency=1)}
        started = await world.start(states, [1, 2])
        await gate.came.wait()

        stopping = asyncio.create_task(world.stop(started))
        await asyncio.sleep(0.01)
        gate.open()
        ended = await stopping

        assert ended.row.status == "ABORTED"
        assert await world.store.child_counts((await world.map_run(started)).id) == {"SUCCEEDED": (1, 1)}


class TestExpressChildrenInTime:
    async def test_a_child_that_takes_five_minutes_times_out(self, world: World) -> None:
        """TIMED_OUT with States.Timeout: it counts as a failure, and its map run says so."""
        world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")}, children="EXPRESS")}, [1])
        await world.until(lambda: len(world.functions.calls) == 1)
        live = world.engine._map_runs.find((await world.map_run(started)).arn)
        assert live is not None
        (line,) = live.children._deadlines._lines.values()  # 300 real seconds are too many for a test

        next(iter(line._entries)).expire()
        ended = await world.end(started)

        run = await world.map_run(started)
        child = await world.store.child(run.id, 0)
        assert child is not None
        assert (line.seconds, child.status, child.error) == (300, "TIMED_OUT", "States.Timeout")
        assert (run.item_counts["timedOut"], run.item_counts["failed"]) == (1, 0)
        assert ended.failure[:2] == ("FAILED", "States.ExceedToleratedFailureThreshold")


class TestLiveCounts:
    async def test_counts_of_a_running_map_run_add_up(self, world: World) -> None:
        """Seven items at two at once: what runs, what waits, and nothing lost."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")}, MaxConcurrency=2)}, list(range(7)))
        await world.until(lambda: gate.waiting == 2)

        counts = (await world.live_map_run(started)).item_counts

        assert [counts[name] for name in ("pending", "running", "succeeded", "total")] == [5, 2, 0, 7]

    async def test_more_at_once_while_it_runs(self, world: World) -> None:
        """UpdateMapRun takes effect at once, and is kept."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")}, MaxConcurrency=1)}, list(range(7)))
        await gate.came.wait()
        run = await world.map_run(started)

        changed = world.engine.update_map_run(run.arn, max_concurrency=4, tolerated_percentage=None, tolerated_count=3)
        await world.until(lambda: gate.waiting == 4)
        gate.open()
        await world.end(started)

        run = await world.map_run(started)
        assert changed
        assert (run.max_concurrency, run.tolerated_count, run.execution_counts["succeeded"]) == (4, 3, 7)
        assert not world.engine.update_map_run(
            run.arn, max_concurrency=1, tolerated_percentage=None, tolerated_count=None
        )
