"""Expressions, paths and functions that would take hours or gigabytes: each ends soon, as an error of the execution."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import EndScope, FailScope, Json, compile_machine

from .conftest import World

LONG = "a" * 200_000
INPUT: Json = {"t": "a" * 60, "long": LONG, "wide": [[{"a": [{"a": n}]} for n in range(40)] for _ in range(40)]}
JSONATA = {
    "a date of many parts": "$toMillis($pad('x', -300, '1'), $pad('', 290, '[D]'))",
    "a picture without end": "$toMillis('1', $pad('', 300000, '[D]'))",
    "a long picture": "$fromMillis(1, $pad('', 1000000, '[Y0001]'))",
    "a padding": "$pad('a', 1e9)",
    "a range": "[1..1e9]",
    "doubling": "($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f('aaaaaaaa', 60))",
}
PATHS = {
    "a filter in filters": "$..[?(@..[?(@..[?(@..[?(@..a)])])])]",
    "ways to match": "$[?(@.t =~ /(a+)+b/)]",
    "the longest range": "States.ArrayRange(-9223372036854775807, 9223372036854775807, 1)",
    "an input a thousand times": f"States.Array({', '.join(['$'] * 1000)})",
    "a text of it": f"States.JsonToString(States.Array({', '.join(['$'] * 1000)}))",
    "a format of it": f"States.Format('{'{}' * 1000}', {', '.join(['$'] * 1000)})",
}


def run(state: dict[str, Json], language: str) -> tuple[object, float, int]:
    """(end, seconds, bytes at the most)."""
    machine = compile_machine({"StartAt": "X", "QueryLanguage": language, "States": {"X": state}})
    world = World()
    world.frame.clock = time.time  # the limit of an expression is one of time
    tracemalloc.start()
    try:
        before = time.process_time()
        end = world.run(machine.scope, INPUT)
        return end, time.process_time() - before, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("expression", JSONATA.values(), ids=JSONATA)
def test_an_expression_is_bounded(expression: str) -> None:
    """QueryEvaluationError after a second at the most (twice that here, for slow machines)."""
    end, seconds, size = run({"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}, "JSONata")

    assert isinstance(end, FailScope)
    assert end.error == "States.QueryEvaluationError"
    assert seconds < 2
    assert size < 100_000_000


@pytest.mark.parametrize("text", PATHS.values(), ids=PATHS)
def test_a_path_and_a_function_are_bounded(text: str) -> None:
    """In Parameters, by counted steps, not by time; what is copied is never written down."""
    end, _, size = run({"Type": "Pass", "Parameters": {"x.$": text}, "End": True}, "JSONPath")

    assert isinstance(end, FailScope)
    assert end.error in ("States.Runtime", "States.DataLimitExceeded")
    assert size < 100_000_000


@pytest.mark.parametrize(
    ("language", "state"),
    [
        ("JSONPath", {"Type": "Pass", "Parameters": {f"{n}.$": "$" for n in range(2000)}, "End": True}),
        ("JSONata", {"Type": "Pass", "Output": {str(n): "{% $states.input %}" for n in range(2000)}, "End": True}),
    ],
)
def test_a_template_of_many_inputs_is_weighed(language: str, state: dict[str, Json]) -> None:
    """400 MB of text are not made of an input of 200 KB."""
    end, _, size = run(state, language)

    assert isinstance(end, FailScope)
    assert end.error == "States.DataLimitExceeded"
    assert size < 50_000_000


def test_an_expression_of_many_levels_compiles_in_a_moment() -> None:
    """Its tree is walked once, not once for each level of each node."""
    text = f"{{% {'true?' * 1500}1{':1' * 1500} %}}"
    before = time.process_time()

    compile_machine(
        {"QueryLanguage": "JSONata", "StartAt": "X", "States": {"X": {"Type": "Pass", "Output": text, "End": True}}}
    )

    assert time.process_time() - before < 2


@pytest.mark.parametrize("index", ["9" * 5000, "2147483648", "1:99999999999"])
def test_an_index_of_more_than_32_bits_is_refused(index: str) -> None:
    """As a path that is none, however long the number is."""
    with pytest.raises(DefinitionError, match="must be a valid JSONPath"):
        compile_machine(
            {"StartAt": "X", "States": {"X": {"Type": "Pass", "Parameters": {"x.$": f"$.a[{index}]"}, "End": True}}}
        )


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("/a.c/", 1), ("/(?i)A\\.?.C/", 1), ("/a b c/x", 1), ("/a b c/", 0), ("/\\Aa.*\\z/", 1), ("/b/", 0), ("/^ab/", 0)],
)
def test_regular_expressions_in_filters_match_whole_texts(pattern: str, found: int) -> None:
    """Java's `matches`; blanks do not count with the flag x."""
    machine = compile_machine(
        {
            "StartAt": "X",
            "States": {"X": {"Type": "Pass", "Parameters": {"x.$": f"$.l[?(@.s =~ {pattern})]"}, "End": True}},
        }
    )

    ended = World().run(machine.scope, {"l": [{"s": "abc"}]})

    assert ended == EndScope({"x": [{"s": "abc"}] * found})
