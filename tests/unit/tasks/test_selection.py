"""Conditions that select failed items."""

from __future__ import annotations

import pytest

from mapfold.errors import UsageError
from mapfold.runs.failed_items import FailedItem
from mapfold.runs.selection import parse_selection
from mapfold.runs.signature import signature_of

ITEMS = (
    FailedItem(0, {"bucket": "b", "key": "logs/2013-01.csv", "size": 12}, "ValueError", "row 1 is short"),
    FailedItem(5, {"bucket": "b", "key": "logs/2014-01.csv", "size": 7}, "ValueError", "row 22 is short"),
    FailedItem(12, {"bucket": "b", "key": "flights/2013-02.csv", "tags": {"kind": "A1"}}, "KeyError", "'carrier'"),
    FailedItem(20, "a text", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
)
SHORT = signature_of("ValueError", "row 1 is short").id


def selected(*conditions: str, take: int | None = None) -> list[int]:
    return [failed.index for failed in parse_selection(conditions, take=take).select(ITEMS)]


@pytest.mark.parametrize(
    ("condition", "indexes"),
    [
        ("error=ValueError", [0, 5]),
        ("error=*Error", [0, 5, 12]),
        ("error=valueerror", []),
        ("message=*timed out*", [20]),
        ("message=row ? is short", [0]),
        ("key=logs/2013-*", [0]),
        ("key=*.csv", [0, 5, 12]),
        ("item.size=7", [5]),
        ("item.tags.kind=A?", [12]),
        ('item.tags={"kind":"A1"}', [12]),
        ("item.missing=*", []),
        ("index=12", [12]),
        ("index=5-12", [5, 12]),
        (f"signature={SHORT}", [0, 5]),
        (f"signature={SHORT[:6].upper()}", [0, 5]),
    ],
)
def test_a_condition_selects(condition: str, indexes: list[int]) -> None:
    """By why an item failed, by what it is, or by its place; an item without the field is not selected."""
    assert selected(condition) == indexes


def test_without_conditions_all_are_selected() -> None:
    """In the order in which they come."""
    assert selected() == [0, 5, 12, 20]


def test_conditions_of_one_field_are_alternatives_and_of_several_must_all_hold() -> None:
    """index=0 or index=5 or index=12, and a key under logs/."""
    assert selected("index=0", "key=logs/*", "index=5", "index=12") == [0, 5]


def test_a_few_of_each_signature_are_the_first_that_come() -> None:
    """Counted among those that the conditions select."""
    assert selected(take=1) == [0, 12, 20]
    assert selected("index=5-20", take=1) == [5, 12, 20]


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("ValueError", "not FIELD=VALUE"),
        ("error=", "not FIELD=VALUE"),
        ("eror=ValueError", "'eror'"),
        ("item.=x", "'item.'"),
        ("item.a..b=x", "'item.a..b'"),
        ("index=first", "index is a number"),
        ("index=20-10", "Write index=10-20"),
        ("signature=3f2", "6 to 8 hexadecimal digits"),
        ("signature=timeout", "6 to 8 hexadecimal digits"),
    ],
)
def test_a_wrong_condition_is_refused_with_what_is_allowed(condition: str, says: str) -> None:
    """Named as it was written."""
    with pytest.raises(UsageError) as refused:
        parse_selection([condition])

    assert repr(condition) in str(refused.value)
    assert says in str(refused.value)


def test_none_of_each_signature_cannot_be_taken() -> None:
    """A canary of nothing would pass."""
    with pytest.raises(UsageError, match="one or more"):
        parse_selection([], take=0)
