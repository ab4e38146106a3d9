"""Isolating the items that kill their worker: round by round, as the state machine goes through them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.runs.endings import how_it_ended
from mapfold.runs.isolate import count_items, final_records
from mapfold.runs.outcome import read_outcome
from mapfold.runs.pieces import DEATHS, child_of, pieces_of
from tests.unit.tasks.conftest import World

PLAN = {
    "run_id": "words-1",
    "execution": "arn",
    "tolerated_failure_percentage": 100.0,
    "tolerated_failure_count": 100_000_000,
}
BATCH_INPUT = {"run_id": "words-1", "params": {}, "source": {}, "listed": False}


def child(indexes: Sequence[int], **more: Any) -> dict[str, Any]:
    """A child's input."""
    return {"BatchInput": BATCH_INPUT, "Items": [{"i": i, "v": i} for i in indexes], **more}


def record(indexes: Sequence[int], *, error: str = "Runtime.ExitError", status: str = "FAILED", **more: Any) -> Any:
    """The record of a child that did not succeed."""
    return {"Input": json.dumps(child(indexes, **more)), "Error": error, "Status": status, "ExecutionArn": "arn:child"}


def indexes_of(record: Mapping[str, Any]) -> list[int]:
    return [item["i"] for item in child_of(record)["Items"]]


@dataclass
class Run:
    """The state machine from Map to Isolated?: `dies` says of a child's indexes whether its worker dies.

    calls: of the work function. mapped: how often each item was, in a worker that lived. rounds: of the isolation.
    """

    world: World
    dies: Callable[[list[int]], bool]
    calls: int = 0
    rounds: int = 0
    mapped: Counter[int] = field(default_factory=Counter)
    state: dict[str, Any] = field(default_factory=dict)

    def run(self, batches: Sequence[Sequence[int]], plan: Mapping[str, Any] = PLAN) -> Run:
        """All rounds, until Isolate says that it is done."""
        self.state = {
            "plan": plan,
            "map": self.map_run([child(batch) for batch in batches], self.world.folder.map_prefix),
        }
        while not (answer := self.isolate())["done"]:
            assert self.rounds < 60, "it does not come to its end"
            self.rounds += 1
            lines = self.world.lines(answer["key"])
            inputs = [{"BatchInput": BATCH_INPUT, "Items": line["items"], "tries": line["tries"]} for line in lines]
            prefix = f"{self.world.folder.isolate_prefix}/{answer['round']}"
            self.state["pieces"] = self.map_run(inputs, prefix)
        return self

    def isolate(self) -> dict[str, Any]:
        self.state["isolate"] = self.world.isolate(self.state)
        return dict(self.state["isolate"])

    def map_run(self, inputs: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, str]:
        outputs, failed = [], []
        for given_ in inputs:
            self.calls += 1
            indexes = [item["i"] for item in given_["Items"]]
            if self.dies(indexes):
                failed.append({"Input": json.dumps(given_), "Error": "Runtime.ExitError", "Status": "FAILED"})
            else:
                self.mapped.update(indexes)
                outputs.append({"partial": 1, "items": len(indexes), "failed": 0})
        return self.world.write_outcome(outputs, failed=failed, prefix=prefix)

    def failed(self) -> list[int]:
        """Indexes of the items that Finish will report."""
        found = final_records(self.world.s3, self.state["isolate"]["outcomes"])
        return sorted(index for each in found for index in indexes_of(each))


def poisoned(*bad: int) -> Callable[[list[int]], bool]:
    """Whoever has one of these items dies."""
    return lambda indexes: not set(bad).isdisjoint(indexes)


class TestRule:
    @pytest.mark.parametrize("error", sorted(DEATHS))
    def test_a_batch_whose_worker_died_is_cut_in_two(self, error: str) -> None:
        """Order is kept; the halves of an odd number differ by one."""
        pieces = pieces_of(record([4, 5, 6], error=error))

        assert [([item["i"] for item in piece.items], piece.tries) for piece in pieces] == [([4], 0), ([5, 6], 0)]

    def test_a_child_that_timed_out_is_cut_in_two(self) -> None:
        """An EXPRESS child that was ended after five minutes names no error."""
        assert len(pieces_of({"Input": json.dumps(child([1, 2])), "Status": "TIMED_OUT"})) == 2

    def test_an_item_that_died_alone_has_one_more_try(self) -> None:
        """It may have been the machine. The second time it is final."""
        (again,) = pieces_of(record([7]))

        assert (again.tries, len(again.items)) == (1, 1)
        assert pieces_of(record([7], tries=1)) == []

    @pytest.mark.parametrize("error", ["BatchFailed", "ZeroDivisionError", "Lambda.TooManyRequestsException"])
    def test_a_worker_that_lived_is_believed(self, error: str) -> None:
        """Its batch failed by what its items or its fold raised: splitting would repeat that."""
        assert pieces_of(record([1, 2], error=error)) == []

    @pytest.mark.parametrize("status", ["PENDING", "ABORTED"])
    def test_what_was_not_begun_goes_on_only_where_the_map_was_stopped(self, status: str) -> None:
        """As it is: nothing is known against it. A child that somebody aborts in a run that goes on stays so."""
        stopped = {"Input": json.dumps(child([1, 2, 3])), "Status": status}

        (piece,) = pieces_of(stopped, stopped=True)

        assert [item["i"] for item in piece.items] == [1, 2, 3]
        assert pieces_of(stopped) == []


class TestRounds:
    def test_a_run_without_failures_is_done_at_once(self, world: World) -> None:
        """No piece is written and no other round is run."""
        run = Run(world, poisoned()).run([range(10), range(10, 20)])

        assert (run.rounds, run.failed()) == (0, [])
        assert not any("pieces" in key for key in world.run_keys())

    @pytest.mark.parametrize(("size", "bad"), [(64, [17]), (1000, [0]), (1000, [3, 500, 999]), (257, [5, 6])])
    def test_the_bad_items_are_found_and_the_work_stays_near_k_log_b(
        self, world: World, size: int, bad: list[int]
    ) -> None:
        """Two calls a level and bad item, and one more for the second try. Rerunning the batch would find none."""
        run = Run(world, poisoned(*bad)).run([range(size)])

        levels = math.ceil(math.log2(size))
        assert run.failed() == bad
        assert run.mapped == Counter(set(range(size)) - set(bad))
        assert run.calls <= 1 + len(bad) * (2 * levels + 1)
        assert run.rounds <= levels + 1

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5), data=st.data())
    def test_no_item_is_lost_and_none_is_counted_twice(self, world: World, sizes: list[int], data: Any) -> None:
        """Whatever is bad, and however many: each item has succeeded once, or is reported once."""
        total = sum(sizes)
        bad = data.draw(st.sets(st.integers(0, total - 1)))
        starts = [sum(sizes[:n]) for n in range(len(sizes))]

        run = Run(world, poisoned(*bad)).run([range(a, a + size) for a, size in zip(starts, sizes, strict=True)])

        assert run.failed() == sorted(bad)
        assert run.mapped == Counter(set(range(total)) - bad)

    def test_a_machine_that_fails_once_costs_no_item(self, world: World) -> None:
        """Every batch dies at its first try, single items too: the second succeeds."""
        seen: set[tuple[int, ...]] = set()

        def first_time(indexes: list[int]) -> bool:
            is_new = len(indexes) == 1 and tuple(indexes) not in seen
            seen.add(tuple(indexes))
            return is_new or len(indexes) > 1

        run = Run(world, first_time).run([range(8)])

        assert (run.failed(), run.mapped) == ([], Counter(range(8)))

    def test_items_whose_batch_dies_only_together_are_all_found_good(self, world: World) -> None:
        """A batch that needs too much memory as a whole: its parts fit."""
        run = Run(world, lambda indexes: len(indexes) > 10).run([range(100)])

        assert (run.failed(), run.mapped) == ([], Counter(range(100)))

    def test_a_round_that_runs_twice_says_the_same(self, world: World) -> None:
        """Lambda may call it again: the pieces have the same key and the same lines."""
        run = Run(world, poisoned(3))
        run.state = {"plan": PLAN, "map": run.map_run([child(range(8))], world.folder.map_prefix)}

        first, lines = world.isolate(run.state), world.lines(world.folder.pieces(1))

        assert world.isolate(run.state) == first
        assert world.lines(world.folder.pieces(1)) == lines


class TestStopEarly:
    """A Map that tolerates little was stopped; its state names no manifest."""

    def stopped(
        self, world: World, *, failed: Sequence[Any], pending: Sequence[Any] = (), succeeded: int = 0, **limits: Any
    ) -> dict[str, Any]:
        outputs = [{"partial": 1, "items": succeeded, "failed": 0}] if succeeded else []
        world.write_outcome(outputs, failed=failed, pending=pending)
        plan = {**PLAN, "tolerated_failure_count": 1, **limits}
        return {"plan": plan, "stopped": {"Error": "States.ExceedToleratedFailureThreshold"}}

    def test_a_batch_that_died_does_not_count_whole(self, world: World) -> None:
        """What was not begun goes on beside its halves."""
        waiting = {"Input": json.dumps(child([8, 9])), "Status": "PENDING"}

        answer = world.isolate(self.stopped(world, failed=[record(range(8))], pending=[waiting]))

        pieces = [[item["i"] for item in line["items"]] for line in world.lines(answer["key"])]
        assert (answer["done"], answer["failed"]) == (False, 0)
        assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    def test_failed_items_that_are_too_many_end_it(self, world: World) -> None:
        """Then nothing goes on, neither what died nor what waits, and Finish reports both."""
        waiting = {"Input": json.dumps(child([12])), "Status": "PENDING"}
        failed = [record([0, 1], error="BatchFailed"), record(range(4, 8))]

        answer = world.isolate(self.stopped(world, failed=failed, pending=[waiting]))

        final = list(final_records(world.s3, answer["outcomes"]))
        assert (answer["done"], answer["failed"]) == (True, 2)
        assert [indexes_of(each) for each in final] == [[0, 1], [4, 5, 6, 7], [12]]
        assert [how_it_ended(each, timeout_seconds=60)[0] for each in final][1:] == [
            "Runtime.ExitError",
            "Mapfold.NotStarted",
        ]
        assert "3 others, and the run stopped before" in how_it_ended(final[1], timeout_seconds=60)[1]

    @pytest.mark.parametrize(("percentage", "done"), [(10, False), (4, True)])
    def test_a_percentage_is_of_all_items(self, world: World, percentage: float, done: bool) -> None:
        """One failed of 20: 12 succeeded, 1 failed, 4 died, 3 wait."""
        waiting = {"Input": json.dumps(child([17, 18, 19])), "Status": "PENDING"}
        failed = [record([0], error="BatchFailed"), record(range(1, 5))]
        limits = {"tolerated_failure_percentage": percentage, "tolerated_failure_count": 100_000_000}

        answer = world.isolate(self.stopped(world, failed=failed, pending=[waiting], succeeded=12, **limits))

        assert (answer["done"], answer["total"]) == (done, 20)

    def test_bad_items_found_later_end_it_too(self, world: World) -> None:
        """In the third round three pieces die, each with a bad item: one too many, and no more is run."""
        plan = {**PLAN, "tolerated_failure_count": 2}

        run = Run(world, poisoned(0, 1, 2, 3, 15)).run([range(16)], plan)

        assert (run.rounds, run.failed()) == (3, [0, 1, 2, 3, 14, 15])
        assert set(run.failed()) | set(run.mapped) == set(range(16))
        assert set(run.failed()).isdisjoint(run.mapped)

    def test_a_job_that_kills_every_worker_ends_after_few_rounds(self, world: World) -> None:
        """Each half that died has a bad item at least, long before the first one stands alone."""
        plan = {**PLAN, "tolerated_failure_count": 20}

        run = Run(world, lambda indexes: True).run([range(n, n + 64) for n in range(0, 1024, 64)], plan)

        assert run.rounds == 2
        assert run.calls == 16 + 32 + 64
        assert run.failed() == list(range(1024))

    def test_all_items_of_a_map_run_are_counted(self, world: World) -> None:
        """Whatever became of them."""
        waiting = {"Input": json.dumps(child([7])), "Status": "PENDING"}
        where = world.write_outcome(
            [{"partial": 1, "items": 5, "failed": 2}], failed=[record([5, 6])], pending=[waiting]
        )

        assert count_items(world.s3, read_outcome(world.s3, where["bucket"], where["key"])) == 8


class TestHowItEnded:
    @pytest.mark.parametrize(
        ("ended", "told"),
        [
            (
                {"Error": "Runtime.ExitError", "Cause": "Runtime exited with error: signal: killed"},
                "its worker died twice, alone with this item: Runtime exited with error: signal: killed",
            ),
            ({"Error": "Sandbox.Timedout"}, "did not end within 60 s (timeout_seconds) twice, alone with this item"),
        ],
    )
    def test_an_item_that_died_is_told_in_words(self, ended: dict[str, str], told: str) -> None:
        """How often, in which company, and what Lambda said of it, without the id of the request."""
        cause = json.dumps({"errorMessage": f"RequestId: 12-ab Error: {ended.get('Cause', 'x')}"})
        found = {**record([7], tries=1), **ended, "Cause": cause}

        assert how_it_ended(found, timeout_seconds=60) == (ended["Error"], told)

    def test_a_child_that_timed_out_has_an_error_of_that_name(self) -> None:
        """An EXPRESS child that was ended has none of its own."""
        found = {"Input": json.dumps(child([7], tries=1)), "Status": "TIMED_OUT"}

        assert how_it_ended(found, timeout_seconds=60)[0] == "ExecutionTimedOut"
