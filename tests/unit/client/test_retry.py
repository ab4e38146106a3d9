"""What is said of a retry before it is started."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.client import (
    Lineage,
    NotRetryable,
    RetriedAlready,
    check_any,
    check_retryable,
    find_list,
    start_from_outside,
    start_retry,
)
from mapfold.client.values import Status
from mapfold.errors import UsageError
from mapfold.runs.selection import parse_selection
from tests.unit.client.fakes import RUN, FakeAws, execution

LAST = {"run_id": "r1", "job": "flights", "items": {"total": 4, "succeeded": 2, "failed": 2}, "partial": 7}
LINES = [{"item": {"key": f"k{n}"}, "index": n, "error": "ValueError", "message": f"row {n}"} for n in (1, 3)]
GIVEN = {"run_id": "r1", "job": "flights", "source": {"uri": "s3://b/m.csv", "etag": "e"}, "params": {"year": "2013"}}


def ended(status: Status = Status.FAILED, **last: Any) -> FakeAws:
    """An AWS with the run r1, which came to its end with two failed items."""
    aws = FakeAws().has(execution(RUN, status, given=GIVEN))
    aws.objects["mapfold-runs", "runs/r1/last.json"] = json.dumps({**LAST, **last})
    aws.objects["mapfold-runs", "runs/r1/failures.jsonl"] = "".join(json.dumps(line) + "\n" for line in LINES)
    return aws


@pytest.mark.parametrize("status", [Status.FAILED, Status.SUCCEEDED])
def test_a_run_with_failed_items_can_be_retried_whether_they_were_tolerated_or_not(status: Status) -> None:
    """Its failed items are there to be tried."""
    aws = ended(status)

    check_retryable(aws, aws.executions_[RUN])
    check_any(aws, aws.executions_[RUN], parse_selection(["index=3"]))


@pytest.mark.parametrize(
    ("aws", "says"),
    [
        (ended(Status.RUNNING), "it is RUNNING"),
        (ended(items={"total": 2, "succeeded": 2, "failed": 0}), "no item of it failed"),
        (ended(is_whole=False), "stopped early.*new run"),
        (FakeAws().has(execution(RUN, Status.ABORTED)), "no folder of a run r1"),
    ],
)
def test_a_run_that_cannot_be_retried_is_refused_with_the_reason(aws: FakeAws, says: str) -> None:
    """And with what to do instead."""
    with pytest.raises(NotRetryable, match=f"run r1 cannot be retried: .*{says}"):
        check_retryable(aws, aws.executions_[RUN])


def test_a_run_that_was_stopped_is_to_be_redriven() -> None:
    """It has a folder, and in it nothing that a retry could stand on."""
    aws = FakeAws().has(execution(RUN, Status.ABORTED))
    aws.objects["mapfold-runs", "runs/r1/failed/000000000000.jsonl"] = "{}"

    with pytest.raises(NotRetryable, match="mapfold redrive r1"):
        check_retryable(aws, aws.executions_[RUN])


def test_of_a_run_that_was_retried_the_newest_of_its_chain_is_named() -> None:
    """Unless it is to be retried again, or by the very run that did."""
    aws = ended()
    aws.lineages_ = {"r1": Lineage(retried_by="r2"), "r2": Lineage(("r1",), "r3"), "r3": Lineage(("r1", "r2"))}

    with pytest.raises(RetriedAlready) as refused:
        check_retryable(aws, aws.executions_[RUN])

    assert refused.value.newest == "r3"
    check_retryable(aws, aws.executions_[RUN], again=True)


def test_where_no_item_is_selected_nothing_is_started() -> None:
    """The command that shows what there is is named."""
    aws = ended()

    with pytest.raises(UsageError, match=r"selected by error=KeyError.*failures r1 --by-signature"):
        check_any(aws, aws.executions_[RUN], parse_selection(["error=KeyError"]))


def test_a_retry_has_the_source_and_params_of_the_first_run() -> None:
    """With what selects its items; asked for again by the same name, it is there."""
    aws = ended()
    selection = parse_selection(["index=3"], take=2)

    run, is_new = start_retry(aws, aws.executions_[RUN], selection, name="r2", again=True)
    _, is_new_again = start_retry(aws, aws.executions_[RUN], selection, name="r2", again=True)

    given = json.loads(aws.executions_[run.execution_arn].input or "")
    assert given == {
        "run_id": "r2",
        "job": "flights",
        "source": GIVEN["source"],
        "params": GIVEN["params"],
        "retry": {"of": "r1", "where": ["index=3"], "take": 2, "again": True},
    }
    assert (is_new, is_new_again) == (True, False)


def test_a_list_from_outside_is_the_run_s_source() -> None:
    """There is no run before it."""
    aws = ended()

    run = start_from_outside(aws, "flights", "s3://b/f.jsonl", parse_selection([]), params={}, name="r2")

    given = json.loads(aws.executions_[run.execution_arn].input or "")
    assert given["source"] == {"uri": "s3://b/f.jsonl", "bucket": "b", "key": "f.jsonl"}
    assert given["retry"] == {"uri": "s3://b/f.jsonl"}


class TestFindList:
    AWS = FakeAws(
        objects={
            ("b", "results/u1/manifest.json"): "{}",
            ("b", "results/u1/FAILED_0.json"): "",
            ("b", "many/u1/manifest.json"): "{}",
            ("b", "many/u2/manifest.json"): "{}",
        }
    )

    @pytest.mark.parametrize(
        "uri", ["s3://b/results/", "s3://b/results", "s3://b/results/u1/", "s3://b/results/u1/manifest.json"]
    )
    def test_a_folder_is_the_manifest_in_it(self, uri: str) -> None:
        """The ResultWriter puts it into a folder of the map run's own."""
        assert find_list(self.AWS, uri) == "s3://b/results/u1/manifest.json"

    @pytest.mark.parametrize(
        ("uri", "says"),
        [
            ("s3://b/none/", "no object s3://b/none/, and no manifest.json under s3://b/none/"),
            ("s3://b/many/", "2 manifests.*s3://b/many/u1/manifest.json\n  s3://b/many/u2/manifest.json"),
            ("s3://", "no S3 URI"),
        ],
    )
    def test_a_folder_without_one_or_with_several_is_refused(self, uri: str, says: str) -> None:
        """Which one is meant nobody can guess."""
        with pytest.raises(UsageError, match=f"(?s){says}"):
            find_list(self.AWS, uri)
