"""Aliases of state machines (API Reference: CreateStateMachineAlias and its neighbours)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.service.conftest import PASS, ROLE
from tests.integration.service.inside import Inside, Refused, open_inside

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
PROD = f"{ARN}:prod"
OTHER = PASS.replace(":", ": ")


def routes(*weights: int) -> list[dict[str, Any]]:
    """Version 1 with the first weight, version 2 with the second."""
    return [{"stateMachineVersionArn": f"{ARN}:{number}", "weight": weight} for number, weight in enumerate(weights, 1)]


async def two_versions(inside: Inside) -> None:
    await inside.create(publish=True)
    await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=OTHER, publish=True)


async def test_an_alias_is_described_as_it_was_made(inside: Inside) -> None:
    """Until it is updated: then with the date of that, and what was not given as it was."""
    await two_versions(inside)
    made = await inside.call(
        "CreateStateMachineAlias", name="prod", description="live", routingConfiguration=routes(100)
    )
    inside.engine.now += 10

    await inside.call("UpdateStateMachineAlias", stateMachineAliasArn=PROD, routingConfiguration=routes(30, 70))

    assert made == {"stateMachineAliasArn": PROD, "creationDate": 1234.568}
    assert await inside.call("DescribeStateMachineAlias", stateMachineAliasArn=PROD) == {
        "stateMachineAliasArn": PROD,
        "name": "prod",
        "description": "live",
        "routingConfiguration": routes(30, 70),
        "creationDate": 1234.568,
        "updateDate": 1244.568,
    }


async def test_making_the_same_alias_again_is_no_error(inside: Inside) -> None:
    """Another route, or another description, is."""
    await two_versions(inside)
    first = await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes(100))

    again = await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes(100))
    error = await inside.error("CreateStateMachineAlias", name="prod", routingConfiguration=routes(50, 50))

    assert again == first
    assert error == (
        "ConflictException",
        (
            "Failed to create alias because an alias with the same name and a different routing configuration "
            "already exists."
        ),
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (routes(60, 60), "Sum of routing configuration weights must equal 100. Received: [60, 60]"),
        (
            routes(50) * 2,
            f"Routing configuration must contain distinct state machine version ARNs. Received: [{ARN}:1, {ARN}:1]",
        ),
        (
            [*routes(50), {"stateMachineVersionArn": f"{ARN}2:1", "weight": 50}],
            "Routing configuration must contain versions of the same state machine.",
        ),
    ],
)
async def test_a_route_that_cannot_be_is_refused(inside: Inside, asked: Any, message: str) -> None:
    """ValidationException, with the reason that the API Reference has for it."""
    await two_versions(inside)

    with pytest.raises(Refused) as refused:
        await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=asked)

    assert refused.value.error == ("ValidationException", message)
    assert refused.value.body["reason"] == "INVALID_ROUTING_CONFIGURATION"


async def test_a_route_to_a_version_that_is_not_there_is_refused(inside: Inside) -> None:
    """ResourceNotFound, which names it."""
    await inside.create(publish=True)

    with pytest.raises(Refused) as refused:
        await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes(50, 50))

    assert refused.value.body == {
        "__type": "ResourceNotFound",
        "message": "Request references a resource that does not exist.",
        "resourceName": f"{ARN}:2",
    }


async def test_a_version_with_an_alias_cannot_be_deleted(inside: Inside) -> None:
    """The error names the aliases; without them it goes."""
    await inside.create(publish=True)
    for name in ("prod", "beta"):
        await inside.call("CreateStateMachineAlias", name=name, routingConfiguration=routes(100))

    error = await inside.error("DeleteStateMachineVersion", stateMachineVersionArn=f"{ARN}:1")

    assert error == (
        "ConflictException",
        (
            "Version to be deleted must not be referenced by an alias. "
            "Current list of aliases referencing this version: [beta, prod]"
        ),
    )
    for name in ("prod", "beta"):
        await inside.call("DeleteStateMachineAlias", stateMachineAliasArn=f"{ARN}:{name}")
    assert await inside.call("DeleteStateMachineVersion", stateMachineVersionArn=f"{ARN}:1") == {}


@pytest.mark.parametrize(("chance", "version"), [(0.0, "1"), (0.2999, "1"), (0.3, "2"), (0.9999, "2")])
async def test_an_alias_chooses_by_weight(tmp_path: Path, chance: float, version: str) -> None:
    """The execution tells both, the version and the alias, and is listed by either."""
    async with open_inside(tmp_path, random=lambda: chance) as inside:
        await two_versions(inside)
        await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes(30, 70))

        started = await inside.call("StartExecution", stateMachineArn=PROD, name="one")

        shown = await inside.call("DescribeExecution", executionArn=started["executionArn"])
        assert (shown["stateMachineVersionArn"], shown["stateMachineAliasArn"]) == (f"{ARN}:{version}", PROD)
        for arn in (PROD, f"{ARN}:{version}"):
            (listed,) = (await inside.call("ListExecutions", stateMachineArn=arn))["executions"]
            assert listed["stateMachineAliasArn"] == PROD


async def test_aliases_are_listed_newest_first(inside: Inside) -> None:
    """All of a machine, or those that lead to a version; page by page."""
    await two_versions(inside)
    for name, asked in (("a", routes(100)), ("b", routes(1, 99)), ("c", routes(100))):
        await inside.call("CreateStateMachineAlias", name=name, routingConfiguration=asked)

    first = await inside.call("ListStateMachineAliases", stateMachineArn=ARN, maxResults=2)
    rest = await inside.call("ListStateMachineAliases", stateMachineArn=ARN, nextToken=first["nextToken"])
    of_second = await inside.call("ListStateMachineAliases", stateMachineArn=f"{ARN}:2")

    names = [
        [row["stateMachineAliasArn"][-1] for row in page["stateMachineAliases"]] for page in (first, rest, of_second)
    ]
    assert names == [["c", "b"], ["a"], ["b"]]


async def test_an_alias_that_is_not_there(inside: Inside) -> None:
    """ResourceNotFound; to start by it is StateMachineDoesNotExist."""
    await inside.create(publish=True)

    for action in ("DescribeStateMachineAlias", "DeleteStateMachineAlias"):
        assert (await inside.error(action, stateMachineAliasArn=PROD))[0] == "ResourceNotFound"
    started = await inside.error("StartExecution", stateMachineArn=PROD)
    assert started == ("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{PROD}'")


async def test_an_update_of_nothing_is_refused(inside: Inside) -> None:
    """At least one of description and route is needed."""
    error = await inside.error("UpdateStateMachineAlias", stateMachineAliasArn=PROD)

    assert error == ("ValidationException", "Either the description or the RoutingConfiguration must be specified")


async def test_an_update_stays_with_the_machine(inside: Inside) -> None:
    """An alias cannot lead to another machine's versions."""
    await inside.create(publish=True)
    await inside.call("CreateStateMachine", name="jobs2", definition=PASS, roleArn=ROLE, publish=True)
    await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes(100))
    elsewhere = [{"stateMachineVersionArn": f"{ARN}2:1", "weight": 100}]

    error = await inside.error("UpdateStateMachineAlias", stateMachineAliasArn=PROD, routingConfiguration=elsewhere)

    assert error == ("ValidationException", "Routing configuration must contain versions of the same state machine.")
