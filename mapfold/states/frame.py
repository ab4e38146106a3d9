"""Where a scope stands while it runs: its variables, its context object, and its line in the history.

The driver makes one Frame for an execution and one more for every branch and iteration (`Frame.fork`). States read it
and record events through it. It does no I/O: events go to a `History` that the driver handed in, the time comes
from its `clock`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

import orjson

from mapfold.states.effects import Json

PAYLOAD_LIMIT = 262_144
"""Bytes of UTF-8 JSON that a state's input, output or a task's payload may have (Step Functions service quotas)."""

SHARED_RANDOM = Random()
"""The default source of randomness, seeded by the operating system."""

NOT_TRUNCATED: Mapping[str, bool] = {"truncated": False}


class History(Protocol):
    """Takes the events of one execution, in the order in which they happen, and numbers them from 1."""

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        """Append an event; return its id. `key` is the name of its details (`stateEnteredEventDetails`)."""
        ...

    def keep(self) -> None:
        """Queue to the store what has been recorded so far: called before anything that depends on it is kept."""
        ...


class Frame:
    """One running scope. Not shared between tasks: every branch and iteration has its own."""

    __slots__ = (
        "clock",
        "entered",
        "execution",
        "history",
        "known",
        "known_text",
        "map_item",
        "outer",
        "outer_bytes",
        "previous",
        "random",
        "retry_count",
        "state",
        "task_token",
        "variable_sizes",
        "variables",
    )

    def __init__(
        self,
        *,
        history: History,
        clock: Callable[[], float],
        execution: Mapping[str, Json],
        previous: int = 0,
        outer: Mapping[str, Json] | None = None,
        random: Random = SHARED_RANDOM,
    ) -> None:
        self.history = history
        self.clock = clock
        self.execution = execution
        """The context object's `Execution` and `StateMachine` members, made once per execution; and `State`, where
        a state is tested with a context that says something of it.
        """
        self.previous = previous
        """The id that the next event of this scope points back to."""
        self.outer: Mapping[str, Json] = outer or {}
        """Variables of the enclosing scopes: readable, not assignable."""
        self.outer_bytes = 0
        """The size of the enclosing scopes' variables, as JSON text."""
        self.variables: dict[str, Json] = {}
        self.variable_sizes: dict[str, int] | None = None
        """The bytes of each of them, as far as they were counted."""
        self.state: tuple[str, float] = ("", 0.0)
        """Name and time of entry (epoch seconds) of the current state."""
        self.entered = 0
        """The id of the event that records this entry."""
        self.retry_count: int | None = None
        self.map_item: Mapping[str, Json] | None = None
        self.task_token: str | None = None
        """The token of a `.waitForTaskToken` attempt, while its arguments are evaluated and its work runs."""
        self.random = random
        """Where jitter, UUIDs, tokens and random numbers come from: hand in a seeded one to repeat a run."""
        self.known: Json = None
        self.known_text = "null"

    def fork(self, *, previous: int) -> Frame:
        """The frame of a branch or iteration of the current state: it may read our variables, and keeps its own."""
        inner = Frame(
            history=self.history,
            clock=self.clock,
            execution=self.execution,
            previous=previous,
            outer={**self.outer, **self.variables},
            random=self.random,
        )
        if self.variable_sizes is not None:
            inner.outer_bytes = self.outer_bytes + sum(self.variable_sizes.values())
        inner.known, inner.known_text = self.known, self.known_text
        inner.map_item = self.map_item
        return inner

    def text_of(self, value: Json) -> str:
        """The JSON text of `value`, which is encoded once while it wanders from state to state unchanged."""
        if value is not self.known:
            self.known_text = encode(value)
            self.known = value
        return self.known_text

    def remember(self, value: Json, text: str) -> None:
        """Keep `text` as the JSON text of `value`: for a driver or task that has it already."""
        self.known, self.known_text = value, text

    def record(self, type_: str, key: str | None = None, details: Mapping[str, Any] | None = None) -> int:
        """Record an event of this scope; later events of the scope point back to it."""
        self.previous = self.history.add(type_, self.previous, key, details)
        return self.previous

    def record_leaf(self, type_: str, key: str | None = None, details: Mapping[str, Any] | None = None) -> int:
        """Record an event that no later event points back to (history-events rule 4: MapStateSucceeded, …)."""
        return self.history.add(type_, self.previous, key, details)


def encode(value: Json) -> str:
    """The compact JSON text of `value`, as events and payloads carry it.

    The standard library encodes what orjson refuses: more than 254 levels, numbers past 64 bits, lone surrogates.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def is_oversized(text: str) -> bool:
    """Whether a payload's text has more than PAYLOAD_LIMIT bytes. Counts bytes only where characters may not do."""
    if len(text) * 4 <= PAYLOAD_LIMIT:
        return False
    return len(text) > PAYLOAD_LIMIT or len(text.encode()) > PAYLOAD_LIMIT
