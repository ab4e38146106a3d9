"""The commands that look."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mapfold import AthenaResult, CsvRows, Manifest, ObjectRows
from mapfold.cli.look import declared_source
from mapfold.client.values import Counts, Event, Status
from mapfold.errors import JobError
from tests.unit.cli.fakes import FakeFactory, FakeJob, LoadedFakes, call
from tests.unit.client.fakes import EXECUTIONS, MAP_RUN, RUN, FakeAws, events, execution, map_run

CHILDREN = EXECUTIONS + "mapfold-flights/flights:"


def world() -> FakeFactory:
    """A run whose map failed: one child of two succeeded."""
    counts = Counts(total=16, succeeded=8, failed=8)
    aws = FakeAws(
        events_={
            RUN: events(
                ("ExecutionStarted", {}),
                ("MapStateEntered", {"name": "Map"}),
                ("MapRunStarted", {"mapRunArn": MAP_RUN}),
                ("MapRunFailed", {"error": "States.ExceedToleratedFailureThreshold", "cause": "too many"}),
            )
        },
        map_runs_={
            MAP_RUN: map_run(status=Status.FAILED, items=counts, children=Counts(total=2, succeeded=1, failed=1))
        },
        children_={
            MAP_RUN: [
                execution(CHILDREN + "good"),
                execution(CHILDREN + "bad", Status.FAILED, error="ValueError", cause="no", given={"Items": []}),
            ]
        },
    ).has(
        execution(
            RUN,
            Status.FAILED,
            given={"source": {"uri": "s3://b/k"}},
            error="States.ExceedToleratedFailureThreshold",
            cause="too many",
        )
    )
    return FakeFactory(aws=aws)


def test_jobs_lists_what_the_folder_has() -> None:
    """With how children run, and what a run gives."""
    said = call(FakeFactory(), "jobs")

    assert said.code == 0
    assert said.out.splitlines()[1].split() == ["flights", "FakeSource()", "EXPRESS", "value", "daily"]


def test_a_source_is_shown_as_it_is_declared() -> None:
    """Without what is as it would be anyway."""
    sources = (Manifest(), CsvRows(delimiter="|"), ObjectRows("jsonl"), AthenaResult("csv", ("a",)))

    assert [declared_source(source) for source in sources] == [
        "Manifest()",
        "CsvRows(delimiter='|')",
        "ObjectRows(format='jsonl')",
        "AthenaResult(format='csv', headers=('a',))",
    ]


def test_jobs_that_are_broken_do_not_hide_the_others() -> None:
    """They are said on stderr, and the command ends with 2."""
    known = LoadedFakes(flights=FakeJob())
    known.errors = (JobError("it has no @job.map", at="jobs/b.py", fix="Add one"),)

    said = call(FakeFactory(known=known), "jobs", "--json")

    assert said.code == 2
    document = json.loads(said.out)
    assert [(job["name"], job["result_kind"]) for job in document["jobs"]] == [("flights", "value")]
    assert [error in said.err for error in document["errors"]] == [True]


def test_definition_prints_the_states_language_and_nothing_else() -> None:
    """It can be piped into a file."""
    said = call(FakeFactory(), "definition", "flights")

    assert json.loads(said.out)["StartAt"] == "Plan"


def test_definition_takes_json_as_every_command_that_prints_facts_does() -> None:
    """It is JSON either way."""
    assert (
        call(FakeFactory(), "definition", "flights", "--json").out == call(FakeFactory(), "definition", "flights").out
    )


def test_runs_are_listed_newest_first() -> None:
    """One line each."""
    factory = world()
    factory.aws.has(execution(RUN.replace("r1", "r2"), started=200.0))

    said = call(factory, "runs")

    assert [line.split()[0] for line in said.out.splitlines()] == ["run", "r2", "r1"]


def test_runs_as_json_have_times_in_utc() -> None:
    """ISO 8601 with milliseconds."""
    (run,) = json.loads(call(world(), "runs", "--json").out)["runs"]

    assert (run["run_id"], run["job"], run["status"]) == ("r1", "flights", "FAILED")
    assert (run["started"], run["seconds"]) == ("1970-01-01T00:01:40.000Z", 2.0)


def test_runs_that_were_redriven_are_seen() -> None:
    """A column that is there only if any was."""
    factory = world()
    before = call(factory, "runs").out
    factory.aws.has(replace(execution(RUN.replace("r1", "r2"), started=200.0), redrive_count=3))
    after = call(factory, "runs").out

    assert "redrives" not in before
    assert [line.split()[-1] for line in after.splitlines()[:2]] == ["redrives", "3"]


def test_no_runs_are_not_an_error() -> None:
    """The document is there, and empty."""
    assert json.loads(call(FakeFactory(), "runs", "--json").out) == {"runs": []}


def test_a_job_without_runs_is_named() -> None:
    """Other jobs may have some; the way to the first run can be pasted."""
    assert call(FakeFactory(), "runs", "--job", "b").err == "there are no runs of b yet: mapfold run b starts one\n"


def test_show_tells_why_a_run_failed() -> None:
    """With its source and the counts of its map run."""
    said = call(world(), "show", "r1")

    assert said.code == 0
    assert "cause     too many" in said.out
    assert "source    s3://b/k" in said.out
    assert "16 items: 8 succeeded, 8 failed" in said.out


def test_show_tells_the_redrives() -> None:
    """Of the run, with when the last was, and of its map runs; nothing where there were none."""
    factory = world()
    before = call(factory, "show", "r1").out
    factory.aws.executions_[RUN] = replace(factory.aws.executions_[RUN], redrive_count=2, redriven=110.0)
    for arn, run in factory.aws.map_runs_.items():
        factory.aws.map_runs_[arn] = replace(run, redrive_count=1)
    after = call(factory, "show", "r1").out

    assert "redrive" not in before
    assert "redrives  2, the last at 1970-01-01 00:01:50 UTC" in after
    assert ", 1 redrive\n" in after


def test_show_as_json_has_run_and_map_runs() -> None:
    """Counts of items and of child executions apart."""
    document = json.loads(call(world(), "show", "r1", "--json").out)

    assert (document["status"], document["items"]["failed"]) == ("FAILED", 8)
    assert document["map_runs"][0]["executions"]["total"] == 2


def test_an_unknown_run_is_an_error_of_the_command_line() -> None:
    """With names that are close."""
    factory = world()
    factory.aws.has(execution(RUN.replace("r1", "flights-1")))

    said = call(factory, "show", "flights-2")

    assert said.code == 2
    assert "Did you mean flights-1?" in str(said.error)


def test_history_is_a_tree_down_to_the_children() -> None:
    """Execution, states, map run, children."""
    lines = call(world(), "history", "r1").out.splitlines()

    assert [line.split()[0] for line in lines if not line.startswith("        ")] == [
        "r1",
        "States.ExceedToleratedFailureThreshold:",
        "Map",
        "States.ExceedToleratedFailureThreshold:",
        "map",
        "good",
        "bad",
    ]


def test_history_of_what_failed_leaves_out_the_rest() -> None:
    """Of the children; the states stay."""
    document = json.loads(call(world(), "history", "r1", "--failed", "--json").out)

    (child,) = document["states"][0]["map_runs"][0]["children"]
    assert (child["name"], child["error"], child["cause"]) == ("bad", "ValueError", "no")


def test_history_shows_as_many_children_as_asked_for() -> None:
    """And says that there are more."""
    said = call(world(), "history", "r1", "--limit", "1")

    assert "good" in said.out
    assert "bad" not in said.out
    assert "--limit 0 shows all" in said.out


def test_history_events_are_all_events() -> None:
    """In their order, with their details."""
    document = json.loads(call(world(), "history", "r1", "--events", "--json").out)

    assert [event["type"] for event in document["events"]][:2] == ["ExecutionStarted", "MapStateEntered"]
    assert document["events"][1]["details"] == {"name": "Map"}
    assert call(world(), "history", "r1", "--events").out.count("\n") == 4


def test_failures_lists_items_with_their_reasons() -> None:
    """From failures.jsonl, where the run has written it."""
    factory = world()
    line = {"item": {"key": "a"}, "index": 3, "error": "ValueError", "message": "broken", "traceback": "Traceback"}
    factory.aws.objects["mapfold-runs", "runs/r1/failures.jsonl"] = json.dumps(line)

    assert call(factory, "failures", "r1").out == '3: {"key": "a"}\n    ValueError: broken\n'
    assert json.loads(call(factory, "failures", "r1", "--json").out) == {"run_id": "r1", "failures": [line]}


def test_where_no_item_failed_it_is_told_how_the_run_ended() -> None:
    """A run can fail before it has looked at an item."""
    factory = FakeFactory(aws=FakeAws().has(execution(RUN, Status.FAILED, error="SourceError", cause="no such object")))

    said = call(factory, "failures", "r1")

    assert (said.code, said.out) == (0, "")
    assert said.err == "no item of r1 failed; the run ended FAILED with SourceError: no such object\n"


def partly_failed() -> FakeFactory:
    """A run with 4 failed items, of which the map run, which counts batches, knows 1."""
    report = {"run_id": "r1", "items": {"total": 21, "succeeded": 17, "failed": 4}, "result": 17}
    counts = Counts(total=21, succeeded=20, failed=1)
    log = events(
        ("MapStateEntered", {"name": "Map"}),
        ("MapRunStarted", {"mapRunArn": MAP_RUN}),
        ("MapRunSucceeded", {}),
        ("MapStateExited", {"name": "Map"}),
    )
    ended = replace(execution(RUN), output=json.dumps(report))
    return FakeFactory(aws=FakeAws(events_={RUN: log}, map_runs_={MAP_RUN: map_run(items=counts)}).has(ended))


@pytest.mark.parametrize("command", ["show", "history"])
def test_failed_items_that_a_map_run_does_not_know_are_told_beside_its_counts(command: str) -> None:
    """Otherwise the two numbers of failed items look like a mistake."""
    said = call(partly_failed(), command, "r1")

    assert "21 items: 20 succeeded, 1 failed" in said.out
    assert "3 more items failed in batches that succeeded with the rest: mapfold failures r1\n" in said.out


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_failures_that_are_not_there_any_more_are_missed(options: tuple[str, ...]) -> None:
    """A list that is silently too short would be believed."""
    factory = partly_failed()
    line = {"item": "x", "index": 2, "error": "ValueError", "message": "broken", "traceback": ""}
    factory.aws.objects["mapfold-runs", "runs/r1/failures.jsonl"] = json.dumps(line)

    said = call(factory, "failures", "r1", *options)

    assert "ValueError" in said.out
    assert said.err.startswith("listed are 1 of 4 items that failed")


def test_stop_aborts_a_run_and_refuses_one_that_has_ended() -> None:
    """The second is an error of the command line."""
    factory = FakeFactory(aws=FakeAws().has(execution(RUN, Status.RUNNING)))

    assert call(factory, "stop", "r1").out == "r1 ABORTED\n"
    assert call(factory, "stop", "r1").code == 2


@pytest.mark.parametrize("command", [("show", "r1"), ("runs",), ("redrive", "r1")])
@pytest.mark.parametrize("is_own", [True, False])
def test_a_run_that_was_cut_off_says_what_lets_it_go_on(command: tuple[str, ...], is_own: bool) -> None:
    """The embedded AWS that was started for the look ends with it, and the run stands still again."""
    factory = FakeFactory(aws=FakeAws().has(execution(RUN, Status.RUNNING)), is_own=is_own)

    said = call(factory, *command)

    assert ("an unfinished run goes on while the embedded AWS serves its data: mapfold local" in said.err) is is_own


def test_show_tells_where_a_run_is_and_whom_it_waits_for() -> None:
    """In the document too; equal ones, of many iterations, are counted."""
    waiting = {"resource": "sendMessage.waitForTaskToken"}
    log = [
        Event(1, 0, "MapStateEntered", 1.0, {"name": "Each"}),
        Event(2, 1, "TaskStateEntered", 1.0, {"name": "Ask"}),
        Event(3, 1, "TaskStateEntered", 1.0, {"name": "Ask"}),
        Event(4, 2, "TaskSubmitted", 1.0, waiting),
        Event(5, 3, "TaskSubmitted", 1.0, waiting),
    ]
    factory = FakeFactory(aws=FakeAws(events_={RUN: log}).has(execution(RUN, Status.RUNNING)))

    document = json.loads(call(factory, "show", "r1", "--json").out)

    assert "state     Each (Map); 2 times Ask (Task), waits for a task token\n" in call(factory, "show", "r1").out
    assert document["states"][1] == {"name": "Ask", "type": "Task", "waits_for": "a task token"}


def test_a_run_that_is_still_stopping_is_told_to_be() -> None:
    """Its EXPRESS children run on for a while, and the embedded AWS waits for them."""

    def go_on(aws: FakeAws) -> None:
        aws.executions_[RUN] = replace(aws.executions_[RUN], status=Status.RUNNING)

    said = call(FakeFactory(aws=FakeAws(on_poll=go_on).has(execution(RUN, Status.RUNNING))), "stop", "r1")

    assert (said.code, said.out) == (0, "r1 RUNNING\n")
    assert "r1 is being stopped, and is not ABORTED yet" in said.err
    assert "mapfold show r1" in said.err
