"""RedriveExecution, and what the other actions say of a redrive, over boto3 (service-api 3, distributed-map 11)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from mapfold.local.store import ChildRow, MapRunRow
from tests.integration.service.conftest import NOW, ROLE, FakeEngine, Running, error_of
from tests.unit.local_store.conftest import events

CHILD = "arn:aws:states:us-east-1:123456789012:execution:jobs/Map:run1-child-{}"
DAY = 86_400.0


def failed(service: Running, name: str = "one", *, status: str = "FAILED", machine: str = "jobs") -> str:
    """An execution that has ended without success."""
    arn = service.start(name, machine=machine)
    service.tell(lambda engine: engine.end(arn, status=status, error="E", cause="C"))
    return arn


class TestAnExecution:
    @pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
    def test_that_was_not_successful_runs_again(self, service: Running, status: str) -> None:
        """The answer is when; DescribeExecution then counts it, and how it ended is gone."""
        arn = failed(service, status=status)
        before = service.client.describe_execution(executionArn=arn)

        answer = service.client.redrive_execution(executionArn=arn)

        after = service.client.describe_execution(executionArn=arn)
        assert (before["redriveStatus"], before["redriveCount"]) == ("REDRIVABLE", 0)
        assert not before.keys() & {"redriveDate", "redriveStatusReason"}
        assert answer["redriveDate"].timestamp() == pytest.approx(NOW, abs=0.001)
        assert (after["status"], after["redriveCount"], after["redriveDate"]) == ("RUNNING", 1, answer["redriveDate"])
        assert not after.keys() & {"stopDate", "error", "cause", "output"}

    def test_that_was_redriven_says_so_in_listings(self, service: Running) -> None:
        """Each entry has its count; a date only where there was a redrive."""
        arn = failed(service)
        service.client.redrive_execution(executionArn=arn)
        service.start("two")

        rows = service.client.list_executions(stateMachineArn=arn.replace(":execution:", ":stateMachine:")[:-4])

        assert [(row["redriveCount"], "redriveDate" in row) for row in rows["executions"]] == [(0, False), (1, True)]

    @pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
    def test_that_runs_or_succeeded_is_not_redrivable(self, service: Running, status: str) -> None:
        """In DescribeExecution with the reason, in RedriveExecution as the error."""
        arn = service.start("one")
        if status != "RUNNING":
            service.tell(lambda engine: engine.end(arn, status=status))

        shown = service.client.describe_execution(executionArn=arn)
        code, message = error_of(lambda: service.client.redrive_execution(executionArn=arn))

        reason = f"Execution is {status} and cannot be redriven"
        assert (shown["redriveStatus"], shown["redriveStatusReason"]) == ("NOT_REDRIVABLE", reason)
        assert code == "ExecutionNotRedrivable"
        assert reason in message

    @pytest.mark.parametrize(
        ("after_end", "reason"),
        [
            (14 * DAY - 1, None),
            (14 * DAY + 1, "Execution redrivable period exceeded"),
            (366 * DAY, "Execution has exceeded the max execution time"),
        ],
    )
    def test_can_be_redriven_for_14_days(self, service: Running, after_end: float, reason: str | None) -> None:
        """After its end; and, however late that was, for a year after its start."""
        arn = failed(service)
        service.engine.now = 2000.0 + after_end

        shown = service.client.describe_execution(executionArn=arn)

        assert shown.get("redriveStatusReason") == reason
        assert shown["redriveStatus"] == ("NOT_REDRIVABLE" if reason else "REDRIVABLE")

    @pytest.mark.parametrize(("count", "redrivable"), [(24_998, True), (24_999, False)])
    def test_needs_room_in_its_history(self, service: Running, count: int, redrivable: bool) -> None:
        """For ExecutionRedriven and one more event, of 25,000."""
        arn = failed(service)

        async def fill(engine: FakeEngine) -> None:
            row = await engine.store.execution(arn)
            assert row is not None
            engine.store.add_events(row.id, count, 1, events(count, 1))

        service.tell(fill)
        shown = service.client.describe_execution(executionArn=arn)

        assert shown["redriveStatus"] == ("REDRIVABLE" if redrivable else "NOT_REDRIVABLE")
        assert shown.get("redriveStatusReason") == (None if redrivable else "Execution history event limit exceeded")

    def test_of_a_deleted_machine_is_not_redrivable(self, service: Running) -> None:
        """Nor is it when another machine has got the name since."""
        arn = failed(service)
        machine = arn.replace(":execution:", ":stateMachine:")[:-4]
        service.client.delete_state_machine(stateMachineArn=machine)
        deleted = service.client.describe_execution(executionArn=arn)
        service.engine.now += 1
        service.start("other")
        made_again = service.client.describe_execution(executionArn=arn)

        assert deleted["redriveStatusReason"] == "State machine is in DELETING status"
        assert made_again["redriveStatusReason"] == "State machine is in DELETING status"
        assert error_of(lambda: service.client.redrive_execution(executionArn=arn))[0] == "ExecutionNotRedrivable"

    def test_whose_machine_was_updated_runs_the_definition_that_it_ran(self, service: Running) -> None:
        """The fake engine checks that it gets that revision."""
        arn = failed(service)
        machine = arn.replace(":execution:", ":stateMachine:")[:-4]
        service.client.update_state_machine(stateMachineArn=machine, roleArn=ROLE + "2")

        service.client.redrive_execution(executionArn=arn)

        assert service.client.describe_execution(executionArn=arn)["redriveCount"] == 1


class TestTheClientToken:
    def test_redrives_once(self, service: Running) -> None:
        """The same token gives the same answer, though the execution runs again or has failed again."""
        arn = failed(service)
        first = service.client.redrive_execution(executionArn=arn, clientToken="token-1")
        service.engine.now += 5

        running = service.client.redrive_execution(executionArn=arn, clientToken="token-1")
        service.tell(lambda engine: engine.end(arn, status="FAILED"))
        ended = service.client.redrive_execution(executionArn=arn, clientToken="token-1")

        assert first["redriveDate"] == running["redriveDate"] == ended["redriveDate"]
        assert service.client.describe_execution(executionArn=arn)["redriveCount"] == 1

    def test_is_one_execution_s_own(self, service: Running) -> None:
        """Another may be redriven with the same."""
        for name in ("one", "two"):
            arn = failed(service, name)
            service.client.redrive_execution(executionArn=arn, clientToken="same")

            assert service.client.describe_execution(executionArn=arn)["redriveCount"] == 1

    def test_is_forgotten_after_15_minutes(self, service: Running) -> None:
        """Then it redrives again."""
        arn = failed(service)
        service.client.redrive_execution(executionArn=arn, clientToken="token-1")
        service.tell(lambda engine: engine.end(arn, status="FAILED"))
        service.engine.now += 901

        service.client.redrive_execution(executionArn=arn, clientToken="token-1")

        assert service.client.describe_execution(executionArn=arn)["redriveCount"] == 2

    def test_is_forgotten_when_10_others_came_after_it(self, service: Running) -> None:
        """The last 10 are known."""
        arn = failed(service)
        for number in range(11):
            service.client.redrive_execution(executionArn=arn, clientToken=f"token-{number}")
            service.tell(lambda engine: engine.end(arn, status="FAILED"))
        service.client.redrive_execution(executionArn=arn, clientToken="token-1")
        service.client.redrive_execution(executionArn=arn, clientToken="token-0")

        assert service.client.describe_execution(executionArn=arn)["redriveCount"] == 12

    def test_has_printable_characters_only(self, service: Running) -> None:
        """And no space."""
        arn = failed(service)

        code, message = error_of(lambda: service.client.redrive_execution(executionArn=arn, clientToken="a b"))

        assert code == "ValidationException"
        assert "'clientToken'" in message


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("arn:aws:states:us-east-1:123456789012:execution:jobs:none", "ExecutionDoesNotExist"),
        ("arn:aws:states:us-east-1:123456789012:express:jobs:one:u", "InvalidArn"),
        ("arn:aws:states:us-east-1:123456789012:stateMachine:jobs", "InvalidArn"),
        ("one", "InvalidArn"),
    ],
)
def test_only_a_known_standard_execution_is_redriven(service: Running, arn: str, code: str) -> None:
    """EXPRESS ones have another kind of ARN, which is not valid here."""
    assert error_of(lambda: service.client.redrive_execution(executionArn=arn))[0] == code


@pytest.fixture
def redriven(service: Running) -> MapRunRow:
    """A map run in its first redrive, of 8 children: 0 and 5 succeeded at first, 1 now; 2 has failed again, 3 runs,
    4 waits, 6 runs for the first time; 7 failed so long ago that it cannot be redriven.
    """
    execution = service.start("one")
    began = 20 * DAY
    run = service.tell(lambda engine: engine.start_map_run(execution, redrive_count=1, redrive_date=began))

    async def children(engine: FakeEngine) -> None:
        def end(index: int, status: str, *redrive: Any) -> None:
            error = None if status == "SUCCEEDED" else "E"
            engine.store.child_ended(
                run.id, index, status, 1000.0, began - 100, 10, "{}", "{}", error, None, events(1, 3), *redrive
            )

        end(0, "SUCCEEDED")
        end(1, "SUCCEEDED", 1, 1100.5, 1)
        end(2, "FAILED", 1, 1100.5, 1)
        end(3, "TIMED_OUT")
        end(4, "FAILED")
        end(5, "SUCCEEDED")
        engine.store.child_ended(run.id, 7, "FAILED", 1000.0, began - 14 * DAY - 1, 10, "{}", None, "E")
        three = ChildRow(run.id, 3, "RUNNING", 1000.0, None, 10, redrive_count=1, redrive_date=1101.0)
        engine.children[run.arn] = [ChildRow(run.id, 6, "RUNNING", 1102.0, None, 10), three]

    service.tell(children)
    return run


def indexes(service: Running, run: MapRunRow, *, size: int = 100, **question: Any) -> list[int]:
    """The children that ListExecutions names, page by page."""
    pages = service.client.get_paginator("list_executions").paginate(
        mapRunArn=run.arn, PaginationConfig={"PageSize": size}, **question
    )
    return [int(row["name"].rpartition("-")[2]) for page in pages for row in page["executions"]]


class TestAMapRunInItsRedrive:
    @pytest.mark.parametrize("size", [1, 2, 3, 100])
    def test_lists_every_child_once_as_it_is_now(self, service: Running, redriven: MapRunRow, size: int) -> None:
        """Whatever the page: one that runs again is RUNNING, one that waits for it PENDING_REDRIVE."""
        pages = service.client.get_paginator("list_executions").paginate(
            mapRunArn=redriven.arn, PaginationConfig={"PageSize": size}
        )

        rows = [row for page in pages for row in page["executions"]]

        assert [(row["name"][-1], row["status"]) for row in rows] == [
            ("7", "FAILED"), ("6", "RUNNING"), ("5", "SUCCEEDED"), ("4", "PENDING_REDRIVE"), ("3", "RUNNING"), ("2", "FAILED"),
            ("1", "SUCCEEDED"), ("0", "SUCCEEDED"),
        ]  # fmt: skip
        assert [row["redriveCount"] for row in rows] == [0, 0, 0, 0, 1, 1, 1, 0]
        assert {row["name"][-1] for row in rows if "redriveDate" in row} == {"3", "2", "1"}
        assert {row["name"][-1] for row in rows if "stopDate" not in row} == {"6", "4", "3"}

    @pytest.mark.parametrize(
        ("question", "found"),
        [
            ({"statusFilter": "PENDING_REDRIVE"}, [4]),
            ({"statusFilter": "RUNNING"}, [6, 3]),
            ({"statusFilter": "FAILED"}, [7, 2]),
            ({"statusFilter": "TIMED_OUT"}, []),
            ({"statusFilter": "SUCCEEDED"}, [5, 1, 0]),
            ({"redriveFilter": "REDRIVEN"}, [3, 2, 1]),
            ({"redriveFilter": "NOT_REDRIVEN"}, [7, 6, 5, 4, 0]),
            ({"redriveFilter": "NOT_REDRIVEN", "statusFilter": "FAILED"}, [7]),
            ({"redriveFilter": "REDRIVEN", "statusFilter": "RUNNING"}, [3]),
            ({"redriveFilter": "REDRIVEN", "statusFilter": "SUCCEEDED"}, [1]),
            ({"redriveFilter": "REDRIVEN", "statusFilter": "FAILED"}, [2]),
            ({"redriveFilter": "NOT_REDRIVEN", "statusFilter": "PENDING_REDRIVE"}, [4]),
            ({"redriveFilter": "NOT_REDRIVEN", "statusFilter": "SUCCEEDED"}, [5, 0]),
        ],
    )
    @pytest.mark.parametrize("size", [1, 100])
    def test_lists_the_children_asked_for(
        self, service: Running, redriven: MapRunRow, question: dict[str, Any], found: list[int], size: int
    ) -> None:
        """By status and by whether they were redriven, together too."""
        assert indexes(service, redriven, size=size, **question) == found

    def test_shows_nothing_of_a_waiting_child_s_end(self, service: Running, redriven: MapRunRow) -> None:
        """It has not ended."""
        answer = service.client.describe_execution(executionArn=CHILD.format(4))

        assert (answer["status"], answer["redriveStatus"]) == ("PENDING_REDRIVE", "NOT_REDRIVABLE")
        assert answer["redriveStatusReason"] == "Execution is PENDING_REDRIVE and cannot be redriven"
        assert not answer.keys() & {"stopDate", "error", "cause"}

    def test_shows_a_child_s_redrive(self, service: Running, redriven: MapRunRow) -> None:
        """Its count and its date; it may be redriven again."""
        answer = service.client.describe_execution(executionArn=CHILD.format(2))

        assert (answer["redriveCount"], answer["redriveDate"].timestamp()) == (1, 1100.5)
        assert answer["redriveStatus"] == "REDRIVABLE"

    def test_describes_its_redrives(self, service: Running, redriven: MapRunRow) -> None:
        """With the counters of those that wait and of those that cannot be redriven."""
        counts = {"total": 7, "pendingRedrive": 1, "failuresNotRedrivable": 2}
        service.engine.map_runs[redriven.arn] = replace(redriven, execution_counts=counts, item_counts=counts)

        answer = service.client.describe_map_run(mapRunArn=redriven.arn)

        assert (answer["redriveCount"], answer["redriveDate"].timestamp()) == (1, 20 * DAY)
        assert answer["executionCounts"]["pendingRedrive"] == 1
        assert answer["itemCounts"]["failuresNotRedrivable"] == 2

    def test_that_has_ended_has_nobody_waiting(self, service: Running, redriven: MapRunRow) -> None:
        """Stopped in the middle: who was not redriven is as it was before."""
        service.tell(lambda engine: engine.end_map_run(redriven.arn))

        assert indexes(service, redriven, statusFilter="PENDING_REDRIVE") == []
        assert indexes(service, redriven, statusFilter="FAILED") == [7, 4, 2]
        assert indexes(service, redriven, statusFilter="TIMED_OUT") == [3]


class TestAChild:
    def test_is_redriven_through_its_map_run_s_execution_only(self, service: Running, redriven: MapRunRow) -> None:
        """The message names that."""
        code, message = error_of(lambda: service.client.redrive_execution(executionArn=CHILD.format(2)))

        assert code == "ExecutionNotRedrivable"
        assert redriven.execution_arn in message

    def test_with_a_full_history_is_not_redrivable(self, service: Running) -> None:
        """Its map run leaves it as it is."""
        execution = service.start("one")
        run = service.tell(lambda engine: engine.start_map_run(execution))

        async def end_child(engine: FakeEngine) -> None:
            engine.store.child_ended(run.id, 0, "FAILED", 1.0, 2.0, 1, "{}", None, "E", "C", events(1, 24_999))

        service.tell(end_child)
        answer = service.client.describe_execution(executionArn=CHILD.format(0))

        assert answer["redriveStatus"] == "NOT_REDRIVABLE"
        assert answer["redriveStatusReason"] == "Execution history event limit exceeded"

    @pytest.mark.parametrize(
        ("status", "redrive_status", "reason"),
        [
            ("FAILED", "REDRIVABLE_BY_MAP_RUN", None),
            ("TIMED_OUT", "REDRIVABLE_BY_MAP_RUN", None),
            ("ABORTED", "REDRIVABLE_BY_MAP_RUN", None),
            ("SUCCEEDED", "NOT_REDRIVABLE", "Execution is SUCCEEDED and cannot be redriven"),
        ],
    )
    def test_of_type_express_is_started_anew_however_old(
        self, service: Running, status: str, redrive_status: str, reason: str | None
    ) -> None:
        """REDRIVABLE_BY_MAP_RUN if it did not succeed; the date of a redrive is not told."""
        execution = service.start("one")
        run = service.tell(lambda engine: engine.start_map_run(execution, child_type="EXPRESS"))

        async def end_child(engine: FakeEngine) -> None:
            engine.store.child_ended(run.id, 0, status, 1.0, 2.0, 1, "{}", None, None, None, None, 1, 3.0, 1)

        service.tell(end_child)
        service.engine.now = 100 * DAY
        answer = service.client.describe_execution(executionArn=CHILD.format(0))

        assert (answer["redriveStatus"], answer.get("redriveStatusReason")) == (redrive_status, reason)
        assert "redriveDate" not in answer


def test_filters_of_redrives_are_for_map_runs_only(service: Running) -> None:
    """ValidationException with a state machine."""
    machine = service.start("one").replace(":execution:", ":stateMachine:")[:-4]
    list_executions: Any = partial(service.client.list_executions, stateMachineArn=machine)

    for question in ({"redriveFilter": "REDRIVEN"}, {"statusFilter": "PENDING_REDRIVE"}):
        assert error_of(partial(list_executions, **question))[0] == "ValidationException"
