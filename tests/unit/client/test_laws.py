"""The laws of a fold, tried on partials; a fold that breaks one is shown with the smallest counterexample."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mapfold import Job, JsonLines
from mapfold.client.laws import Verdict, first_difference, try_laws


def tried(fold: Callable[..., Any], *partials: Any, pairs: int = 200, seed: int = 1) -> Verdict:
    job = Job("tried", source=JsonLines())
    job.map(lambda_free_map)
    job.fold(fold)
    return try_laws(job, [[json.dumps(partial) for partial in partials]], pairs=pairs, seed=seed)


def lambda_free_map(item: Any, context: Any) -> Any: ...


@dataclass
class Count:
    n: int
    named: dict[str, int]


class TestFolds:
    def test_a_fold_that_keeps_all_laws_holds(self) -> None:
        """All pairs and all triples of four partials: 6, and 24 in every order. It may change a."""

        def add(a: Count, b: Count) -> Count:
            a.n += b.n
            for name, n in b.named.items():
                a.named[name] = a.named.get(name, 0) + n
            return a

        verdict = tried(add, *({"n": n, "named": {str(n % 2): n}} for n in range(4)))

        assert verdict.holds
        assert (verdict.pairs, verdict.triples) == (6, 24)

    def test_subtracting_is_neither(self) -> None:
        """The counterexample with the least text is shown, with both sides and where they differ."""

        def subtract(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
            return {"n": a["n"] - b["n"]}

        verdict = tried(subtract, *({"n": n} for n in (1000, 1, 20000, 2, 300)))

        commutative, associative = verdict.counterexamples
        assert (commutative.law, associative.law) == ("commutative", "associative")
        assert sorted(partial["n"] for partial in commutative.partials) == [1, 2]
        assert commutative.path == "partial.n"
        assert (commutative.one, commutative.other) in [({"n": 1}, {"n": -1}), ({"n": -1}, {"n": 1})]
        assert commutative.hint is None

    def test_appending_depends_on_the_order(self) -> None:
        """It is associative, and the hint says what the difference is."""

        def append(a: list[str], b: list[str]) -> list[str]:
            return a + b

        verdict = tried(append, ["x"], ["y"], ["z"])

        assert list(verdict.found) == ["commutative"]
        assert verdict.found["commutative"].path == "partial[0]"
        assert "same members in another order" in (verdict.found["commutative"].hint or "")

    def test_a_plain_counterexample_comes_before_one_that_rounding_explains(self) -> None:
        """a - b of two floats that are nearly equal differs from b - a by almost nothing: that is not what is wrong."""
        verdict = tried(lambda a, b: a - b, 0.1, 0.10000000000000002, 12345.5)

        found = verdict.found["commutative"]
        assert 12345.5 in found.partials
        assert found.hint is None

    def test_sums_of_floats_differ_by_rounding(self) -> None:
        """It is a counterexample, and the hint says why and what to do."""

        def add(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
            return {"delay": a["delay"] + b["delay"]}

        verdict = tried(add, {"delay": 0.1}, {"delay": 0.2}, {"delay": 0.3})

        assert list(verdict.found) == ["associative"]
        assert "Only floats differ, by rounding" in (verdict.found["associative"].hint or "")

    def test_a_fold_that_changes_b_is_told(self) -> None:
        """Only a may be changed."""

        def steal(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
            return {"n": a["n"] + b.pop("n")}

        verdict = tried(steal, {"n": 1}, {"n": 2})

        assert list(verdict.found) == ["unchanged"]
        assert verdict.found["unchanged"].path == "partial.n"
        assert verdict.found["unchanged"].other == {}

    @pytest.mark.parametrize(
        ("fold", "told"),
        [
            (lambda a, b: {"set": {1}}, "raised JobError: job 'tried', @job.fold: partial.set is a set"),
            (lambda a, b: 1 / 0, "raised ZeroDivisionError: division by zero"),
        ],
    )
    def test_what_json_cannot_carry_and_what_raises_is_told(self, fold: Callable[..., Any], told: str) -> None:
        """In place of what the fold gave stands the error."""

        def broken(a: Any, b: Any) -> Any:
            return fold(a, b)

        verdict = tried(broken, {"n": 1}, {"n": 2}, {"n": 3})

        assert list(verdict.found) == ["carried"]
        assert verdict.found["carried"].one.startswith(told)

    def test_two_partials_are_tried_as_a_pair(self) -> None:
        """There is no triple, and the verdict counts it so."""
        verdict = tried(lambda_free_add, 1, 2)

        assert (verdict.pairs, verdict.triples) == (1, 0)

    def test_of_many_partials_as_many_are_tried_as_was_said(self) -> None:
        """The same seed tries the same ones, another one others."""
        seen: list[tuple[int, int]] = []

        def noting(a: int, b: int) -> int:
            seen.append((a, b))
            return a + b

        verdicts, tries = [], []
        for seed in (1, 1, 2):
            seen.clear()
            verdicts.append(tried(noting, *range(100), pairs=30, seed=seed))
            tries.append(list(seen))

        assert [(verdict.pairs, verdict.triples) for verdict in verdicts] == [(30, 30)] * 3
        assert tries[0] == tries[1] != tries[2]


def lambda_free_add(a: int, b: int) -> int:
    return a + b


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": True}, {"a": 1}, "partial.a"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "partial.a.b[1]"),
        ([1], [1, 2], "len(partial)"),
        ({"a": 1}, {}, "partial.a"),
        ({}, {"b": 1}, "partial.b"),
        (None, 0, "partial"),
    ],
)
def test_the_first_path_where_two_values_differ(one: Any, other: Any, path: str | None) -> None:
    """Written as a Python expression; the order of an object's members does not count."""
    found = first_difference(one, other)

    assert (found and found[0]) == path
