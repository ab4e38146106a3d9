"""The outcome of a run, from what the execution and its history say."""

from __future__ import annotations

import json

from mapfold.client import Items, outcome
from mapfold.client.values import Counts, Status
from tests.unit.client.fakes import MAP_RUN, RUN, FakeAws, events, execution, map_run

REPORT = {
    "run_id": "r1",
    "status": "SUCCEEDED",
    "items": {"total": 4, "succeeded": 3, "failed": 1},
    "result": {"flights": 7},
    "result_uri": "s3://mapfold-runs/runs/r1/result.json",
    "failures_uri": "s3://mapfold-runs/runs/r1/failures.jsonl",
}


def test_a_run_that_succeeded_is_told_by_its_output() -> None:
    """Counts, result and URIs are those that Finish gave; seconds are the execution's."""
    ended = outcome(FakeAws(), execution(output=REPORT))

    assert ended.succeeded
    assert ended.items == Items(total=4, succeeded=3, failed=1)
    assert (ended.result, ended.seconds) == ({"flights": 7}, 2.0)


def test_a_result_that_is_not_in_the_output_is_read_from_s3() -> None:
    """Finish leaves a large result out of its output, which may have 256 KiB."""
    aws = FakeAws(objects={("mapfold-runs", "runs/r1/result.json"): '{"flights": 8}'})

    ended = outcome(aws, execution(output=REPORT | {"result": None}))

    assert ended.result == {"flights": 8}


def test_a_run_with_too_many_failed_items_still_has_its_result() -> None:
    """The execution failed and has no output; what Finish reported is in the history."""
    finished = {"name": "Finish", "output": json.dumps(REPORT)}
    aws = FakeAws(events_={RUN: events(("TaskStateExited", finished), ("FailStateEntered", {"name": "Failed"}))})

    ended = outcome(aws, execution(status=Status.FAILED, error="Mapfold.ToleratedFailureExceeded", cause="1 of 4"))

    assert not ended.succeeded
    assert (ended.items.failed, ended.result) == (1, {"flights": 7})
    assert ended.as_document()["error"] == "Mapfold.ToleratedFailureExceeded"


def test_a_run_that_died_in_the_map_is_counted_by_its_map_run() -> None:
    """There is no report; items of batches that failed or timed out have failed."""
    counts = Counts(total=10, succeeded=6, failed=2, timed_out=1, aborted=1)
    aws = FakeAws(map_runs_={MAP_RUN: map_run(status=Status.FAILED, items=counts)})

    ended = outcome(aws, execution(status=Status.FAILED, error="States.ExceedToleratedFailureThreshold"))

    assert ended.items == Items(total=10, succeeded=6, failed=3)
    assert (ended.result, ended.result_uri) == (None, None)


def test_the_json_document_has_the_agreed_members() -> None:
    """`error` and `cause` are there only when it failed."""
    document = outcome(FakeAws(), execution(output=REPORT | {"failures_uri": None})).as_document()

    assert list(document) == ["run_id", "status", "execution_arn", "items", "result", "result_uri", "seconds"]
    assert document["items"] == {"total": 4, "succeeded": 3, "failed": 1}
