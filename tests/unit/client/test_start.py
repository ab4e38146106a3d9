"""Starting a run: its name, and the execution's input."""

from __future__ import annotations

import json

import pytest

from mapfold.client import NotDeployed, RunNameTaken, Target, check_run_name, new_run_id, start
from mapfold.errors import UsageError
from tests.unit.client.fakes import RUN, FakeAws


def test_a_run_is_an_execution_of_the_jobs_state_machine() -> None:
    """Its name is the run's id; its input says the job, the source and the parameters."""
    aws = FakeAws(machines={"mapfold-flights": "{}"})

    run = start(aws, "flights", source={"uri": "s3://b/k"}, params={"year": "2013"}, name="r1")

    assert run.execution_arn == RUN
    assert json.loads(aws.executions_[RUN].input or "") == {
        "run_id": "r1",
        "job": "flights",
        "source": {"uri": "s3://b/k"},
        "params": {"year": "2013"},
    }


def test_a_job_that_is_not_there_is_said_with_where_it_was_looked_for() -> None:
    """The account and the region: a wrong profile is the usual reason."""
    with pytest.raises(NotDeployed, match=r"'flights' is not deployed in account 123456789012, us-east-1"):
        start(FakeAws(), "flights", source={}, params={}, name="r1")


def test_a_name_is_used_once() -> None:
    """A name that exists is an error of the command line, not of the service."""
    aws = FakeAws(machines={"mapfold-flights": "{}"})
    start(aws, "flights", source={}, params={}, name="r1")

    with pytest.raises(RunNameTaken, match="--name"):
        start(aws, "flights", source={}, params={}, name="r1")


def test_a_new_run_id_says_job_and_time() -> None:
    """UTC, and four letters so that two of a second differ."""
    assert new_run_id("flights", now=0, choose=lambda letters: letters[0]) == "flights-19700101-000000-aaaa"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "a" * 81, "a:b", "é"])
def test_a_name_that_step_functions_or_s3_would_not_take_is_refused(name: str) -> None:
    """It becomes an execution's name and a folder in S3."""
    with pytest.raises(UsageError, match="name of a run"):
        check_run_name(name)


def test_a_job_that_a_stack_does_not_have_is_said_with_those_it_has() -> None:
    """Step Functions is not even asked: its refusal would not say."""
    aws = FakeAws(target=Target(stack="mapfold-dev", jobs=("flights", "words")))

    with pytest.raises(
        NotDeployed, match=r"'sums' is not deployed in stack mapfold-dev, .*\. Deployed: flights, words"
    ):
        start(aws, "sums", source={}, params={}, name="r1")
