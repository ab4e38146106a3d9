"""`mapfold run`."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mapfold.client import Unreachable
from mapfold.client.deploy import SOURCE_DIGEST
from mapfold.client.outcome import RESULT_LIMIT
from mapfold.client.values import Json, Status
from mapfold.errors import UsageError
from tests.unit.cli.fakes import FakeFactory, FakeJob, LoadedFakes, call
from tests.unit.client.fakes import RUN, FakeAws, events

REPORT = {
    "run_id": "r1",
    "items": {"total": 4, "succeeded": 4, "failed": 0},
    "result": {"flights": 7, "carriers": {"UA": {"flights": 4, "late_share": 0.25}, "AA": {"flights": 3}}},
    "result_uri": "s3://mapfold-runs/runs/r1/result.json",
    "failures_uri": None,
}


def ending(status: Status, output: Json = None, error: str | None = None, cause: str | None = None) -> FakeFactory:
    """An AWS on which a run that was started has ended at the second poll."""
    polls = iter([False, True])

    def go_on(aws: FakeAws) -> None:
        if next(polls, True):
            text = None if output is None else json.dumps(output)
            ended = replace(aws.executions_[RUN], status=status, output=text, error=error, cause=cause, stopped=104.0)
            aws.executions_[RUN] = ended

    return FakeFactory(aws=FakeAws(on_poll=go_on))


def test_a_run_that_succeeded_prints_its_result_and_ends_with_0() -> None:
    """Members that are objects of objects are tables, in the order in which they are."""
    said = call(ending(Status.SUCCEEDED, REPORT), "run", "flights", "s3://b/k", "--name", "r1")

    assert said.code == 0
    assert "r1 succeeded in 4.00 s\n4 items: 4 succeeded, 0 failed" in said.out
    assert "    flights  late_share\nUA        4        0.25\nAA        3" in said.out
    assert "s3://mapfold-runs/runs/r1/result.json" in said.out


def test_a_run_says_first_what_it_does() -> None:
    """On stderr: source, place, and how children run and why."""
    said = call(ending(Status.SUCCEEDED, REPORT), "run", "flights", "s3://b/k", "--name", "r1")

    assert "s3://b/k" in said.err
    assert "EXPRESS: it fits into 5 minutes" in said.err


def test_duplicates_are_told_with_the_first_of_them() -> None:
    """And where they are in the source; in the document, and in that of `mapfold show`, as Plan found them."""
    found = {"items": 2, "first": [{"key": "s3://b/one", "indexes": [0, 2, 3]}]}
    report = {**REPORT, "duplicates": found}

    said = call(ending(Status.SUCCEEDED, report), "run", "flights", "s3://b/k", "--name", "r1")
    document = call(ending(Status.SUCCEEDED, report), "run", "flights", "s3://b/k", "--name", "r1", "--json")

    assert "2 duplicate items name objects that earlier items name\n  s3://b/one: items 0, 2, 3\n" in said.out
    assert json.loads(document.out)["duplicates"] == found


def test_a_result_that_is_too_large_to_be_shown_is_told() -> None:
    """Its document has null for it, which would look like a job without a result."""
    factory = ending(Status.SUCCEEDED, {**REPORT, "result": None})
    factory.aws.objects["mapfold-runs", "runs/r1/result.json"] = " " * (RESULT_LIMIT + 1)

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1", "--json")

    assert json.loads(said.out)["result"] is None
    assert "the result is too large to be shown: read it at s3://mapfold-runs/runs/r1/result.json" in said.err


def test_json_is_one_document_and_nothing_else() -> None:
    """The agreed members; what goes on is on stderr."""
    said = call(ending(Status.SUCCEEDED, REPORT), "run", "flights", "s3://b/k", "--name", "r1", "--json")

    document = json.loads(said.out)
    assert document == {
        "run_id": "r1",
        "status": "SUCCEEDED",
        "execution_arn": RUN,
        "items": REPORT["items"],
        "result": REPORT["result"],
        "result_uri": REPORT["result_uri"],
        "seconds": 4.0,
    }


def test_a_run_that_failed_ends_with_1_and_its_cause_on_stderr() -> None:
    """The JSON document is printed all the same, with error and cause."""
    factory = ending(Status.FAILED, error="ValueError", cause="no such column")

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1", "--json")

    assert said.code == 1
    assert "ValueError: no such column" in said.err
    assert json.loads(said.out)["cause"] == "no such column"


def test_where_a_fold_of_a_group_failed_it_is_told_what_shows_why() -> None:
    """Step Functions says of a map run that failed that too much of it did, and not why."""
    factory = ending(Status.FAILED, error="States.ExceedToleratedFailureThreshold", cause="too many")

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert said.code == 1
    assert "could not be folded: mapfold history r1 --failed shows its error" in said.err


def test_too_many_failed_items_are_told_with_the_first_reasons() -> None:
    """And with the command that lists all."""
    items = {"total": 4, "succeeded": 3, "failed": 1}
    finished = {"name": "Finish", "output": json.dumps(REPORT | {"items": items})}
    factory = ending(Status.FAILED, error="Mapfold.ToleratedFailureExceeded", cause="1 of 4")
    factory.aws.events_[RUN] = events(("TaskStateExited", finished))
    line = {"item": "x", "index": 2, "error": "ValueError", "message": "broken", "traceback": ""}
    factory.aws.objects["mapfold-runs", "runs/r1/failures.jsonl"] = json.dumps(line)

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert said.code == 1
    assert "  item 2: ValueError: broken\n  with tracebacks: mapfold failures r1 --traceback\n" in said.out


def test_what_to_type_next_names_the_data_directory_that_was_named(tmp_path: Path) -> None:
    """Pasted as it stands, it finds the run: with the command as it was called, and a path with spaces quoted."""
    factory = replace(ending(Status.SUCCEEDED, REPORT), command=".venv/bin/mapfold")
    data = tmp_path / "my data"

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1", "--data", str(data))

    assert f"look      .venv/bin/mapfold show r1 --data '{data}'\n" in said.out


def test_a_source_that_is_not_there_is_told_with_what_to_do() -> None:
    """Whoever put input into an embedded AWS that has been stopped since wonders where it is."""
    factory = replace(ending(Status.FAILED, error="SourceError", cause="there is no such object"), is_own=True)

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert "start `mapfold local` in another terminal" in said.err
    assert "0 items" not in said.out


def test_parameters_and_source_go_into_the_executions_input() -> None:
    """A parameter is text; of `K=V=W` the value is `V=W`."""
    factory = ending(Status.SUCCEEDED, REPORT)

    call(factory, "run", "flights", "s3://b/k", "--name", "r1", "--param", "year=2013", "--param", "rule=a=b")

    given = json.loads(factory.aws.executions_[RUN].input or "")
    assert given["source"] == {"uri": "s3://b/k"}
    assert given["params"] == {"year": "2013", "rule": "a=b"}


def test_a_job_is_deployed_to_the_embedded_aws_before_it_runs() -> None:
    """Its tables too; on AWS it has been deployed."""
    factory = ending(Status.SUCCEEDED, REPORT)

    call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert "mapfold-flights-work" in factory.aws.functions
    assert "daily" in factory.aws.tables


@pytest.mark.parametrize(
    ("code", "machine", "said"),
    [
        ("digest", "same", None),
        ("other", "same", "the code in jobs has changed since it was deployed: deployed again"),
        ("digest", "other", "the state machine of flights has changed since it was deployed: deployed again"),
        (
            "other",
            "other",
            "the code in jobs and the state machine of flights have changed since they were deployed: deployed again",
        ),
    ],
)
def test_what_has_changed_since_it_was_deployed_is_said(code: str, machine: str, said: str | None) -> None:
    """The code of the functions, the state machine, or both."""
    factory = ending(Status.SUCCEEDED, REPORT)
    call(factory, "deploy")
    if code == "other":
        for name, facts in factory.aws.functions.items():
            factory.aws.functions[name] = replace(facts, environment={**facts.environment, SOURCE_DIGEST: "other"})
    if machine == "other":
        factory.aws.machines["mapfold-flights"] = "{}"

    lines = call(factory, "run", "flights", "s3://b/k", "--name", "r1").err.splitlines()

    assert [line for line in lines if "deployed again" in line] == ([said] if said else [])


def test_without_a_source_the_jobs_example_is_run() -> None:
    """It puts real input into the embedded AWS and says where."""
    factory = ending(Status.SUCCEEDED, REPORT)
    factory.known["flights"] = FakeJob(example_function=lambda context: "s3://mapfold-data/example.csv")

    said = call(factory, "run", "flights", "--name", "r1")

    assert said.code == 0
    assert json.loads(factory.aws.executions_[RUN].input or "")["source"] == {"uri": "s3://mapfold-data/example.csv"}


def test_without_a_source_and_an_example_nothing_is_started() -> None:
    """The error says how to name one."""
    factory = FakeFactory()

    said = call(factory, "run", "flights")

    assert said.code == 2
    assert "mapfold run flights s3://BUCKET/KEY" in str(said.error)
    assert factory.places == []


def test_on_aws_a_source_must_be_named() -> None:
    """Examples are put into the embedded AWS only."""
    known = LoadedFakes(flights=FakeJob(example_function=lambda context: "s3://b/k"))

    said = call(FakeFactory(known=known), "run", "flights", "--on", "aws")

    assert said.code == 2
    assert "--on aws" in str(said.error)


def test_on_aws_a_job_that_is_not_deployed_is_an_error() -> None:
    """Nothing is deployed on the way."""
    factory = FakeFactory()

    said = call(factory, "run", "flights", "s3://b/k", "--on", "aws", "--profile", "work")

    assert said.code == 2
    assert "not deployed" in str(said.error)
    assert factory.aws.functions == {}


def test_what_the_command_line_has_wrong_is_said_before_anything_starts() -> None:
    """A source that is no URI, a name that cannot be, a parameter without a value, an unknown job."""
    for arguments in (
        ["flights", "flights.csv"],
        ["flights", "s3://b/k", "--name", "a b"],
        ["flights", "s3://b/k", "--param", "year"],
        ["unknown", "s3://b/k"],
    ):
        factory = FakeFactory()

        said = call(factory, "run", *arguments)

        assert isinstance(said.error, UsageError)
        assert factory.places == []


def test_a_ctrl_c_that_python_ignores_stops_the_run_too() -> None:
    """One that strikes in a destructor is printed as ignored; with the next progress the command ends all the same."""

    def interrupt(aws: FakeAws) -> None:
        aws.on_poll = lambda aws: None
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    factory = FakeFactory(aws=FakeAws(on_poll=interrupt))
    before = signal.getsignal(signal.SIGINT)

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert said.code == 130
    assert factory.aws.executions_[RUN].status is Status.ABORTED
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_stops_the_run_and_ends_with_130() -> None:
    """And says how to look at what there is."""

    def interrupt(aws: FakeAws) -> None:
        aws.on_poll = lambda aws: None
        raise KeyboardInterrupt

    factory = FakeFactory(aws=FakeAws(on_poll=interrupt))

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert said.code == 130
    assert factory.aws.executions_[RUN].status is Status.ABORTED
    assert "mapfold show r1" in said.err
    assert "go on     mapfold redrive r1\n" in said.err


def test_a_run_that_does_not_end_at_once_is_told_to_be_stopping() -> None:
    """Its EXPRESS children cannot be stopped; until they have ended, a redrive is refused."""

    def interrupt(aws: FakeAws) -> None:
        aws.on_poll = go_on
        raise KeyboardInterrupt

    def go_on(aws: FakeAws) -> None:
        aws.executions_[RUN] = replace(aws.executions_[RUN], status=Status.RUNNING)

    said = call(FakeFactory(aws=FakeAws(on_poll=interrupt)), "run", "flights", "s3://b/k", "--name", "r1")

    assert "go on     mapfold redrive r1    once it has ended\n" in said.err
    assert "waits 30 s for\n  them at the most. Whether it has ended says: mapfold show r1\n" in said.err


def test_an_output_that_a_state_behind_finish_replaced_is_told_and_ends_with_1() -> None:
    """What Finish gave is in the history; it says whose doing it is and how to mend it."""

    factory = ending(Status.SUCCEEDED, {"MessageId": "1"})
    factory.aws.events_[RUN] = events(
        ("TaskStateExited", {"name": "Finish", "output": json.dumps(REPORT)}),
        ("TaskStateExited", {"name": "Tell", "output": '{"MessageId": "1"}'}),
        ("SucceedStateExited", {"name": "Succeeded", "output": '{"MessageId": "1"}'}),
    )
    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")
    shown = call(factory, "show", "r1")
    document = json.loads(call(factory, "show", "r1", "--json").out)

    assert said.code == 1
    assert said.out.startswith("r1 succeeded in 4.00 s, but its output is not what Finish gave\n4 items: 4 succeeded")
    for err in (said.err, shown.err):
        assert (
            "the state 'Tell' behind Finish replaced it. The result: it is in s3://mapfold-runs/runs/r1/result" in err
        )
        assert '"ResultPath": None' in err
    assert "output    not what Finish gave: replaced by Tell\n" in shown.out
    assert document["output_replaced"] == {"by": "Tell"}
    assert document["result_uri"] == REPORT["result_uri"]


def test_a_replaced_output_whose_history_is_silent_leads_to_s3() -> None:
    """The result is there; where it is not either, that is said."""
    factory = ending(Status.SUCCEEDED, "sent")
    factory.aws.objects["mapfold-runs", "runs/r1/result.json"] = "7"

    found = call(factory, "run", "flights", "s3://b/k", "--name", "r1")
    missing = call(ending(Status.SUCCEEDED, "sent"), "run", "flights", "s3://b/k", "--name", "r1")

    assert (found.code, missing.code) == (1, 1)
    assert "The result: it is in s3://mapfold-runs/runs/r1/result.json" in found.err
    assert "The result: none was found in S3 either" in missing.err


def test_a_state_that_failed_behind_finish_is_named_above_the_result() -> None:
    """With stderr elsewhere, the table alone would look like a success."""
    why = {"error": "SQS.QueueDoesNotExistException", "cause": "The specified queue does not exist"}
    factory = ending(Status.FAILED, **why)
    factory.aws.events_[RUN] = events(
        ("TaskStateExited", {"name": "Finish", "output": json.dumps(REPORT)}),
        ("TaskStateEntered", {"name": "Tell"}),
        ("TaskFailed", why),
        ("ExecutionFailed", why),
    )

    said = call(factory, "run", "flights", "s3://b/k", "--name", "r1")

    assert said.out.startswith("r1 failed in 4.00 s in state Tell: SQS.QueueDoesNotExistException\n")
    assert "what Finish gave before the run ended FAILED:\nflights  7\n" in said.out
    assert "run r1 ended FAILED in state Tell: SQS.QueueDoesNotExistException: The specified queue" in said.err
    assert "what failed, and how: mapfold history r1 --failed\n" in said.err
    assert "failed in Tell: mapfold history r1 --failed\n" in call(factory, "show", "r1").out


def test_where_nothing_answers_any_more_it_is_told_how_to_look_later() -> None:
    """The run is kept, and goes on with its service."""

    def away(aws: FakeAws) -> None:
        raise Unreachable("nothing answers")

    said = call(FakeFactory(aws=FakeAws(on_poll=away)), "run", "flights", "s3://b/k", "--name", "r1")

    assert isinstance(said.error, Unreachable)
    assert "it goes on; look at it with\n  mapfold show r1\n" in said.err
