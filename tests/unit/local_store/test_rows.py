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

    async def test_a_redriven_execution_runs_again(self, store: Store) -> None:
        """How it ended is forgotten; when it was started stays."""
        row = execution(store.next_execution_id())
        store.execution_started(row)
        store.execution_ended(row.id, status="FAILED", stop=9.5, error="E", cause="C")
        store.execution_redriven(row.id, 1, 12.5)

        assert await store.execution(row.arn) == replace(row, redrive_count=1, redrive_date=12.5)
        assert [found.id for found, _ in (await store.unfinished()).executions] == [row.id]

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

    async def test_all_events_come_block_by_block(self, store: Store) -> None:
        """As they were written; another execution's are not among them."""
        for first in (1, 5, 9):
            store.add_events(1, first, 4, events(first, 4))
        store.add_events(2, 1, 4, events(1, 4))

        blocks = [[event["id"] for event in block] async for block in store.all_events(1)]

        assert blocks == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]

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

    async def test_ended_children_are_paged_in_the_order_of_their_indexes(self, store: Store) -> None:
        """However they ended and in whatever order; with payloads, and none of another map run's."""
        for index in (2, 0, 1):
            store.child_ended(1, index, "SUCCEEDED" if index else "FAILED", 1.0, 2.0, 1, f"in {index}", None)
        store.child_ended(2, 3, "SUCCEEDED", 1.0, 2.0, 1, "{}", "{}")

        pages = [await store.ended_children(1, Page(2, after)) for after in (None, 1, 2)]

        assert [[row.input for row in page] for page in pages] == [["in 0", "in 1"], ["in 2"], []]

    async def test_a_page_of_long_payloads_ends_early(self, store: Store) -> None:
        """A thousand children with the longest inputs and outputs would not fit in memory."""
        for index in range(5):
            store.child_ended(1, index, "SUCCEEDED", 1.0, 2.0, 1, "x" * 3_000_000, "{}")

        pages = [await store.ended_children(1, Page(1000, after)) for after in (None, 2)]

        assert [[row.index for row in page] for page in pages] == [[0, 1, 2], [3, 4]]

    async def test_children_to_redrive_are_those_that_failed_before_this_attempt(self, store: Store) -> None:
        """With what they need to go on: input, counts and history. Those that failed in it already are left alone."""
        store.child_ended(1, 0, "SUCCEEDED", 1.0, 2.0, 4, "{}", "{}", events=events(1, 2))
        store.child_ended(1, 1, "FAILED", 1.0, 2.0, 4, "in", None, "E", "C", events(1, 2), 2, 7.0, 2)
        store.child_ended(1, 2, "ABORTED", 1.0, 2.0, 4, "{}", None, events=None, attempt=2)
        store.child_ended(1, 3, "FAILED", 1.0, 2.0, 4, "{}", None, events=events(1, 2), attempt=3)

        found = await store.children_to_redrive(1, Page(10), attempt=3)
        counts = await store.redrive_counts(1, attempt=3)

        assert [(row.index, len(history)) for row, history in found] == [(1, 2), (2, 0)]
        first = found[0][0]
        assert (first.input, first.error, first.cause, first.redrive_count, first.redrive_date, first.attempt) == (
            "in", "E", "C", 2, 7.0, 2,
        )  # fmt: skip
        assert counts == {"FAILED": (1, 4), "ABORTED": (1, 4)}

    async def test_a_child_that_succeeds_in_its_redrive_is_one_to_redrive_no_more(self, store: Store) -> None:
        """Its row is replaced."""
        store.child_ended(1, 0, "FAILED", 1.0, 2.0, 1, "{}", None, "E", events=events(1, 2))
        store.child_ended(1, 0, "SUCCEEDED", 1.0, 9.0, 1, "{}", "{}", None, None, events(1, 5), 1, 8.0, 1)

        assert await store.children_to_redrive(1, Page(10), attempt=2) == []
        assert await store.child_counts(1) == {"SUCCEEDED": (1, 1)}
        assert len(await store.child_events(1, 0)) == 5

    async def test_a_snapshot_is_there_until_its_child_ends(self, store: Store) -> None:
        """The last one counts; it holds where the child stands."""
        store.child_saved(1, 0, 1.0, 3, "in", events(1, 2))
        store.child_saved(1, 0, 1.0, 3, "in", events(1, 4), 1, 5.0)
        store.child_saved(1, 1, 1.0, 3, "{}", events(1, 2))

        (first, history), (second, _) = await store.saved_children(1, Page(10))
        store.child_ended(1, 1, "SUCCEEDED", 1.0, 2.0, 3, "{}", "{}", events=events(1, 6), was_saved=True)

        assert (first.index, first.status, first.input, first.item_count, len(history)) == (0, "RUNNING", "in", 3, 4)
        assert (first.start, first.stop, first.redrive_count, first.redrive_date) == (1.0, None, 1, 5.0)
        assert second.index == 1
        assert [row.index for row, _ in await store.saved_children(1, Page(10))] == [0]
        assert await store.last_child_index(1) == 1

    async def test_a_snapshot_that_outlived_its_child_s_end_is_not_seen(self, store: Store) -> None:
        """
        A crash between the row and the deletion of the snapshot must not run an ended child again. The snapshot of a
        child that is being redriven is newer than its row.
        """
        for index, redrives in ((0, 0), (1, 1)):
            store.child_saved(1, index, 1.0, 3, "{}", events(1, 2), redrives)
            store.child_ended(1, index, "FAILED", 1.0, 2.0, 3, "{}", None, events=events(1, 4))

        assert [row.index for row, _ in await store.saved_children(1, Page(10))] == [1]

    async def test_a_map_run_without_children_has_no_last_index(self, store: Store) -> None:
        """Another's do not count."""
        store.child_ended(2, 7, "SUCCEEDED", 1.0, 2.0, 3, "{}", "{}")

        assert (await store.last_child_index(1), await store.last_child_index(2)) == (-1, 7)

    async def test_a_map_run_is_found_by_what_its_children_s_names_share(self, store: Store) -> None:
        """One lookup, however many map runs the label has had."""
        for number in (1, 2, 3):
            store.map_run_saved(map_run(number, child_head=f"head-{number}"))

        found = await store.map_run_of_child("head-2")

        assert found is not None
        assert found.id == 2
        assert await store.map_run_of_child("head-9") is None

    async def test_what_a_restarted_map_run_needs_is_kept(self, store: Store) -> None:
        """The object that was read, whether all children were started, and the result files so far."""
        row = map_run(source_etag='"etag"', all_started=True, result_files=[{"Key": "a/SUCCEEDED_0.json", "Size": 7}])
        store.map_run_saved(row)

        assert await store.map_run(row.arn) == row

    async def test_a_map_run_keeps_its_last_counts(self, store: Store) -> None:
        """Saving again replaces."""
        store.map_run_saved(map_run())
        store.map_run_saved(map_run(status="SUCCEEDED", stop=3.0, item_counts={"total": 5}))

        kept = await store.map_run(map_run().arn)

        assert kept is not None
        assert (kept.status, kept.item_counts) == ("SUCCEEDED", {"total": 5})
        assert [row.id for row in await store.map_runs(execution(1).arn, Page(10))] == [1]
