"""JSONPath against an evaluator of another kind, and the laws that reading and writing keep."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.states import Json
from mapfold.states.json_path import MISSING, InvalidPathError, PathConflict, PathSyntaxError, compile_path

cheap = settings(deadline=None, max_examples=80)

NAMES = st.sampled_from(["a", "b", "c d", "é"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "1"])
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
BOUNDS = st.none() | st.integers(-3, 3)

DEFINITE = st.tuples(st.just("name"), NAMES) | st.tuples(st.just("index"), st.integers(-3, 2))
STEPS = (
    DEFINITE
    | st.just(("wildcard",))
    | st.tuples(st.just("slice"), BOUNDS, BOUNDS)
    | st.tuples(st.just("indexes"), st.tuples(st.integers(-2, 2), st.integers(0, 2)))
    | st.tuples(st.just("deep"), NAMES)
    | st.tuples(st.just("filter"), NAMES, st.integers(-2, 2))
)


def write(step: tuple[Any, ...]) -> str:
    """The text of a step."""
    match step:
        case ("name", name):
            return f"['{name}']"
        case ("index", index):
            return f"[{index}]"
        case ("wildcard",):
            return "[*]"
        case ("slice", start, stop):
            return f"[{'' if start is None else start}:{'' if stop is None else stop}]"
        case ("indexes", (first, second)):
            return f"[{first}, {second}]"
        case ("deep", name):
            return f"..['{name}']"
        case ("filter", name, value):
            return f"[?(@['{name}'] >= {value})]"
        case _:
            raise AssertionError(step)


def walk(value: Json, steps: list[tuple[Any, ...]]) -> list[Json]:
    """All that the steps match, found one value at a time to the end of the path, by Python's own means."""
    if not steps:
        return [value]
    return [found for member in one_step(value, steps[0]) for found in walk(member, steps[1:])]


def one_step(value: Json, step: tuple[Any, ...]) -> list[Json]:
    items = value if isinstance(value, list) else []
    match step:
        case ("name", name):
            return [value[name]] if isinstance(value, dict) and name in value else []
        case ("index", index):
            return items[index:][:1] if index >= 0 or -index <= len(items) else []
        case ("wildcard",):
            return list(value.values()) if isinstance(value, dict) else items
        case ("slice", start, stop):
            return items[slice(start, stop)]
        case ("indexes", indexes):
            return [found for index in indexes for found in one_step(value, ("index", index))]
        case ("deep", name):
            here = one_step(value, ("name", name))
            return here + [found for member in one_step(value, ("wildcard",)) for found in one_step(member, step)]
        case ("filter", name, least):
            members = [value] if isinstance(value, dict) else items
            return [member for member in members if holds(member, name, least)]
        case _:
            raise AssertionError(step)


def holds(member: Json, name: str, least: int) -> bool:
    value = member.get(name) if isinstance(member, dict) else None
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


@cheap
@given(DOCUMENTS, st.lists(STEPS, min_size=1, max_size=4))
def test_a_path_matches_what_a_walk_from_value_to_value_does(document: Json, steps: list[tuple[Any, ...]]) -> None:
    """In the same order; a definite path gives the one match, or MISSING."""
    path = compile_path("$" + "".join(map(write, steps)))

    try:
        found = path.find(document)
    except InvalidPathError:
        found = []

    expected = walk(document, steps)
    if path.definite:
        assert found == expected[0] if expected else found is MISSING
    else:
        assert found == expected


@cheap
@given(DOCUMENTS)
def test_a_descent_to_everything_finds_every_value_below(document: Json) -> None:
    """`$..*` gives each member at any depth once."""

    def count(value: Json) -> int:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return sum(1 + count(member) for member in members)

    assert len(compile_path("$..*").find(document)) == count(document)


@cheap
@given(DOCUMENTS, st.lists(DEFINITE, max_size=3), SCALARS)
def test_what_is_written_can_be_read_and_nothing_else_changes(
    document: Json, steps: list[tuple[Any, ...]], value: Json
) -> None:
    """Writing what is there already changes nothing; writing twice is writing the last."""
    path = compile_path("$" + "".join(map(write, steps)), reference=True)
    try:
        written = path.write(document, value)
    except PathConflict:
        return

    assert path.find(written) == value
    assert path.write(written, value) == written
    assert path.write(path.write(document, "other"), value) == written
    before = path.find(document)
    if before is not MISSING:
        assert path.write(written, before) == document


@cheap
@given(DOCUMENTS, st.lists(DEFINITE, min_size=1, max_size=3))
def test_what_a_path_does_not_find_is_explained(document: Json, steps: list[tuple[Any, ...]]) -> None:
    """There is an explanation for each path and document, and a reference path names the step."""
    path = compile_path("$" + "".join(map(write, steps)), reference=True)
    if path.find(document) is not MISSING:
        assert path.read(document) == path.find(document)
        return

    try:
        problem = path.explain_missing(document)
    except InvalidPathError as error:
        problem = str(error)

    assert problem.startswith(("No results", "Missing property", "Property ", "The path ", "Filter: "))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["$", ".", "..", "[", "]", "'", '"', "a", "*", "0", "-1", ":", ",", "?(", "@", ")", "=="
                                 , "&&", "||", "!", "/", "\\", " ", "in ", "null", "=~", "States.Array("]), max_size=12))  # fmt: skip
def test_any_text_is_a_path_or_is_refused(tokens: list[str]) -> None:
    """Nothing but PathSyntaxError comes of a text that is none, and no document breaks one that is."""
    text = "$" + "".join(tokens)
    try:
        path = compile_path(text)
        found = path.find({"a": [{"a": 1}, None, "a"]})
    except (PathSyntaxError, InvalidPathError):
        return

    assert path.text == text
    assert path.definite or isinstance(found, list)
