"""Where the calls of Tasks go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from mapfold.cli.app import local
from mapfold.local.endpoints import Endpoints
from mapfold.local.server import for_people

ROOT = Path(__file__).parents[2]
OURS, MOTO, THEIRS = "http://127.0.0.1:8083", "http://127.0.0.1:8084", "https://secrets.example.com"


def endpoints(**environment: str) -> Endpoints:
    return Endpoints.of(service=OURS, aws=MOTO, environment=environment)


@pytest.mark.parametrize(
    ("service", "url"),
    [("stepfunctions", OURS), ("lambda", OURS), ("sqs", MOTO), ("secretsmanager", THEIRS)],
)
def test_a_tasks_call_goes_to_ourselves_to_moto_or_where_the_environment_says(service: str, url: str) -> None:
    """The variable has botocore's name for the service; those of Step Functions and Lambda, and AWS_ENDPOINT_URL, do not count."""
    made = endpoints(
        AWS_ENDPOINT_URL="http://127.0.0.1:1",
        AWS_ENDPOINT_URL_SFN="http://127.0.0.1:1",
        AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:1",
        AWS_ENDPOINT_URL_SECRETS_MANAGER=THEIRS,
    ).task_client(service)

    assert made.meta.endpoint_url == url


TOLD = {
    "README.md": (ROOT / "README.md").read_text(),
    "mapfold local": for_people(8083, 8084, Path("data")),
    "mapfold local --help": local.help or "",
}


@pytest.mark.parametrize("text", TOLD.values(), ids=TOLD.keys())
def test_what_people_export_is_what_functions_are_given(text: str) -> None:
    """The rest of what they are told is what any SDK insists on: credentials and a region."""
    exported = dict(re.findall(r"\b(AWS_[A-Z_]+)=(\S+)", "\n".join(re.findall(r"export (.*)", text))))
    insisted_on = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}

    assert {name: exported[name] for name in exported.keys() - insisted_on} == endpoints().worker_environment()


def test_a_synchronous_execution_is_asked_for_at_our_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore puts `sync-` before the host of StartSyncExecution and TestState, and 127.0.0.1 is no name to put it before."""
    for name, value in endpoints().worker_environment().items():
        monkeypatch.setenv(name, value)
    session: Any = botocore.session.Session()

    client = session.create_client("stepfunctions", region_name="us-east-1")

    assert client.meta.endpoint_url == OURS
    assert client.meta.config.inject_host_prefix is False


def test_a_call_is_made_once() -> None:
    """A Task's Retry says what is tried again. Buckets of moto are in the path, for loopback has no names for them."""
    config = endpoints().task_client("s3").meta.config

    assert config.retries["total_max_attempts"] == 1
    assert config.s3["addressing_style"] == "path"


def test_log_lines_are_given_up_soon() -> None:
    """CloudWatch Logs that hangs must not hold up whoever ends the server: one try of five seconds."""
    config = endpoints().logs().meta.config

    assert (config.read_timeout, config.retries["total_max_attempts"]) == (5, 1)


def test_a_roles_credentials_sign_its_calls() -> None:
    """Those that STS has given, and not those of the embedded AWS."""
    keys = {"AccessKeyId": "theirs", "SecretAccessKey": "secret", "SessionToken": "token"}

    client = endpoints().task_client("sqs", keys)

    assert client._request_signer._credentials.access_key == "theirs"
    assert endpoints().task_credentials().access_key == "local"


def test_a_profile_need_not_exist_for_what_is_served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile of the environment is for the real AWS: calls of moto are made without it."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    made = endpoints(AWS_PROFILE="nobody").task_client("sqs")

    assert made.meta.endpoint_url == MOTO
    assert made._request_signer._credentials.access_key == "local"
