"""Versions of state machines (API Reference: PublishStateMachineVersion and its neighbours)."""

from __future__ import annotations

from pathlib import Path

from tests.integration.service.conftest import PASS
from tests.integration.service.inside import Inside, open_inside

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
OTHER = PASS.replace(":", ": ")
THIRD = PASS.replace(":", ":  ")


async def publish(inside: Inside, **more: str) -> str:
    """PublishStateMachineVersion; the version's ARN."""
    arn: str = (await inside.call("PublishStateMachineVersion", stateMachineArn=ARN, **more))["stateMachineVersionArn"]
    return arn


async def versions(inside: Inside) -> list[str]:
    listed = await inside.call("ListStateMachineVersions", stateMachineArn=ARN)
    return [version["stateMachineVersionArn"].rpartition(":")[2] for version in listed["stateMachineVersions"]]


async def test_a_revision_is_published_once(inside: Inside) -> None:
    """A second time answers with the version that there is; a new revision is the next number. Newest first."""
    await inside.create()
    first, again = await publish(inside), await publish(inside, description="other")

    await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=OTHER)
    second = await publish(inside)

    assert (first, again, second) == (f"{ARN}:1", f"{ARN}:1", f"{ARN}:2")
    assert await versions(inside) == ["2", "1"]


async def test_a_number_is_never_used_again(inside: Inside) -> None:
    """Not even that of the newest version, when it was deleted."""
    await inside.create(publish=True)

    await inside.call("DeleteStateMachineVersion", stateMachineVersionArn=f"{ARN}:1")

    assert await publish(inside) == f"{ARN}:2"


async def test_publishing_may_demand_a_revision(inside: Inside) -> None:
    """By its id; INITIAL is that of a machine that was never updated."""
    await inside.create()
    assert await publish(inside, revisionId="INITIAL") == f"{ARN}:1"
    revision = (await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=OTHER))["revisionId"]

    error = await inside.error("PublishStateMachineVersion", stateMachineArn=ARN, revisionId="INITIAL")

    assert error == (
        "ConflictException",
        (
            "Failed to publish the State Machine version for revision INITIAL. "
            f"The current State Machine revision is {revision}."
        ),
    )
    assert await publish(inside, revisionId=revision) == f"{ARN}:2"


async def test_an_update_may_publish(inside: Inside) -> None:
    """The version is described with its own definition and description; the machine goes on changing."""
    await inside.create()
    updated = await inside.call(
        "UpdateStateMachine", stateMachineArn=ARN, definition=OTHER, publish=True, versionDescription="the other"
    )
    await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=THIRD)

    shown = await inside.call("DescribeStateMachine", stateMachineArn=updated["stateMachineVersionArn"])

    assert (shown["stateMachineArn"], shown["definition"]) == (f"{ARN}:1", OTHER)
    assert (shown["description"], shown["revisionId"]) == ("the other", updated["revisionId"])


async def test_a_version_starts_executions_of_its_own_definition(inside: Inside) -> None:
    """The execution tells the version; it is listed by it, and by the machine."""
    await inside.create(publish=True)
    await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=OTHER)

    started = (await inside.call("StartExecution", stateMachineArn=f"{ARN}:1", name="one"))["executionArn"]
    await inside.call("StartExecution", stateMachineArn=ARN, name="two")

    shown = await inside.call("DescribeExecution", executionArn=started)
    assert (shown["stateMachineArn"], shown["stateMachineVersionArn"]) == (ARN, f"{ARN}:1")
    assert "stateMachineAliasArn" not in shown
    ran = await inside.call("DescribeStateMachineForExecution", executionArn=started)
    assert (ran["stateMachineArn"], ran["definition"]) == (ARN, PASS)
    by_version = await inside.call("ListExecutions", stateMachineArn=f"{ARN}:1")
    by_machine = await inside.call("ListExecutions", stateMachineArn=ARN)
    assert [(row["name"], row["stateMachineVersionArn"]) for row in by_version["executions"]] == [("one", f"{ARN}:1")]
    assert [row["name"] for row in by_machine["executions"]] == ["two", "one"]


async def test_a_version_that_is_not_there(inside: Inside) -> None:
    """Starting and describing it is an error, deleting it is none."""
    await inside.create()
    missing = ("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{ARN}:7'")

    assert await inside.error("StartExecution", stateMachineArn=f"{ARN}:7") == missing
    assert await inside.error("DescribeStateMachine", stateMachineArn=f"{ARN}:7") == missing
    assert await inside.error("ListExecutions", stateMachineArn=f"{ARN}:7") == missing
    assert await inside.call("DeleteStateMachineVersion", stateMachineVersionArn=f"{ARN}:7") == {}


async def test_a_machine_that_is_not_there_has_no_versions(inside: Inside) -> None:
    """Publishing says so; listing calls the ARN invalid, for it knows no other error."""
    published = await inside.error("PublishStateMachineVersion", stateMachineArn=ARN)
    listed = await inside.error("ListStateMachineVersions", stateMachineArn=ARN)

    assert published == ("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{ARN}'")
    assert listed == ("InvalidArn", f"Invalid Arn: '{ARN}'")


async def test_versions_are_listed_in_pages(inside: Inside) -> None:
    """Newest first, on every page."""
    await inside.create(publish=True)
    for definition in (OTHER, THIRD):
        await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=definition, publish=True)

    first = await inside.call("ListStateMachineVersions", stateMachineArn=ARN, maxResults=2)
    rest = await inside.call("ListStateMachineVersions", stateMachineArn=ARN, nextToken=first["nextToken"])

    numbers = [[row["stateMachineVersionArn"][-1] for row in page["stateMachineVersions"]] for page in (first, rest)]
    assert numbers == [["3", "2"], ["1"]]
    assert "nextToken" not in rest


async def test_versions_and_aliases_outlive_the_process(tmp_path: Path) -> None:
    """So does which of them an execution was started by."""
    routes = [{"stateMachineVersionArn": f"{ARN}:1", "weight": 100}]
    async with open_inside(tmp_path) as before:
        await before.create(publish=True)
        await before.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes)
        started = await before.call("StartExecution", stateMachineArn=f"{ARN}:prod", name="one")
        await before.engine.end(started["executionArn"])

    async with open_inside(tmp_path) as after:
        alias = await after.call("DescribeStateMachineAlias", stateMachineAliasArn=f"{ARN}:prod")
        execution = await after.call("DescribeExecution", executionArn=started["executionArn"])

    assert alias["routingConfiguration"] == routes
    assert (execution["stateMachineVersionArn"], execution["stateMachineAliasArn"]) == (f"{ARN}:1", f"{ARN}:prod")
