"""What is written is read back, in the order and in the pages that were asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mapfold.local.store import Page, Store, open_store
from tests.unit.local_store.conftest import MACHINE, events, execution, machine, map_run


class TestMachines:
    async def test_an_execution_s_definition_outlives_an_update_and_the_machine(self, store: Store) -> None:
        """Old revisions stay readable: running executions keep theirs."""
        store.put_machine(machine(1, definition="old"))
        store.put_machine(machine(2, definition="new", revision_id="r"))
        store.delete_machine(MACHINE)

        old = await store.machine_revision(1)

        assert old is not None
        assert old.definition == "old"
        assert store.machine(MACHINE) is None

    async def test_machines_are_there_in_the_next_session(self, tmp_path: Path) -> None:
        """The newest revision comes back, and new numbers go on after the old ones."""
        async with open_store(tmp_path) as before:
            before.put_machine(machine(before.next_revision(), tags={"a": "b"}))

        async with open_store(tmp_path) as store:
            assert [row.tags for row in store.machines()] == [{"a": "b"}]
            assert store.next_revision() == 2


class TestExecutions:
    async def test_the_end_of_an_execution_is_kept(self, store: Store) -> None:
        """Status, stop and output are those that it ended with."""
        row = execution(store.next_execution_id(), input='{"a":1}')
        store.execution_started(row)
        store.execution_ended(row.id, status="SUCCEEDED", stop=9.5, output="[]")

        kept = await store.execution(row.arn)

        assert kept == replace(row, status="SUCCEEDED", stop=9.5, output="[]")

    async def test_a_listing_goes_from_the_newest_to_the_oldest(self, store: Store) -> None:
        """Pages follow one another by id; payloads are left out."""
        for number in range(1, 6):
            store.execution_started(execution(number))

        first = await store.executions(MACHINE, Page(2))
        second = await store.executions(MACHINE, Page(2, first[-1].id))

        assert [row.id for row in first + second] == [5, 4, 3, 2]

    async def test_a_listing_can_be_of_one_status(self, store: Store) -> None:
        """Others do not count towards the page."""
        for number in range(1, 5):
            store.execution_started(execution(number))
        store.execution_ended(2, status="FAILED", stop=3.0)

        assert [row.id for row in await store.executions(MACHINE, Page(10), status="FAILED")] == [2]


class TestEvents:
    async def test_pages_cross_the_batches_that_events_were_written_in(self, store: Store) -> None:
        """Three batches of 4 events, pages of 5."""
        for first in (1, 5, 9):
            store.add_events(1, first, 4, events(first, 4))

        pages = [await store.events(1, Page(5, after)) for after in (None, 5, 10)]

        assert [[event["id"] for event in page] for page in pages] == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12]]

    async def test_reverse_order_starts_at_the_newest(self, store: Store) -> None:
        """Ids are the same; `after` then means older than."""
        for first in (1, 5):
            store.add_events(1, first, 4, events(first, 4))

        page = await store.events(1, Page(5), reverse=True)
        rest = await store.events(1, Page(5, 4), reverse=True)

        assert [event["id"] for event in page] == [8, 7, 6, 5, 4]
        assert [event["id"] for event in rest] == [3, 2, 1]


class TestChildren:
    async def test_children_of_one_map_run_are_not_mixed_with_another_s(self, store: Store) -> None:
        """The key holds both numbers; listings go from the last index to the first."""
        for run in (1, 2):
            for index in range(3):
                store.child_ended(run, index, "SUCCEEDED", 1.0, 2.0, 10, "{}", str(run))

        rows = await store.children(1, Page(10))

        assert [(row.map_run_id, row.index) for row in rows] == [(1, 2), (1, 1), (1, 0)]

    async def test_failed_children_are_found_among_many(self, store: Store) -> None:
        """Every status but SUCCEEDED has an index of its own."""
        for index in range(300):
            status = "FAILED" if index % 100 == 7 else "SUCCEEDED"
            store.child_ended(1, index, status, 1.0, 2.0, 1, "{}", None, "E", "C")

        assert [row.index for row in await store.children(1, Page(2), status="FAILED")] == [207, 107]
        assert [row.index for row in await store.children(1, Page(2, 107), status="FAILED")] == [7]
        assert await store.child_counts(1) == {"FAILED": (3, 3), "SUCCEEDED": (297, 297)}

    async def test_a_child_comes_back_whole(self, store: Store) -> None:
        """With payloads and history; one without a history has no events."""
        store.child_ended(1, 0, "FAILED", 1.0, 2.5, 3, '{"Items":[]}', None, "E", "why", events(1, 2))
        store.child_ended(1, 1, "SUCCEEDED", 1.0, 2.5, 3, "{}", "{}")

        child = await store.child(1, 0)

        assert child is not None
        assert (child.input, child.error, child.cause, child.item_count) == ('{"Items":[]}', "E", "why", 3)
        assert [event["id"] for event in await store.child_events(1, 0)] == [1, 2]
        assert await store.child_events(1, 1) == []

    async def test_a_map_run_keeps_its_last_counts(self, store: Store) -> None:
        """Saving again replaces."""
        store.map_run_started(map_run())
        store.map_run_saved(map_run(status="SUCCEEDED", stop=3.0, item_counts={"total": 5}))

        kept = await store.map_run(map_run().arn)

        assert kept is not None
        assert (kept.status, kept.item_counts) == ("SUCCEEDED", {"total": 5})
        assert [row.id for row in await store.map_runs(execution(1).arn, Page(10))] == [1]
