"""A map run that is interrupted at random moments, by kill -9 and otherwise, goes on and loses nothing.

The moments come from a seed, printed when a test fails; MAPFOLD_SEED repeats them, or tries others.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.e2e.embedded import until_ended
from tests.integration.embedded.numbers import (
    Numbers,
    batches_of,
    children_on_disk,
    map_run_of,
    records,
    start_numbers,
)
from tests.integration.embedded.server import Session, are_gone, session, until

SEED = int(os.environ.get("MAPFOLD_SEED", "20261123"))
KILLS = 4

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def random(request: pytest.FixtureRequest) -> Random:
    """Seeded by SEED and the test's own name; a failing test's output says how to repeat it."""
    print(f"MAPFOLD_SEED={SEED}")  # noqa: T201 - pytest shows it when the test fails
    return Random(f"{SEED} {request.node.name}")


class Interrupted:
    """The sessions of one map run, each of which is killed, and what was true between two of them."""

    def __init__(self, data: Path, numbers: Numbers) -> None:
        self.data, self.numbers = data, numbers
        self.succeeded: list[tuple[int, set[int]]] = []
        """(calls so far, children that the store had as SUCCEEDED) at every kill."""

    def kill(self, opened: Session) -> None:
        """kill -9; its workers die with it."""
        processes = opened.descendants()
        opened.end(signal.SIGKILL)
        until(lambda: are_gone(processes))
        kept = children_on_disk(self.data)
        self.succeeded.append(
            (len(self.numbers.calls()), {index for index, status in kept.items() if status == "SUCCEEDED"})
        )

    def called_again(self) -> set[int]:
        """Children that were called although they had succeeded."""
        calls = self.numbers.calls()
        return {index for before, succeeded in self.succeeded for index in calls[before:] if index in succeeded}


def wait_for_calls(numbers: Numbers, count: int, sfn: Any, execution: str) -> bool:
    """Wait until the function has been called so often; False if the execution ended before."""
    until(lambda: len(numbers.calls()) >= count or ended(sfn, execution))
    return not ended(sfn, execution)


def ended(sfn: Any, execution: str) -> bool:
    return bool(sfn.describe_execution(executionArn=execution)["status"] != "RUNNING")


@pytest.mark.parametrize(
    ("child_type", "output_type"), [("STANDARD", "JSON"), ("EXPRESS", "JSONL"), ("STANDARD", None)]
)
def test_a_run_that_is_killed_many_times_ends_as_if_it_never_had_been(
    tmp_path: Path, random: Random, child_type: str, output_type: str | None
) -> None:
    """
    No child that had succeeded is called again, the counters are right, every child's result is there exactly once, and
    the history is that of a run that nothing disturbed. The first kill comes right after StartExecution's answer.
    """
    # A batch takes long enough for the run to be under way when the test's clients are ready, also on busy cores.
    numbers = Numbers(tmp_path, child_type=child_type, output_type=output_type, seconds=0.1)
    run = Interrupted(tmp_path / "data", numbers)
    moments = sorted(random.randrange(len(numbers.batches)) for _ in range(KILLS - 1))
    with session(run.data) as opened:
        execution = start_numbers(opened.aws, numbers)
        time.sleep(random.uniform(0, 0.2))  # any moment is what the test is about
        run.kill(opened)
    for moment in moments:
        with session(run.data) as opened:
            if not wait_for_calls(numbers, moment, opened.aws.stepfunctions, execution):
                break
            time.sleep(random.uniform(0, 0.05))  # within a batch, too
            run.kill(opened)

    with session(run.data) as opened:
        status = until_ended(opened.aws.stepfunctions, execution, within_seconds=90)
        answer = opened.aws.stepfunctions.describe_execution(executionArn=execution)
        history = opened.aws.stepfunctions.get_execution_history(executionArn=execution)["events"]
        map_run = map_run_of(opened.aws, execution)
        results = None if output_type is None else records(opened.aws, execution)

    assert status == "SUCCEEDED"
    assert len(run.succeeded) > KILLS / 2  # it did not end before most of them came
    assert run.called_again() == set()
    assert sorted(set(numbers.calls())) == list(range(len(numbers.batches)))
    check_counts(map_run, numbers, failed=numbers.bad_batches)
    assert [event["type"] for event in history] == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in history] == list(range(1, 9))
    if results is None:
        sums = [one for one in json.loads(answer["output"]) if isinstance(one, int)]
        assert sums == [sum(batch) for batch in numbers.batches if batch not in numbers.bad_batches]
    else:
        check_results(results, numbers, failed=numbers.bad_batches)


def test_a_redrive_that_is_killed_goes_on_too(tmp_path: Path, random: Random) -> None:
    """
    A run stopped half-way and redriven, killed twice meanwhile: what had succeeded before the redrive is not called
    again, aborted and failed children are, those that never started are started, and all results are in the manifest.
    """
    numbers = Numbers(tmp_path)
    run = Interrupted(tmp_path / "data", numbers)
    half = len(numbers.batches) // 2
    with session(run.data) as opened:
        sfn: Any = opened.aws.stepfunctions
        execution = start_numbers(opened.aws, numbers)
        wait_for_calls(numbers, half, sfn, execution)
        sfn.stop_execution(executionArn=execution)
        until_ended(sfn, execution)
        failed_before = [one for one in children_of(sfn, execution) if one["status"] == "FAILED"]
        numbers.mended_file.touch()
        sfn.redrive_execution(executionArn=execution)
        time.sleep(random.uniform(0, 0.3))  # any moment is what the test is about
        run.kill(opened)
    with session(run.data) as opened:
        wait_for_calls(numbers, random.randrange(half + 10, 2 * half), opened.aws.stepfunctions, execution)
        run.kill(opened)

    with session(run.data) as opened:
        status = until_ended(opened.aws.stepfunctions, execution, within_seconds=90)
        map_run = map_run_of(opened.aws, execution)
        results = records(opened.aws, execution)
        described = opened.aws.stepfunctions.describe_execution(executionArn=execution)

    assert failed_before
    assert status == "SUCCEEDED"
    assert (described["redriveCount"], map_run["redriveCount"]) == (1, 1)
    assert run.called_again() == set()
    check_counts(map_run, numbers, failed=[])
    check_results(results, numbers, failed=[])


def test_ctrl_c_stops_at_once_and_the_next_session_goes_on(tmp_path: Path) -> None:
    """SIGINT in the midst: exit code 130 within seconds, no process left, a consistent store, and the run goes on."""
    numbers = Numbers(tmp_path, seconds=0.1)
    run = Interrupted(tmp_path / "data", numbers)
    with session(run.data) as opened:
        execution = start_numbers(opened.aws, numbers)
        wait_for_calls(numbers, 20, opened.aws.stepfunctions, execution)
        processes = opened.descendants()
        began = time.monotonic()
        code = opened.end(signal.SIGINT)
        seconds = time.monotonic() - began
        gone = are_gone(processes)
    kept = children_on_disk(run.data)
    run.succeeded.append((len(numbers.calls()), {index for index, one in kept.items() if one == "SUCCEEDED"}))

    with session(run.data) as opened:
        status = until_ended(opened.aws.stepfunctions, execution, within_seconds=90)
        map_run = map_run_of(opened.aws, execution)
        results = records(opened.aws, execution)

    assert (code, gone) == (130, True)
    assert seconds < 5
    assert status == "SUCCEEDED"
    assert run.called_again() == set()
    check_counts(map_run, numbers, failed=numbers.bad_batches)
    check_results(results, numbers, failed=numbers.bad_batches)


def test_a_full_disk_ends_the_engine_with_a_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    """The store cannot grow any more: the engine says so and ends with 1. With room again, the run goes on."""
    numbers = Numbers(tmp_path)
    run = Interrupted(tmp_path / "data", numbers)
    with session(run.data) as opened:
        execution = start_numbers(opened.aws, numbers)
        wait_for_calls(numbers, 20, opened.aws.stepfunctions, execution)
        # A file that may not grow is what the kernel offers to any user in place of a full disk.
        log = run.data / "stepfunctions.sqlite-wal"
        resource.prlimit(opened.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
        code = opened.process.wait(30)
        until(lambda: are_gone(opened.descendants()))
    said = (run.data / "stderr.txt").read_text()
    kept = children_on_disk(run.data)
    run.succeeded.append((len(numbers.calls()), {index for index, one in kept.items() if one == "SUCCEEDED"}))

    with session(run.data) as opened:
        status = until_ended(opened.aws.stepfunctions, execution, within_seconds=90)
        map_run = map_run_of(opened.aws, execution)
        results = records(opened.aws, execution)

    assert code == 1
    assert "stepfunctions.sqlite: cannot be written" in said
    assert "Traceback" not in said
    assert status == "SUCCEEDED"
    assert run.called_again() == set()
    check_counts(map_run, numbers, failed=numbers.bad_batches)
    check_results(results, numbers, failed=numbers.bad_batches)


def children_of(sfn: Any, execution: str) -> list[dict[str, Any]]:
    """All children of the execution's map run."""
    (run,) = sfn.list_map_runs(executionArn=execution)["mapRuns"]
    pages = sfn.get_paginator("list_executions").paginate(mapRunArn=run["mapRunArn"])
    return [one for page in pages for one in page["executions"]]


def check_counts(map_run: dict[str, Any], numbers: Numbers, *, failed: list[list[int]]) -> None:
    """DescribeMapRun's counters after the end, every one of them."""
    children, items = len(numbers.batches), numbers.count
    bad_items = sum(map(len, failed))
    assert map_run["status"] == "SUCCEEDED"
    assert nonzero(map_run["executionCounts"]) == nonzero(
        {
            "succeeded": children - len(failed),
            "failed": len(failed),
            "total": children,
            "resultsWritten": children,
        }
    )
    assert nonzero(map_run["itemCounts"]) == nonzero(
        {"succeeded": items - bad_items, "failed": bad_items, "total": items, "resultsWritten": items}
    )


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def check_results(results: dict[str, list[dict[str, Any]]], numbers: Numbers, *, failed: list[list[int]]) -> None:
    """Every batch stands in the result files exactly once, where it belongs, under a name of its own."""
    succeeded = [batch for batch in numbers.batches if batch not in failed]
    assert batches_of(results["SUCCEEDED"]) == Counter(map(tuple, succeeded))
    assert batches_of(results["FAILED"]) == Counter(map(tuple, failed))
    assert results["PENDING"] == []
    assert len({record["Name"] for status in results.values() for record in status}) == len(numbers.batches)
