"""What the real factory says when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from mapfold.cli.factory import Connection, Factory, Place, command_name
from mapfold.client import AwsClient, Unreachable, local_target
from mapfold.errors import JobError
from tests.unit.cli.fakes import FakeJob

NOWHERE = "http://127.0.0.1:9"


def raising(error: Exception) -> Callable[..., str]:
    def example(context: object) -> str:
        raise error

    return example


def run_example(error: Exception) -> None:
    target = local_target(service_url=NOWHERE, aws_url=NOWHERE, environment={})
    connection = Connection(AwsClient(target), "nowhere", is_local=True)
    Factory().example(cast(Any, FakeJob(example_function=raising(error))), connection)


def test_an_example_that_raises_is_the_jobs_fault() -> None:
    """Not one of Mapfold: the error names the job and the function."""
    with pytest.raises(JobError, match=r"job 'flights', @job.example: it raised KeyError: 'day'"):
        run_example(KeyError("day"))


def test_an_example_that_finds_no_server_is_no_fault_of_the_job() -> None:
    """The server has ended meanwhile."""
    with pytest.raises(Unreachable, match="nothing answers"):
        run_example(EndpointConnectionError(endpoint_url=NOWHERE))


def test_endpoints_in_the_environment_that_nobody_serves_are_named(tmp_path: Path) -> None:
    """The README has them exported; `mapfold local` may have been stopped since."""
    factory = Factory(environment={"AWS_ENDPOINT_URL_SFN": NOWHERE})

    with (
        pytest.raises(Unreachable, match=r"gone. AWS_ENDPOINT_URL… are set: start `mapfold local` there, or unset"),
        factory.connect(Place(on="local", data=tmp_path), note=lambda text: None),
    ):
        raise Unreachable("gone")


def test_the_command_is_called_again_as_it_was_called() -> None:
    """By its path, unless the shell finds it by its name."""
    assert command_name("/somewhere/bin/sh") == "sh"
    assert command_name("a b/no-such-command") == "'a b/no-such-command'"
    assert command_name("/x/mapfold/__main__.py") == "python -m mapfold"
