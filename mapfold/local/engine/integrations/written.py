"""Parameters as a definition writes them, checked against the API's model when the machine is made.

Names are checked, at every depth, and that those of the API's required members are there. Values are not: a path, an
expression or a value that does not fit shows when the task is to start (requests.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mapfold.local.engine.integrations.optimized_services import OPTIMIZED_SERVICES
from mapfold.local.engine.integrations.styles import AS_THE_API_HAS_THEM
from mapfold.local.sdk.models import input_shape
from mapfold.local.sdk.naming import optimized_member, sdk_member
from mapfold.states.effects import Json

PREFIX = "aws-sdk:"
Member = Callable[[str], str]
Shapes = Mapping[str, Any]


def refused_parameters(
    service: str, action: str, written: Mapping[str, Json], *, has_paths: bool
) -> tuple[Sequence[str], Sequence[str]] | None:
    """The members that `written` lacks, and those that the action does not have; None where no model says.

    `service` and `action` are a Resource's. `has_paths`: a name that ends with `.$` has its value at run time, and is
    not said to be unknown before. May read models (the first time a third of a second, or 60 ms for the largest): call it
    in a thread.
    """
    found = _input(service, action)
    if found is None:
        return None
    shapes, name, member, more = found
    shape = {} if name is None else shapes[name]
    names = {key.removesuffix(".$") if has_paths else key for key in written}
    missing = [
        member(api_name)
        for api_name in shape.get("required", ())
        if member(api_name) not in names and not shape["members"][api_name].get("idempotencyToken")
    ]
    if name is None:
        return missing, [key for key in written if not (has_paths and key.endswith(".$"))]
    of_the_api = {key: value for key, value in written.items() if key not in more}
    return missing, list(_unknown(shapes, name, of_the_api, member, has_paths=has_paths))


def _input(service: str, action: str) -> tuple[Shapes, str | None, Member, frozenset[str]] | None:
    if service.startswith(PREFIX):
        found = input_shape(service.removeprefix(PREFIX), action)
        return None if found is None else (*found, sdk_member, frozenset())
    entry = OPTIMIZED_SERVICES.get(service)
    call = None if entry is None else entry.actions.get(action)
    if call is None or call.has_own_fields:
        return None
    found = input_shape(call.service, call.operation)
    return None if found is None else (*found, optimized_member, call.more)


def _unknown(shapes: Shapes, name: str, value: Json, member: Member, *, has_paths: bool) -> Iterator[str]:
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure" and isinstance(value, dict) and not shape.get("document"):
        members = {member(api_name): one["shape"] for api_name, one in shape["members"].items()}
        if name in AS_THE_API_HAS_THEM:
            members |= {api_name: one["shape"] for api_name, one in shape["members"].items()}
        for key, inner in value.items():
            if has_paths and key.endswith(".$"):
                continue
            if key not in members:
                yield key
            else:
                yield from _unknown(shapes, members[key], inner, member, has_paths=has_paths)
    elif kind == "list" and isinstance(value, list):
        for inner in value:
            yield from _unknown(shapes, shape["member"]["shape"], inner, member, has_paths=has_paths)
    elif kind == "map" and isinstance(value, dict):
        for inner in value.values():
            yield from _unknown(shapes, shape["value"]["shape"], inner, member, has_paths=has_paths)
