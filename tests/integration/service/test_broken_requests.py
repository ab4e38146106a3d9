"""Requests of every kind of brokenness: each gets a proper answer or a proper error, and the service lives on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.local.service.wire import ACTIONS
from tests.integration.service.conftest import PASS, ROLE
from tests.integration.service.inside import Inside, open_inside

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
LIKELY = [
    MACHINE,
    f"{MACHINE}:1",
    f"{MACHINE}:prod",
    f"{MACHINE}/Map",
    "arn:aws:states:us-east-1:123456789012:execution:jobs:one",
    "arn:aws:states:us-east-1:123456789012:execution:jobs/Map:run1-child-0",
    "arn:aws:states:us-east-1:123456789012:mapRun:jobs/Map:run1",
    "arn:aws:states:::",
    "jobs",
    PASS,
    ROLE,
    "{}",
    "",
    "x" * 300,
    "\u0000",
    "\U0001f600" * 50,
    "RUNNING",
    "STANDARD",
    "W10=",
]
SCALARS = (
    st.sampled_from(LIKELY)
    | st.none()
    | st.booleans()
    | st.integers(-(1 << 65), 1 << 65)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
ANYTHING = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside), max_leaves=4
)
MODEL = Loader().load_service_model("stepfunctions", "service-2")


def fitting(name: str) -> st.SearchStrategy[Any]:
    """Values of the JSON type that the model gives a shape; now and then of any other."""
    shape = MODEL["shapes"][name]
    match shape["type"]:
        case "structure":
            members = {key: fitting(member["shape"]) for key, member in shape["members"].items()}
            needed = {key: members.pop(key) for key in shape.get("required", ())}
            fits: st.SearchStrategy[Any] = st.fixed_dictionaries(needed, optional=members)
        case "list":
            fits = st.lists(fitting(shape["member"]["shape"]), max_size=3)
        case "boolean":
            fits = st.booleans()
        case "string":
            fits = st.sampled_from([*LIKELY, *shape.get("enum", ())]) | st.text(max_size=8)
        case _:
            fits = st.sampled_from([-1, 0, 1, 50, 100, 1000, 1 << 31, 1 << 63, 0.5])
    return st.one_of(fits, fits, fits, fits, ANYTHING)


REQUESTS = st.one_of(
    [st.tuples(st.just(action), fitting(MODEL["operations"][action]["input"]["shape"])) for action in sorted(ACTIONS)]
)


@pytest.mark.timeout(60)
def test_no_request_breaks_the_service(tmp_path: Path) -> None:
    """Every answer is 200, or an error with a type and a message that is no InternalFailure."""
    with asyncio.Runner() as runner:
        opening = open_inside(tmp_path)
        inside = runner.run(_enter(opening))

        @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(REQUESTS)
        def ask(request: tuple[str, Any]) -> None:
            action, members = request
            status, body = runner.run(_ask(inside, action, members))
            assert status in (200, 400, 402)
            if status != 200:
                assert body["__type"] != "InternalFailure"
                assert body["message"]

        try:
            ask()
            assert runner.run(_ask(inside, "ListStateMachines", {}))[0] == 200
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def _enter(opening: Any) -> Inside:
    inside: Inside = await opening.__aenter__()
    inside.engine.activities.close()  # who asks for a task of an activity is answered at once, and not after a minute
    await inside.create(publish=True)
    routes = [{"stateMachineVersionArn": f"{MACHINE}:1", "weight": 100}]
    await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes)
    started = await inside.call("StartExecution", stateMachineArn=MACHINE, name="one")
    await inside.engine.start_map_run(started["executionArn"])
    return inside


async def _ask(inside: Inside, action: str, members: Any) -> tuple[int, Any]:
    body = json.dumps(members).encode()
    status, _, answer = await inside.send(body, {"x-amz-target": f"AWSStepFunctions.{action}"})
    return status, json.loads(answer)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"x"', b"\xff\xfe{}", b'{"name": "\\ud800"}', b'{"a":' * 5_000, b"[" * 100_000, b"{} {}"],
    ids=["cut", "list", "null", "text", "latin", "surrogate", "deep", "deeper", "two"],
)
async def test_a_body_that_is_no_object_of_json_is_refused(inside: Inside, body: bytes) -> None:
    """SerializationException: not JSON, not UTF-8, too deep, half a character, or another thing than an object."""
    status, headers, answer = await inside.send(body, {"x-amz-target": "AWSStepFunctions.ListStateMachines"})

    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
    assert headers["x-amzn-errortype"] == "SerializationException"
    assert len(headers["x-amzn-requestid"]) == 36


async def test_an_empty_body_is_an_empty_request(inside: Inside) -> None:
    """Some clients send none where no member is needed."""
    status, _, answer = await inside.send(b"", {"x-amz-target": "AWSStepFunctions.ListStateMachines"})

    assert (status, json.loads(answer)) == (200, {"stateMachines": []})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_kind_is_not_read(inside: Inside, kind: str) -> None:
    """The action is then unknown, as no protocol has it."""
    headers = {"x-amz-target": "AWSStepFunctions.ListStateMachines", "content-type": kind}

    status, _, answer = await inside.send(b"{}", headers)

    assert (status, json.loads(answer)["__type"]) == (404, "UnknownOperationException")


async def test_a_body_without_end_is_cut_off(inside: Inside) -> None:
    """At 4 MB: no request of Step Functions is longer."""
    status, _, answer = await inside.send(b" " * 4_000_001, {"x-amz-target": "AWSStepFunctions.ListStateMachines"})

    assert (status, json.loads(answer)["__type"]) == (413, "RequestEntityTooLargeException")
