"""Map runs and their children over boto3 (distributed-map 10)."""

from __future__ import annotations

from functools import partial

import pytest
from botocore.exceptions import ClientError

from mapfold.local.store import ChildRow, MapRunRow
from tests.integration.service.conftest import Running, error_of
from tests.unit.local_store.conftest import events

CHILD = "arn:aws:states:us-east-1:123456789012:execution:jobs/Map:run1-child-{}"


@pytest.fixture
def run(service: Running) -> MapRunRow:
    """A running map run of 6 children: 0 to 3 have ended, 1 of them failed; 4 and 5 run."""
    execution = service.start("one")
    counts = {"total": 6, "running": 2, "succeeded": 3, "failed": 1}
    run = service.tell(
        lambda engine: engine.start_map_run(
            execution, execution_counts=counts, max_concurrency=2, tolerated_percentage=5
        )
    )
    store = service.engine.store

    async def children(_: object) -> None:
        for index in range(4):
            status, error = ("FAILED", "E") if index == 1 else ("SUCCEEDED", None)
            store.child_ended(
                run.id, index, status, 1000.0, 1001.0, 10, '{"Items":[]}', "{}", error, None, events(1, 3)
            )
        service.engine.children[run.arn] = [ChildRow(run.id, index, "RUNNING", 1002.0, None, 10) for index in (4, 5)]

    service.tell(children)
    return run


def test_a_map_run_is_listed_and_described(service: Running, run: MapRunRow) -> None:
    """Both counters have every member, the children's machine has the label, and a percentage is a fraction."""
    (item,) = service.client.list_map_runs(executionArn=run.execution_arn)["mapRuns"]
    answer = service.client.describe_map_run(mapRunArn=run.arn)

    assert item["stateMachineArn"].endswith(":stateMachine:jobs/Map")
    assert answer["status"] == "RUNNING"
    assert answer["maxConcurrency"] == 2
    assert repr(answer["toleratedFailurePercentage"]) == "5.0"
    assert answer["executionCounts"] == {
        "pending": 0, "running": 2, "succeeded": 3, "failed": 1, "timedOut": 0, "aborted": 0, "total": 6,
        "resultsWritten": 0, "failuresNotRedrivable": 0, "pendingRedrive": 0,
    }  # fmt: skip


def test_a_map_run_that_has_ended_is_as_it_was_saved(service: Running, run: MapRunRow) -> None:
    """With its stopDate."""
    service.tell(lambda engine: engine.end_map_run(run.arn))

    answer = service.client.describe_map_run(mapRunArn=run.arn)

    assert answer["status"] == "SUCCEEDED"
    assert answer["stopDate"].timestamp() == 1500.0


def test_children_that_run_and_that_have_ended_are_listed_together(service: Running, run: MapRunRow) -> None:
    """Newest first, in pages, each with its map run and how many items it has."""
    pages = service.client.get_paginator("list_executions").paginate(
        mapRunArn=run.arn, PaginationConfig={"PageSize": 4}
    )

    rows = [row for page in pages for row in page["executions"]]

    assert [row["name"] for row in rows] == [f"run1-child-{index}" for index in (5, 4, 3, 2, 1, 0)]
    assert [row["status"] for row in rows[:3]] == ["RUNNING", "RUNNING", "SUCCEEDED"]
    assert {(row["mapRunArn"], row["itemCount"]) for row in rows} == {(run.arn, 10)}


@pytest.mark.parametrize(("status", "indexes"), [("FAILED", [1]), ("RUNNING", [5, 4]), ("SUCCEEDED", [3, 2, 0])])
def test_children_of_one_status(service: Running, run: MapRunRow, status: str, indexes: list[int]) -> None:
    """Running ones come from the engine, others from the store."""
    rows = service.client.list_executions(mapRunArn=run.arn, statusFilter=status)["executions"]  # type: ignore[arg-type]

    assert [row["name"] for row in rows] == [f"run1-child-{index}" for index in indexes]


def test_a_child_is_described_by_its_arn(service: Running, run: MapRunRow) -> None:
    """The index is in the uuid; a failed STANDARD one is as redrivable as any STANDARD execution (distributed-map 7)."""
    answer = service.client.describe_execution(executionArn=CHILD.format(1))

    assert (answer["status"], answer["error"], answer["mapRunArn"]) == ("FAILED", "E", run.arn)
    assert answer["stateMachineArn"].endswith(":stateMachine:jobs/Map")
    assert answer["input"] == '{"Items":[]}'
    assert answer["redriveStatus"] == "REDRIVABLE"


def test_a_child_s_history_is_its_own(service: Running, run: MapRunRow) -> None:
    """It was written at the child's end."""
    answer = service.client.get_execution_history(executionArn=CHILD.format(0), reverseOrder=True)

    assert [event["id"] for event in answer["events"]] == [3, 2, 1]


def test_a_child_that_is_not_there(service: Running, run: MapRunRow) -> None:
    """Neither an index that never was nor a uuid of another map run."""
    for name in ("run1-child-99", "run7-child-0"):
        arn = f"arn:aws:states:us-east-1:123456789012:execution:jobs/Map:{name}"

        assert error_of(partial(service.client.describe_execution, executionArn=arn))[0] == "ExecutionDoesNotExist"


def test_a_child_s_machine_is_its_item_processor(service: Running, run: MapRunRow) -> None:
    """With the label and the map run."""
    answer = service.client.describe_state_machine_for_execution(executionArn=CHILD.format(1))

    assert (answer["label"], answer["mapRunArn"]) == ("Map", run.arn)
    assert answer["definition"] == run.definition


def test_the_children_s_machine_can_be_described(service: Running, run: MapRunRow) -> None:
    """Its ARN has the label."""
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs/Map"

    assert service.client.describe_state_machine(stateMachineArn=arn)["label"] == "Map"


def test_express_children_are_described_but_have_no_history(service: Running) -> None:
    """As on AWS."""
    execution = service.start("one")
    run = service.tell(lambda engine: engine.start_map_run(execution, child_type="EXPRESS"))

    async def end_child(_: object) -> None:
        service.engine.store.child_ended(run.id, 0, "SUCCEEDED", 1.0, 2.0, 1, "{}", "{}")

    service.tell(end_child)
    (row,) = service.client.list_executions(mapRunArn=run.arn)["executions"]

    assert service.client.describe_execution(executionArn=row["executionArn"])["status"] == "SUCCEEDED"
    code, _ = error_of(lambda: service.client.get_execution_history(executionArn=row["executionArn"]))
    assert code == "StateMachineTypeNotSupported"


def test_express_children_cannot_be_stopped(service: Running) -> None:
    """Though their ARNs look like those of STANDARD ones."""
    execution = service.start("one")
    run = service.tell(lambda engine: engine.start_map_run(execution, child_type="EXPRESS"))

    async def begin_child(_: object) -> None:
        service.engine.children[run.arn] = [ChildRow(run.id, 0, "RUNNING", 1.0, None, 1)]

    service.tell(begin_child)
    (row,) = service.client.list_executions(mapRunArn=run.arn)["executions"]

    code, _ = error_of(lambda: service.client.stop_execution(executionArn=row["executionArn"]))

    assert code == "StateMachineTypeNotSupported"


class TestUpdate:
    def test_a_running_map_run_is_changed(self, service: Running, run: MapRunRow) -> None:
        """What is not said stays."""
        service.client.update_map_run(mapRunArn=run.arn, maxConcurrency=7, toleratedFailurePercentage=2.5)

        assert service.engine.updates == [(7, 2.5, None)]

    def test_one_that_has_ended_is_not(self, service: Running, run: MapRunRow) -> None:
        """ValidationException; an unknown one is a ResourceNotFound."""
        service.tell(lambda engine: engine.end_map_run(run.arn))

        ended = error_of(lambda: service.client.update_map_run(mapRunArn=run.arn, maxConcurrency=7))
        unknown = error_of(lambda: service.client.update_map_run(mapRunArn=run.arn + "x", maxConcurrency=7))

        assert (ended[0], unknown[0]) == ("ValidationException", "ResourceNotFound")

    def test_the_reason_says_what_is_wrong(self, service: Running, run: MapRunRow) -> None:
        """ValidationExceptionReason: nothing to change, or a map run that has ended (API Reference)."""
        with pytest.raises(ClientError) as nothing:
            service.client.update_map_run(mapRunArn=run.arn)
        service.tell(lambda engine: engine.end_map_run(run.arn))
        with pytest.raises(ClientError) as ended:
            service.client.update_map_run(mapRunArn=run.arn, maxConcurrency=7)

        reasons = [error.value.response.get("reason") for error in (nothing, ended)]
        assert reasons == ["MISSING_REQUIRED_PARAMETER", "CANNOT_UPDATE_COMPLETED_MAP_RUN"]
