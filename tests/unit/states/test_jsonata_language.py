"""The language JSONata: tables of what the reference implementation (jsonata-js 2.0.6) gives, its limits, its laws."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.states.jsonata_functions import FUNCTIONS
from mapfold.states.jsonata_language import UNDEFINED, InternalFailure, JsonataError, LimitExceeded, compile_program

CASES = Path(__file__).parent / "cases"


def rows(name: str) -> list[Any]:
    """The rows of a table of cases."""
    return list(json.loads((CASES / name).read_text()))


DATA = json.loads((CASES / "jsonata_data.json").read_text())


def evaluate(expression: str, *, clock: Callable[[], float] = lambda: 1_700_000_000.5, **names: Any) -> Any:
    """What an expression gives, with `names` bound."""
    return compile_program(expression, FUNCTIONS).evaluate((names,), clock, Random(7))


def shown(value: Any) -> Any:
    """A value as plain JSON, with what is undefined inside of it as null."""
    if value is UNDEFINED:
        return None
    if isinstance(value, list):
        return [shown(member) for member in value]
    return {key: shown(member) for key, member in value.items()} if isinstance(value, dict) else value


def keys_of(value: Any) -> list[str]:
    """All keys of a value, in the order in which its text has them."""
    if isinstance(value, list):
        return [key for member in value for key in keys_of(member)]
    return [name for key in value for name in (key, *keys_of(value[key]))] if isinstance(value, dict) else []


@pytest.mark.parametrize(("expression", "value"), rows("jsonata_values.json"))
def test_an_expression_gives_what_the_reference_implementation_gives(expression: str, value: Any) -> None:
    """Values and the order of keys are those of jsonata-js 2.0.6, for the data in jsonata_data.json."""
    given_value = shown(evaluate(expression, d=json.loads(json.dumps(DATA))))

    assert given_value == value
    assert keys_of(given_value) == keys_of(value)


@pytest.mark.parametrize(("expression", "text"), rows("jsonata_errors.json"))
def test_an_expression_fails_as_in_the_reference_implementation(expression: str, text: str) -> None:
    """Codes and messages are those of jsonata-js 2.0.6: `T2001: The left side of the "+" operator must …`."""
    with pytest.raises(JsonataError) as caught:
        evaluate(expression, d=json.loads(json.dumps(DATA)))

    assert str(caught.value) == text


@pytest.mark.parametrize("expression", rows("jsonata_undefined.json"))
def test_what_is_not_there_is_undefined(expression: str) -> None:
    """Undefined is no value: not null, not an empty array."""
    assert evaluate(expression, d=json.loads(json.dumps(DATA))) is UNDEFINED


@pytest.mark.parametrize(("expression", "value"), rows("jsonata_regexes.json"))
def test_a_regular_expression_matches_as_in_javascript(expression: str, value: Any) -> None:
    """Groups that took no part, look-arounds, lazy and counted loops, flags: as JavaScript has them."""
    assert shown(evaluate(expression)) == value


class TestLimits:
    @pytest.mark.parametrize(
        "expression",
        [
            "($f := function($n) { $f($n + 1) }; $f(1))",
            "$count([1..3000].([1..3000].($ * 2)))",
            "$reduce([1..100000], function($all, $n) { $append($all, $n) })",
            f"$match('{'a' * 40}', /(a+)+b/)",
            "$distinct($map([1..100000], function($i) { {'a': $i} }))",
        ],
    )
    def test_an_expression_that_takes_a_second_is_ended(self, expression: str) -> None:
        """Whatever it is busy with, an expression looks at the clock: here one that goes a second on at each look."""
        moments = iter(range(10))

        with pytest.raises(LimitExceeded, match=r"^Expression evaluation timeout: Check for infinite loop$"):
            evaluate(expression, clock=lambda: float(next(moments)))

    @pytest.mark.parametrize(
        "expression",
        [
            "[1..873783] ~> $count()",
            "$pad('', 100000000)",
            "$count($range(1, 360146, 1))",
            "($p := function($s, $n) { $n = 0 ? $s : $p($s & $s, $n - 1) }; $length($p('x', 23)))",
            "($big := $pad('', 100000); $map([1..100000], function() { {'big': $big} }))",
            "($big := $pad('', 100000); $string($map([1..100000], function() { $big })))",
            "[1..1000].$pad('', 6000000)",
            "($big := $pad('', 3000000, 'é'); [1..1000].($big & $))",
            "[1..1000].[[1..400000]]",
            "($big := [1..400000]; [1..1000].$big)",
            "$encodeUrlComponent($pad('', 3000000, 'é'))",
            "$formatNumber(1, $pad('', 3000000, '0'))",
            "$zip([1..400000], [1..400000])",
        ],
    )
    def test_an_expression_that_holds_too_much_is_ended(self, expression: str) -> None:
        """The bounds measured on the service; the memory is never taken."""
        with pytest.raises(LimitExceeded, match=r"^Expression evaluation memory limit exceeded: Check for excessive"):
            evaluate(expression)

    @pytest.mark.parametrize("step", [".{'a': {'b': $}}", "[$ % 7 * 3 > 2]", "{$ & '': $}"])
    def test_many_items_are_not_gone_through_without_a_look_at_the_clock(self, step: str) -> None:
        """Two thousand of them at the most, whatever is done with each."""
        moments = count()

        evaluate(f"[1..20000]{step}", clock=lambda: next(moments) / 1_000_000)

        assert next(moments) > 20_000 / 2_000

    def test_a_clock_that_goes_on_is_all_that_counts(self) -> None:
        """Much work by the measure of steps is fine as long as it is done in time."""
        moments = count()
        text = "($text := $pad('', 20000, 'ab'); $count([1..26000].$substring($text, $, 1)))"

        assert evaluate(text, clock=lambda: next(moments) / 1_000_000) == 26_000

    def test_what_is_not_in_use_any_more_does_not_count(self) -> None:
        """Forty strings of a million characters after each other are no more than one, nor is one that many hold."""
        one_by_one = "$sum([1..40].$length($pad('', 1000000)))"
        the_same = "($big := $pad('', 6000000); $count([1..40].$string($big)))"

        assert evaluate(one_by_one) == 40_000_000
        assert evaluate(the_same) == 40

    @pytest.mark.parametrize(("depth", "wrap"), [(99, "({})"), (99, "[{}]"), (99, "1+{}")])
    def test_an_expression_may_nest_a_hundred_deep(self, depth: int, wrap: str) -> None:
        """The hundred and first node is too deep; so is whatever cannot even be parsed for its depth."""
        expression = "1"
        for _ in range(depth):
            expression = wrap.format(expression)

        evaluate(expression)

        with pytest.raises(LimitExceeded, match=r"^Stack overflow error: Check for non-terminating recursive function"):
            evaluate(wrap.format(expression))

    def test_a_function_that_calls_itself_is_counted_by_its_nodes(self) -> None:
        """Each call adds the nodes between it and the call inside of it; a tail call adds none."""
        recursive = "($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(%d))"
        tail = "($f := function($n, $sum) { $n = 0 ? $sum : $f($n - 1, $sum + $n) }; $f(2000, 0))"

        assert evaluate(recursive % 30) == 30
        assert evaluate(tail) == 2_001_000
        with pytest.raises(LimitExceeded):
            evaluate(recursive % 40)

    def test_a_branch_that_is_not_taken_may_be_as_deep_as_it_likes(self) -> None:
        """Only nodes that are evaluated count."""
        assert evaluate(f"true ? 1 : {'+'.join(['1'] * 200)}") == 1


class TestFunctionsOfTheService:
    @pytest.mark.parametrize(
        ("call", "value"),
        [
            ("$partition([1, 2, 3, 4, 5], 2)", [[1, 2], [3, 4], [5]]),
            ("$partition([0], 1)", [[0]]),
            ("$partition([1, 2, 3], 2.9)", [[1, 2], [3]]),
            ("$partition([], 2)", []),
            ("$range(0, 6, 2)", [0, 2, 4, 6]),
            ("$range(-1.7, 2, 1)", [-1, 0, 1, 2]),
            ("$range(5, 1, -2)", [5, 3, 1]),
            ("$range(1, 9, 9)", 1),
            ("$hash('input', 'SHA-1')", "140f86aae51ab9e1cda9b4254fe98a74eb54c1a1"),
            ("$random(42)", 0.7275636800328681),
            ("$parse('{\"a\": [1, null]}').a", [1, None]),
            ("$parse('null')", None),
            ("$length($uuid())", 36),
        ],
    )
    def test_a_function_gives(self, call: str, value: Any) -> None:
        """Numbers are cut towards zero; a range of one number is that number; a seed is one of Java's Random."""
        assert evaluate(call) == value

    @pytest.mark.parametrize(
        "call",
        [
            "$partition([1], 0)",
            "$range(1, 5, 0)",
            "$range(5, 1, 1)",
            "$hash('x', 'sha-1')",
            "$parse('{')",
            "$parse($nope)",
            "$partition($nope, 1)",
        ],
    )
    def test_what_makes_no_sense_is_undefined(self, call: str) -> None:
        """An unknown algorithm (names are case-sensitive), a step of nothing, text that is no JSON."""
        assert evaluate(f"$exists({call})") is False

    @pytest.mark.parametrize(
        ("call", "text"),
        [
            ("$random('x')", 'T0410: Argument 1 of function "random" does not match function signature'),
            ("$range(1, 2)", None),
            ("$range(1, '2', 1)", 'T0410: Argument 2 of function "range" does not match function signature'),
            ("$hash(1, 'MD5')", 'T0410: Argument 1 of function "hash" does not match function signature'),
            ("$uuid(1)", 'T0410: Argument 1 of function "uuid" does not match function signature'),
            ("$parse({})", 'T0410: Argument 1 of function "parse" does not match function signature'),
            ("$eval('1')", "T1006: Attempted to invoke a non-function"),
        ],
    )
    def test_arguments_are_checked_like_those_of_the_language(self, call: str, text: str | None) -> None:
        """`$eval` is not there at all."""
        with pytest.raises(JsonataError) as caught:
            evaluate(call)

        assert text is None or str(caught.value) == text

    def test_the_time_is_that_of_the_evaluation(self) -> None:
        """$now and $millis give the same moment however often they are asked."""
        assert evaluate("[$now(), $millis(), $now('[H01]:[m01]', '+0100')]") == [
            "2023-11-14T22:13:20.500Z",
            1_700_000_000_500,
            "23:13",
        ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('abc äé"\\\n', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", max_size=3), inner, max_size=4),
    max_leaves=12,
)


class TestLaws:
    @settings(max_examples=40, deadline=None)
    @given(value=st.lists(st.integers(-(10**14), 10**14) | JSON.filter(lambda value: not _has_long_numbers(value))))
    def test_a_value_survives_being_text(self, value: Any) -> None:
        """$parse is the inverse of $string, for numbers of at most 15 digits."""
        assert evaluate("$parse($string($v))", v=value) == value

    @settings(max_examples=30, deadline=None)
    @given(items=st.lists(st.integers(0, 9), max_size=12), size=st.integers(1, 5))
    def test_a_partition_in_a_row_is_the_array(self, items: list[int], size: int) -> None:
        """Every part has `size` members, but the last, which has what is left."""
        parts = evaluate("$partition($v, $n)", v=items, n=size)

        assert [member for part in parts for member in part] == items
        assert all(len(part) == size for part in parts[:-1])
        assert all(1 <= len(part) <= size for part in parts)

    @settings(max_examples=40, deadline=None)
    @given(first=st.integers(-20, 20), last=st.integers(-20, 20), step=st.integers(-5, 5).filter(bool))
    def test_a_range_is_python_s_with_its_end(self, first: int, last: int, step: int) -> None:
        """An empty one is undefined, one of a single number that number."""
        numbers = list(range(first, last + (1 if step > 0 else -1), step))

        value = evaluate("$range($a, $b, $c)", a=first, b=last, c=step)

        assert value == (numbers if len(numbers) > 1 else numbers[0] if numbers else UNDEFINED)

    @settings(max_examples=40, deadline=None)
    @given(
        left=st.integers(-99, 99) | st.text("ab", max_size=3), right=st.integers(-99, 99) | st.text("ab", max_size=3)
    )
    def test_comparisons_agree_with_each_other(self, left: Any, right: Any) -> None:
        """Of two values of a type exactly one of <, =, > is true; of two types none may be compared."""
        if type(left) is type(right):
            assert evaluate("[$l < $r, $l = $r, $l > $r]", l=left, r=right).count(True) == 1
        else:
            with pytest.raises(JsonataError, match="T2009"):
                evaluate("$l < $r", l=left, r=right)

    @settings(max_examples=30, deadline=None)
    @given(items=st.lists(st.integers(-50, 50), max_size=15))
    def test_sorting_filtering_and_summing_agree_with_python(self, items: list[int]) -> None:
        """The same by an independent evaluation."""
        assert evaluate("[$sort($v)]", v=items) == sorted(items)
        assert evaluate("[$v[$ > 0]]", v=items) == [item for item in items if item > 0]
        assert evaluate("$sum($v)", v=items) == sum(items)
        assert evaluate("[$v^(>$)]", v=items) == sorted(items, reverse=True)

    @settings(max_examples=60, deadline=None)
    @given(text=st.text("$abc.[](){}|<>=+-*/%^@#&~?:;,'\"`\\ 01 \n", max_size=25))
    def test_no_text_breaks_the_language(self, text: str) -> None:
        """Whatever is written down is a value, or one of the errors that are known."""
        with contextlib.suppress(JsonataError, LimitExceeded, InternalFailure):
            evaluate(text, a=DATA)


def _has_long_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_long_numbers, value))
    if isinstance(value, dict):
        return any(map(_has_long_numbers, value.values()))
    return isinstance(value, int) and abs(value) >= 10**15
