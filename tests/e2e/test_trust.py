"""Workers that die for real: what they leave behind, what an audit says of it, and the memory limit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from mapfold.local.lambda_.memory import can_watch
from tests.e2e.embedded import EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(120)

JOBS = "tests/e2e/jobs"
ITEMS = 10
GREEDY = 9
DYING = {1: "before", 6: "between", 7: "behind"}


@dataclass(frozen=True)
class Left:
    """What a run left: its end, the table's items, the objects, the result."""

    ended: Ended
    document: dict[str, Any]
    table: dict[str, str]
    objects: dict[str, bytes]


def run(aws: EmbeddedAws, name: str, **special: dict[int, Any]) -> Left:
    """Run the job over `ITEMS` items; `special` says which have a field of that name."""
    lines = [{"n": n, **{field: values[n] for field, values in special.items() if n in values}} for n in range(ITEMS)]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    aws.s3.put_object(Bucket="mapfold-data", Key=f"{name}.jsonl", Body=body.encode())
    source = f"s3://mapfold-data/{name}.jsonl"
    options = ("--param", f"copies={name}", "--name", name, "--jobs", JOBS, "--json")
    ended = mapfold("run", "fragile", source, *options, environment=aws.environment)
    assert ended.stdout, ended.stderr
    table = {item["id"]["S"]: item["n"]["N"] for item in aws.dynamodb.scan(TableName="fragile")["Items"]}
    listed = aws.s3.list_objects_v2(Bucket="mapfold-data", Prefix=f"fragile/{name}/").get("Contents", ())
    objects = {
        each["Key"].rpartition("/")[2]: aws.s3.get_object(Bucket="mapfold-data", Key=each["Key"])["Body"].read()
        for each in listed
    }
    for number in table:
        aws.dynamodb.delete_item(TableName="fragile", Key={"id": {"S": number}})
    return Left(ended, json.loads(ended.stdout), table, objects)


@pytest.fixture(scope="module")
def undisturbed(shared_aws: EmbeddedAws) -> Left:
    """A run in which nothing happens."""
    return run(shared_aws, "undisturbed")


@pytest.fixture(scope="module")
def killed(shared_aws: EmbeddedAws, undisturbed: Left) -> Left:
    """Three workers exit, before, between and behind an item's writes; and one item takes too much memory, always."""
    return run(shared_aws, "killed", exit=DYING, hoard={GREEDY: True} if can_watch() else {})


def test_effects_happen_once_though_workers_die(shared_aws: EmbeddedAws, undisturbed: Left, killed: Left) -> None:
    """The table and the objects are those of the undisturbed run, and the audit finds each item once."""
    marks = shared_aws.s3.list_objects_v2(Bucket="mapfold-data", Prefix="fragile-marks/killed/")["Contents"]

    audit = mapfold("audit", "killed", "--jobs", JOBS, "--json", environment=shared_aws.environment)

    assert len(marks) == len(DYING)
    assert (killed.table, killed.objects) == (undisturbed.table, undisturbed.objects)
    assert undisturbed.document["result"] == list(range(ITEMS))
    assert audit.code == 0, audit.stderr
    found = json.loads(audit.stdout)
    assert (found["holds"], found["findings"], found["items"]["compared"]) == (True, [], ITEMS)


@pytest.mark.skipif(not can_watch(), reason="the system does not tell what a process holds")
def test_an_item_that_holds_too_much_memory_stands_alone(shared_aws: EmbeddedAws, killed: Left) -> None:
    """Its worker is killed as on Lambda, its batch is split, and the other items are in the result."""
    assert killed.ended.code == 0, killed.ended.stderr
    assert killed.document["items"] == {"total": ITEMS, "succeeded": ITEMS - 1, "failed": 1}
    assert killed.document["result"] == [n for n in range(ITEMS) if n != GREEDY]
    listed = shared_aws.s3.get_object(Bucket="mapfold-runs", Key="runs/killed/failures.jsonl")["Body"].read()
    failure = json.loads(listed)
    assert (failure["index"], failure["error"]) == (GREEDY, "Runtime.OutOfMemory")


def test_an_audit_finds_what_was_tampered_with(shared_aws: EmbeddedAws, undisturbed: Left) -> None:
    """One line less in the results: its items are listed, and the exit code is 1. After an upload, it is 2."""
    prefix = "runs/undisturbed/map/"
    keys = [each["Key"] for each in shared_aws.s3.list_objects_v2(Bucket="mapfold-runs", Prefix=prefix)["Contents"]]
    (results,) = (key for key in keys if "SUCCEEDED" in key)
    lines = shared_aws.s3.get_object(Bucket="mapfold-runs", Key=results)["Body"].read().splitlines(keepends=True)
    shared_aws.s3.put_object(Bucket="mapfold-runs", Key=results, Body=b"".join(lines[1:]))

    found = mapfold("audit", "undisturbed", "--jobs", JOBS, environment=shared_aws.environment)
    shared_aws.s3.put_object(Bucket="mapfold-data", Key="undisturbed.jsonl", Body=b"1\n")
    overwritten = mapfold("audit", "undisturbed", "--jobs", JOBS, environment=shared_aws.environment)

    assert found.code == 1, found.stderr
    assert "undisturbed does not hold" in found.stdout
    assert f"{json.loads(lines[0])['items']} items missing" in found.stdout
    assert overwritten.code == 2
    assert "it has been overwritten since" in overwritten.stderr
