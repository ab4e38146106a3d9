"""Warnings: what a definition may have, and probably does not mean.

The three of ValidateStateMachineDefinition: a path that stands where nothing is evaluated. They keep no machine from
being made. The service's words for them are unconfirmed: these are those of its API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mapfold.errors import Problem
from mapfold.states.definition import Language, place
from mapfold.states.effects import Json
from mapfold.states.intrinsics import INTRINSICS

NO_DOLLAR = "NO_DOLLAR"
NO_PATH = "NO_PATH"
STATIC_RESULT = "PASS_RESULT_IS_STATIC"

_TEXTS = {
    NO_DOLLAR: "No .$ on a field that appears to be a JSONPath or Intrinsic Function.",
    NO_PATH: "Field value looks like a path, but field name does not end with 'Path'.",
    STATIC_RESULT: "Attempt to use a path in the result of a pass state.",
}
_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "Assign")
_NESTED_TEMPLATES = (("ItemBatcher", "BatchInput"), ("ItemReader", "Parameters"), ("ResultWriter", "Parameters"))
_TEXT_FIELDS = ("Error", "Cause")
_COMPARISON = re.compile(r"(?:String|Numeric|Timestamp|Boolean).*(?<!Path)")
_PATH = re.compile(r"\$\$?[.\[]")
_CALL = re.compile(rf"States\.(?:{'|'.join(INTRINSICS)})\(")


def find_warnings(definition: Json) -> list[Problem]:
    """The warnings about a definition, in document order; none for what is no definition at all."""
    if not isinstance(definition, dict):
        return []
    language = definition.get("QueryLanguage", Language.JSONPATH)
    return [Problem(code, _TEXTS[code], at) for code, at in _of_scope(definition, "", language)]


Found = Iterator[tuple[str, str]]


def _of_scope(scope: Json, at: str, language: Json) -> Found:
    states = scope.get("States") if isinstance(scope, dict) else None
    for name, state in states.items() if isinstance(states, dict) else ():
        if isinstance(state, dict):
            yield from _of_state(state, place(at, "States", name), language)


def _of_state(state: dict[str, Json], at: str, language: Json) -> Found:
    if state.get("QueryLanguage", language) == Language.JSONPATH:
        yield from _of_fields(state, at)
    for name in ("ItemProcessor", "Iterator"):
        yield from _of_scope(state.get(name), place(at, name), language)
    for index, branch in enumerate(_listed(state, "Branches")):
        yield from _of_scope(branch, place(at, "Branches", index), language)


def _of_fields(state: dict[str, Json], at: str) -> Found:
    if state.get("Type") == "Pass" and _has_path(state.get("Result")):
        yield STATIC_RESULT, place(at, "Result")
    for name in _TEMPLATES:
        yield from _of_template(state.get(name), place(at, name))
    for holder, name in _NESTED_TEMPLATES:
        inner = state.get(holder)
        yield from _of_template(inner.get(name) if isinstance(inner, dict) else None, place(at, holder, name))
    for name in _TEXT_FIELDS:
        if state.get("Type") == "Fail" and _is_path(state.get(name)):
            yield NO_PATH, place(at, name)
    for name in ("Choices", "Catch"):
        for index, member in enumerate(_listed(state, name)):
            yield from _of_rule(member, place(at, name, index))


def _of_rule(rule: Json, at: str) -> Found:
    """A choice rule, at any depth, or a catcher: both may assign."""
    if not isinstance(rule, dict):
        return
    yield from _of_template(rule.get("Assign"), place(at, "Assign"))
    for name, value in rule.items():
        if _COMPARISON.fullmatch(name) and _is_path(value):
            yield NO_PATH, place(at, name)
    for name in ("And", "Or"):
        for index, member in enumerate(_listed(rule, name)):
            yield from _of_rule(member, place(at, name, index))
    yield from _of_rule(rule.get("Not"), place(at, "Not"))


def _of_template(template: Json, at: str) -> Found:
    """Values that look like paths or calls, under keys without `.$`. What stands in arrays is never evaluated."""
    if isinstance(template, list):
        for index, member in enumerate(template):
            yield from _of_template(member, place(at, index))
    if not isinstance(template, dict):
        return
    for key, value in template.items():
        if isinstance(value, str):
            if not key.endswith(".$") and (_is_path(value) or _CALL.match(value)):
                yield NO_DOLLAR, place(at, key)
        else:
            yield from _of_template(value, place(at, key))


def _is_path(value: Json) -> bool:
    return isinstance(value, str) and (value == "$" or _PATH.match(value) is not None)


def _has_path(value: Json) -> bool:
    """Whether a value is a path, or has a member that is one or says so by its name."""
    if isinstance(value, dict):
        return any(key.endswith(".$") or _has_path(member) for key, member in value.items())
    if isinstance(value, list):
        return any(_has_path(member) for member in value)
    return _is_path(value)


def _listed(holder: dict[str, Json], name: str) -> list[Json]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
