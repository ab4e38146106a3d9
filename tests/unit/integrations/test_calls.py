"""Calls of services: how many run at once."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest
from botocore.exceptions import ClientError

from mapfold.local.engine.integrations.calls import AT_ONCE, Caller, ServiceError
from mapfold.local.engine.integrations.stand_in import aws_request_id
from tests.unit.integrations.fakes import REQUEST, FakeClients, refused


async def test_calls_that_nobody_waits_for_take_their_turn_too(clients: FakeClients) -> None:
    """However many jobs are called off at once, there are never more threads than a service may have calls."""
    many, lock, go = 3 * AT_ONCE, threading.Lock(), threading.Event()
    running = most = ended = 0

    def stop(**_: object) -> dict[str, str]:
        nonlocal running, most, ended
        with lock:
            running += 1
            most = max(most, running)
        go.wait(5)
        with lock:
            running -= 1
            ended += 1
        return {}

    clients.answer("batch", "TerminateJob", stop)
    caller = Caller(clients)

    for number in range(many):
        caller.send("batch", "TerminateJob", {"jobId": str(number)})
    async with asyncio.timeout(5):
        while running < AT_ONCE:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.001)
        go.set()
        while ended < many:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    assert most == AT_ONCE
    assert len(clients.sent("TerminateJob")) == many


@pytest.mark.parametrize(
    ("service", "form"), [("dynamodb", r"[0-9A-Z]{52}"), ("s3", r"[0-9A-Z]{16}"), ("sqs", r"[0-9a-f-]{36}")]
)
def test_request_ids_have_the_form_of_the_service_s(service: str, form: str) -> None:
    """The same id again for the same one of the stand-in's; a UUID stays."""
    of_moto = "CpQveBvtJZ39d89PdJGexE58EN4Pe8X17VsblFLj1ubnUnQ9zTuJ"

    found = aws_request_id(service, of_moto)

    assert re.fullmatch(form, found)
    assert found == aws_request_id(service, of_moto)
    assert aws_request_id(service, REQUEST) == REQUEST


@pytest.mark.parametrize(
    ("service", "operation", "error", "shown"),
    [
        ("sns", "Publish", refused("NotFound", "Endpoint does not exist"), ("Topic does not exist", 400)),
        ("ssm", "GetParameter", refused("ParameterNotFound", "Parameter /a not found."), (None, 400)),
        ("iam", "GetRole", refused("NoSuchEntity", "Role r not found"), ("The role with name r cannot be found.", 400)),
        ("iam", "GetUser", refused("NoSuchEntity", "no user"), ("no user", 400)),
        ("secretsmanager", "GetSecretValue", refused("ResourceNotFoundException", "no", 404), ("no", 400)),
    ],
)
async def test_refusals_are_told_in_aws_s_words(
    clients: FakeClients, service: str, operation: str, error: ClientError, shown: tuple[str | None, int]
) -> None:
    """Where the stand-in has others: message and status."""
    clients.answer(service, operation, error)

    answer = await Caller(clients).call(service, operation, {})

    assert isinstance(answer, ServiceError)
    assert (answer.message, answer.status) == shown
