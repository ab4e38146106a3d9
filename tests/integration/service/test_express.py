"""EXPRESS machines over boto3 (service-api 3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.service.conftest import PASS, ROLE, FakeEngine, Running, error_of, sfn_client

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:fast"
RUN = "arn:aws:states:us-east-1:123456789012:express:fast:one:u1"


@pytest.fixture
def fast(service: Running) -> Running:
    """The service with an EXPRESS machine, and a client that does not call `sync-127.0.0.1`."""
    service.client.create_state_machine(name="fast", definition=PASS, roleArn=ROLE, type="EXPRESS")
    service.client = sfn_client(service.url, inject_host_prefix=False)
    return service


def end_with(service: Running, **how: Any) -> None:
    async def tell(engine: FakeEngine) -> None:
        engine.sync_end = how

    service.tell(tell)


class TestStartSync:
    def test_a_success(self, fast: Running) -> None:
        """Everything about the execution, and what AWS would bill: whole 100 milliseconds, 64 MB."""
        answer: Any = fast.client.start_sync_execution(
            stateMachineArn=MACHINE, name="one", input='{ "a": 1 }', traceHeader="Root=1"
        )

        for unread in ("ResponseMetadata", "startDate", "stopDate"):
            del answer[unread]
        assert answer == {
            "executionArn": RUN,
            "stateMachineArn": MACHINE,
            "name": "one",
            "status": "SUCCEEDED",
            "input": '{ "a": 1 }',
            "inputDetails": {"included": True},
            "output": "{}",
            "outputDetails": {"included": True},
            "traceHeader": "Root=1",
            "billingDetails": {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": 999_000},
        }

    @pytest.mark.parametrize(
        ("end", "shown"),
        [
            ({"status": "FAILED", "error": "E", "cause": "why"}, ("FAILED", "E", "why")),
            ({"status": "FAILED"}, ("FAILED", None, None)),
            ({"status": "TIMED_OUT"}, ("TIMED_OUT", "States.Timeout", None)),
        ],
    )
    def test_a_failure_is_an_answer_too(
        self, fast: Running, end: dict[str, str], shown: tuple[str | None, ...]
    ) -> None:
        """200, with the error; a timeout's is States.Timeout. There are details of an output, and no output."""
        end_with(fast, **end)

        answer = fast.client.start_sync_execution(stateMachineArn=MACHINE)

        assert (answer["status"], answer.get("error"), answer.get("cause")) == shown
        assert "output" not in answer
        assert answer["outputDetails"] == {"included": True}

    def test_metadata_alone(self, fast: Running) -> None:
        """No payloads, and the details say so."""
        answer = fast.client.start_sync_execution(stateMachineArn=MACHINE, includedData="METADATA_ONLY")

        assert (answer["inputDetails"], answer["outputDetails"]) == ({"included": False}, {"included": False})
        assert not {"input", "output"} & answer.keys()

    def test_a_standard_machine_is_refused(self, fast: Running) -> None:
        """StateMachineTypeNotSupported."""
        arn = fast.client.create_state_machine(name="slow", definition=PASS, roleArn=ROLE)["stateMachineArn"]

        error = error_of(lambda: fast.client.start_sync_execution(stateMachineArn=arn))

        assert error == (
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        )

    @pytest.mark.parametrize(
        ("members", "code"),
        [
            ({"stateMachineArn": MACHINE + "x"}, "StateMachineDoesNotExist"),
            ({"stateMachineArn": RUN}, "InvalidArn"),
            ({"stateMachineArn": MACHINE, "name": "a b"}, "InvalidName"),
            ({"stateMachineArn": MACHINE, "input": "{"}, "InvalidExecutionInput"),
        ],
    )
    def test_what_start_execution_refuses_is_refused(self, fast: Running, members: dict[str, str], code: str) -> None:
        """With the same codes."""
        assert error_of(lambda: fast.client.start_sync_execution(**members))[0] == code  # type: ignore[arg-type]


class TestStart:
    def test_the_same_name_is_another_execution(self, fast: Running) -> None:
        """Never idempotent, whatever the input is."""
        started = [fast.client.start_execution(stateMachineArn=MACHINE, name="one", input="{}") for _ in range(2)]

        assert [answer["executionArn"] for answer in started] == [RUN, RUN[:-1] + "2"]

    @pytest.mark.parametrize(
        "action",
        [
            "describe_execution",
            "stop_execution",
            "redrive_execution",
            "get_execution_history",
            "describe_state_machine_for_execution",
            "list_map_runs",
        ],
    )
    def test_its_arn_is_refused_in_aws_s_words(self, fast: Running, action: str) -> None:
        """It has no record that these actions read."""
        arn = fast.client.start_execution(stateMachineArn=MACHINE)["executionArn"]

        refused = error_of(lambda: getattr(fast.client, action)(executionArn=arn))

        assert refused == ("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'")
