"""Executions over boto3 (service-api 3)."""

from __future__ import annotations

import pytest

from tests.integration.service.conftest import PASS, ROLE, Running, error_of

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
ONE = "arn:aws:states:us-east-1:123456789012:execution:jobs:one"


class TestStart:
    def test_the_same_name_and_input_while_it_runs_is_the_same_execution(self, service: Running) -> None:
        """One execution, its first startDate."""
        service.start("one", input='{"a":1}')

        again = service.client.start_execution(stateMachineArn=MACHINE, name="one", input='{"a":1}')

        assert again["executionArn"] == ONE
        assert len(service.client.list_executions(stateMachineArn=MACHINE)["executions"]) == 1

    def test_the_same_name_with_another_input_is_refused(self, service: Running) -> None:
        """While it runs, too."""
        service.start("one", input='{"a":1}')

        error = error_of(lambda: service.client.start_execution(stateMachineArn=MACHINE, name="one", input="{}"))

        assert error == ("ExecutionAlreadyExists", f"Execution Already Exists: '{ONE}'")

    def test_the_name_of_a_closed_execution_is_refused_even_with_its_input(self, service: Running) -> None:
        """Names are free again after 90 days; ours never."""
        service.start("one")
        service.tell(lambda engine: engine.end(ONE))

        code, _ = error_of(lambda: service.client.start_execution(stateMachineArn=MACHINE, name="one"))

        assert code == "ExecutionAlreadyExists"

    def test_without_a_name_each_start_is_an_execution(self, service: Running) -> None:
        """Its name is a uuid, its input {}."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)

        arns = {service.client.start_execution(stateMachineArn=MACHINE)["executionArn"] for _ in range(2)}

        assert len(arns) == 2
        assert {service.client.describe_execution(executionArn=arn)["input"] for arn in arns} == {"{}"}

    @pytest.mark.parametrize("text", ["2", '"s"', "null", "[]"])
    def test_any_json_is_an_input(self, service: Running, text: str) -> None:
        """Scalars too, as recorded."""
        assert service.start("one", input=text) == ONE

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "Invalid execution input."),
            (" \n", "Invalid execution input."),
            ("{a: 1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name"),
        ],
    )
    def test_what_is_not_json_is_refused(self, service: Running, text: str, reason: str) -> None:
        """In the words of the service's parser, without the place; an empty text in its own."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)

        error = error_of(lambda: service.client.start_execution(stateMachineArn=MACHINE, input=text))

        assert error == ("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{reason}'")

    @pytest.mark.parametrize("text", ['{ "n" : 1.50 }', '{"a":1,"a":2}', "[1e3]"])
    def test_an_input_is_described_as_it_was_sent(self, service: Running, text: str) -> None:
        """White space, doubled keys and forms of numbers included."""
        arn = service.start("one", input=text)

        assert service.client.describe_execution(executionArn=arn)["input"] == text

    def test_a_map_s_machine_cannot_be_started(self, service: Running) -> None:
        """Only its parent can."""
        service.start("one")

        code, _ = error_of(lambda: service.client.start_execution(stateMachineArn=f"{MACHINE}/Map"))

        assert code == "ValidationException"


class TestDescribe:
    def test_a_running_execution(self, service: Running) -> None:
        """No stopDate, no output, and why it cannot be redriven."""
        service.start("one", input='{"a":1}')

        answer = service.client.describe_execution(executionArn=ONE)

        assert (answer["status"], answer["name"], answer["stateMachineArn"]) == ("RUNNING", "one", MACHINE)
        assert answer["input"] == '{"a":1}'
        assert not {"stopDate", "output", "error"} & answer.keys()
        assert answer["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"

    def test_one_that_failed(self, service: Running) -> None:
        """Error and cause, and it may be redriven."""
        service.start("one")
        service.tell(lambda engine: engine.end(ONE, status="FAILED", error="E", cause="why"))

        answer = service.client.describe_execution(executionArn=ONE)

        assert (answer["status"], answer["error"], answer["cause"]) == ("FAILED", "E", "why")
        assert answer["redriveStatus"] == "REDRIVABLE"
        assert answer["stopDate"].timestamp() == 2000.0

    def test_one_that_is_not_there(self, service: Running) -> None:
        """ExecutionDoesNotExist, with its ARN."""
        unknown = error_of(lambda: service.client.describe_execution(executionArn=ONE))

        assert unknown == ("ExecutionDoesNotExist", f"Execution Does Not Exist: '{ONE}'")


@pytest.mark.parametrize("action", ["describe_execution", "stop_execution", "get_execution_history"])
def test_an_express_execution_s_arn_is_refused_in_aws_s_words(service: Running, action: str) -> None:
    """EXPRESS executions have no record that these actions read (a map run's children have, under another ARN)."""
    arn = ONE.replace("execution", "express") + ":u"

    refused = error_of(lambda: getattr(service.client, action)(executionArn=arn))

    assert refused == ("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'")


class TestStop:
    def test_a_stopped_execution_is_aborted_with_what_was_said(self, service: Running) -> None:
        """The answer is when it stopped; a second stop answers the same."""
        service.start("one")

        first = service.client.stop_execution(executionArn=ONE, error="Enough", cause="of this")
        second = service.client.stop_execution(executionArn=ONE)

        answer = service.client.describe_execution(executionArn=ONE)
        assert (answer["status"], answer["error"], answer["cause"]) == ("ABORTED", "Enough", "of this")
        assert first["stopDate"] == second["stopDate"]


class TestList:
    def test_pages_go_from_the_newest_to_the_oldest(self, service: Running) -> None:
        """boto3's paginator follows the tokens."""
        for name in ("a", "b", "c"):
            service.start(name)

        pages = service.client.get_paginator("list_executions").paginate(
            stateMachineArn=MACHINE, PaginationConfig={"PageSize": 2}
        )

        assert [[row["name"] for row in page["executions"]] for page in pages] == [["c", "b"], ["a"]]

    def test_a_status_filter(self, service: Running) -> None:
        """Only those that have it now."""
        service.start("one")
        service.start("two")
        service.tell(lambda engine: engine.end(ONE))

        running = service.client.list_executions(stateMachineArn=MACHINE, statusFilter="RUNNING")["executions"]

        assert [row["name"] for row in running] == ["two"]

    def test_a_token_is_good_for_its_question_only(self, service: Running) -> None:
        """Other arguments with it are an InvalidToken."""
        for name in ("a", "b"):
            service.start(name)
        token = service.client.list_executions(stateMachineArn=MACHINE, maxResults=1)["nextToken"]

        other = error_of(
            lambda: service.client.list_executions(stateMachineArn=MACHINE, nextToken=token, statusFilter="FAILED")
        )
        nonsense = error_of(lambda: service.client.list_executions(stateMachineArn=MACHINE, nextToken="nonsense"))

        assert other == nonsense == ("InvalidToken", "Invalid Token: 'Invalid token'")

    def test_too_long_a_page_is_refused_in_aws_s_words(self, service: Running) -> None:
        """As recorded."""
        error = error_of(lambda: service.client.list_executions(stateMachineArn=MACHINE, maxResults=1001))

        message = (
            "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000"
        )
        assert error == ("ValidationException", message)

    def test_an_unknown_status_is_refused_in_aws_s_words(self, service: Running) -> None:
        """The enumeration in AWS's order, as recorded."""
        _, message = error_of(
            lambda: service.client.list_executions(stateMachineArn=MACHINE, statusFilter="DONE")  # type: ignore[arg-type]
        )

        assert message.endswith("[SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]")

    def test_express_machines_have_no_listing(self, service: Running) -> None:
        """StateMachineTypeNotSupported."""
        service.client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE, type="EXPRESS")

        code, _ = error_of(lambda: service.client.list_executions(stateMachineArn=MACHINE))

        assert code == "StateMachineTypeNotSupported"
