"""State machines: a definition in, a tree of scopes with compiled states out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from mapfold.errors import DefinitionError, Problem
from mapfold.states.choice import compile_choice
from mapfold.states.definition import Build, Language, Node
from mapfold.states.effects import Effect, Json, Transition
from mapfold.states.fail import compile_fail
from mapfold.states.fields import KINDS, check_fields
from mapfold.states.frame import Frame
from mapfold.states.map_state import compile_map
from mapfold.states.parallel import compile_parallel
from mapfold.states.pass_state import compile_pass
from mapfold.states.recovery import MOST_SECONDS
from mapfold.states.succeed import compile_succeed
from mapfold.states.task import compile_task
from mapfold.states.validate import assigned_names, check_names, check_transitions
from mapfold.states.wait import compile_wait

DEFINITION_LIMIT = 1_048_576
"""Bytes that a definition may have."""


class State(Protocol):
    """A compiled state."""

    @property
    def name(self) -> str: ...

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """Visit the state with the raw input `data`: yields effects, is sent answers, returns where to go."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """States that lead to each other: of the machine, of a branch, or of a Map's processor."""

    start_at: str
    states: Mapping[str, State]


@dataclass(frozen=True, slots=True)
class Machine:
    """A state machine, ready to run any number of executions."""

    scope: Scope
    timeout_seconds: int | None
    comment: str | None
    language: Language


def compile_machine(definition: str | Mapping[str, Json], *, express: bool = False) -> Machine:
    """Compile a definition: its JSON text, or the object that it stands for.

    `express`: the machine is of type EXPRESS, which lacks activities, `.sync`, task tokens and distributed Maps.
    Raises DefinitionError with all problems.
    """
    fields = _parse(definition)
    language = Language.JSONATA if fields.get("QueryLanguage") == Language.JSONATA else Language.JSONPATH
    build = Build(language=language, compile_scope=_compile_scope)
    root = Node(fields, "", build, language, express=express)
    machine = _compile_root(root)
    if build.problems:
        raise DefinitionError(build.problems)
    return machine


def _parse(definition: str | Mapping[str, Json]) -> Mapping[str, Json]:
    if isinstance(definition, str):
        if len(definition.encode("utf-8", "replace")) > DEFINITION_LIMIT:
            raise _not_json(f"Definition must have at most {DEFINITION_LIMIT} bytes")
        try:
            definition = orjson.loads(definition)
        except orjson.JSONDecodeError:
            raise _not_json("Definition must be a valid JSON object") from None
    if not isinstance(definition, Mapping):
        raise _not_json("Definition must be a valid JSON object")
    return definition


def _not_json(text: str) -> DefinitionError:
    return DefinitionError([Problem("INVALID_JSON_DESCRIPTION", text, "")])


def _compile_root(root: Node) -> Machine:
    for name in root.fields:
        if name not in ("Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"):
            root.problem(f"The field '{name}' is not supported", name)
    root.one_of("QueryLanguage", tuple(Language))
    if root.has("Version") and root.string("Version") not in (None, "1.0"):
        root.problem("The field 'Version' should have one of these values: [1.0]", "Version")
    return Machine(
        scope=_compile_scope(root),
        timeout_seconds=root.integer("TimeoutSeconds", least=1, most=MOST_SECONDS),
        comment=root.string("Comment"),
        language=root.language,
    )


def _compile_scope(node: Node) -> Scope:
    """The scope of the machine, a branch or a processor: any object with StartAt and States."""
    missing = [name for name in ("States", "StartAt") if name not in node.fields]
    if missing:
        node.problem(f"These fields are required: [{', '.join(missing)}]")
    start = node.string("StartAt") or ""
    states = node.object("States") if node.has("States") else None
    if states is None:
        return Scope(start, {})
    if not states.fields:
        node.problem("Value cannot be empty", "States")
    check_names(node, states.fields)
    inner = replace(
        states,
        language=node.build.language,  # not that of an enclosing Map or Parallel
        outer=node.outer | node.own,
        own=assigned_names(states.fields),
    )
    compiled = {name: _compile_state(inner, name) for name in states.fields}
    check_transitions(node, states.fields)
    return Scope(start, {name: state for name, state in compiled.items() if state is not None})


def _compile_state(states: Node, name: str) -> State | None:
    fields = states.fields[name]
    if not isinstance(fields, dict):
        states.object(name)
        return None
    node = replace(states.child(fields, name), name=name)
    node = replace(node, language=_language_of(node))
    if not node.require("Type"):
        return None
    kind = node.one_of("Type", KINDS)
    if kind is None:
        return None
    check_fields(node, kind)
    if node.has("Comment"):
        node.string("Comment")
    return _COMPILERS[kind](node)


def _language_of(node: Node) -> Language:
    named = node.one_of("QueryLanguage", tuple(Language))
    if named is None:
        return node.language
    if node.language is Language.JSONATA and named == Language.JSONPATH:
        node.problem("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
        return node.language
    return Language(named)


_COMPILERS: dict[str, Callable[[Node], State | None]] = {
    "Task": compile_task,
    "Wait": compile_wait,
    "Pass": compile_pass,
    "Succeed": compile_succeed,
    "Fail": compile_fail,
    "Choice": compile_choice,
    "Parallel": compile_parallel,
    "Map": compile_map,
}
