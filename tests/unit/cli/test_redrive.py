"""`mapfold redrive`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mapfold.client.values import Status
from mapfold.errors import UsageError
from tests.unit.cli.fakes import FakeFactory, FakeJob, LoadedFakes, call
from tests.unit.client.fakes import RUN, FakeAws, events, execution

SOURCE = "s3://b/k"
REPORT = {"items": {"total": 4, "succeeded": 4, "failed": 0}, "result": {"flights": 7}}


def stopped(status: Status = Status.SUCCEEDED, *, is_own: bool = False) -> FakeFactory:
    """An AWS with a run that was stopped; redriven, it ends as said at the second poll after that."""
    polls = iter([False, True])

    def go_on(aws: FakeAws) -> None:
        run = aws.executions_[RUN]
        if run.status is Status.RUNNING and next(polls, True):
            aws.executions_[RUN] = replace(run, status=status, output=json.dumps(REPORT), stopped=120.0)

    aws = FakeAws(on_poll=go_on, records={RUN: (103.0, "Mapfold.Stopped", "why")})
    return FakeFactory(aws=aws.has(execution(RUN, Status.ABORTED, given={"source": {"uri": SOURCE}})), is_own=is_own)


def test_a_stopped_run_goes_on_and_prints_its_result() -> None:
    """With exit code 0 if it then succeeded; its record is open meanwhile."""
    factory = stopped()

    said = call(factory, "redrive", "r1")

    assert said.code == 0
    assert "r1 succeeded" in said.out
    assert "flights  7" in said.out
    assert factory.aws.records == {}


def test_json_is_the_document_of_a_run() -> None:
    """The same as `mapfold run --json` prints."""
    said = call(stopped(), "redrive", "r1", "--json")

    document = json.loads(said.out)
    assert (document["run_id"], document["status"], document["result"]) == ("r1", "SUCCEEDED", {"flights": 7})


def test_a_run_that_fails_again_ends_with_1() -> None:
    """The cause is on stderr."""
    said = call(stopped(Status.FAILED), "redrive", "r1")

    assert said.code == 1
    assert "run r1 ended FAILED" in said.err


def test_a_run_that_would_only_fail_again_is_refused() -> None:
    """Exit code 2; nothing is redriven."""
    factory = FakeFactory(aws=FakeAws().has(execution(RUN, Status.FAILED)))
    factory.aws.events_[RUN] = events(("FailStateEntered", {"name": "Failed"}), ("ExecutionFailed", {}))

    said = call(factory, "redrive", "r1")

    assert said.code == 2
    assert "start a new run" in str(said.error)
    assert factory.aws.executions_[RUN].redrive_count == 0


def test_the_job_s_functions_are_those_of_now() -> None:
    """Deployed again on the embedded AWS, so that what was mended runs; its tables are there too."""
    factory = stopped()

    call(factory, "redrive", "r1")

    assert factory.aws.tables["daily"] == ("carrier", "day")
    assert factory.aws.functions


def test_on_aws_nothing_is_deployed() -> None:
    """There it has been."""
    factory = stopped()

    call(factory, "redrive", "r1", "--on", "aws")

    assert factory.aws.functions == {}


def test_a_run_whose_job_is_not_in_the_folder_goes_on_all_the_same() -> None:
    """With the functions that there are, which is said."""
    factory = replace(stopped(), known=LoadedFakes())

    said = call(factory, "redrive", "r1", "--jobs", "elsewhere")

    assert said.code == 0
    assert "there is no job 'flights' in elsewhere" in said.err


class TestAnEmbeddedAwsOfOurOwn:
    """It was started for this command, and has of S3 only what runs wrote."""

    def test_gets_the_job_s_example_again(self) -> None:
        """Which is what most runs there are over."""
        factory = stopped(is_own=True)

        def put(_: object) -> str:
            factory.aws.objects["b", "k"] = "items"
            return SOURCE

        factory.known["flights"] = FakeJob(example_function=put)

        assert call(factory, "redrive", "r1").code == 0

    def test_refuses_a_run_whose_input_is_gone(self) -> None:
        """Redriven it would fail, end in its Fail state, and could not be redriven again."""
        factory = stopped(is_own=True)

        said = call(factory, "redrive", "r1")

        assert isinstance(said.error, UsageError)
        assert f"its source {SOURCE} is not there any more" in str(said.error)
        assert "start `mapfold local` in another terminal" in str(said.error)
        assert factory.aws.executions_[RUN].status is Status.ABORTED


def test_ctrl_c_stops_it_again_and_tells_how_it_goes_on(tmp_path: Path) -> None:
    """As `mapfold run` does: exit code 130."""
    factory = stopped()

    def interrupt(aws: FakeAws) -> None:
        if aws.executions_[RUN].status is Status.RUNNING:
            raise KeyboardInterrupt

    factory.aws.on_poll = interrupt

    said = call(factory, "redrive", "r1", "--data", str(tmp_path))

    assert said.code == 130
    assert factory.aws.executions_[RUN].status is Status.ABORTED
    assert f"go on     mapfold redrive r1 --data {tmp_path}" in said.err


@pytest.mark.parametrize("words", ["stopped", "timed out", "Fail state", "start a new run", "14 days"])
def test_help_tells_when_it_helps_and_when_not(words: str) -> None:
    """Before anybody waits for a run that only fails again."""
    from click.testing import CliRunner

    from mapfold.cli.app import mapfold

    assert words in " ".join(CliRunner().invoke(mapfold, ["redrive", "--help"]).output.split())
