"""A worker is killed at every point of a batch, one run a point: what is left behind is what an undisturbed run leaves.

The points come from a recording: before and after each call that Work makes to S3 and DynamoDB, and between two items. A kill
is a BaseException that no code of ours catches. After it the run goes on as its state machine does: Isolate cuts the batch,
the pieces are run by a new worker, and Fold and Finish follow.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tasks import _worker, work
from tests.unit.tasks.conftest import FakeLambdaContext, World

JOBS = Path(__file__).parents[2] / "fixtures" / "effects"
BATCHES = (["a", "bad", "b", "c"], ["d"])
"""The partials of the first do not fit into a payload."""


MOMENTS = ("before-call", "after-call")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Points:
    """Counts the points of a run, and kills at one of them."""

    kill_at: int | None = None
    names: list[str] = field(default_factory=list)
    is_working: bool = False

    def passed(self, name: str) -> None:
        if not self.is_working:
            return
        self.names.append(name)
        if len(self.names) - 1 == self.kill_at:
            raise Killed(name)

    def watch(self) -> None:
        """Hear of the calls of the worker's clients, until `unwatch`. They keep nothing of a batch, so one pair does."""
        worker = _worker.worker()
        worker.job.map_function.__globals__["between_items"] = lambda: self.passed("between items")
        for client in (worker.s3, worker.dynamodb):
            for moment in MOMENTS:
                client.meta.events.register(f"{moment}.*", self._heard(moment), unique_id=moment)

    def unwatch(self) -> None:
        worker = _worker.worker()
        for client in (worker.s3, worker.dynamodb):
            for moment in MOMENTS:
                client.meta.events.unregister(f"{moment}.*", unique_id=moment)

    def work_on(self, child: dict[str, Any]) -> dict[str, Any]:
        """Have Work run a child's batch, and watch it."""
        event = {"run": child["BatchInput"], "items": child["Items"], "execution": "child"}
        self.is_working = True
        try:
            return work.handler(event, FakeLambdaContext())
        finally:
            self.is_working = False

    def _heard(self, moment: str) -> Any:
        def heard(model: Any, **_: Any) -> None:
            self.passed(f"{moment} {model.name}")

        return heard


@dataclass(frozen=True)
class Left:
    """What a run leaves behind."""

    table: dict[str, str]
    objects: dict[str, bytes]
    output: dict[str, Any]
    failures: list[tuple[int, str]]


@pytest.fixture
def effects(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("MAPFOLD_JOB", "effects")
    monkeypatch.setenv("MAPFOLD_JOBS", str(JOBS))
    world.dynamodb.create_table(
        TableName="effects",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    world.put_texts({name: f"text {name}" for batch in BATCHES for name in batch})
    return world


def run(world: World, points: Points) -> Left:
    """One run from Plan to Finish. A child whose worker is killed ends as Lambda would have it end."""
    plan = world.plan()
    points.watch()
    outputs, failed, first = [], [], 0
    for names in BATCHES:
        child = world.batch(names, first=first)
        first += len(names)
        try:
            outputs.append(points.work_on(child))
        except Killed:
            failed.append({"Input": json.dumps(child), "Status": "FAILED", "Error": "Runtime.ExitError", "Cause": "{}"})
    state: dict[str, Any] = {"plan": plan, "map": world.write_outcome(outputs, failed=failed)}
    state["isolate"] = world.isolate(state)
    while not state["isolate"]["done"]:
        pieces = world.lines(state["isolate"]["key"])
        done = [points.work_on({**child, "Items": piece["items"], "tries": piece["tries"]}) for piece in pieces]
        state["pieces"] = world.write_outcome(done, prefix=f"{world.folder.isolate_prefix}/{state['isolate']['round']}")
        state["isolate"] = world.isolate(state)
    points.unwatch()
    state["fold"] = world.fold(state)
    return left_by(world, world.finish(state))


def left_by(world: World, output: dict[str, Any]) -> Left:
    scanned = world.dynamodb.scan(TableName="effects")["Items"]
    listed = world.s3.list_objects_v2(Bucket="mapfold-data", Prefix="copies/")["Contents"]
    copies = {
        each["Key"]: world.s3.get_object(Bucket="mapfold-data", Key=each["Key"])["Body"].read() for each in listed
    }
    table = {item["id"]["S"]: item["text"]["S"] for item in scanned}
    failures = [(line["index"], line["error"]) for line in world.lines(world.folder.failures)]
    run_free = json.loads(json.dumps(output).replace(world.run_id, "RUN"))
    return Left(table, copies, run_free, failures)


def clear(world: World) -> None:
    """Take away what a run has left, so that the next one finds nothing of it."""
    for item in world.dynamodb.scan(TableName="effects")["Items"]:
        world.dynamodb.delete_item(TableName="effects", Key={"id": item["id"]})
    for each in world.s3.list_objects_v2(Bucket="mapfold-data", Prefix="copies/").get("Contents", ()):
        world.s3.delete_object(Bucket="mapfold-data", Key=each["Key"])


@pytest.mark.timeout(120)
def test_effects_happen_once_wherever_a_worker_is_killed(effects: World) -> None:
    """The table, the objects, the result, the failed items and all counts are those of a run that nobody disturbed."""
    recorded = Points()
    undisturbed = run(effects, recorded)
    assert undisturbed.output["items"] == {"total": 5, "succeeded": 4, "failed": 1}
    assert undisturbed.output["result"] == [f"texts/{name}" for name in ("a", "b", "c", "d")]
    assert undisturbed.failures == [(1, "ValueError")]
    assert len(undisturbed.table) == 5
    # Five items with three calls each, the failed item and the partial of the first batch: two points a call.
    assert recorded.names.count("between items") == 5
    assert len(recorded.names) == 5 + 2 * (5 * 3 + 2)

    for number, name in enumerate(recorded.names):
        clear(effects)
        points = Points(kill_at=number)

        left = run(replace(effects, run_id=f"killed-{number}"), points)

        assert left == undisturbed, f"killed at point {number}: {name}"
        assert points.names.count("between items") > 5, "the killed batch was not run again"
