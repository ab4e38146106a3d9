"""Long lists page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mapfold.client import BadToken, fill, seal, unseal
from mapfold.client.pages import Entry, entries_of, travelling_bytes
from mapfold.client.values import Json, Page


def numbers(*, upto: int) -> Iterator[Entry[int]]:
    return ((number, number if number < upto else None) for number in range(1, upto + 1))


def test_a_page_ends_at_its_limit() -> None:
    """With the position behind its last entry."""
    assert fill(numbers(upto=9), str, limit=3) == (["1", "2", "3"], 3)


def test_the_last_page_has_no_position() -> None:
    """Whether it is full or not."""
    assert fill(numbers(upto=3), str, limit=3) == (["1", "2", "3"], None)
    assert fill(numbers(upto=3), str, limit=9) == (["1", "2", "3"], None)


def test_a_page_ends_before_it_grows_too_large() -> None:
    """The entry that would not fit is the first of the next page; one that fits into none is a page of its own."""
    assert fill(numbers(upto=9), lambda number: "x" * 100, limit=9, budget=250) == (["x" * 100] * 2, 2)
    assert fill(numbers(upto=9), lambda number: "x" * 100, limit=9, budget=10) == (["x" * 100], 1)


def test_nothing_behind_a_full_page_is_asked_for() -> None:
    """Each entry may cost a call."""
    entries = numbers(upto=9)

    fill(entries, str, limit=3)

    assert next(entries) == (4, 4)


def test_a_page_ends_when_its_time_is_up() -> None:
    """Each entry here takes four seconds."""
    clock = iter(range(0, 100, 4))

    assert fill(numbers(upto=9), str, limit=9, seconds=10, clock=lambda: next(clock)) == (["1", "2", "3"], 3)


def test_a_page_on_which_nothing_was_found_in_time_still_goes_on() -> None:
    """It is empty, and the next one begins behind what was looked at."""
    found: Iterator[Entry[int | None]] = ((None, place) for place in range(1, 100))
    clock = iter(range(0, 100, 4))

    assert fill(found, str, limit=9, seconds=10, clock=lambda: next(clock)) == ([], 3)


@pytest.mark.parametrize("document", ["é", {"a": '"\\n'}, [1, None]])
def test_bytes_are_counted_as_they_travel(document: Json) -> None:
    """An answer of Lambda is JSON, and its body a text within it: at worst all that is not ASCII is escaped."""

    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    assert travelling_bytes(document) == len(json.dumps({"body": body})) - len('{"body": }')


def test_a_token_is_good_for_the_same_question_only() -> None:
    """With another run or filter it would go on anywhere."""
    token = seal(["t", 50, 0], ["history", "r1"])

    assert token is not None
    assert unseal(token, ["history", "r1"]) == ["t", 50, 0]
    with pytest.raises(BadToken):
        unseal(token, ["history", "r2"])


def test_a_list_that_a_service_pages_goes_on_within_a_page() -> None:
    """That page is fetched once more, and what was given of it is skipped."""
    pages = {None: Page((1, 2, 3), "t"), "t": Page((4, 5))}

    entries = list(entries_of(lambda size, token: pages[token], size=3))

    assert [value for value, _ in entries] == [1, 2, 3, 4, 5]
    for number, (_, behind) in enumerate(entries, start=1):
        rest = [] if behind is None else [v for v, _ in entries_of(lambda s, t: pages[t], size=9, position=behind)]
        assert rest == [1, 2, 3, 4, 5][number:]


def test_a_page_of_a_service_may_be_empty_though_another_follows() -> None:
    """Step Functions says so of its lists."""
    pages: dict[str | None, Page[int]] = {None: Page((), "t"), "t": Page((1,))}

    assert [value for value, _ in entries_of(lambda size, token: pages[token], size=3)] == [1]
