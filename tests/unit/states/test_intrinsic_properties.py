"""Laws of the intrinsic functions."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.states import Json
from mapfold.states.intrinsic_calls import compile_value
from mapfold.states.intrinsics import ALGORITHMS, INTRINSICS
from mapfold.states.java_hash import hash_code
from mapfold.states.java_random import JavaRandom
from mapfold.states.java_text import java_number
from mapfold.states.json_path import PathSyntaxError

cheap = settings(deadline=None, max_examples=50)

WHOLE = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=10
)
ARRAYS = st.lists(VALUES, max_size=8)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def call(name: str, *arguments: Json) -> Json:
    return INTRINSICS[name].call(arguments, Random(1))


@cheap
@given(VALUES)
def test_a_value_is_the_same_after_text_and_back(value: Json) -> None:
    """StringToJson undoes JsonToString, whatever the doubles look like in Java's notation."""
    assert call("StringToJson", call("JsonToString", value)) == value


@cheap
@given(st.text(max_size=200))
def test_text_is_the_same_after_base64_and_back(text: str) -> None:
    """Base64Decode undoes Base64Encode, with and without the padding."""
    encoded = call("Base64Encode", text)

    assert call("Base64Decode", encoded) == text
    assert call("Base64Decode", encoded.rstrip("=")) == text


@cheap
@given(ARRAYS, st.integers(1, 5))
def test_the_chunks_of_an_array_are_the_array(array: list[Json], size: int) -> None:
    """ArrayPartition loses nothing: all chunks but the last have the size."""
    chunks = call("ArrayPartition", array, size)

    assert [member for chunk in chunks for member in chunk] == array
    assert all(len(chunk) == size for chunk in chunks[:-1])


@cheap
@given(ARRAYS)
def test_unique_members_are_all_that_the_array_contains(array: list[Json]) -> None:
    """ArrayUnique keeps one of each; in which order depends on the length of the array too."""
    unique = call("ArrayUnique", array)

    assert len(call("ArrayUnique", unique)) == len(call("ArrayUnique", array + array)) == len(unique)
    assert all(call("ArrayContains", array, member) for member in unique)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("polygenelubricants", 2**31),
        ("hello", 99162322),
        ("é😀", (233 * 31 + 0xD83D) * 31 + 0xDE00),
        (None, 0),
        (True, 1231),
        (-1, 2**32 - 1),
        (2**40, 256),
        (-(2**40), 0xFFFFFF00),
        (2**63 + 5, 2**31 + 5),
        (1.5, 1073217536),
        ([1, [2], None], ((31 + 1) * 31 + 33) * 31),
        ({"a": 1, "b": None}, (97 ^ 1) + 98),
    ],
)
def test_a_value_has_the_hash_that_java_gives_it(value: Json, code: int) -> None:
    """By which ArrayUnique's members are ordered."""
    assert hash_code(value) == code % 2**32


@cheap
@given(ARRAYS.filter(len), st.data())
def test_an_item_is_contained(array: list[Json], data: st.DataObject) -> None:
    """What ArrayGetItem gives at an index below ArrayLength, ArrayContains finds."""
    index = data.draw(st.integers(0, call("ArrayLength", array) - 1))

    assert call("ArrayContains", array, call("ArrayGetItem", array, index))


@cheap
@given(st.integers(-200, 200), st.integers(-200, 200), st.integers(-9, 9).filter(bool))
def test_a_range_goes_by_its_step(first: int, last: int, step: int) -> None:
    """ArrayRange begins with the first, never passes the last, and reaches it if the step does."""
    numbers = call("ArrayRange", first, last, step)

    assert all(later - earlier == step for earlier, later in pairwise(numbers))
    assert numbers[:1] == ([first] if (last - first) * step >= 0 else [])
    assert (last in numbers) == ((last - first) * step >= 0 and (last - first) % step == 0)


@cheap
@given(
    st.lists(st.text(st.characters(exclude_characters=",;"), min_size=1), max_size=5), st.sampled_from([",", ";", ";,"])
)
def test_what_is_joined_is_split_again(parts: list[str], glue: str) -> None:
    """StringSplit at any of the delimiters gives the parts, however many delimiters are between them."""
    assert call("StringSplit", glue.join(parts), ",;") == parts


@cheap
@given(st.lists(SCALARS, max_size=4), st.lists(TEXTS, min_size=5, max_size=5))
def test_format_puts_values_between_texts(values: list[Json], texts: list[str]) -> None:
    """Escaped text comes out as it was, and each value as it does alone."""
    escaped = [text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}").replace("'", "\\'") for text in texts]
    pieces = len(values) + 1

    formatted = call("Format", "{}".join(escaped[:pieces]), *values)

    shown = [call("Format", "{}", value) for value in values]
    expected = "".join(text + value for text, value in zip(texts, [*shown, ""], strict=False))
    assert formatted == expected


@cheap
@given(st.integers(-(2**30), 2**30 - 1), st.integers(-(2**30), 2**30 - 1))
def test_addition_is_addition(first: int, second: int) -> None:
    """MathAdd of whole numbers, in either order; of halves it is that of the next whole number up."""
    assert call("MathAdd", first, second) == call("MathAdd", second, first) == first + second
    assert call("MathAdd", first + 0.5, 0) == first + 1


@cheap
@given(OBJECTS, OBJECTS)
def test_merging_takes_the_second_where_both_have_a_member(first: dict[str, Json], second: dict[str, Json]) -> None:
    """JsonMerge: with itself or nothing it changes nothing."""
    merged = call("JsonMerge", first, second, False)

    assert {key: merged[key] for key in second} == second
    assert {key: merged[key] for key in first if key not in second} == {
        k: v for k, v in first.items() if k not in second
    }
    assert call("JsonMerge", merged, second, False) == merged == call("JsonMerge", {}, merged, False)


@cheap
@given(TEXTS, st.sampled_from(sorted(ALGORITHMS)))
def test_a_hash_is_that_of_the_text_s_bytes(text: str, algorithm: str) -> None:
    """Lower-case hexadecimal digits over UTF-8."""
    name = algorithm.replace("-", "").lower()

    assert call("Hash", text, algorithm) == hashlib.new(name, text.encode()).hexdigest()


@cheap
@given(WHOLE, WHOLE, st.integers(-(2**63) + 1024, 2**63 - 1024))
def test_a_seed_repeats_its_number_within_the_bounds(first: int, second: int, seed: int) -> None:
    """MathRandom: from the first to below the second, with a seed and without."""
    start, stop = min(first, second), max(first, second) + 1

    drawn = call("MathRandom", start, stop, seed)

    assert start <= drawn < stop
    assert drawn == call("MathRandom", start, stop, seed)
    assert start <= call("MathRandom", start, stop) < stop


def test_the_generator_is_java_s() -> None:
    """`new Random(42)`: the first numbers of nextInt() and nextInt(10), as any JVM prints them."""
    numbers, digits = JavaRandom(42), JavaRandom(42)

    assert [numbers.bits(32) - 2**32 if index == 0 else numbers.bits(32) for index in range(2)] == [
        -1_170_105_035,
        234_785_527,
    ]
    assert [digits.below(10) for _ in range(5)] == [0, 3, 8, 4, 0]


@cheap
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_in_java_s_notation_is_the_same_double(value: float) -> None:
    """Nothing is lost, and there is always a digit on both sides of the point."""
    text = java_number(value)

    assert float(text) == value
    whole, _, fraction = text.partition("E")[0].partition(".")
    assert whole.lstrip("-").isdigit()
    assert fraction.isdigit()


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [*(f"States.{name}(" for name in INTRINSICS), "$.a", "'", "\\", ",", ")", " ", "1", "-", "true"]
        ),
        max_size=8,
    )
)
def test_any_text_is_a_call_or_is_refused(tokens: list[str]) -> None:
    """Nothing but PathSyntaxError comes of a text that is none."""
    text = "".join(tokens)
    try:
        query = compile_value(text, "x.$")
    except PathSyntaxError:
        query = None

    assert query is None or text.strip().startswith(("States.", "$"))
