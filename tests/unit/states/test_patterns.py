"""Patterns in paths and choices: what they match, and that none of them takes long."""

from __future__ import annotations

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import FailScope, Json, StateError, compile_machine, json_path_work
from mapfold.states.choice_rules import compile_wildcards
from mapfold.states.json_path import compile_path

from .conftest import RunMachine, one_state


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/ab/", "ab", True),
        ("/ab/", "xab", False),
        ("/a|ab/", "ab", True),
        ("/a.c/", "a\nc", False),
        ("/a.c/s", "a\nc", True),
        ("/AB/i", "ab", True),
        ("/(?i)AB/", "ab", True),
        ("/a b # c/x", "ab", True),
        (r"/[a b]\ /x", "  ", True),
        ("/a$.^b/ms", "a\nb", True),
        (r"/\d{2,3}/", "1234", False),
    ],
)
def test_a_filter_s_pattern_must_match_all_of_a_text(pattern: str, text: str, matches: bool) -> None:
    """As Java's `matches`, with its flags."""
    find = compile_path(f"$[?(@.x =~ {pattern})].x").find

    assert find([{"x": text}, {"x": 1}]) == ([text] if matches else [])


def test_a_pattern_without_end_fails_its_state(run_machine: RunMachine) -> None:
    """Its steps are counted over all members; the next visit has all of them again."""
    state = {"Type": "Pass", "InputPath": "$[?(@.x =~ /(a|aa)+b/)]"}

    end, _ = run_machine(one_state(state), [{"x": "a" * 200}] * 1000)
    again, _ = run_machine(one_state(state), [{"x": "aab"}])

    assert isinstance(end, FailScope)
    assert (end.error, end.catchable) == ("States.Runtime", False)
    assert (end.cause or "").endswith("The path takes more than 500000 steps.")
    assert again.data == [{"x": "aab"}]  # type: ignore[union-attr]


def test_a_budget_is_for_each_time_a_path_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one document took is not missing for the next."""
    monkeypatch.setattr(json_path_work, "STEP_LIMIT", 10_000)
    find = compile_path("$[?(@.x =~ /(a|b)*c/)].x").find
    document = [{"x": "ab" * 200}] * 2

    found = [find(document) for _ in range(4)]

    assert found == [[]] * 4
    with pytest.raises(StateError):
        find(document * 10)


@pytest.mark.parametrize(
    "path",
    [
        f"$.a[{'1' * 5000}]",
        f"$.a[0,{'1' * 5000}]",
        f"$.a[1:{'1' * 5000}]",
        f"$.a[?(@.b == {'1' * 5000})]",
        "$.a[?(@.b =~ /" + "(" * 3000 + ")" * 3000 + "/)]",
    ],
)
def test_a_path_beyond_all_bounds_is_refused(path: str) -> None:
    """As any other that is none."""
    with pytest.raises(DefinitionError) as caught:
        compile_machine(one_state({"Type": "Pass", "InputPath": path}))

    assert [problem.text for problem in caught.value.problems] == ["Value must be a valid JSONPath."]


@pytest.mark.parametrize("pattern", ["a{99999999999}", "a{" + "1" * 5000 + "}", "\\" + "1" * 5000])
@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_counts_in_patterns_have_no_bound(run_machine: RunMachine, pattern: str, language: str) -> None:
    """They are taken, and match nothing that there is."""
    fields: dict[str, Json] = {"InputPath": f"$[?(@.x =~ /{pattern}/)]"}
    if language == "JSONata":
        fields = {"Output": "{% $count($states.input[$contains(x, /" + pattern + "/)]) = 0 ? [] %}"}

    end, _ = run_machine(one_state({"Type": "Pass", "QueryLanguage": language, **fields}), [{"x": "aaa"}])

    assert end.data == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a*c", "abc", True),
        ("a*a", "a", False),
        ("*", "", True),
        ("", "a", False),
        ("*ab*", "aab", True),
        ("*a*b*", "ba", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"\\*", "\\x", True),
        ("a*c", "a\nc", True),
        ("*a*a*a*a*a*b", "a" * 100_000, False),
    ],
)
def test_stars_take_any_run_of_characters(pattern: str, text: str, matches: bool) -> None:
    """StringMatches, in a time that does not grow with the number of stars."""
    assert compile_wildcards(pattern)(text) is matches
