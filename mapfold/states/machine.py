"""State machines: a definition in, a tree of scopes with compiled states out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

import orjson

from mapfold.errors import DefinitionError, Problem
from mapfold.states import problems
from mapfold.states.choice import compile_choice
from mapfold.states.definition import Build, KnowsAction, Language, Node, RefusesParameters
from mapfold.states.effects import Effect, Json, Transition
from mapfold.states.fail import compile_fail
from mapfold.states.fields import KINDS, check_fields
from mapfold.states.frame import Frame
from mapfold.states.inspection import Notes
from mapfold.states.map_state import compile_map
from mapfold.states.parallel import compile_parallel
from mapfold.states.pass_state import compile_pass
from mapfold.states.recovery import MOST_SECONDS
from mapfold.states.succeed import compile_succeed
from mapfold.states.task import compile_task
from mapfold.states.validate import all_problems, assigned_names, check_names, check_transitions
from mapfold.states.wait import compile_wait

DEFINITION_LIMIT = 1_048_576
"""Bytes that a definition may have."""
DEPTH_LIMIT = 200
"""How deep objects and arrays may be nested in a definition: some 50 Parallels in each other. AWS's bound is unknown."""

ROOT_FIELDS = ("Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage")
BRANCH_FIELDS = ("Comment", "StartAt", "States")
PROCESSOR_FIELDS = ("ProcessorConfig", *BRANCH_FIELDS)


Compiled = TypeVar("Compiled")


class State(Protocol):
    """A compiled state. `entered_type` is the type of the event that records its entry."""

    entered_type: ClassVar[str]

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


def compile_machine(
    definition: str | Mapping[str, Json],
    *,
    express: bool = False,
    knows_action: KnowsAction | None = None,
    refuses_parameters: RefusesParameters | None = None,
    notes: Notes | None = None,
) -> Machine:
    """Compile a definition: its JSON text, or the object that it stands for.

    `express`: the machine is of type EXPRESS, which lacks activities, `.sync`, task tokens and distributed Maps.
    `knows_action` says which actions `aws-sdk` integrations have, `refuses_parameters` what is wrong with parameters;
    without them all are taken. States write what they do
    with their data into `notes`, if there are any. Raises DefinitionError with all problems.
    """
    fields = _parse(definition)
    build = Build(
        resolve_language(fields) or Language.JSONPATH, _compile_scope, knows_action, notes, refuses_parameters
    )
    root = Node(fields, "", build, build.language, express=express)
    return _checked(build, lambda: _compile_root(root))


def compile_state(
    definition: str,
    name: str,
    *,
    knows_action: KnowsAction | None = None,
    refuses_parameters: RefusesParameters | None = None,
    notes: Notes,
) -> State:
    """Compile one state by itself, from its JSON text. Its transitions may lead anywhere.

    Raises DefinitionError with all problems; their places begin at the state.
    """
    fields = _parse(definition)
    build = Build(Language.JSONPATH, _compile_scope, knows_action, notes, refuses_parameters)
    node = Node(fields, "", build, build.language, name=name, own=assigned_names({name: fields}))
    state = _checked(build, lambda: _compile_kind(node))
    assert state is not None  # or there were problems
    return state


def _checked(build: Build, compile_: Callable[[], Compiled]) -> Compiled:
    try:
        compiled = compile_()
    except RecursionError:  # an expression or a path that is nested deeper than its parser goes
        raise _too_deep() from None
    found = all_problems(build)
    if found:
        raise DefinitionError(found)
    return compiled


def resolve_language(fields: Mapping[str, Json]) -> Language | None:
    """The language that a QueryLanguage stands for, None without one. Whatever is not JSONPath counts as JSONata."""
    if "QueryLanguage" not in fields:
        return None
    return Language.JSONPATH if fields["QueryLanguage"] == Language.JSONPATH else Language.JSONATA


def _parse(definition: str | Mapping[str, Json]) -> Mapping[str, Json]:
    if isinstance(definition, str):
        if not definition.strip():
            raise DefinitionError([Problem(problems.NO_DESCRIPTION, problems.NO_TEXT, None)])
        if len(definition.encode("utf-8", "replace")) > DEFINITION_LIMIT:
            raise _not_json(f"Definition must have at most {DEFINITION_LIMIT} bytes")
        try:
            definition = orjson.loads(definition)
        except orjson.JSONDecodeError:
            raise _not_json(problems.JSON_OBJECT) from None
    if not isinstance(definition, Mapping):
        raise _not_json(problems.JSON_OBJECT)
    if _is_deeper(definition, DEPTH_LIMIT):
        raise _too_deep()
    return definition


def _not_json(text: str) -> DefinitionError:
    return DefinitionError([Problem(problems.NOT_JSON, text, "/")])


def _too_deep() -> DefinitionError:
    return DefinitionError([Problem(problems.TOO_DEEP, problems.NESTED, None)])


def _is_deeper(value: Json, limit: int) -> bool:
    """Whether a value has more than `limit` levels; it is taken level by level, so no depth is too much."""
    level = [value]
    for _ in range(limit):
        level = [
            member
            for holder in level
            for member in (holder if isinstance(holder, list) else holder.values())
            if isinstance(member, (dict, list))
        ]
        if not level:
            return False
    return True


def _compile_root(root: Node) -> Machine:
    root.require("States", "StartAt")
    root.check_fields(ROOT_FIELDS)
    root.one_of("QueryLanguage", tuple(Language))
    root.one_of("Version", ("1.0",))
    return Machine(
        scope=_compile_states(root),
        timeout_seconds=root.integer("TimeoutSeconds", least=1, most=MOST_SECONDS),
        comment=root.string("Comment"),
        language=root.language,
    )


def _compile_scope(node: Node) -> Scope:
    """The scope of a branch, or of a Map's processor."""
    is_processor = node.at.endswith(("/ItemProcessor", "/Iterator"))
    node.require("States", "StartAt")
    node.check_fields(PROCESSOR_FIELDS if is_processor else BRANCH_FIELDS)
    node.string("Comment")
    return _compile_states(node)


def _compile_states(node: Node) -> Scope:
    """The scope of any object with StartAt and States, which have been missed where they are not there."""
    start = node.string("StartAt") or ""
    states = node.object("States") if node.has("States") else None
    if states is None:
        return Scope(start, {})
    if not states.fields:
        node.problem(problems.EMPTY, "States")
    check_names(node, states.fields)
    check_transitions(node, states.fields)
    inner = replace(
        states,
        language=node.build.language,  # not that of an enclosing Map or Parallel
        outer=node.outer | node.own,
        own=assigned_names(states.fields),
    )
    compiled = {name: _compile_state(inner, name) for name in states.fields}
    return Scope(start, {name: state for name, state in compiled.items() if state is not None})


def _compile_state(states: Node, name: str) -> State | None:
    fields = states.fields[name]
    if not isinstance(fields, dict):
        states.object(name)
        return None
    return _compile_kind(states.child(fields, name, name=name))


def _compile_kind(node: Node) -> State | None:
    language = _language_of(node)
    if language is not node.language:
        node = replace(node, language=language)
    if not node.require("Type"):
        return None
    kind = node.one_of("Type", KINDS)
    if kind is None:
        return None
    check_fields(node, kind)
    node.string("Comment")
    return _COMPILERS[kind](node)


def _language_of(node: Node) -> Language:
    node.one_of("QueryLanguage", tuple(Language))
    named = resolve_language(node.fields)
    if node.language is Language.JSONATA and named is Language.JSONPATH:
        node.problem("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
    return named or node.language


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
