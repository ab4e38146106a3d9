"""Signatures: which failures are alike."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from mapfold.runs.failed_items import FailedItem
from mapfold.runs.signature import count_signatures, signature_of

SAME = [
    ("line 17 of 'logs/2013-01-05.csv' has 3 fields", "line 4 of 'logs/2013-11-30.csv' has 12 fields"),
    ("s3://bucket/a/b.csv does not exist", "s3://other/c.csv does not exist"),
    ("failing/missing.csv does not exist", "failing/elsewhere/gone.csv does not exist"),
    (
        "request 6f9619ff-8b86-d011-b42d-00cf4fc964ff timed out",
        "request 00000000-aaaa-bbbb-cccc-deadbeefdead timed out",
    ),
    ("digest deadbeefcafe differs", "digest 00ff12aa9b differs"),
    ("took 1,234.5 s", "took 7 s"),
    ("x is -5", "x is 1e-05"),
    ('no column "carrier"', 'no column "tail number"'),
    ("row\n  is short", "row is short"),
]


def failed(index: int, message: str) -> FailedItem:
    return FailedItem(index, {"key": f"k{index}"}, "ValueError", message)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_tells_items_apart_is_left_out(one: str, other: str) -> None:
    """Numbers, hexadecimal digits, ids, dates, quoted texts, paths and URIs, and how lines are broken."""
    assert signature_of("ValueError", one) == signature_of("ValueError", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ValueError", "no such row"), ("KeyError", "no such row")),
        (("ValueError", "no such row"), ("ValueError", "no such column")),
        (("ValueError", "can't read it, don't try"), ("ValueError", "can't write it, don't try")),
    ],
)
def test_another_class_or_other_words_are_another_signature(one: tuple[str, str], other: tuple[str, str]) -> None:
    """An apostrophe within a word quotes nothing."""
    assert signature_of(*one).id != signature_of(*other).id


def test_a_signature_is_eight_digits_with_its_text() -> None:
    """The id is the same everywhere and always: people write it down."""
    signature = signature_of("ValueError", "line 17 of 'a.csv' has 3 fields")

    assert signature.text == "ValueError: line # of '…' has # fields"
    assert signature.id == "0b5d348b"


def test_a_long_message_is_made_short_in_time() -> None:
    """Quotation marks that nothing closes, and a megabyte behind them."""
    signature = signature_of("ValueError", "'a \"b `c /d " * 100_000)

    assert len(signature.text) <= 200


def test_items_are_counted_by_signature_most_frequent_first() -> None:
    """With the first item of each as its example."""
    found = count_signatures([failed(0, "late"), failed(1, "row 1"), failed(2, "row 2"), failed(3, "row 3")])

    assert [(count.signature.text, count.items, count.example.index) for count in found.counts] == [
        ("ValueError: row #", 3, 1),
        ("ValueError: late", 1, 0),
    ]
    assert (found.items, found.others) == (4, 0)


def test_what_is_beyond_the_bound_is_counted_together() -> None:
    """Signatures that were there before the bound was reached go on to be counted apart."""
    words = ["a", "b", "c", "a", "d", "b"]

    found = count_signatures([failed(i, word) for i, word in enumerate(words)], most=2)

    assert {count.signature.text: count.items for count in found.counts} == {"ValueError: a": 2, "ValueError: b": 2}
    assert (found.items, found.others) == (6, 2)


def test_memory_does_not_grow_with_the_items() -> None:
    """2,000 items of 2,000 signatures take what those take that are told apart."""

    def many() -> Iterator[FailedItem]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        for number in range(2_000):
            word = "".join(letters[number // 26**place % 26] for place in range(4))
            yield failed(number, f"{word} " * 50)

    tracemalloc.start()
    found = count_signatures(many(), most=20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found.items == 2_000
    assert peak < 100_000
