"""moto's process: whom it answers (rules: `mapfold/local/_moto_process.py`)."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import uvloop
from botocore.exceptions import ClientError

from mapfold.errors import ServiceError
from mapfold.local._moto_process import is_this_machine
from mapfold.local.moto import MotoServer, lines_of, open_moto


@pytest.fixture
async def moto(tmp_path: Path) -> AsyncIterator[MotoServer]:
    async with open_moto(port=0, data=tmp_path) as server:
        yield server


def post_reset(port: int, headers: dict[str, str]) -> tuple[int, str | None]:
    """What a page could do without being asked back; the status, and whom moto allows to read the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/moto-api/reset", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Access-Control-Allow-Origin")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "bucket.localhost:8084"}, 200),
        ({"Host": "rebound.example:8084"}, 403),
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_web_page_cannot_empty_the_buckets(moto: MotoServer, headers: dict[str, str], status: int) -> None:
    """Neither by a request of its own (Origin) nor by a name that points to 127.0.0.1 (Host), and none may read."""
    answer = await asyncio.to_thread(post_reset, moto.port, headers)

    assert answer == (status, None)


async def test_a_picture_in_a_web_page_is_no_action(moto: MotoServer) -> None:
    """It sends no Origin, but a browser says that it is of another site."""
    connection = http.client.HTTPConnection("127.0.0.1", moto.port, timeout=10)

    def get(path: str) -> int:
        connection.request("GET", path, headers={"Sec-Fetch-Site": "cross-site"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    statuses = [await asyncio.to_thread(get, path) for path in ("/123456789012/q?Action=PurgeQueue", "/moto-api/")]
    connection.close()

    assert statuses == [403, 200]


@pytest.mark.parametrize(
    ("service", "call", "told"),
    [
        ("stepfunctions", "list_state_machines", "Step Functions is not on this port, .* Set AWS_ENDPOINT_URL_SFN to"),
        ("lambda", "list_functions", "Lambda is not on this port, .* Set AWS_ENDPOINT_URL_LAMBDA to"),
    ],
)
async def test_what_mapfold_serves_itself_is_sent_to_its_port(
    moto: MotoServer, service: str, call: str, told: str
) -> None:
    """moto knows these services, too: who has only set AWS_ENDPOINT_URL would wait for executions that nobody runs."""
    session: Any = botocore.session.Session()
    url = f"http://127.0.0.1:{moto.port}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    client = session.create_client(service, region_name="us-east-1", endpoint_url=url, **keys)

    with pytest.raises(ClientError, match=told) as caught:
        await asyncio.to_thread(getattr(client, call))

    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"


def test_the_file_of_its_reports_is_closed_once() -> None:
    """
    uvloop closes the file that it reads from, and the object that brought it must not do so again: by then the number
    may be another file's, such as a database that a thread opens.
    """
    ours, theirs = socket.socketpair()
    number = ours.fileno()

    async def read() -> bytes:
        with theirs:
            theirs.sendall(b"far\n")
        async with lines_of(ours) as lines:
            said = await lines.read()
        await asyncio.sleep(0)  # the loop closes at its next turn
        return said

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        said = runner.run(read())

    assert said == b"far\n"
    assert ours.fileno() == -1, "the object still holds the number"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8084", True),
        ("localhost", True),
        ("[::1]:8084", True),
        ("bucket.s3.localhost:8084", True),
        ("data-127.0.0.1:8084", True),
        ("", False),
        ("localhost.page.example", False),
        ("notlocalhost", False),
        ("127.0.0.1.page.example:8084", False),
    ],
)
def test_hosts_that_mean_this_machine(host: str, expected: bool) -> None:
    """What SDKs put before the name is allowed; what a page's owner can register is not."""
    assert is_this_machine(host) is expected


async def test_a_damaged_journal_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """And stays as it is: nothing is served, nothing is lost."""
    journal = tmp_path / "aws" / "journal"
    journal.parent.mkdir()
    journal.write_bytes(b"mapfold-aws-journal 99\n")

    with pytest.raises(
        ServiceError, match=rf"^{journal}: a journal of version 99; .* move the folder {journal.parent}"
    ):
        async with open_moto(port=0, data=tmp_path):
            pass

    assert journal.read_bytes() == b"mapfold-aws-journal 99\n"


async def test_a_journal_that_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    """One line with the system's reason, not moto's traceback."""
    journal = tmp_path / "aws" / "journal"
    journal.mkdir(parents=True)

    with pytest.raises(ServiceError, match=rf"cannot be brought back: {journal}: Is a directory\. Nothing was changed"):
        async with open_moto(port=0, data=tmp_path):
            pass


async def test_a_log_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Before any process is started."""
    (tmp_path / "moto.log").mkdir()

    with pytest.raises(ServiceError, match=rf"cannot be started: {tmp_path}/moto\.log: Is a directory"):
        async with open_moto(port=0, data=tmp_path):
            pass
