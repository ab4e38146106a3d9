"""GetExecutionHistory over boto3 (history-events 5): the store's events and the engine's are one history."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from mapfold.local.store import MapRunRow
from tests.integration.service.conftest import PASS, ROLE, FakeEngine, Running, error_of
from tests.unit.local_store.conftest import events


async def start_express_map_run(execution: str, engine: FakeEngine) -> MapRunRow:
    return await engine.start_map_run(execution, child_type="EXPRESS")


@dataclass(frozen=True)
class Answered:
    status: int
    body: bytes


def get(service: Running, query: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> Answered:
    """GET /mapfold/history."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)
    try:
        connection.request("GET", f"/mapfold/history?{urlencode(query)}", headers=dict(headers or {}))
        answer = connection.getresponse()
        return Answered(answer.status, answer.read())
    finally:
        connection.close()


def asked(service: Running, **query: str) -> dict[str, Any]:
    """The document that it answers."""
    answer: dict[str, Any] = json.loads(get(service, query).body)
    return answer


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
    assert bare["stateEnteredEventDetails"]["inputDetails"] == {"truncated": False}


def test_express_executions_have_no_history_here(service: Running) -> None:
    """As on AWS, where it goes to CloudWatch Logs only: their ARNs are not taken."""
    machine = service.client.create_state_machine(name="fast", definition=PASS, roleArn=ROLE, type="EXPRESS")
    arn = service.client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]

    code, _ = error_of(lambda: service.client.get_execution_history(executionArn=arn))

    assert code == "InvalidArn"


def test_an_express_execution_has_its_history_on_mapfold_s_own_port(service: Running) -> None:
    """As its ARN is: `express:<machine>:<name>:<uuid>`."""
    machine = service.client.create_state_machine(name="fast", definition=PASS, roleArn=ROLE, type="EXPRESS")
    arn = service.client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    service.tell(lambda engine: engine.happen(arn, 3, flushed=False))
    service.tell(lambda engine: engine.end(arn))

    assert [event["id"] for event in asked(service, executionArn=arn)["events"]] == [1, 2, 3]


class TestAnExpressChild:
    @pytest.fixture
    def child(self, service: Running) -> str:
        """Its ARN; it has ended with five events."""
        run = service.tell(partial(start_express_map_run, service.start("one")))

        async def end_child(engine: FakeEngine) -> None:
            engine.store.child_ended(run.id, 0, "SUCCEEDED", 1.0, 2.0, 1, "{}", "{}", None, None, events(1, 5))

        service.tell(end_child)
        return f"arn:aws:states:us-east-1:123456789012:execution:jobs/Map:{run.child_head}-child-0"

    def test_has_no_history_on_aws(self, service: Running, child: str) -> None:
        """Nor here, by the API."""
        code, _ = error_of(lambda: service.client.get_execution_history(executionArn=child))

        assert code == "StateMachineTypeNotSupported"

    def test_has_its_history_on_mapfold_s_own_port(self, service: Running, child: str) -> None:
        """In pages, as GetExecutionHistory gives them."""
        first = asked(service, executionArn=child, maxResults="3")
        second = asked(service, executionArn=child, maxResults="3", nextToken=first["nextToken"])
        newest = asked(service, executionArn=child, maxResults="1", reverseOrder="true")

        assert [event["id"] for event in first["events"] + second["events"]] == [1, 2, 3, 4, 5]
        assert "nextToken" not in second
        assert [event["id"] for event in newest["events"]] == [5]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({}, "ValidationException"),
            ({"executionArn": "x"}, "InvalidArn"),
            ({"executionArn": "arn:aws:states:us-east-1:123456789012:execution:jobs:x"}, "ExecutionDoesNotExist"),
            ({"executionArn": "arn:aws:states:us-east-1:123456789012:express:jobs:x:u"}, "ExecutionDoesNotExist"),
            ({"maxResults": "many"}, "SerializationException"),
        ],
    )
    def test_that_is_none_is_refused_as_by_the_api(self, service: Running, query: dict[str, str], code: str) -> None:
        """400, with AWS's codes."""
        answer = get(service, query)

        assert (answer.status, json.loads(answer.body)["__type"]) == (400, code)

    def test_is_shown_to_nobody_elsewhere(self, service: Running, child: str) -> None:
        """The guard is that of all else: a web page is refused."""
        assert get(service, {"executionArn": child}, headers={"Origin": "https://example.com"}).status == 403


def test_an_execution_that_is_not_there(service: Running) -> None:
    """ExecutionDoesNotExist."""
    arn = service.start("one")

    code, _ = error_of(lambda: service.client.get_execution_history(executionArn=arn + "x"))

    assert code == "ExecutionDoesNotExist"
