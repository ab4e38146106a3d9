"""The walk of an audit: the manifest beside what the batches say, without any S3."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from mapfold.client.audit.chain import between, tried_again
from mapfold.client.audit.claims import Failed, Told
from mapfold.client.audit.values import Kind, Totals
from mapfold.client.audit.walk import walk
from mapfold.runs.identity import add_up, item_digest, ranges
from mapfold.runs.source_items import UNREAD

Found = tuple[Kind, int | None, int | None]


def item(index: int) -> dict[str, str]:
    return {"key": f"k{index}"}


class Run:
    """What a run would have said: batches of places, with the items that they had; and its failed places."""

    def __init__(self) -> None:
        self.told = Told()
        self.totals = Totals()

    def batch(self, indexes: Iterable[int], *, failed: int = 0, had: Mapping[int, Any] | None = None) -> Run:
        places = list(indexes)
        digest = add_up(item_digest(index, (had or {}).get(index, item(index))) for index in places)
        self.told.claim(ranges(places), items=len(places), failed=failed, digest=digest)
        return self

    def failing(self, *indexes: int, reached: bool = True) -> Run:
        for index in indexes:
            self.told.fail(Failed(index, item(index), reached))
        return self

    def against(self, indexes: Iterable[int], *, is_whole: bool = True, unread: bool = False) -> list[Found]:
        entries = ((index, UNREAD if unread else item(index)) for index in indexes)
        found = walk(entries, self.told, self.told.failed(), self.totals, is_whole=is_whole)
        return [(each.kind, each.index, each.last) for each in found]

    @property
    def counted(self) -> tuple[int, int, int, int]:
        totals = self.totals
        return totals.manifest, totals.succeeded, totals.failed, totals.not_reached


class TestWhatHolds:
    def test_every_item_once(self) -> None:
        """The manifest's items are succeeded and failed ones, and each was compared with what its batch had."""
        run = Run().batch(range(6, 10)).batch(range(6), failed=2).failing(4, 1)

        found = run.against(range(10))

        assert (found, run.counted, run.totals.compared) == ([], (10, 8, 2, 0), 10)

    def test_a_list_with_gaps_in_batches_of_many_ranges(self) -> None:
        """A batch's digest is put together from its ranges, however they lie between those of other batches."""
        listed = [0, 1, 4, 7, 8, 9, 20]
        run = Run().batch([0, 4, 8, 20], failed=1).batch([1, 7, 9]).failing(8)

        found = run.against(listed)

        assert (found, run.counted) == ([], (7, 6, 1, 0))

    def test_a_run_that_stopped_has_items_that_it_did_not_reach(self) -> None:
        """Those of batches that were not started, which failures.jsonl lists, and those that nobody had read yet."""
        run = Run().batch(range(3)).batch([3, 4], failed=2).failing(3, 4, reached=False)

        found = run.against(range(8), is_whole=False)

        assert (found, run.counted, run.totals.unread) == ([], (8, 3, 0, 5), 3)

    def test_items_that_cannot_be_read_are_held_by_their_places(self) -> None:
        """Nothing is compared, and the totals say so."""
        run = Run().batch(range(5), had={2: "another"})

        assert (run.against(range(5), unread=True), run.totals.compared) == ([], 0)


class TestWhatDoesNot:
    @pytest.mark.parametrize(
        ("batches", "expected"),
        [
            pytest.param([range(3), range(4, 8)], [(Kind.MISSING, 3, None)], id="a hole"),
            pytest.param([range(7)], [(Kind.MISSING, 7, None)], id="the last one"),
            pytest.param([], [(Kind.MISSING, index, None) for index in range(8)], id="all"),
            pytest.param([range(5), range(4, 8)], [(Kind.TWICE, 4, None)], id="an overlap"),
            pytest.param([range(8), [3]], [(Kind.TWICE, 3, None)], id="a piece beside its batch"),
            pytest.param(
                [range(4), range(4, 10)], [(Kind.UNKNOWN, 8, 9), (Kind.ALTERED, 4, 9)], id="beyond the manifest's end"
            ),
        ],
    )
    def test_it_is_found_at_its_place(self, batches: Sequence[Iterable[int]], expected: list[Found]) -> None:
        """Of eight items in the manifest: skipped, done twice, or not in it."""
        run = Run()
        for batch in batches:
            run.batch(batch)

        assert run.against(range(8)) == expected
        assert not run.totals.holds

    def test_a_batch_that_had_another_item(self) -> None:
        """All places are right, and what stood there was not what the manifest has."""
        run = Run().batch(range(4)).batch(range(4, 8), had={5: {"key": "swapped"}})

        assert run.against(range(8)) == [(Kind.ALTERED, 4, 7)]

    def test_two_items_that_changed_places(self) -> None:
        """The digest holds the place too."""
        run = Run().batch(range(4), had={1: item(2), 2: item(1)})

        assert run.against(range(4)) == [(Kind.ALTERED, 0, 3)]

    def test_a_batch_of_many_ranges_with_another_item(self) -> None:
        """It is told at the batch's first place, once its last range is passed."""
        run = Run().batch([1, 5], had={5: "another"}).batch([0, 2, 3, 4])

        assert run.against(range(6)) == [(Kind.ALTERED, 1, None)]

    def test_failed_items_that_are_not_listed(self) -> None:
        """The batch says that two failed, and failures.jsonl has one of them."""
        run = Run().batch(range(4), failed=2).failing(1)

        assert run.against(range(4)) == [(Kind.FAILURES, 0, 3)]

    def test_a_failed_item_that_is_listed_twice(self) -> None:
        """It would be retried twice."""
        run = Run().batch(range(4), failed=2).failing(1, 1)

        assert run.against(range(4)) == [(Kind.FAILURES, 1, None)]

    def test_a_failed_item_that_nobody_had(self) -> None:
        """failures.jsonl lists what is not in the manifest."""
        run = Run().batch(range(4)).failing(9)

        assert run.against(range(4)) == [(Kind.UNKNOWN, 9, None)]

    def test_what_a_list_does_not_have(self) -> None:
        """A batch had places in a gap of the list."""
        run = Run().batch([0, 1, 2, 3])

        assert run.against([0, 1, 3]) == [(Kind.UNKNOWN, 2, 2), (Kind.ALTERED, 0, 3)]


@pytest.mark.parametrize("seed", range(20))
def test_one_change_of_a_large_run_is_always_found(seed: int) -> None:
    """A run of random batches holds; with any one item skipped, repeated, or exchanged it does not."""
    chance = random.Random(seed)
    places = list(range(300))
    cuts = sorted(chance.sample(range(1, 300), 30))
    batches = [places[start:end] for start, end in zip([0, *cuts], [*cuts, 300], strict=True)]
    whole = Run()
    for batch in chance.sample(batches, len(batches)):
        whole.batch(batch)
    changed = Run()
    victim = chance.choice(places)
    for batch in batches:
        match seed % 3:
            case 0:
                changed.batch([index for index in batch if index != victim])
            case 1:
                changed.batch([*batch, victim])
            case _:
                changed.batch(batch, had={victim: "exchanged"})

    assert whole.against(places) == []
    assert changed.against(places) != []


class TestRetries:
    @staticmethod
    def failed(*indexes: int) -> list[Failed]:
        return [Failed(index, item(index), True) for index in indexes]

    def test_a_retry_of_some_of_the_failed(self) -> None:
        """Those that were left out are still listed, beside those that failed again."""
        listed = [(3, item(3)), (5, item(5))]

        found = between(self.failed(1, 3, 5), listed, self.failed(1, 5), of="first")

        assert list(found) == []
        assert [each.index for each in tried_again(self.failed(1, 5), listed)] == [5]

    @pytest.mark.parametrize(
        ("listed", "after", "expected"),
        [
            ([1, 2], [], [(Kind.TWICE, 2), (Kind.MISSING, 3)]),
            ([1], [], [(Kind.MISSING, 3)]),
            ([1, 3], [7], [(Kind.UNKNOWN, 7)]),
        ],
        ids=["what had succeeded is done again", "one is lost", "one comes from nowhere"],
    )
    def test_what_does_not_hold_between_two_runs(
        self, listed: list[int], after: list[int], expected: list[tuple[Kind, int]]
    ) -> None:
        """Items 1 and 3 had failed before."""
        entries = [(index, item(index)) for index in listed]

        found = between(self.failed(1, 3), entries, self.failed(*after), of="first")

        assert [(each.kind, each.index) for each in found] == expected

    def test_an_item_that_became_another(self) -> None:
        """The list names the place of an item that failed, with other content."""
        found = between(self.failed(1), [(1, "another")], [], of="first")

        assert [each.kind for each in found] == [Kind.ALTERED]
