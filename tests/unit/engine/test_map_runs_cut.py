"""A map run whose children have map runs of their own, killed, stopped and redriven at any moments: it ends as ever."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mapfold.local.store import ExecutionRow, Store, open_store
from tests.unit.engine.fakes import FunctionError
from tests.unit.engine.test_map_runs_going_on import WRITER, kill
from tests.unit.engine.world import Ended, World, distributed_map, opened, parallel, pass_, task, wait

ITEMS = [{"l": [[i, j] for j in range(i % 4)], "i": i} for i in range(9)]
MOST_LIVES, MOST_REDRIVES = 600, 200
"""A bound for the test: each task fails three times at the most."""
LONGER_AFTER = 40
"""Lives. A life is counted in turns of the loop; on a busy machine the threads that write get little done in one."""
MOST_STOPS = 20
"""On a busy machine the turns between two stops may be too few for anything to go on."""


class Work:
    """A function that takes some turns of the loop, and fails the first times, for each event as often as was drawn."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._fails: dict[str, int] = {}

    async def __call__(self, event: Any) -> Any:
        for _ in range(self._random.randint(0, 8)):
            await asyncio.sleep(0)
        key = json.dumps(event)
        left = self._fails.setdefault(key, self._random.choice([0, 0, 0, 1, 2, 3]))
        if left:
            self._fails[key] = left - 1
            raise FunctionError("Broken")
        return event


def states_of(random: Random) -> dict[str, Any]:
    """Wait, Task with Retry, Parallel, nested map run with Catch."""
    retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    nested = distributed_map(
        {"G": task("work", Retry=retry)},
        children=random.choice(["STANDARD", "EXPRESS"]),
        Label="Inner",
        ItemsPath="$.l",
        ResultPath="$.r",
        MaxConcurrency=random.choice([0, 1, 2]),
        Catch=[{"ErrorEquals": ["Other"], "Next": "P"}],
        Next="P",
    )
    return {
        "W": wait(Seconds=5, Next="T"),
        "T": task("work", ResultPath="$.f", Parameters={"t.$": "$.i"}, Retry=retry, Next="B"),
        "B": parallel({"B1": pass_()}, {"B2": task("work")}, ResultPath="$.p", Next="N"),
        "N": nested,
        "P": pass_(),
    }


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate]
)  # threads work beside it: no example is the same twice, and to shrink would take minutes
@given(random=st.randoms(use_true_random=True), writes=st.booleans())
def test_whatever_happens_to_it_every_item_is_in_the_results_once(random: Random, writes: bool) -> None:
    """Counters add up at every moment, each redrive is told once, and nothing is left that says that it runs."""

    async def check(folder: str) -> None:
        async with asyncio.timeout(50):
            ended, objects, file = await Lives(random, writes, Path(folder)).run()
        if writes:
            manifest = json.loads(objects["out", ended.output["ResultWriterDetails"]["Key"]])["ResultFiles"]
            texts = [text for one in manifest["SUCCEEDED"] for text in objects["out", one["Key"]].splitlines()]
            results = sorted(map(json.loads, texts), key=lambda result: result["i"])
            assert (manifest["FAILED"], manifest["PENDING"]) == ([], [])
        else:
            results = ended.output
        assert [(result["i"], sorted(result["r"], key=json.dumps)) for result in results] == [
            (one["i"], one["l"]) for one in ITEMS
        ]
        assert ended.types.count("MapRunStarted") == 1
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT count(*) FROM running_children").fetchone() == (0,)
            assert connection.execute("SELECT status, count(*) FROM map_runs GROUP BY status").fetchall() == [
                ("SUCCEEDED", 1 + len(ITEMS))
            ]
            redrives = connection.execute("SELECT redrive_count FROM map_runs ORDER BY id LIMIT 1").fetchone()
        assert redrives == (ended.types.count("MapRunRedriven"),)

    with TemporaryDirectory() as folder:
        asyncio.run(check(folder))


class Lives:
    """The lives of one execution, each on a copy of what the one before had on disk when it was killed."""

    def __init__(self, random: Random, writes: bool, folder: Path) -> None:
        self._random = random
        self._work = Work(random)
        self._folder = folder
        fields: dict[str, Any] = {"ResultWriter": WRITER} if writes else {}
        self._states = {
            "M": distributed_map(states_of(random), MaxConcurrency=random.choice([0, 1, 3]), **fields),
        }
        self._started: ExecutionRow | None = None
        self._objects: dict[tuple[str, str], bytes] = {}
        self._stops = 0

    async def run(self) -> tuple[Ended, dict[tuple[str, str], bytes], Path]:
        """How it ended, all objects, and the file of its last life."""
        for life in range(MOST_LIVES):
            async with open_store(self._folder / str(life)) as store, opened(store) as world:
                longer = 1 + life // LONGER_AFTER
                ended = await self._live(world, longer * self._random.randint(20, 400))
                self._objects = dict(world.s3.objects)
                if ended is not None:
                    return ended, self._objects, store.file
                kill(world, self._folder / str(life + 1))
        raise AssertionError("it gets nowhere")

    async def _live(self, world: World, turns: int) -> Ended | None:
        """Run until it has succeeded; None if that takes more turns."""
        world.functions.handlers["work"] = self._work
        world.s3.objects.update(self._objects)
        if self._started is None:
            self._started = await world.start(self._states, ITEMS)
        else:
            await world.engine.resume()
        arn = self._started.arn
        for turn in range(turns):
            if world.engine.live_execution(arn) is None:
                ended = await world.end(self._started)
                if ended.row.status == "SUCCEEDED":
                    return ended
                await redrive(world.store, world, ended.row)
            check_counts(world)
            if self._random.random() < 0.1:
                for execution in world.engine._live.values():
                    execution.flush()
                world.engine._map_runs.save()
            if self._stops < MOST_STOPS and self._random.random() < 0.005:
                self._stops += 1
                await world.engine.stop_execution(arn, error=None, cause=None)
            await asyncio.sleep(0.0005 if turn % 20 == 0 else 0)  # threads work, too
        return None


async def redrive(store: Store, world: World, row: ExecutionRow) -> None:
    assert row.redrive_count < MOST_REDRIVES
    machine = await store.machine_revision(row.machine_revision)
    assert machine is not None
    await world.engine.redrive_execution(row, machine)


def check_counts(world: World) -> None:
    """Of all map runs that run: the parts add up."""
    for live in world.engine._map_runs._live.values():
        if live.run.start_date is None:
            continue
        counts = live.run.counts()
        for part in (counts.items, counts.executions):
            ended = part.succeeded + part.failed + part.timed_out + part.aborted
            assert part.pending + part.running + ended + part.pending_redrive == part.total, part
            assert min(part.as_api().values()) >= 0, part
