"""GetExecutionHistory over boto3 (history-events 5): the store's events and the engine's are one history."""

from __future__ import annotations

from typing import Any

from tests.integration.service.conftest import PASS, ROLE, Running, error_of


def ids(service: Running, arn: str, *, page_size: int = 100, **more: Any) -> list[int]:
    pages = service.client.get_paginator("get_execution_history").paginate(
        executionArn=arn, PaginationConfig={"PageSize": page_size}, **more
    )
    return [event["id"] for page in pages for event in page["events"]]


def test_events_in_the_store_and_in_memory_are_one_history(service: Running) -> None:
    """In pages that cross the border, in both orders."""
    arn = service.start("one")
    service.tell(lambda engine: engine.happen(arn, 5, flushed=True))
    service.tell(lambda engine: engine.happen(arn, 4, flushed=False))

    assert ids(service, arn, page_size=3) == list(range(1, 10))
    assert ids(service, arn, page_size=4, reverseOrder=True) == list(range(9, 0, -1))


def test_the_history_of_an_ended_execution_is_complete(service: Running) -> None:
    """Ids from 1 without gaps."""
    arn = service.start("one")
    service.tell(lambda engine: engine.happen(arn, 7, flushed=False))
    service.tell(lambda engine: engine.end(arn))

    assert ids(service, arn, page_size=2) == list(range(1, 8))


def test_an_event_has_its_time_and_details(service: Running) -> None:
    """Payloads are left out on request."""
    arn = service.start("one")
    service.tell(lambda engine: engine.happen(arn, 1, flushed=True))

    (event,) = service.client.get_execution_history(executionArn=arn)["events"]
    (bare,) = service.client.get_execution_history(executionArn=arn, includeExecutionData=False)["events"]

    assert event["timestamp"].timestamp() == 1000.5
    assert event["stateEnteredEventDetails"]["input"] == "{}"
    assert "input" not in bare["stateEnteredEventDetails"]


def test_express_executions_have_no_history_here(service: Running) -> None:
    """As on AWS, where it goes to CloudWatch Logs only."""
    machine = service.client.create_state_machine(name="fast", definition=PASS, roleArn=ROLE, type="EXPRESS")
    arn = service.client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]

    code, _ = error_of(lambda: service.client.get_execution_history(executionArn=arn))

    assert code == "StateMachineTypeNotSupported"


def test_an_execution_that_is_not_there(service: Running) -> None:
    """ExecutionDoesNotExist."""
    arn = service.start("one")

    code, _ = error_of(lambda: service.client.get_execution_history(executionArn=arn + "x"))

    assert code == "ExecutionDoesNotExist"
