"""Map runs that are killed and go on: a disk that keeps a prefix of what was queued, and lives that end abruptly."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import EndpointConnectionError

from mapfold.local.map_run import Child, ChildResult, MapRun, MapRunStatus, find_former, identity_text
from mapfold.local.store import ChildRow, MapRunRow, Page, WireEvent
from mapfold.states.effects import Json, RunMap, TaskFailed, TaskSucceeded
from tests.unit.map_run.fakes import IDENTITY, RUN_UUID, FakeS3

Outcome = TaskSucceeded | TaskFailed
NEW_ROW = MapRunRow(1, IDENTITY.map_run_arn, IDENTITY.execution_arn, "machine", "Days", 1000.0)


@dataclass
class Disk:
    """What a store has committed (`row`, `ended`, `saved`), and what waits to be (`queue`)."""

    row: MapRunRow = NEW_ROW
    ended: dict[int, ChildRow] = field(default_factory=dict)
    saved: dict[int, tuple[ChildRow, list[WireEvent]]] = field(default_factory=dict)
    queue: list[tuple[str, Any]] = field(default_factory=list)

    def commit(self, count: int | None = None) -> None:
        """Commit the first `count` of what waits, all by default; the rest is lost if it is not committed later."""
        for kind, value in self.queue[:count]:
            if kind == "row":
                self.row = value
            elif kind == "saved":
                self.saved[value[0].index] = value
            else:
                self.ended[value.index] = value
                self.saved.pop(value.index, None)
        del self.queue[:count]

    async def ended_children(self, map_run_id: int, page: Page) -> list[ChildRow]:
        self.commit()
        return [self.ended[index] for index in sorted(self.ended) if _is_after(index, page)][: min(page.limit, 3)]

    async def saved_children(self, map_run_id: int, page: Page) -> list[tuple[ChildRow, list[WireEvent]]]:
        self.commit()
        return [self.saved[index] for index in sorted(self.saved) if _is_after(index, page)][: min(page.limit, 3)]

    async def children_to_redrive(
        self, map_run_id: int, page: Page, *, attempt: int
    ) -> list[tuple[ChildRow, list[WireEvent]]]:
        self.commit()
        found = [row for _, row in sorted(self.ended.items()) if _waits(row, attempt) and _is_after(row.index, page)]
        return [(row, []) for row in found[: min(page.limit, 3)]]

    async def child_counts(self, map_run_id: int) -> dict[str, tuple[int, int]]:
        self.commit()
        return _totals(self.ended.values())

    async def redrive_counts(self, map_run_id: int, *, attempt: int) -> dict[str, tuple[int, int]]:
        self.commit()
        return _totals(row for row in self.ended.values() if _waits(row, attempt))

    async def last_child_index(self, map_run_id: int) -> int:
        self.commit()
        return max([*self.ended, *self.saved], default=-1)


def _is_after(index: int, page: Page) -> bool:
    return page.after is None or index > page.after


def _waits(row: ChildRow, attempt: int) -> bool:
    return row.status != "SUCCEEDED" and row.attempt < attempt


def _totals(rows: Any) -> dict[str, tuple[int, int]]:
    children: Counter[str] = Counter()
    items: Counter[str] = Counter()
    for row in rows:
        children[row.status] += 1
        items[row.status] += row.item_count
    return {status: (children[status], items[status]) for status in children}


class LifeS3:
    """An S3 as one life of the engine sees it: once that is over, no call arrives any more."""

    def __init__(self, s3: FakeS3) -> None:
        self.over = False
        self._s3 = s3

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            if self.over:
                raise EndpointConnectionError(endpoint_url="http://s3")
            return getattr(self._s3, name)(**arguments)

        return call


@dataclass
class Lives:
    """A map run over `spec`, life after life. `fails(index)` says which children fail; a child takes `turns(index)`.

    `begun` counts how often each child was begun, over all lives.
    """

    spec: RunMap
    s3: FakeS3
    fails: Callable[[int], bool] = lambda index: False
    turns: Callable[[int], int] = lambda index: index % 4
    disk: Disk = field(default_factory=Disk)
    begun: Counter[int] = field(default_factory=Counter)
    run: MapRun | None = None
    part_bytes: int = 200
    file_bytes: int = 5_000

    async def live(self, *, kill_after: int | None = None, kept: float = 1.0, saves: int = 3) -> Outcome | None:
        """Run until it ends, or is killed after so many turns of the loop: then `kept` of the queue is on disk.

        With a `kept` under 0.7 the kill may also come right after the end, which nobody has heard of then.
        """
        s3 = LifeS3(self.s3)
        former = None if self.run is None else await find_former(self.disk, self.disk.row)
        run = self.run = self._new_run(s3, former)
        self._save()
        task = asyncio.create_task(run.run())
        turn = 0
        while not task.done() and (kill_after is None or turn < kill_after):
            turn += 1
            if turn % saves == 0:
                self._save()
            self.check_counts()
            await asyncio.sleep(0.0005 if turn % 20 == 0 else 0)  # threads work, too
        if task.done():
            answer = await task
            self._save()
            if kill_after is None or kept >= 0.7:
                self.disk.commit()
                return answer
            self.disk.commit(round(len(self.disk.queue) * min(1.0, kept * 2)))
            self.disk.queue.clear()
            return None
        self.disk.commit(round(len(self.disk.queue) * kept))
        self.disk.queue.clear()
        s3.over = True
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.disk.queue.clear()  # what the dying still said
        run._stream._thread.shutdown()  # a process that is dead has no threads
        if run._s3_results is not None:
            run._s3_results._thread.shutdown()
        return None

    def redrive(self) -> None:
        """What a redrive makes of the row of a map run that has ended."""
        row = self.disk.row
        self.disk.row = replace(row, status="RUNNING", stop=None, redrive_count=row.redrive_count + 1)

    def check_counts(self) -> None:
        """The parts add up, whenever one looks."""
        assert self.run is not None
        counts = self.run.counts()
        for part in (counts.items, counts.executions):
            ended = part.succeeded + part.failed + part.timed_out + part.aborted
            assert part.pending + part.running + ended + part.pending_redrive == part.total, part
            assert min(part.as_api().values()) >= 0, part
            assert part.results_written <= part.total, part

    def manifest(self) -> Json:
        """The manifest of the newest attempt."""
        attempt = self.disk.row.redrive_count
        folder = f"runs/{RUN_UUID}" + (f"/Redrive-{attempt}" if attempt else "")
        return self.s3.json("out", f"{folder}/manifest.json")

    def values(self, status: str) -> list[Json]:
        """All values of one status, over the files that the newest manifest names."""
        files = self.manifest()["ResultFiles"][status]
        for file in files:
            assert file.keys() == {"Key", "Size"}
            assert len(self.s3.objects["out", file["Key"]]) == file["Size"]
        return [value for file in files for value in self.s3.json("out", file["Key"])]

    def _new_run(self, s3: LifeS3, former: Any) -> MapRun:
        return MapRun(
            self.spec,
            IDENTITY,
            run_child=self._run_child,
            s3=lambda: s3,
            clock=lambda: 1000.0,
            former=former,
            on_change=self._save,
            result_file_bytes=self.file_bytes,
            result_part_bytes=self.part_bytes,
        )

    def _save(self) -> None:
        run = self.run
        assert run is not None
        status = str(run.coming_status)
        counts = run.counts()
        row = replace(
            self.disk.row,
            status=status,
            item_counts=counts.items.as_api(),
            execution_counts=counts.executions.as_api(),
            all_started=run.all_started,
            source_etag=identity_text(run.source) if run.source else None,
            result_files=run.result_files,
        )
        self.disk.queue.append(("row", row))

    async def _run_child(self, child: Child) -> ChildResult:
        former = child.former
        attempt = self.disk.row.redrive_count
        row = self.disk.ended.get(child.index)
        may_run = row is None or row.status == "ABORTED" or _waits(row, attempt)
        assert may_run, f"child {child.index} had ended"
        self.begun[child.index] += 1
        redrives = 0 if former is None else former.redrive_count + former.redriven
        status = "ABORTED"
        try:
            for turn in range(self.turns(child.index)):
                await asyncio.sleep(0)
                if turn == 2 and self.spec.child_type == "STANDARD":
                    snapshot = ChildRow(1, child.index, "RUNNING", 1000.0, None, child.item_count, child.input_text)
                    snapshot.redrive_count = redrives
                    self.disk.queue.append(("saved", (snapshot, [{"id": 1}])))
            status = "FAILED" if self.fails(child.index) else "SUCCEEDED"
        except asyncio.CancelledError:
            if not (self.run and self.run.aborting):
                raise
        output = child.input_text if status == "SUCCEEDED" else None
        error = "Broken" if status == "FAILED" else None
        row = ChildRow(1, child.index, status, 1000.0, 1001.0, child.item_count, child.input_text, output, error)
        row.redrive_count, row.attempt = redrives, attempt
        self.disk.queue.append(("ended", row))
        name, arn = IDENTITY.child_name(child.index), IDENTITY.child_arn(child.index)
        return ChildResult(status, output, error, None, name, arn, 1000.0, 1001.0, redrives)


def items_of(record: Json) -> list[Json]:
    """The items in a child's input or output: a batch's, or the one that it is."""
    return record["Items"] if isinstance(record, dict) and "Items" in record else [record]


def input_items(records: list[Json]) -> list[Json]:
    """The items in the inputs of records."""
    return [item for record in records for item in items_of(json.loads(record["Input"]))]


__all__ = ["NEW_ROW", "Disk", "Lives", "MapRunStatus", "input_items", "items_of"]
