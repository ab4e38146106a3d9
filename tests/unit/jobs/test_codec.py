"""A job's values as JSON, and back."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.codec import Place, decode, encode
from mapfold.errors import JobError

PLACE = Place("flights", "map")


class Colour(StrEnum):
    RED = "red"


class Level(Enum):
    LOW = 1


@dataclass
class Leg:
    miles: int
    late: float | None = None


@dataclass
class Trip:
    name: str
    legs: list[Leg] = field(default_factory=list)
    by_carrier: dict[str, Leg] = field(default_factory=dict)
    colour: Colour = Colour.RED
    pair: tuple[int, str] = (0, "")
    sizes: tuple[int, ...] = ()
    kind: Literal["a", "b"] = "a"
    extra: Any = None
    inner: Trip | None = None


@dataclass
class Row:
    number: int
    share: float
    late: bool
    note: str | None = None
    left: int | None = None


WHOLE = st.integers(-(2**63), 2**64 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
finite = st.floats(allow_nan=False, allow_infinity=False)
legs = st.builds(Leg, miles=WHOLE, late=st.none() | finite)
trips = st.builds(
    Trip,
    name=st.text(),
    legs=st.lists(legs, max_size=3),
    by_carrier=st.dictionaries(st.text(), legs, max_size=3),
    pair=st.tuples(WHOLE, st.text()),
    sizes=st.lists(WHOLE, max_size=3).map(tuple),
    kind=st.sampled_from(["a", "b"]),
    extra=json_values,
    inner=st.none() | st.builds(Trip, name=st.text()),
)


class TestRoundTrip:
    @given(json_values)
    def test_plain_json_comes_back_as_it_was(self, value: Any) -> None:
        """Through text, as between two functions."""
        assert json.loads(json.dumps(encode(value, PLACE, "partial"))) == value

    @given(trips)
    def test_dataclasses_come_back_equal(self, trip: Trip) -> None:
        """Nested, optional, in lists, dicts and tuples."""
        text = json.dumps(encode(trip, PLACE, "partial"))

        assert decode(Trip, json.loads(text), PLACE, "partial") == trip

    def test_subclasses_of_json_types_are_json(self) -> None:
        """Counters, enums and tuples are what authors use."""
        value = {"count": Counter("aab"), "colour": Colour.RED, "level": Level.LOW, "pair": (1, 2), Colour.RED: 1}

        assert encode(value, PLACE, "x") == {
            "count": {"a": 2, "b": 1},
            "colour": "red",
            "level": 1,
            "pair": [1, 2],
            "red": 1,
        }


class TestEncodeErrors:
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ({"carriers": {"UA": [1, 2, 3, float("nan")]}}, "partial.carriers.UA[3] is nan, which JSON cannot carry."),
            ([float("inf")], "partial[0] is inf"),
            ({"seen": {1}}, "partial.seen is a set, which JSON cannot carry. Use sorted(...)"),
            ({"a": {1: 2}}, "partial.a has the key 1 (a int). Keys of JSON objects are strings: use str(key)"),
            ({"a": b""}, "partial.a is a bytes"),
            (date(2013, 1, 1), "partial is a date, which JSON cannot carry. Use .isoformat()"),
            (Decimal(1), "partial is a Decimal, which JSON cannot carry. Use float(...) or str(...)"),
            (Leg(1, late=float("nan")), "partial.late is nan"),
            (
                {"sum": 2**64},
                "partial.sum is a whole number of more than 64 bits, which would be rounded. Use str(...)",
            ),
            (object(), "partial is a object, which JSON cannot carry. Return None, bool"),
        ],
    )
    def test_the_field_is_named(self, value: Any, told: str) -> None:
        """With the job and the function in front, and what to do behind."""
        with pytest.raises(JobError) as raised:
            encode(value, PLACE, "partial")

        assert str(raised.value).startswith(f"job 'flights', @job.map: {told}")


class TestDecode:
    @pytest.mark.parametrize("annotation", [Counter, Counter[str]])
    def test_a_counter_adds_like_one_on_later_levels_of_the_fold(self, annotation: Any) -> None:
        """In the worker it is one; it must be one where the partials of two batches meet."""
        partial = decode(annotation, {"a": 1}, PLACE, "partial")

        assert partial + Counter("ab") == Counter("aab")

    def test_annotations_without_a_dataclass_leave_json_alone(self) -> None:
        """`dict`, `Any` and no annotation at all."""
        value = {"a": [1]}

        assert decode(Any, value, PLACE, "x") is value
        assert decode(dict, value, PLACE, "x") is value

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ([], "item must be an object for Trip, not []"),
            ({}, "item has no name"),
            ({"name": 1}, "item.name must be a string, not 1"),
            (
                {"name": "", "legs": [{"miles": 1}, {"miles": "2"}]},
                "item.legs[1].miles must be a whole number, not '2'",
            ),
            ({"name": "", "by_carrier": {"UA": 1}}, "item.by_carrier.UA must be an object for Leg, not 1"),
            ({"name": "", "kind": "c"}, "item.kind must be one of 'a', 'b', not 'c'"),
            ({"name": "", "colour": "blue"}, "item.colour must be one of 'red', not 'blue'"),
            ({"name": "", "pair": [1]}, "item.pair must be a list of 2, not [1]"),
        ],
    )
    def test_what_does_not_fit_is_named(self, value: Any, told: str) -> None:
        """By the path of the field."""
        with pytest.raises(JobError) as raised:
            decode(Trip, value, PLACE, "item")

        assert told in str(raised.value)

    def test_fields_that_the_dataclass_does_not_have_are_left_out(self) -> None:
        """A file may have more columns than a job wants."""
        assert decode(Leg, {"miles": 1, "more": 2}, PLACE, "item") == Leg(1)

    def test_text_becomes_what_the_field_is(self) -> None:
        """Rows of a CSV are all text; an empty field is None where that is allowed."""
        row = {"number": "7", "share": "0.5", "late": "true", "note": "", "left": ""}

        assert decode(Row, row, PLACE, "item", from_text=True) == Row(7, 0.5, True, None, None)

    def test_text_that_is_no_number_is_named(self) -> None:
        """By the column."""
        row = {"number": "seven", "share": "0.5", "late": "true"}

        with pytest.raises(JobError, match=r"item\.number must be a whole number, not 'seven'"):
            decode(Row, row, PLACE, "item", from_text=True)
