"""Aliases of state machines: names that lead to one version, or to two by weight (guide: State machine aliases).

Most texts of refusals are unconfirmed: the API Reference has the codes and the reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mapfold.local.arns import Arn, ArnError, Kind, expect_arn
from mapfold.local.service.context import Service
from mapfold.local.service.faults import Fault, invalid_arn
from mapfold.local.service.pages import page_of, with_token
from mapfold.local.service.qualified import find_alias, find_changeable, find_owner
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds
from mapfold.local.store import AliasRow

Answer = dict[str, Any]
Routes = Sequence[tuple[str, int]]

MOST_ALIASES = 100
"""Aliases that a machine may have (Step Functions service quotas)."""


async def create_state_machine_alias(service: Service, request: Request) -> Answer:
    """CreateStateMachineAlias: the same call again answers as the first time."""
    name = request.text("name")
    description = request.optional_text("description")
    routes, machine = _routes(service, request)
    arn = str(replace(machine, name=name))
    publishing = service.store.publishing
    known = publishing.alias(machine.machine_arn, arn)
    if known is not None:
        if (known.description, list(known.routes)) != (description, list(routes)):
            raise Fault(
                "ConflictException",
                "Failed to create alias because an alias with the same name and a different routing configuration "
                "already exists.",
            )
        return {"stateMachineAliasArn": arn, "creationDate": seconds(known.created)}
    if len(publishing.aliases(machine.machine_arn)) >= MOST_ALIASES:
        raise Fault(
            "ServiceQuotaExceededException",
            f"The maximum number of aliases of a state machine has been reached: {MOST_ALIASES}",
            status=402,
        )
    now = service.clock()
    number = publishing.next_alias_number()
    publishing.put_alias(AliasRow(arn, machine.machine_arn, number, name, description, routes, now, now))
    await service.store.flush()
    return {"stateMachineAliasArn": arn, "creationDate": seconds(now)}


async def describe_state_machine_alias(service: Service, request: Request) -> Answer:
    """DescribeStateMachineAlias."""
    row = _asked(service, request)
    answer = {
        "stateMachineAliasArn": row.arn,
        "name": row.name,
        "routingConfiguration": [{"stateMachineVersionArn": arn, "weight": weight} for arn, weight in row.routes],
        "creationDate": seconds(row.created),
        "updateDate": seconds(row.updated),
    }
    if row.description is not None:
        answer["description"] = row.description
    return answer


async def update_state_machine_alias(service: Service, request: Request) -> Answer:
    """UpdateStateMachineAlias: what is not given stays."""
    description = request.optional_text("description")
    if description is None and not request.has("routingConfiguration"):
        raise Fault(
            "ValidationException",
            "Either the description or the RoutingConfiguration must be specified",
            reason="MISSING_REQUIRED_PARAMETER",
        )
    row = _asked(service, request)
    routes = row.routes
    if request.has("routingConfiguration"):
        routes, machine = _routes(service, request)
        if machine.machine_arn != row.machine_arn:
            raise _unroutable(_ONE_MACHINE)
    updated = replace(
        row,
        description=row.description if description is None else description,
        routes=routes,
        updated=service.clock(),
    )
    service.store.publishing.put_alias(updated)
    await service.store.flush()
    return {"updateDate": seconds(updated.updated)}


async def delete_state_machine_alias(service: Service, request: Request) -> Answer:
    """DeleteStateMachineAlias; the versions stay."""
    service.store.publishing.delete_alias(_asked(service, request))
    await service.store.flush()
    return {}


async def list_state_machine_aliases(service: Service, request: Request) -> Answer:
    """ListStateMachineAliases, newest first; by a version's ARN those that lead to it."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    size = request.page_size()
    token = request.text("nextToken", needed=False)
    owner = find_owner(service, arn)
    rows = service.store.publishing.aliases(owner.arn, None if arn.name is None else str(arn))
    question = ["ListStateMachineAliases", str(arn)]
    page, token = page_of(rows, size, token, question, key=lambda row: -row.number)
    items = [{"stateMachineAliasArn": row.arn, "creationDate": seconds(row.created)} for row in page]
    return with_token({"stateMachineAliases": items}, token)


def _asked(service: Service, request: Request) -> AliasRow:
    arn = request.arn("stateMachineAliasArn", Kind.STATE_MACHINE)
    if arn.name is None or arn.name.isdecimal() or arn.label is not None:
        raise invalid_arn(f"Invalid ARN: {arn}")
    row = find_alias(service, arn)
    if row is None:
        raise _missing(str(arn))
    return row


# --- routing configurations -------------------------------------------------------------------------------

_ONE_MACHINE = "Routing configuration must contain versions of the same state machine."


def _routes(service: Service, request: Request) -> tuple[Routes, Arn]:
    """The routing configuration of a request, and the machine whose versions are in it."""
    entries = request.members["routingConfiguration"]
    arns = [_version_arn(entry["stateMachineVersionArn"]) for entry in entries]
    texts, weights = [str(arn) for arn in arns], [int(entry["weight"]) for entry in entries]
    if len(set(texts)) < len(texts):
        received = ", ".join(texts)
        raise _unroutable(
            f"Routing configuration must contain distinct state machine version ARNs. Received: [{received}]"
        )
    if sum(weights) != 100:
        received = ", ".join(map(str, weights))
        raise _unroutable(f"Sum of routing configuration weights must equal 100. Received: [{received}]")
    if len({arn.machine_arn for arn in arns}) > 1:
        raise _unroutable(_ONE_MACHINE)
    machine = replace(arns[0], name=None)
    for arn, text in zip(arns, texts, strict=True):
        if service.store.publishing.version(arn.machine_arn, text) is None:
            raise _missing(text)
    find_changeable(service, machine)
    return list(zip(texts, weights, strict=True)), machine


def _version_arn(text: str) -> Arn:
    try:
        arn = expect_arn(text, Kind.STATE_MACHINE)
    except ArnError as error:
        raise invalid_arn(error.reason) from error
    if arn.name is None or not arn.name.isdecimal() or arn.label is not None:
        raise _unroutable(f"Routing configuration must contain state machine version ARNs. Received: [{text}]")
    return arn


def _unroutable(message: str) -> Fault:
    return Fault("ValidationException", message, reason="INVALID_ROUTING_CONFIGURATION")


def _missing(arn: str) -> Fault:
    return Fault("ResourceNotFound", "Request references a resource that does not exist.", resourceName=arn)
