"""Parallel: branches side by side in one history (history-events 3 and 4)."""

from __future__ import annotations

from typing import Any

from tests.unit.engine.fakes import FunctionError, Gate
from tests.unit.engine.world import World, parallel, pass_, task, wait

FAIL = {"F": {"Type": "Fail", "Error": "Broken", "Cause": "by design"}}
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]


def after(gate: Gate, error: str) -> Any:
    """A handler that fails as soon as somebody is at the gate."""

    async def handler(event: Any) -> Any:
        await gate.came.wait()
        raise FunctionError(error)

    return handler


class TestSuccess:
    async def test_each_branch_begins_at_the_states_start(self, world: World) -> None:
        """Succeeded is a leaf: Exited points at the last inner event of the branch that ended last (rules 3 and 4)."""
        gate = Gate()
        world.functions.handlers["waits"] = gate
        started = await world.start({"Both": parallel({"A": task("waits")}, {"B": pass_(Result=2)})}, 1)
        await gate.came.wait()
        gate.open()

        ended = await world.end(started)

        assert ended.line[1:] == [
            ("ParallelStateEntered", 0),
            ("ParallelStateStarted", 2),
            ("TaskStateEntered", 3),
            ("LambdaFunctionScheduled", 4),
            ("LambdaFunctionStarted", 5),
            ("PassStateEntered", 3),
            ("PassStateExited", 7),
            ("LambdaFunctionSucceeded", 6),
            ("TaskStateExited", 9),
            ("ParallelStateSucceeded", 10),
            ("ParallelStateExited", 10),
            ("ExecutionSucceeded", 12),
        ]
        assert ended.output == [1, 2]

    async def test_branches_read_outer_variables_and_keep_their_own(self, world: World) -> None:
        """What a branch assigns is gone with it."""
        states = {
            "Set": pass_(Assign={"x": 1}, Next="Both"),
            "Both": parallel(
                {"A": pass_(Assign={"y.$": "$x"}, Next="A2"), "A2": pass_(Parameters={"y.$": "$y"})},
                {"B": pass_(Parameters={"x.$": "$x"})},
            ),
        }

        ended = await world.run(states)

        assert ended.output == [{"y": 1}, {"x": 1}]


class TestFailure:
    async def test_the_first_failure_aborts_the_siblings(self, world: World) -> None:
        """Waiting siblings leave their Aborted leaf; ParallelStateFailed points at the failing branch's last event."""
        gate = Gate()
        world.functions.handlers |= {"waits": gate, "fails": after(gate, "Broken")}

        ended = await world.run({"All": parallel({"A": task("waits")}, {"B": wait()}, {"C": task("fails")})})

        failed = ended.id("LambdaFunctionFailed")
        assert sorted(ended.types[failed : failed + 2]) == ["TaskStateAborted", "WaitStateAborted"]
        assert ended.previous("TaskStateAborted") == [ended.id("LambdaFunctionStarted")]
        assert ended.previous("WaitStateAborted") == [ended.id("WaitStateEntered")]
        assert ended.line[failed + 2 :] == [("ParallelStateFailed", failed), ("ExecutionFailed", failed + 3)]
        assert ended.row.error == "Broken"
        assert world.functions.dropped == ["waits"]

    async def test_a_nested_parallel_is_aborted_from_the_inside(self, world: World) -> None:
        """The states in its branches, then it."""
        gate = Gate()
        world.functions.handlers |= {"waits": gate, "fails": after(gate, "Broken")}
        inner = parallel({"A": wait()}, {"B": task("waits")})

        ended = await world.run({"All": parallel({"Inner": inner}, {"C": task("fails")})})

        failed = ended.id("LambdaFunctionFailed")
        assert ended.line[failed:] == [
            ("WaitStateAborted", ended.id("WaitStateEntered")),
            ("TaskStateAborted", ended.id("LambdaFunctionStarted", 1)),
            ("ParallelStateAborted", ended.id("ParallelStateStarted", 1)),
            ("ParallelStateFailed", failed),
            ("ExecutionFailed", failed + 4),
        ]

    async def test_a_sibling_that_ends_after_the_failure_changes_nothing(self, world: World) -> None:
        """ParallelStateFailed still points at the event that failed."""
        ended = await world.run({"All": parallel(FAIL, {"B": pass_()})})

        assert ended.previous("ParallelStateFailed") == [ended.id("FailStateEntered")]

    async def test_a_caught_failure_leaves_the_state(self, world: World) -> None:
        """ParallelStateExited comes after ParallelStateFailed, with the catcher's output."""
        ended = await world.run({"All": parallel(FAIL, {"B": wait()}, Catch=CATCH), "After": pass_()})

        failed = ended.id("ParallelStateFailed")
        assert ended.line[failed:] == [
            ("ParallelStateExited", failed),
            ("PassStateEntered", failed + 1),
            ("PassStateExited", failed + 2),
            ("ExecutionSucceeded", failed + 3),
        ]
        assert ended.output == {"Error": "Broken", "Cause": "by design"}

    async def test_a_retry_starts_all_branches_again(self, world: World) -> None:
        """The next ParallelStateStarted points at the failing event: nothing is failed between attempts (rule 8)."""
        retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 1}]

        ended = await world.run({"All": parallel(FAIL, {"B": wait()}, Retry=retry)})

        assert ended.types.count("ParallelStateStarted") == 2
        assert ended.types.count("ParallelStateFailed") == 1
        assert ended.previous("ParallelStateStarted") == [2, ended.id("FailStateEntered")]

    async def test_a_runtime_error_in_a_branch_ends_the_execution(self, world: World) -> None:
        """States.Runtime passes through every Catch: no ParallelStateFailed, nothing aborted (seen on the service)."""
        branch = {"B": pass_(InputPath="$.nothing")}

        ended = await world.run({"All": parallel(branch, {"C": wait()}, Catch=CATCH), "After": pass_()})

        assert ended.line[1:] == [
            ("ParallelStateEntered", 0),
            ("ParallelStateStarted", 2),
            ("PassStateEntered", 3),
            ("ExecutionFailed", 4),
        ]
        assert ended.failure == (
            "FAILED",
            "States.Runtime",
            (
                "An error occurred while executing the state 'B' (entered at the event id #4). "
                "Invalid path '$.nothing' : No results for path: $['nothing']"
            ),
        )

    async def test_arguments_that_cannot_be_evaluated(self, world: World) -> None:
        """EvaluationFailed points where Entered points (rule 6); that ParallelStateFailed follows is unconfirmed."""
        both = parallel({"A": pass_()}, QueryLanguage="JSONata", Arguments="{% $states.input.x %}", Catch=CATCH)

        ended = await world.run({"Both": both, "After": pass_()})

        assert ended.line[1:5] == [
            ("ParallelStateEntered", 0),
            ("EvaluationFailed", 0),
            ("ParallelStateFailed", 3),
            ("ParallelStateExited", 4),
        ]
        assert ended.details("EvaluationFailed")["location"] == "Arguments"

    async def test_parameters_that_are_too_large_fail_the_state(self, world: World) -> None:
        """Before its branches are started, as those of a Task fail it."""
        both = parallel({"P": pass_()}, Parameters={"a.$": "$", "b.$": "$"})

        ended = await world.run({"Both": both}, "x" * 200_000)

        assert ended.types[1:] == ["ParallelStateEntered", "ParallelStateFailed", "ExecutionFailed"]
        assert ended.failure[1] == "States.DataLimitExceeded"

    async def test_a_result_that_is_too_large_fails_the_state(self, world: World) -> None:
        """Before it has succeeded."""
        large = {"P": pass_(Result="x" * 200_000)}

        ended = await world.run({"Both": parallel(large, {"Q": pass_(Result="x" * 200_000)})})

        assert ended.types[-3:] == ["PassStateExited", "ParallelStateFailed", "ExecutionFailed"]
        assert ended.failure == (
            "FAILED",
            "States.DataLimitExceeded",
            "The state/task 'Both' returned a result with a size exceeding the maximum number of bytes service limit.",
        )


class TestStopWhileFailing:
    async def test_a_stop_is_not_lost_while_siblings_are_being_aborted(self, world: World) -> None:
        """A failed branch's Catch would go on; the execution was stopped, so it ends."""
        cleaning, clean = Gate(), Gate()

        async def slow_to_go(event: Any) -> Any:
            try:
                await cleaning(event)
            finally:
                await clean(event)

        world.functions.handlers |= {"slow": slow_to_go, "fails": after(cleaning, "Broken")}
        both = parallel({"A": task("slow")}, {"B": task("fails")}, Catch=CATCH)
        started = await world.start({"Both": both, "After": wait()})
        await clean.came.wait()

        await world.engine.stop_execution(started.arn, error=None, cause=None)
        clean.open()
        ended = await world.end(started)

        assert ended.row.status == "ABORTED"
