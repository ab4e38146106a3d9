"""What the real factory says when things go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from mapfold.cli import embedded
from mapfold.cli.factory import Connection, Factory, Place, command_name
from mapfold.client import AwsClient, Unreachable, local_target
from mapfold.errors import JobError, ServiceError, UsageError
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


ELSEWHERE = "http://127.0.0.1:8"
NOT_ITS_OWN = f"The environment puts another service in its place, AWS_ENDPOINT_URL_S3={ELSEWHERE}: unset that"
HAS_ENDED = f"The embedded AWS that was running at {NOWHERE} has ended;"


@pytest.mark.parametrize(
    ("error", "is_own", "hint"),
    [
        (Unreachable(f'nothing answers: "{ELSEWHERE}/b".'), True, NOT_ITS_OWN),
        (Unreachable(f'nothing answers: "{ELSEWHERE}/b".'), False, NOT_ITS_OWN),
        (Unreachable(f'nothing answers: "{NOWHERE}/".'), False, HAS_ENDED),
        (Unreachable(f'nothing answers: "{NOWHERE}/".'), True, ""),
        (ServiceError("Unable to locate credentials.", code="NoCredentialsError"), False, NOT_ITS_OWN),
        (ServiceError("PutObject was refused: NoSuchBucket: none.", code="NoSuchBucket"), False, ""),
    ],
)
def test_who_does_not_answer_is_named(
    error: ServiceError, is_own: bool, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_ENDPOINT_URL_S3 may be left over from a `mapfold local` that has ended; that of another may end meanwhile."""
    running = embedded.Endpoints(NOWHERE, NOWHERE, "us-east-1")
    monkeypatch.setattr(embedded, "embedded_aws", lambda *args, **kwargs: nullcontext((running, is_own)))
    factory = Factory(environment={"AWS_ENDPOINT_URL_S3": ELSEWHERE})

    with (
        pytest.raises(type(error)) as caught,
        factory.connect(Place(on="local", data=tmp_path), note=lambda text: None),
    ):
        raise error

    assert str(caught.value).startswith(f"{error} {hint}".strip())
    assert str(caught.value).count(" has ended; ") + str(caught.value).count(" in its place, ") == bool(hint)


def test_the_command_is_called_again_as_it_was_called() -> None:
    """By its path, unless the shell finds it by its name."""
    assert command_name("/somewhere/bin/sh") == "sh"
    assert command_name("a b/no-such-command") == "'a b/no-such-command'"
    assert command_name("/x/mapfold/__main__.py") == "python -m mapfold"


def test_options_of_aws_are_refused_where_they_say_nothing(tmp_path: Path) -> None:
    """Whoever names a stack means AWS."""
    place = Place(on="local", data=tmp_path, stack="mapfold-prod")

    with pytest.raises(UsageError, match="--stack say where on AWS: add --on aws"), Factory().connect(place, print):
        pass


def test_a_command_to_paste_names_the_stack_unless_it_is_the_usual_one() -> None:
    """The usual one is mapfold-dev, or what MAPFOLD_STACK says in this shell."""
    place = Place(on="aws", data=Path(".mapfold"), stack="mapfold-prod")

    assert Factory(environment={}).typed("show", "r1", place) == "mapfold show r1 --on aws --stack mapfold-prod"
    assert Factory(environment={"MAPFOLD_STACK": "mapfold-prod"}).typed("show", "r1", place) == (
        "mapfold show r1 --on aws"
    )


def test_a_connection_to_aws_is_to_a_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its jobs, buckets and table come from its outputs; what is said of the place names it."""
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    place = Place(on="aws", data=tmp_path, region="eu-west-1")
    outputs = {
        key: {"Value": value}
        for key, value in {
            "MachinePrefix": "mapfold-test-",
            "Jobs": "flights",
            "DataBucket": "d",
            "RunsBucket": "r",
            "RunsTable": "t",
        }.items()
    }
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": outputs}
    with mock_aws():
        boto3.client("cloudformation", region_name="eu-west-1").create_stack(
            StackName="mapfold-test", TemplateBody=json.dumps(template)
        )

        with Factory(environment={"MAPFOLD_STACK": "mapfold-test"}).connect(place, print) as connection:
            machines = [machine.arn for machine in connection.aws.state_machines()]

    assert connection.where == "AWS, eu-west-1, stack mapfold-test"
    assert machines == ["arn:aws:states:eu-west-1:123456789012:stateMachine:mapfold-test-flights"]
