"""A run some of whose items fail: what is told of them, what becomes of the others, and how the command ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.embedded import EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(180)

JOBS = "tests/e2e/jobs"
GOOD = range(1, 11)
MISSING = {"bucket": "mapfold-data", "key": "failing/missing.csv"}
BROKEN = {"bucket": "mapfold-data", "key": "failing/broken.csv"}
CUT_OFF = {"bucket": "mapfold-data", "key": "failing/cut-off.csv"}


@dataclass(frozen=True, slots=True)
class FailingRun:
    """A run that has ended: the command's end, its document, and its failures by the key of their item."""

    ended: Ended
    document: dict[str, Any]
    failures: dict[str, dict[str, Any]]


def run(aws: EmbeddedAws, name: str, *bad: dict[str, str]) -> FailingRun:
    """Run the job `sums` over ten good objects with the `bad` ones among them."""
    good = [{"bucket": "mapfold-data", "key": f"failing/{n}.csv"} for n in GOOD]
    items = [*good[:5], *bad, *good[5:]]
    put(aws, f"manifests/{name}.csv", "".join(f"{item['bucket']},{item['key']}\n" for item in items))
    source = f"s3://mapfold-data/manifests/{name}.csv"

    ended = mapfold("run", "sums", source, "--name", name, "--jobs", JOBS, "--json", environment=aws.environment)

    document = json.loads(ended.stdout)
    lines = read(aws, document["failures_uri"]).splitlines()
    failures = [json.loads(line) for line in lines]
    return FailingRun(ended, document, {failure["item"]["key"]: failure for failure in failures})


@pytest.fixture(scope="module")
def objects(embedded_aws: EmbeddedAws) -> EmbeddedAws:
    """Ten objects with the numbers from 1 to 10, one with text, one whose second row is cut off."""
    if "mapfold-data" not in [bucket["Name"] for bucket in embedded_aws.s3.list_buckets()["Buckets"]]:
        embedded_aws.s3.create_bucket(Bucket="mapfold-data")
    for n in GOOD:
        put(embedded_aws, f"failing/{n}.csv", f"n,of\n{n},10\n")
    put(embedded_aws, BROKEN["key"], "n,of\nnot-a-number,10\n")
    put(embedded_aws, CUT_OFF["key"], "n,of\n1,10\n2")
    return embedded_aws


@pytest.fixture(scope="module")
def tolerated(objects: EmbeddedAws) -> FailingRun:
    """Two items fail, and the job tolerates two."""
    return run(objects, "tolerated", MISSING, BROKEN)


@pytest.fixture(scope="module")
def too_many(objects: EmbeddedAws) -> FailingRun:
    """Three items fail, and the job tolerates two."""
    return run(objects, "too-many", MISSING, BROKEN, CUT_OFF)


class TestTolerated:
    def test_the_run_succeeds(self, tolerated: FailingRun) -> None:
        """As many failed items as the job tolerates do not fail the run: exit code 0."""
        assert tolerated.ended.code == 0, tolerated.ended.stderr
        assert tolerated.document["status"] == "SUCCEEDED"
        assert tolerated.document["items"] == {"total": 12, "succeeded": 10, "failed": 2}

    def test_all_other_items_are_in_the_result(self, tolerated: FailingRun) -> None:
        """A failed item takes none of its batch with it."""
        assert tolerated.document["result"] == sum(GOOD)

    def test_each_failed_item_is_listed_with_its_reason(self, tolerated: FailingRun) -> None:
        """The item itself, its place in the source, the exception and its message."""
        missing, broken = tolerated.failures[MISSING["key"]], tolerated.failures[BROKEN["key"]]

        assert len(tolerated.failures) == 2
        assert (missing["item"], missing["index"], missing["error"]) == (MISSING, 5, "FileNotFoundError")
        assert (broken["item"], broken["index"], broken["error"]) == (BROKEN, 6, "ValueError")
        assert "failing/missing.csv" in missing["message"]
        assert "not-a-number" in broken["message"]

    def test_the_traceback_leads_to_the_authors_line(self, tolerated: FailingRun) -> None:
        """What a job's author needs to mend it is the place in the job's own module."""
        assert "sums.py" in tolerated.failures[BROKEN["key"]]["traceback"]
        assert 'int(row["n"])' in tolerated.failures[BROKEN["key"]]["traceback"]


class TestTooMany:
    def test_the_run_fails_and_says_why(self, too_many: FailingRun) -> None:
        """One failed item more than is tolerated fails the run: exit code 1, the cause on stderr."""
        assert too_many.ended.code == 1
        assert too_many.document["status"] == "FAILED"
        assert "Mapfold.ToleratedFailureExceeded" in too_many.ended.stderr

    def test_every_failed_item_is_listed(self, too_many: FailingRun) -> None:
        """A row with too few fields is named with its line."""
        assert too_many.failures.keys() == {MISSING["key"], BROKEN["key"], CUT_OFF["key"]}
        assert "line 3" in too_many.failures[CUT_OFF["key"]]["message"]

    def test_the_result_of_the_others_is_written_all_the_same(
        self, too_many: FailingRun, embedded_aws: EmbeddedAws
    ) -> None:
        """Whether the numbers are good enough is then for a person to say."""
        assert json.loads(read(embedded_aws, too_many.document["result_uri"])) == sum(GOOD)


def put(aws: EmbeddedAws, key: str, text: str) -> None:
    aws.s3.put_object(Bucket="mapfold-data", Key=key, Body=text.encode())


def read(aws: EmbeddedAws, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
