"""Items that kill their worker: they alone fail, the others of their batch are in the result, and the run's end follows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.embedded import EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(180)

JOBS = "tests/e2e/jobs"


@dataclass(frozen=True, slots=True)
class PoisonedRun:
    """A run that has ended: the command's end, its document, and its failures by the item's number."""

    ended: Ended
    document: dict[str, Any]
    failures: dict[int, dict[str, Any]]


def run(aws: EmbeddedAws, job: str, count: int, bad: dict[int, str], *, name: str) -> PoisonedRun:
    """Run `job` over the numbers up to `count`, of which the `bad` ones do something bad."""
    items = [{"n": n, "does": bad[n]} if n in bad else {"n": n} for n in range(count)]
    aws.s3.put_object(Bucket="mapfold-data", Key=name, Body="\n".join(map(json.dumps, items)).encode())
    source = f"s3://mapfold-data/{name}"
    ended = mapfold("run", job, source, "--name", name, "--jobs", JOBS, "--json", environment=aws.environment)
    assert ended.stdout, ended.stderr
    told = mapfold("failures", name, "--json", environment=aws.environment)
    failures = json.loads(told.stdout)["failures"] if told.code == 0 else []
    return PoisonedRun(ended, json.loads(ended.stdout), {failure["item"]["n"]: failure for failure in failures})


@pytest.fixture(scope="module")
def poisoned(shared_aws: EmbeddedAws) -> PoisonedRun:
    """One item of 17 exits, among seven others of its batch, and one hangs, alone; the job tolerates two."""
    return run(shared_aws, "poison", 17, {11: "exit", 16: "hang"}, name="two-bad")


class TestIsolation:
    def test_all_others_are_in_the_result_and_none_twice(self, poisoned: PoisonedRun) -> None:
        """Also those that had been mapped before their worker died: the batch took with it what it knew."""
        assert poisoned.document["result"] == [n for n in range(17) if n not in (11, 16)]

    def test_tolerated_items_do_not_fail_the_run(self, poisoned: PoisonedRun) -> None:
        """Two items are tolerated and two failed, however many were in their batches."""
        assert poisoned.ended.code == 0, poisoned.ended.stderr
        assert poisoned.document["items"] == {"total": 17, "succeeded": 15, "failed": 2}

    def test_the_report_names_each_item_and_how_it_died(self, poisoned: PoisonedRun) -> None:
        """In words, with its place in the source."""
        exited, hung = poisoned.failures[11], poisoned.failures[16]

        assert len(poisoned.failures) == 2
        assert (exited["index"], exited["error"]) == (11, "Runtime.ExitError")
        assert exited["message"].startswith("its worker died twice, alone with this item: ")
        assert "exit status 3" in exited["message"]
        assert (hung["index"], hung["error"]) == (16, "Sandbox.Timedout")
        assert hung["message"] == "did not end within 2 s (timeout_seconds) twice, alone with this item"


class TestStopEarly:
    def test_a_batch_that_died_counts_by_its_bad_item(self, shared_aws: EmbeddedAws) -> None:
        """The Map state saw eight failed items and stopped; one of them was bad, which is tolerated, so all is run."""
        ended = run(shared_aws, "poison-early", 24, {3: "exit"}, name="early-tolerated")

        assert ended.ended.code == 0, ended.ended.stderr
        assert ended.document["items"] == {"total": 24, "succeeded": 23, "failed": 1}
        assert ended.failures.keys() == {3}

    def test_items_that_truly_failed_stop_the_run(self, shared_aws: EmbeddedAws) -> None:
        """A whole batch raised: more than is tolerated, so what was not begun stays so."""
        ended = run(shared_aws, "poison-early", 24, dict.fromkeys(range(8), "raise"), name="early-too-many")

        assert ended.ended.code == 1
        assert ended.document["items"]["failed"] > 8
        assert {failure["error"] for failure in ended.failures.values()} == {"ValueError", "Mapfold.NotStarted"}
