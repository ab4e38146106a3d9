"""ValidateStateMachineDefinition: everything that is wrong with a definition, and what is odd about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from mapfold.errors import DefinitionError, Problem
from mapfold.local.service.context import Service
from mapfold.local.service.request import DEFINITION_LENGTH, Request
from mapfold.states.advice import find_warnings

MOST_RESULTS = 100
TYPES = ("STANDARD", "EXPRESS")


async def validate_state_machine_definition(service: Service, request: Request) -> dict[str, Any]:
    """ValidateStateMachineDefinition: errors first, then, if they are asked for, warnings.

    What is checked is what CreateStateMachine checks; warnings alone leave the result OK.
    """
    definition = request.text("definition", least=1, most=DEFINITION_LENGTH)
    kind = request.choice("type", TYPES, "STANDARD")
    severity = request.choice("severity", ("ERROR", "WARNING"), "ERROR")
    most = request.whole("maxResults", least=0, most=MOST_RESULTS) or MOST_RESULTS
    request.done()
    errors = await asyncio.to_thread(_errors, service, definition, kind == "EXPRESS")
    found = [_diagnostic("ERROR", problem) for problem in errors]
    if severity == "WARNING":
        warnings = await asyncio.to_thread(_warnings, definition)
        found += [_diagnostic("WARNING", problem) for problem in warnings]
    return {"result": "FAIL" if errors else "OK", "diagnostics": found[:most], "truncated": len(found) > most}


def _errors(service: Service, definition: str, express: bool) -> Sequence[Problem]:
    try:
        service.check_definition(definition, express)
    except DefinitionError as error:
        return error.problems
    return ()


def _warnings(definition: str) -> Sequence[Problem]:
    try:
        return find_warnings(orjson.loads(definition))
    except (orjson.JSONDecodeError, RecursionError):  # not JSON, or nested too deeply: errors, and told as such
        return ()


def _diagnostic(severity: str, problem: Problem) -> dict[str, Any]:
    told = {"severity": severity, "code": problem.code, "message": problem.text}
    return told if problem.at is None else {**told, "location": problem.at}
