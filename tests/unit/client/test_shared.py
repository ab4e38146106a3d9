"""What the jobs of the embedded AWS share (rules: `mapfold/client/shared.py`)."""

from __future__ import annotations

import json
from pathlib import Path

from mapfold.client.deploy import all_at_once
from mapfold.client.shared import Shared, first_steps, last_steps, next_steps, plan_shared
from tests.unit.client.fakes import FakeAws, FakeTriggers


def plan(tmp_path: Path, *jobs: str, digest: str = "d1") -> Shared:
    return plan_shared(jobs_folder=tmp_path / "jobs", upload_jobs=jobs, runs_bucket="mapfold-runs", digest=digest)


def deploy(shared: Shared, aws: FakeAws, triggers: FakeTriggers) -> list[tuple[str, str, str]]:
    """Carry it out; what was changed."""
    done = [all_at_once(steps(shared, aws, triggers)) for steps in (first_steps, next_steps, last_steps)]
    return [(change.action, change.kind, change.name) for one in done for change in one.changes]


def test_there_are_the_api_and_the_start_queue_with_its_dead_letters(tmp_path: Path) -> None:
    """A message is tried five times, and not shown to anybody else for six times the function's timeout."""
    aws, triggers = FakeAws(), FakeTriggers()

    deploy(plan(tmp_path), aws, triggers)

    assert {name: facts.handler for name, facts in aws.functions.items()} == {
        "mapfold-api": "tasks.api.handler",
        "mapfold-start": "tasks.start.handler",
    }
    attributes = triggers.queues["mapfold-start"]
    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:mapfold-start-dead",
        "maxReceiveCount": 5,
    }
    assert int(attributes["VisibilityTimeout"]) >= 6 * aws.functions["mapfold-start"].timeout_seconds
    assert triggers.order == ["mapfold-start-dead", "mapfold-start"]
    assert triggers.mappings == {"arn:aws:sqs:us-east-1:123456789012:mapfold-start": "mapfold-start"}


def test_the_functions_are_told_where_runs_are_and_list_state_machines(tmp_path: Path) -> None:
    """On AWS they are told which jobs are deployed; here that changes with every `mapfold run`."""
    aws = FakeAws()

    deploy(plan(tmp_path), aws, FakeTriggers())

    for name in ("mapfold-api", "mapfold-start"):
        environment = aws.functions[name].environment
        assert {key: value for key, value in environment.items() if key.startswith("MAPFOLD_")} == {
            "MAPFOLD_MACHINE_PREFIX": "mapfold-",
            "MAPFOLD_RUNS_BUCKET": "mapfold-runs",
            "MAPFOLD_RUNS_TABLE": "mapfold-runs",
            "MAPFOLD_DATA_BUCKET": "mapfold-data",
            "MAPFOLD_SOURCE_DIGEST": environment["MAPFOLD_SOURCE_DIGEST"],
        }


def test_each_job_has_a_rule_for_its_own_manifests(tmp_path: Path) -> None:
    """By the bucket and the prefix of the key: nothing else that is put starts anything."""
    triggers = FakeTriggers()

    deploy(plan(tmp_path, "flights", "orders"), FakeAws(), triggers)

    pattern, queue = triggers.rules["mapfold-upload-flights"]
    assert set(triggers.rules) == {"mapfold-upload-flights", "mapfold-upload-orders"}
    assert queue == "arn:aws:sqs:us-east-1:123456789012:mapfold-start"
    assert json.loads(pattern) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["mapfold-data"]},
            "object": {"key": [{"prefix": "manifests/flights/"}]},
        },
    }
    assert triggers.telling == {"mapfold-data"}


def test_what_is_as_it_should_be_is_left_alone(tmp_path: Path) -> None:
    """After an edit of their code, the functions are made anew, and nothing else."""
    aws, triggers = FakeAws(), FakeTriggers()
    first = deploy(plan(tmp_path, "flights"), aws, triggers)

    second = deploy(plan(tmp_path, "flights"), aws, triggers)
    edited = deploy(plan(tmp_path, "flights", digest="d2"), aws, triggers)

    assert len(first) == 2 + 1 + 1 + 1 + 1
    assert second == []
    assert edited == [("replaced", "function", "mapfold-api"), ("replaced", "function", "mapfold-start")]


def test_the_data_bucket_comes_last_and_tells_at_once(tmp_path: Path) -> None:
    """A manifest that is put as soon as there is a bucket for it starts a run."""
    aws, triggers, shared = FakeAws(), FakeTriggers(), plan(tmp_path, "flights")
    for steps in (first_steps, next_steps):
        all_at_once(steps(shared, aws, triggers))
    before = set(aws.buckets)

    all_at_once(last_steps(shared, aws, triggers))

    assert (before, aws.buckets, triggers.telling) == (set(), {"mapfold-data"}, {"mapfold-data"})
