"""What CreateStateMachine compares, what an update makes, and how a machine goes (service-api 2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.service.conftest import PASS, ROLE
from tests.integration.service.inside import Inside, Refused

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
OTHER = PASS.replace(":", ": ")
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/jobs:*"
LOGGING: dict[str, Any] = {"level": "ALL", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": LOG_GROUP}}]}
MADE = {"name": "jobs", "definition": PASS, "roleArn": ROLE}


class TestCreatingAgain:
    @pytest.mark.parametrize(
        "difference",
        [
            {"type": "EXPRESS"},
            {"loggingConfiguration": LOGGING},
            {"tracingConfiguration": {"enabled": True}},
            {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "alias/k"}},
            {"publish": True},
        ],
        ids=lambda difference: next(iter(difference)),
    )
    async def test_another_machine_of_the_same_name_is_refused(self, inside: Inside, difference: Any) -> None:
        """Type, configurations and publishing are compared, like the definition."""
        await inside.call("CreateStateMachine", **MADE)

        error = await inside.error("CreateStateMachine", **MADE, **difference)

        assert error == ("StateMachineAlreadyExists", f"State Machine Already Exists: '{ARN}'")

    async def test_what_the_defaults_say_may_be_said(self, inside: Inside) -> None:
        """A configuration that is given as it is by default is no other one."""
        first = await inside.call("CreateStateMachine", **MADE)

        again = await inside.call(
            "CreateStateMachine", **MADE, loggingConfiguration={"level": "OFF"}, type="STANDARD", publish=False
        )

        assert again == first

    async def test_role_and_tags_stay_as_they_were_first(self, inside: Inside) -> None:
        """They are not compared, and not taken over."""
        await inside.call("CreateStateMachine", **MADE, tags=[{"key": "a", "value": "1"}])

        await inside.call("CreateStateMachine", **MADE | {"roleArn": ROLE + "2"}, tags=[{"key": "b", "value": "2"}])

        assert (await inside.call("DescribeStateMachine", stateMachineArn=ARN))["roleArn"] == ROLE
        assert (await inside.call("ListTagsForResource", resourceArn=ARN))["tags"] == [{"key": "a", "value": "1"}]

    async def test_a_published_one_answers_with_its_version(self, inside: Inside) -> None:
        """The first time and again; another description of the version is another machine."""
        first = await inside.call("CreateStateMachine", **MADE, publish=True, versionDescription="one")

        again = await inside.call("CreateStateMachine", **MADE, publish=True, versionDescription="one")
        error = await inside.error("CreateStateMachine", **MADE, publish=True, versionDescription="two")

        assert first["stateMachineVersionArn"] == f"{ARN}:1"
        assert again == first
        assert error[0] == "StateMachineAlreadyExists"


class TestRefusals:
    async def test_a_version_s_description_needs_publish(self, inside: Inside) -> None:
        """ValidationException with its reason, at creations and updates."""
        with pytest.raises(Refused) as created:
            await inside.call("CreateStateMachine", **MADE, versionDescription="one")
        await inside.create()
        updated = await inside.error(
            "UpdateStateMachine", stateMachineArn=ARN, definition=OTHER, versionDescription="one"
        )

        expected = ("ValidationException", "Version description can only be set when publish is true")
        assert created.value.error == updated == expected
        assert created.value.body["reason"] == "MISSING_REQUIRED_PARAMETER"

    async def test_a_role_has_the_arn_of_a_role(self, inside: Inside) -> None:
        """InvalidArn, in words of its own."""
        error = await inside.error("CreateStateMachine", **MADE | {"roleArn": "admin"})

        assert error == ("InvalidArn", "Invalid Role Arn: 'admin'")

    @pytest.mark.parametrize(
        ("logging", "reason"),
        [
            ({"level": "ALL"}, "Must specify exactly one Log Destination."),
            ({**LOGGING, "destinations": LOGGING["destinations"] * 2}, "Must specify exactly one Log Destination."),
            (
                {"level": "ERROR", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": LOG_GROUP[:-2]}}]},
                "Log Group ARN must be provided with '*' qualifier.",
            ),
        ],
    )
    async def test_a_log_goes_to_one_log_group(self, inside: Inside, logging: Any, reason: str) -> None:
        """Its ARN ends in `:*`."""
        error = await inside.error("CreateStateMachine", **MADE, loggingConfiguration=logging)

        assert error == ("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {reason}")

    async def test_tracing_is_on_or_off(self, inside: Inside) -> None:
        """Nothing else can be said of it."""
        error = await inside.error("CreateStateMachine", **MADE, tracingConfiguration={})

        assert error[0] == "InvalidTracingConfiguration"

    async def test_a_customer_s_key_is_named(self, inside: Inside) -> None:
        """And one of AWS's is not."""
        for encryption in ({"type": "CUSTOMER_MANAGED_KMS_KEY"}, {"type": "AWS_OWNED_KEY", "kmsKeyId": "k"}):
            error = await inside.error("CreateStateMachine", **MADE, encryptionConfiguration=encryption)
            assert error[0] == "InvalidEncryptionConfiguration"

    async def test_a_map_s_arn_is_not_that_of_a_machine_to_change(self, inside: Inside) -> None:
        """ValidationException with the reason that the API Reference has for it."""
        await inside.create()

        for action in ("UpdateStateMachine", "DeleteStateMachine", "PublishStateMachineVersion", "StartExecution"):
            more = {"definition": PASS} if action == "UpdateStateMachine" else {}
            with pytest.raises(Refused) as refused:
                await inside.call(action, stateMachineArn=f"{ARN}/Each", **more)
            assert refused.value.body["reason"] == "API_DOES_NOT_SUPPORT_LABELED_ARNS"


class TestDescribing:
    async def test_a_map_is_described_by_its_label(self, inside: Inside) -> None:
        """Its processor is the definition, and the type that of its children, before it has ever run."""
        processor = {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        }
        each = {"Type": "Map", "Label": "Each", "ItemProcessor": processor, "End": True}
        branch = {"StartAt": "M", "States": {"M": each}}
        both = {"StartAt": "B", "States": {"B": {"Type": "Parallel", "Branches": [branch], "End": True}}}
        await inside.call("CreateStateMachine", **MADE | {"definition": json.dumps(both)})

        shown = await inside.call("DescribeStateMachine", stateMachineArn=f"{ARN}/Each")
        missing = await inside.error("DescribeStateMachine", stateMachineArn=f"{ARN}/Other")

        assert (shown["stateMachineArn"], shown["label"], shown["type"]) == (f"{ARN}/Each", "Each", "EXPRESS")
        assert json.loads(shown["definition"]) == processor
        assert missing == ("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{ARN}/Other'")

    async def test_metadata_alone_has_no_definition(self, inside: Inside) -> None:
        """It is an empty object then, of a version too."""
        await inside.create(publish=True)

        for arn in (ARN, f"{ARN}:1"):
            shown = await inside.call("DescribeStateMachine", stateMachineArn=arn, includedData="METADATA_ONLY")
            assert shown["definition"] == "{}"


class TestUpdating:
    async def test_only_a_change_makes_a_revision(self, inside: Inside) -> None:
        """What was there already, set again, keeps the revision id: at first there is none."""
        await inside.create()

        same = await inside.call("UpdateStateMachine", stateMachineArn=ARN, definition=PASS)
        changed = await inside.call("UpdateStateMachine", stateMachineArn=ARN, roleArn=ROLE + "2")
        same_again = await inside.call("UpdateStateMachine", stateMachineArn=ARN, roleArn=ROLE + "2")
        logged = await inside.call("UpdateStateMachine", stateMachineArn=ARN, loggingConfiguration=LOGGING)

        assert "revisionId" not in same
        assert changed["revisionId"] == same_again["revisionId"] != logged["revisionId"]

    async def test_configurations_are_shown_with_their_defaults(self, inside: Inside) -> None:
        """Each by itself; what is not given stays."""
        await inside.create(tracingConfiguration={"enabled": True})

        await inside.call("UpdateStateMachine", stateMachineArn=ARN, loggingConfiguration=LOGGING)

        shown = await inside.call("DescribeStateMachine", stateMachineArn=ARN)
        assert shown["loggingConfiguration"] == {**LOGGING, "includeExecutionData": False}
        assert shown["tracingConfiguration"] == {"enabled": True}
        assert shown["encryptionConfiguration"] == {"type": "AWS_OWNED_KEY"}

    async def test_publishing_alone_is_no_update(self, inside: Inside) -> None:
        """MissingRequiredParameter, in the recorded words."""
        await inside.create()

        error = await inside.error("UpdateStateMachine", stateMachineArn=ARN, publish=True)

        assert error == (
            "MissingRequiredParameter",
            (
                "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration "
                "must be specified"
            ),
        )


class TestDeleting:
    async def test_a_machine_is_deleting_while_its_executions_run(self, inside: Inside) -> None:
        """They are told to end; nothing is started or changed any more. With the last one it is gone."""
        await inside.create()
        execution = (await inside.call("StartExecution", stateMachineArn=ARN, name="one"))["executionArn"]

        await inside.call("DeleteStateMachine", stateMachineArn=ARN)

        assert inside.engine.ending == [ARN]
        assert (await inside.call("DescribeStateMachine", stateMachineArn=ARN))["status"] == "DELETING"
        deleting = ("StateMachineDeleting", f"State Machine is being deleted: '{ARN}'")
        assert await inside.error("StartExecution", stateMachineArn=ARN) == deleting
        assert await inside.error("UpdateStateMachine", stateMachineArn=ARN, definition=OTHER) == deleting
        assert await inside.error("CreateStateMachine", **MADE) == deleting
        await inside.engine.end(execution, status="ABORTED")
        assert (await inside.error("DescribeStateMachine", stateMachineArn=ARN))[0] == "StateMachineDoesNotExist"

    async def test_its_versions_and_aliases_go_with_it(self, inside: Inside) -> None:
        """A machine of that name begins again at version 1."""
        await inside.create(publish=True)
        routes = [{"stateMachineVersionArn": f"{ARN}:1", "weight": 100}]
        await inside.call("CreateStateMachineAlias", name="prod", routingConfiguration=routes)

        await inside.call("DeleteStateMachine", stateMachineArn=ARN)

        assert (await inside.error("StartExecution", stateMachineArn=f"{ARN}:prod"))[0] == "StateMachineDoesNotExist"
        again = await inside.call("CreateStateMachine", **MADE, publish=True)
        assert again["stateMachineVersionArn"] == f"{ARN}:1"
        aliases = await inside.call("ListStateMachineAliases", stateMachineArn=ARN)
        assert aliases == {"stateMachineAliases": []}


class TestListing:
    async def test_a_token_is_good_for_its_own_question_only(self, inside: Inside) -> None:
        """InvalidToken for one of another listing, or for no token of ours."""
        for name in ("a", "b"):
            await inside.create(name)
        token = (await inside.call("ListStateMachines", maxResults=1))["nextToken"]

        elsewhere = await inside.error("ListStateMachineVersions", stateMachineArn=ARN[:-4] + "a", nextToken=token)
        forged = await inside.error("ListStateMachines", nextToken="abc")

        assert elsewhere == forged == ("InvalidToken", "Invalid Token: 'Invalid token'")

    async def test_a_page_goes_on_after_the_last_name(self, inside: Inside) -> None:
        """Though the machine of that name has gone meanwhile."""
        for name in ("c", "a", "b"):
            await inside.create(name)
        first = await inside.call("ListStateMachines", maxResults=1)
        await inside.call("DeleteStateMachine", stateMachineArn=first["stateMachines"][0]["stateMachineArn"])

        rest = await inside.call("ListStateMachines", nextToken=first["nextToken"])

        assert [machine["name"] for machine in rest["stateMachines"]] == ["b", "c"]
