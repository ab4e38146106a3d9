"""Whether a job's fold keeps the laws that folding in any order rests on, tried on partials that a run has made.

    commutative   fold(a, b) is fold(b, a)
    associative   fold(fold(a, b), c) is fold(a, fold(b, c))
    carried       what it gives is JSON, and the same again when it comes back from it
    unchanged     b is afterwards as it was before

Trying proves nothing, but a law that does not hold for real partials shows quickly. Of the counterexamples of a law the
one with the least text is kept.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any

from mapfold.codec import Place, decode, encode
from mapfold.job import Job

Json = Any
Pool = Sequence[str]
"""JSON texts of partials that a run may fold with one another: all of it, or the records of one key."""

LAWS = ("commutative", "associative", "carried", "unchanged")

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Partials for which a law does not hold: what is on both sides of it, and the first path where they differ."""

    law: str
    partials: tuple[Json, ...]
    one: Json
    other: Json
    path: str
    hint: str | None
    is_rounding: bool = False

    def as_document(self) -> dict[str, Json]:
        """For `--json`."""
        document = {name: getattr(self, name) for name in ("law", "one", "other", "path", "hint")}
        return {**document, "partials": list(self.partials)}


@dataclass(slots=True)
class Verdict:
    """What was tried, and a counterexample for each law that does not hold."""

    pairs: int = 0
    triples: int = 0
    found: dict[str, Counterexample] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether no counterexample was found."""
        return not self.found

    @property
    def counterexamples(self) -> list[Counterexample]:
        """In the order of the laws."""
        return [self.found[law] for law in LAWS if law in self.found]


@dataclass(frozen=True, slots=True)
class Raised:
    """A call of the fold that raised, in words: a value like any other here, and never equal to a partial."""

    text: str


def try_laws(job: Job, pools: Sequence[Pool], *, pairs: int, seed: int) -> Verdict:
    """Try all laws on at most `pairs` pairs and as many triples; the same seed tries the same ones."""
    verdict, fold, chosen = Verdict(), _Fold(job), random.Random(seed)
    for texts in _some(chosen, pools, 2, pairs):
        verdict.pairs += 1
        fold.try_pair(verdict, *texts)
    for texts in _some(chosen, pools, 3, pairs):
        verdict.triples += 1
        fold.try_triple(verdict, *texts)
    return verdict


def first_difference(one: Json, other: Json, path: str = "partial") -> tuple[str, Json, Json] | None:
    """Where two JSON values differ first, as a Python expression would say it, and what is there; None if nowhere."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            if key not in one or key not in other:
                return f"{path}.{key}", one.get(key, MISSING), other.get(key, MISSING)
            if (found := first_difference(one[key], other[key], f"{path}.{key}")) is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list):
        for place, (left, right) in enumerate(zip(one, other, strict=False)):
            if (found := first_difference(left, right, f"{path}[{place}]")) is not None:
                return found
        return None if len(one) == len(other) else (f"len({path})", len(one), len(other))
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    return None if same else (path, one, other)


MISSING = "(nothing)"
"""What stands for a member that one side has and the other has not."""


class _Fold:
    """The job's fold on JSON texts: every call gets partials of its own."""

    def __init__(self, job: Job) -> None:
        self._fold = job.fold_function
        self._type = job.partial_type
        self._place = Place(job.name, "fold")

    def try_pair(self, verdict: Verdict, a: str, b: str) -> None:
        """The laws of two partials."""
        second = self._partial(b)
        before = self._plain(second)
        one = self._called(lambda: self._fold(self._partial(a), second))
        self._note(verdict, "unchanged", (a, b), before, self._called(lambda: second))
        if isinstance(one, Raised):
            self._note(verdict, "carried", (a, b), one, MISSING)
            return
        self._note(verdict, "carried", (a, b), one, self._called(lambda: self._decoded(one)))
        other = self._called(lambda: self._fold(self._partial(b), self._partial(a)))
        self._note(verdict, "commutative", (a, b), one, other)

    def try_triple(self, verdict: Verdict, a: str, b: str, c: str) -> None:
        """The law of three."""
        new = self._partial
        one = self._called(lambda: self._fold(self._fold(new(a), new(b)), new(c)))
        other = self._called(lambda: self._fold(new(a), self._fold(new(b), new(c))))
        self._note(verdict, "associative", (a, b, c), one, other)

    def _partial(self, text: str) -> Any:
        return self._decoded(json.loads(text))

    def _decoded(self, value: Json) -> Any:
        return decode(self._type, value, self._place, "partial")

    def _plain(self, partial: Any) -> Json:
        return encode(partial, self._place, "partial")

    def _called(self, call: Callable[[], Any]) -> Json | Raised:
        try:
            return self._plain(call())
        except Exception as error:  # noqa: BLE001 - the author's code, of which this is a trial
            return Raised(f"{type(error).__name__}: {error}")

    def _note(self, verdict: Verdict, law: str, texts: tuple[str, ...], one: Any, other: Any) -> None:
        """Keep a counterexample if it is one, and the smallest of its law so far.

        One that rounding explains gives way to any that it does not: a - b is not commutative by rounding alone.
        """
        if isinstance(one, Raised) and isinstance(other, Raised):
            return  # `carried` says it of the pair that raises
        difference = (
            ("partial", _shown(one), _shown(other))
            if isinstance(one, Raised) or isinstance(other, Raised)
            else first_difference(one, other)
        )
        if difference is None:
            return
        known = verdict.found.get(law)
        is_rounding = law != "unchanged" and _differs_by_rounding(one, other)
        if known is not None and (known.is_rounding, _size(known.partials)) <= (is_rounding, sum(map(len, texts))):
            return
        partials = tuple(json.loads(text) for text in texts)
        verdict.found[law] = Counterexample(
            law, partials, _shown(one), _shown(other), difference[0], _hint(law, one, other), is_rounding
        )


def _some(chosen: random.Random, pools: Sequence[Pool], size: int, most: int) -> Iterator[tuple[str, ...]]:
    """Different choices of `size` partials of one pool: all there are, or `most` at random."""
    large = [pool for pool in pools if len(pool) >= size]
    choose = combinations if size == 2 else permutations
    there = sum(math.comb(len(pool), 2) if size == 2 else math.perm(len(pool), size) for pool in large)
    if there <= most:
        for pool in large:
            yield from choose(pool, size)
        return
    seen: set[tuple[int, ...]] = set()
    while len(seen) < most:
        place = chosen.randrange(len(large))
        places = chosen.sample(range(len(large[place])), size)
        choice = (place, *(sorted(places) if size == 2 else places))
        if choice not in seen:
            seen.add(choice)
            yield tuple(large[place][each] for each in choice[1:])


def _hint(law: str, one: Any, other: Any) -> str | None:
    """What to do about it, where the difference tells."""
    if isinstance(one, Raised) or isinstance(other, Raised):
        return "A fold is called with any two partials of a run, also with what it gave itself."
    if law == "unchanged":
        return "Change and return a, or a new value: b may be folded again where a function is retried."
    if _differs_by_rounding(one, other):
        return (
            "Only floats differ, by rounding: sums of floats depend on their order in the last digits. Sum whole numbers "
            "(cents, milliseconds), or round in @job.finish and live with it."
        )
    if _sorted(one) == _sorted(other):
        return "The same members in another order: sort such lists in @job.finish, or keep them as keys of an object."
    return None


def _differs_by_rounding(one: Json, other: Json) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_differs_by_rounding(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_differs_by_rounding, one, other))
    if isinstance(one, float) or isinstance(other, float):
        numbers = all(isinstance(each, int | float) for each in (one, other))
        return numbers and math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return bool(one == other)


def _sorted(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _sorted(member) for key, member in value.items()}
    if isinstance(value, list):
        return sorted(json.dumps(_sorted(member), sort_keys=True) for member in value)
    return value


def _shown(value: Any) -> Json:
    return f"raised {value.text}" if isinstance(value, Raised) else value


def _size(partials: Sequence[Json]) -> int:
    return sum(len(json.dumps(partial, separators=(",", ":"))) for partial in partials)
