"""How values look as text."""

from __future__ import annotations

import json

import pytest

from mapfold.cli.present import MAX_ROWS, columns, duration, json_chunks, number, result_lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0.00 s"), (9.994, "9.99 s"), (12.34, "12.3 s"), (125, "2 min 05 s"), (7380, "2 h 03 min")],
)
def test_durations_are_as_exact_as_they_are_useful(seconds: float | None, text: str) -> None:
    """Hundredths under ten seconds, tenths under a minute."""
    assert duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(1234, "1,234"), (0.25, "0.25"), (2.0, "2"), (-1234.5678, "-1,234.568")])
def test_numbers_have_thousands_and_at_most_three_decimals(value: float, text: str) -> None:
    """And no zeros at their end."""
    assert number(value) == text


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    """Text to the left; nothing stands at the end of a line."""
    assert columns(("a", "n"), [("x", 5), ("yy", 1000)]) == ["a       n", "x       5", "yy  1,000"]


def test_a_long_result_is_cut_and_says_so() -> None:
    """The whole is where result_uri says."""
    lines = result_lines({"rows": {str(i): {"n": i} for i in range(MAX_ROWS + 7)}})

    assert lines[-1] == "… 7 more"
    assert len(result_lines(list(range(1000)))) == MAX_ROWS + 1


def test_a_result_of_plain_members_is_a_list_of_them() -> None:
    """Members that are neither are JSON."""
    assert result_lines({"n": 7, "names": ["a"]}) == ["n      7", 'names  ["a"]']


def test_json_is_written_as_an_iterator_gives() -> None:
    """So that a document of a million children takes no memory."""
    given = {"a": 1, "some": iter([{"x": None}, "é"]), "none": iter(()), "nested": ({"i": iter([1])},)}

    text = "".join(json_chunks(given))

    assert json.loads(text) == {"a": 1, "some": [{"x": None}, "é"], "none": [], "nested": [{"i": [1]}]}
