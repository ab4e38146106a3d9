"""Duplicates among names: exact, whatever the filter lets through, in bounded memory and time."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.runs.deadline import OutOfTime
from mapfold.runs.duplicates import Duplicates, find_duplicates, first_occurrences, refused


class Passes:
    """Names in chunks, and how often they were gone through."""

    def __init__(self, names: Iterable[str], size: int = 100) -> None:
        self.names, self.size, self.count = list(names), size, 0

    def __call__(self) -> Iterator[Sequence[str]]:
        self.count += 1
        return (self.names[at : at + self.size] for at in range(0, len(self.names), self.size))


def found(names: Iterable[str], *, expected: int = 1000, slice_names: int = 1000) -> Duplicates:
    return find_duplicates(Passes(names), expected=expected, seconds_left=lambda: math.inf, slice_names=slice_names)


def as_they_are(name: str) -> str:
    return name


def test_no_duplicates_take_one_pass() -> None:
    """What may be there before is looked for again only if there is any."""
    passes = Passes(["a", "b", "c"])

    duplicates = find_duplicates(passes, expected=3, seconds_left=lambda: math.inf)

    assert passes.count == 1
    assert (duplicates.names, duplicates.as_event(as_they_are)) == (3, {"items": 0, "first": []})


def test_the_first_are_reported_with_their_places() -> None:
    """In the order in which they turn up, five of them, five places each."""
    names = ["a", "b", "a", "c", "b", *"a" * 9, *"defghdefgh"]

    event = found(names).as_event(as_they_are)

    assert event["items"] == 16
    assert event["first"][:2] == [{"key": "a", "indexes": [0, 2, 5, 6, 7]}, {"key": "b", "indexes": [1, 4]}]
    assert [each["key"] for each in event["first"]] == ["a", "b", "d", "e", "f"]


def test_first_occurrences_keep_their_indexes() -> None:
    """The list that Plan writes has gaps where an item repeats an earlier one."""
    names = ["a", "b", "a", "c", "b"]

    kept = list(first_occurrences(names, found(names)))

    assert kept == [(0, "a"), (1, "b"), (3, "c")]
    assert list(first_occurrences("xy", found("xy"))) == [(0, "x"), (1, "y")]


@given(st.lists(st.integers(0, 40).map(str), max_size=200), st.integers(1, 7))
def test_what_is_counted_is_what_is_there(names: list[str], slice_names: int) -> None:
    """In however many slices, each held by itself."""
    duplicates = found(names, slice_names=slice_names)

    repeats = [name in names[:index] for index, name in enumerate(names)]
    assert duplicates.items == sum(repeats) == len(names) - len(set(names))
    assert [duplicates.repeats(index) for index in range(len(names))] == repeats
    assert all(names[i] == each.name for each in duplicates.first for i in each.indexes)


def test_a_filter_that_is_far_too_small_costs_passes_and_no_truth() -> None:
    """An estimate may be wrong by any factor: then nearly every name is a candidate."""
    passes = Passes((str(n % 60_000) for n in range(70_000)), size=5_000)

    duplicates = find_duplicates(passes, expected=10, seconds_left=lambda: math.inf, slice_names=20_000)

    assert duplicates.items == 10_000
    assert passes.count > 2


def test_memory_is_that_of_a_slice_when_all_is_there_twice() -> None:
    """Not that of all the names that are counted."""
    half = [f"mapfold-data,texts/{n:07}" for n in range(40_000)]

    def chunks() -> Iterator[Sequence[str]]:
        for at in range(0, 80_000, 1_000):
            yield half[at % 40_000 : at % 40_000 + 1_000]

    tracemalloc.start()
    duplicates = find_duplicates(chunks, expected=80_000, seconds_left=lambda: math.inf, slice_names=4_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert duplicates.items == 40_000
    assert peak < 2_500_000


def test_time_that_runs_out_is_an_error_that_says_what_helps() -> None:
    """Before Lambda ends the function, which would say nothing."""
    left = iter([100.0, 60.0, 19.9])

    with pytest.raises(OutOfTime, match=r'after 300 names\. .* declare Job\(on_duplicate="ignore"\)'):
        find_duplicates(Passes(map(str, range(1000))), expected=1000, seconds_left=lambda: next(left))


def test_a_refusal_names_the_first() -> None:
    """Under the name that Step Functions and whoever reads the run sees."""
    error = refused(found(["a", "b", "a", "c", "b"]), lambda name: f"s3://b/{name}")

    assert type(error).__name__ == "Mapfold.DuplicateItems"
    assert str(error) == (
        "2 of 5 items name an object that an earlier item names: s3://b/a at 0, 2; s3://b/b at 1, 4 (counted from 0). "
        'Take them out of the source, or declare Job(on_duplicate="once") to run each object once.'
    )
