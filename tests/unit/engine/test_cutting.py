"""Whatever a machine does and wherever its execution is cut off: it comes to the end that it would have come to."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mapfold.local.store import ExecutionRow, MachineRow, Store, open_store
from tests.unit.engine.fakes import Clock
from tests.unit.engine.machines import INPUT, Function, machines, task_names
from tests.unit.engine.world import Ended, World, opened

Blocks = list[list[dict[str, Any]]]

PARTS = st.floats(0, 1)
"""How much of the history was kept. Not a number of blocks: how many there are depends on the store's thread."""

SLOW = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


async def run_flushing(world: World, started: ExecutionRow) -> Ended:
    """Let an execution end, while its events are handed to the store whenever it waits for anything."""
    while (live := world.engine.live_execution(started.arn)) is not None:
        live.flush()  # type: ignore[union-attr]
        await asyncio.sleep(0)
    return await world.end(started)


async def blocks_of(store: Store, row: ExecutionRow) -> Blocks:
    """A history as it was handed to the store: it may have been cut off after each block."""
    return [block async for block in store.all_events(row.id)]


async def resume(
    folder: Path, machine: MachineRow, row: ExecutionRow, blocks: Blocks, function: Function, *, redriven: bool = False
) -> Ended:
    """Go on, in an engine that knows no more, with an execution of which these blocks were kept."""
    redrives = sum(one["type"] == "ExecutionRedriven" for block in blocks for one in block)
    kept = replace(
        row, status="RUNNING", stop=None, output=None, error=None, cause=None, redrive_count=redrives,
        redrive_date=row.redrive_date if redrives else None,
    )  # fmt: skip
    async with open_store(folder) as store:
        store.put_machine(machine)
        store.execution_started(kept)
        for block in blocks:
            store.add_events(row.id, block[0]["id"], len(block), json.dumps(block).encode())
        clock = Clock()
        clock.now = max([row.stop or 0.0, clock.now])  # time has not stood still
        async with opened(store, clock=clock) as world:
            world.functions.handlers["any"] = function
            await world.engine.resume()
            ended = await run_flushing(world, kept)
            if redriven and ended.row.status == "FAILED":  # a task had failed for good when it was cut off
                ended = await run_flushing(world, await world.engine.redrive_execution(ended.row, machine))
            return ended


def steps_of(ended: Ended) -> Counter[tuple[str, str]]:
    """How many times each state was entered, left, and its task done, with which data."""
    found: Counter[tuple[str, str]] = Counter()
    for one in ended.events:
        if one["type"].endswith(("StateEntered", "StateExited", "FunctionSucceeded")):
            details = next(value for key, value in one.items() if key.endswith("EventDetails"))
            found[one["type"], json.dumps(details, sort_keys=True)] += 1
    return found


def exits_of(ended: Ended) -> Counter[tuple[str, str]]:
    """How many times each state was left."""
    return Counter({key: times for key, times in steps_of(ended).items() if key[0].endswith("StateExited")})


def attempts(ended: Ended) -> int:
    """How many times a Parallel or a Map started its work: more than once each where it was retried."""
    return sum(type_ in ("ParallelStateStarted", "MapStateStarted") for type_ in ended.types)


def is_orderly(ended: Ended) -> bool:
    """Ids without gaps, each pointing back, and one end."""
    ids = [one["id"] for one in ended.events]
    return ids == list(range(1, len(ids) + 1)) and all(one["previousEventId"] < one["id"] for one in ended.events)


@SLOW
@given(states=machines(), part=PARTS)
def test_an_execution_that_is_cut_off_comes_to_the_same_end(states: Any, part: float) -> None:
    """
    Cut at any moment at which events may have been handed on: output or error are the same, and where no branch or
    iteration was aborted, each state was entered and left as often, with the same data.
    """

    async def check(folder: Path) -> None:
        function = Function()
        async with open_store(folder / "whole") as store, opened(store) as world:
            world.functions.handlers["any"] = function
            started = await world.start(states, INPUT)
            machine = store.machine(started.machine_arn)
            assert machine is not None
            whole = await run_flushing(world, started)
            blocks = await blocks_of(store, started)
        cut = round(part * len(blocks))

        again = await resume(folder / "cut", machine, whole.row, blocks[:cut], function)

        assert (again.row.status, again.row.output, again.row.error) == (
            whole.row.status, whole.row.output, whole.row.error,
        ), again.row  # fmt: skip
        assert is_orderly(again)
        if not any("Aborted" in type_ for type_ in [*whole.types, *again.types]):
            assert steps_of(again) == steps_of(whole)

    run(check)


@SLOW
@given(states=machines(catch=False), part=PARTS, choose=st.randoms(use_true_random=False))
def test_a_redriven_execution_comes_to_the_end_of_one_that_never_failed(
    states: Any, part: float, choose: Random
) -> None:
    """
    Tasks are broken, one by one mended, and the execution is redriven after each; it is also cut off at any moment,
    goes on, and is redriven once more if it fails. In the end its output is that of an execution that met no broken task, and no state that had been left was
    entered again.
    """
    names = task_names(states)
    broken = choose.sample(names, choose.randint(0, len(names)))

    async def check(folder: Path) -> None:
        function = Function()
        async with open_store(folder / "whole") as store, opened(store) as world:
            world.functions.handlers["any"] = function
            whole = await run_flushing(world, await world.start(states, INPUT))
            function.broken = frozenset(broken)
            started = await world.start(states, INPUT)
            machine = store.machine(started.machine_arn)
            assert machine is not None
            ended = await run_flushing(world, started)
            for mended in range(1, len(broken) + 1):
                if ended.row.status == "SUCCEEDED":
                    break
                function.broken = frozenset(broken[mended:])
                ended = await run_flushing(world, await world.engine.redrive_execution(ended.row, machine))
            blocks = await blocks_of(store, started)
        cut = round(part * len(blocks))
        event(f"redriven {ended.row.redrive_count} times")

        again = await resume(folder / "cut", machine, ended.row, blocks[:cut], function, redriven=True)

        if whole.row.status == "SUCCEEDED":
            assert (ended.row.status, ended.row.output) == (whole.row.status, whole.row.output), ended.row
            if attempts(ended) == attempts(whole):
                assert exits_of(ended) == exits_of(whole)
        assert is_orderly(ended)
        assert is_orderly(again)
        if whole.row.status == "SUCCEEDED":
            assert (again.row.status, again.row.output) == (whole.row.status, whole.row.output), again.row

    run(check)


def run(check: Any) -> None:
    async def within_seconds(folder: str) -> None:
        async with asyncio.timeout(20):
            await check(Path(folder))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(within_seconds(folder))
