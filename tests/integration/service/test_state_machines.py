"""State machines over boto3 (service-api 2)."""

from __future__ import annotations

import json

from tests.integration.service.conftest import PASS, ROLE, Running, error_of

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
OTHER = PASS.replace(":", ": ")


class TestCreate:
    def test_creating_the_same_machine_again_answers_as_the_first_time(self, service: Running) -> None:
        """A different role is ignored: the old one stays."""
        first = service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)
        again = service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE + "2")

        assert again["stateMachineArn"] == first["stateMachineArn"] == ARN
        assert again["creationDate"] == first["creationDate"]
        assert service.client.describe_state_machine(stateMachineArn=ARN)["roleArn"] == ROLE

    def test_the_definition_is_compared_as_text(self, service: Running) -> None:
        """The same JSON, formatted otherwise, is another definition."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)

        error = error_of(lambda: service.client.create_state_machine(name="jobs", definition=OTHER, roleArn=ROLE))

        assert error == ("StateMachineAlreadyExists", f"State Machine Already Exists: '{ARN}'")

    def test_a_definition_that_does_not_compile_is_refused_with_all_its_problems(self, service: Running) -> None:
        """The words are the compiler's."""
        error = error_of(lambda: service.client.create_state_machine(name="jobs", definition="{}", roleArn=ROLE))

        message = "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: States is missing at /States'"
        assert error == ("InvalidDefinition", message)

    def test_a_name_with_a_blank_is_refused(self, service: Running) -> None:
        """As recorded."""
        error = error_of(lambda: service.client.create_state_machine(name="my jobs", definition=PASS, roleArn=ROLE))

        assert error == ("InvalidName", "Invalid Name: 'my jobs'")

    def test_an_unknown_type_is_refused_in_aws_s_words(self, service: Running) -> None:
        """The enumeration is in the message."""
        error = error_of(
            lambda: service.client.create_state_machine(name="a", definition=PASS, roleArn=ROLE, type="FAST")  # type: ignore[arg-type]
        )

        message = (
            "1 validation error detected: Value 'FAST' at 'type' failed to satisfy constraint: "
            "Member must satisfy enum value set: [EXPRESS, STANDARD]"
        )
        assert error == ("ValidationException", message)


class TestDescribe:
    def test_a_new_machine_has_defaults_and_no_revision_id(self, service: Running) -> None:
        """revisionId is absent until the first update."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)

        answer = service.client.describe_state_machine(stateMachineArn=ARN)

        assert answer["definition"] == PASS
        assert answer["status"] == "ACTIVE"
        assert answer["type"] == "STANDARD"
        assert answer["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
        assert "revisionId" not in answer

    def test_metadata_only_leaves_the_definition_out(self, service: Running) -> None:
        """It is then an empty object."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)

        answer = service.client.describe_state_machine(stateMachineArn=ARN, includedData="METADATA_ONLY")

        assert answer["definition"] == "{}"

    def test_a_machine_that_is_not_there(self, service: Running) -> None:
        """And an ARN that is none."""
        missing = error_of(lambda: service.client.describe_state_machine(stateMachineArn=ARN))
        no_arn = error_of(lambda: service.client.describe_state_machine(stateMachineArn="jobs"))

        assert missing == ("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{ARN}'")
        assert no_arn == ("InvalidArn", "Invalid Arn: 'Invalid ARN prefix: jobs'")


class TestUpdateAndDelete:
    def test_running_executions_keep_their_definition(self, service: Running) -> None:
        """DescribeStateMachineForExecution shows the one that the execution was started with."""
        execution = service.start("one")

        service.client.update_state_machine(stateMachineArn=ARN, definition=OTHER)

        kept = service.client.describe_state_machine_for_execution(executionArn=execution)
        now = service.client.describe_state_machine(stateMachineArn=ARN)
        assert kept["definition"] == PASS
        assert now["definition"] == OTHER
        assert now["revisionId"]

    def test_an_update_of_nothing_is_refused(self, service: Running) -> None:
        """AWS's words."""
        service.start("one")

        code, message = error_of(lambda: service.client.update_state_machine(stateMachineArn=ARN))

        assert code == "MissingRequiredParameter"
        assert message.startswith("Either the definition, the role ARN")

    def test_deleting_twice_is_no_error(self, service: Running) -> None:
        """Nor what was never there."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)

        service.client.delete_state_machine(stateMachineArn=ARN)
        service.client.delete_state_machine(stateMachineArn=ARN)

        assert service.client.list_state_machines()["stateMachines"] == []


def test_machines_are_listed_in_pages(service: Running) -> None:
    """boto3's paginator follows the tokens; by name."""
    for name in ("b", "c", "a"):
        service.client.create_state_machine(name=name, definition=PASS, roleArn=ROLE)

    pages = service.client.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 2})

    assert [[machine["name"] for machine in page["stateMachines"]] for page in pages] == [["a", "b"], ["c"]]


def test_validating_tells_problems_without_making_anything(service: Running) -> None:
    """Each with its JSON pointer."""
    good = service.client.validate_state_machine_definition(definition=PASS)
    bad = service.client.validate_state_machine_definition(definition="{}")

    assert good["result"] == "OK"
    assert bad["result"] == "FAIL"
    assert bad["diagnostics"] == [
        {
            "severity": "ERROR",
            "code": "SCHEMA_VALIDATION_FAILED",
            "message": "States is missing",
            "location": "/States",
        }
    ]


def test_validating_can_tell_warnings_too(service: Running) -> None:
    """They do not keep a machine from being made; without `severity` they are not told."""
    odd = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"a": "$.b"}, "End": True}}})

    silent = service.client.validate_state_machine_definition(definition=odd)
    told = service.client.validate_state_machine_definition(definition=odd, severity="WARNING")

    assert silent["diagnostics"] == []
    assert (told["result"], told["truncated"]) == ("OK", False)
    assert [(found["severity"], found["code"], found["location"]) for found in told["diagnostics"]] == [
        ("WARNING", "NO_DOLLAR", "/States/A/Parameters/a")
    ]


def test_validating_tells_as_much_as_it_is_asked_for(service: Running) -> None:
    """`truncated` says that there is more; 0 is as good as 100."""
    parameters = {"a": "$.b", "c": "$.d"}
    odd = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": parameters, "End": True}}})

    one, all_ = (
        service.client.validate_state_machine_definition(definition=odd, severity="WARNING", maxResults=most)
        for most in (1, 0)
    )

    assert (len(one["diagnostics"]), one["truncated"]) == (1, True)
    assert (len(all_["diagnostics"]), all_["truncated"]) == (2, False)


def test_tags_come_and_go(service: Running) -> None:
    """Those of the creation, then added, then taken away."""
    service.client.create_state_machine(
        name="jobs", definition=PASS, roleArn=ROLE, tags=[{"key": "team", "value": "a"}]
    )
    service.client.tag_resource(resourceArn=ARN, tags=[{"key": "stage", "value": "dev"}])
    service.client.untag_resource(resourceArn=ARN, tagKeys=["team"])

    assert service.client.list_tags_for_resource(resourceArn=ARN)["tags"] == [{"key": "stage", "value": "dev"}]
