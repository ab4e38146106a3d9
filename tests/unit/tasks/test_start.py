"""The start queue: messages and uploads that start runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, cast

import pytest

from mapfold.client import check_run_name
from mapfold.client.values import Json, Status
from mapfold.errors import ServiceError
from tasks import start
from tasks._start_messages import read_message, upload_run_id
from tests.unit.client.fakes import EXECUTIONS, FakeAws
from tests.unit.tasks.conftest import FakeLambdaContext
from tests.unit.tasks.shared_events import message_id, sqs_batch, upload

ASKED = {"job": "flights", "source": "s3://b/m.csv"}


@pytest.fixture
def aws() -> FakeAws:
    """A stage with the jobs flights and words."""
    return FakeAws(machines={"mapfold-flights": "{}", "mapfold-words": "{}"})


def deliver(aws: FakeAws, *bodies: Json, context: FakeLambdaContext | None = None) -> list[int]:
    """Hand a batch over; gives the numbers of the messages that failed."""
    answer = start.start_all(sqs_batch(*bodies), context or FakeLambdaContext(), cast(Any, aws))
    return [int(failed["itemIdentifier"].rpartition("-")[2]) for failed in answer["batchItemFailures"]]


def started(aws: FakeAws) -> list[str]:
    return [execution.name for execution in aws.executions_.values()]


def given(aws: FakeAws, name: str) -> Json:
    return json.loads(aws.executions_[f"{EXECUTIONS}mapfold-flights:{name}"].input or "")


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons of the errors in the log."""
    return [vars(record)["reason"] for record in caplog.records if record.levelname == "ERROR"]


class TestMessages:
    def test_a_message_starts_a_run(self, aws: FakeAws) -> None:
        """Its params and its name are the run's."""
        assert deliver(aws, {**ASKED, "params": {"year": "2013"}, "name": "first"}) == []

        assert given(aws, "first") == {
            "run_id": "first",
            "job": "flights",
            "source": {"uri": "s3://b/m.csv"},
            "params": {"year": "2013"},
        }

    def test_a_run_without_a_name_is_named_by_its_message(self, aws: FakeAws) -> None:
        """So the message that is delivered twice starts one run."""
        deliver(aws, ASKED)

        assert deliver(aws, ASKED) == []
        assert started(aws) == [f"flights-{message_id(1)}"]

    def test_a_message_that_comes_again_after_its_run_has_ended_is_carried_out(self, aws: FakeAws) -> None:
        """Step Functions refuses the name of a run that has ended, even with the same input."""
        deliver(aws, {**ASKED, "name": "first"})
        arn = f"{EXECUTIONS}mapfold-flights:first"
        aws.executions_[arn] = replace(aws.executions_[arn], status=Status.SUCCEEDED, stopped=1.0)

        assert deliver(aws, {**ASKED, "name": "first"}) == []

    def test_a_name_of_another_run_fails(self, aws: FakeAws) -> None:
        """Of another source, or of another job: a name is one run's."""
        deliver(aws, {**ASKED, "name": "first"})

        assert deliver(aws, {**ASKED, "source": "s3://b/other.csv", "name": "first"}) == [1]
        assert deliver(aws, {**ASKED, "job": "words", "name": "first"}) == [1]

    def test_only_messages_that_failed_come_again(self, aws: FakeAws) -> None:
        """Those around them are carried out."""
        assert deliver(aws, {**ASKED, "name": "a"}, "{no", {**ASKED, "name": "b"}) == [2]

        assert started(aws) == ["a", "b"]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("{no", r"the message is no JSON: Expecting property name"),
            ("[" * 60_000, r"nested too deeply: at most 100 levels"),
            ({**ASKED, "params": {"x": json.loads("[" * 150 + "]" * 150)}}, r"nested too deeply: at most 100 levels"),
            ('{"job": ' + "1" * 5_000 + "}", r"the JSON cannot be read: Exceeds the limit"),
            ({**ASKED, "params": {"x": "\ud800"}}, r"holds half a surrogate pair, '\\ud800'"),
            ("null", r"cannot be carried out: it: Input should be a valid dictionary"),
            ([1], r"cannot be carried out: it: Input should be a valid dictionary"),
            ({"job": "flights"}, r"cannot be carried out: source: Field required"),
            ({**ASKED, "source": "m.csv"}, r"source: the source 'm.csv' is no S3 URI"),
            ({**ASKED, "param": {}}, r"param: there is no such field; there are job, source, params, name"),
            ({**ASKED, "name": "a b"}, r"name: 'a b' can't be the name of a run"),
            ({**ASKED, "params": {"x": "y" * 40_000}}, r"params have 40,\d+ bytes as JSON; at most 32,768"),
            ({**ASKED, "job": "sums"}, r"job 'sums' is not deployed in .* Deployed: flights, words"),
        ],
    )
    def test_a_message_that_can_never_work_fails_with_its_reason_in_the_log(
        self, aws: FakeAws, caplog: pytest.LogCaptureFixture, body: Json, reason: str
    ) -> None:
        """The queue puts it to the dead letters; whoever finds it there looks for its id in the log."""
        assert deliver(aws, body) == [1]

        (said,) = reasons(caplog)
        assert re.search(reason, said)
        assert started(aws) == []

    def test_what_the_service_refuses_is_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """It is no error of the message: the log has a warning."""

        class Busy(FakeAws):
            def start_execution(self, machine_arn: str, *, name: str, input: str) -> str:
                raise ServiceError("Rate exceeded", code="ThrottlingException")

        assert deliver(Busy(machines={"mapfold-flights": "{}"}), ASKED) == [1]
        assert reasons(caplog) == []

    def test_a_fault_of_ours_is_in_the_log_with_its_traceback(self, caplog: pytest.LogCaptureFixture) -> None:
        """The message fails, and comes again; without that line nobody would know why it ended as a dead letter."""

        class Faulty(FakeAws):
            def start_execution(self, machine_arn: str, *, name: str, input: str) -> str:
                raise KeyError("executionArn")

        assert deliver(Faulty(machines={"mapfold-flights": "{}"}), ASKED) == [1]
        (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert logged.exc_info is not None
        assert repr(logged.exc_info[1]) == "KeyError('executionArn')"

    def test_a_batch_is_left_before_the_time_is_up(self, aws: FakeAws) -> None:
        """What was carried out is not delivered again, as all of the batch would be if the function timed out."""
        messages = [{**ASKED, "name": name} for name in ("a", "b", "c", "d")]

        assert deliver(aws, *messages, context=FakeLambdaContext(left=30_000, step=8_000)) == [3, 4]
        assert started(aws) == ["a", "b"]


class TestUploads:
    def test_an_upload_starts_the_job_whose_folder_it_lies_in(self, aws: FakeAws) -> None:
        """The run's name says the job and the file."""
        assert deliver(aws, upload("manifests/flights/2013.csv", version_id="v1")) == []

        (name,) = started(aws)
        assert name.startswith("flights-2013-")
        assert given(aws, name)["source"]["uri"] == "s3://mapfold-data/manifests/flights/2013.csv"

    @pytest.mark.parametrize(
        ("told", "pinned"),
        [
            ({"version_id": "v1", "etag": "e"}, {"version": "v1"}),
            ({"version_id": "null", "etag": "e"}, {"etag": "e"}),
            ({"etag": "e"}, {"etag": "e"}),
            ({}, {}),
        ],
    )
    def test_the_source_of_an_uploads_run_says_which_version_was_uploaded(
        self, aws: FakeAws, told: dict[str, str], pinned: dict[str, str]
    ) -> None:
        """The run may start when the object has been overwritten: Plan compares."""
        deliver(aws, upload("manifests/flights/2013.csv", **told))

        (name,) = started(aws)
        assert given(aws, name)["source"] == {"uri": "s3://mapfold-data/manifests/flights/2013.csv", **pinned}

    def test_an_object_version_starts_one_run_however_often_its_event_comes(self, aws: FakeAws) -> None:
        """EventBridge delivers at least once, and so does SQS."""
        event = upload("manifests/flights/2013.csv", version_id="v1")

        assert deliver(aws, event, event) == []
        assert deliver(aws, event) == []
        assert len(started(aws)) == 1

    def test_a_new_version_of_an_object_starts_another_run(self, aws: FakeAws) -> None:
        """Also where its content is the same: whoever uploads it anew wants it to run."""
        key = "manifests/flights/2013.csv"
        deliver(aws, upload(key, etag="e", version_id="v1"), upload(key, etag="e", version_id="v2"))

        assert len(started(aws)) == 2

    @pytest.mark.parametrize("version", [{}, {"version_id": "null"}])
    def test_without_versions_the_sequencer_tells_uploads_apart(self, aws: FakeAws, version: dict[str, str]) -> None:
        """S3 gives each write of a key another one."""
        key = "manifests/flights/2013.csv"
        once, again = upload(key, etag="e", sequencer="1", **version), upload(key, etag="e", sequencer="2", **version)

        assert deliver(aws, once, once, again) == []
        assert len(started(aws)) == 2

    def test_a_folder_that_the_console_makes_starts_nothing(self, aws: FakeAws) -> None:
        """It is an empty object whose key ends with a slash."""
        assert deliver(aws, upload("manifests/flights/"), upload("manifests/flights/2013/")) == []
        assert started(aws) == []

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (upload("manifests/2013.csv"), "s3://mapfold-data/manifests/2013.csv does not lie under manifests/JOB/"),
            (upload("manifests/sums/2013.csv"), "job 'sums' is not deployed"),
            ({**upload("manifests/flights/a"), "detail-type": "Object Deleted"}, "is 'Object Deleted' of 'aws.s3'"),
            ({**upload("manifests/flights/a"), "detail": {}}, "the event names no object: its detail is {}"),
            ({**upload("manifests/flights/a"), "detail": [1]}, "the event names no object: its detail is [1]"),
            (upload(cast(Any, 5)), "the event names no object: its detail is"),
            ({**upload("manifests/flights/a"), "detail-type": ["Object Created"]}, "is ['Object Created'] of 'aws.s3'"),
        ],
    )
    def test_an_event_that_can_never_work_fails_with_its_reason_in_the_log(
        self, aws: FakeAws, caplog: pytest.LogCaptureFixture, event: Json, reason: str
    ) -> None:
        """As a message does."""
        assert deliver(aws, event) == [1]

        assert reason in reasons(caplog)[0]

    @pytest.mark.parametrize("key", ["a.csv", "ä b/%.csv", "x" * 300, "…", "-.csv", "sub/dir/a.csv.gz"])
    @pytest.mark.parametrize("job", ["a", "j" * 40])
    def test_any_key_makes_a_name_that_a_run_may_have(self, job: str, key: str) -> None:
        """At most 80 characters, and only those that Step Functions and S3 take."""
        name = upload_run_id(job, "bucket", f"manifests/{job}/{key}", "v1")

        assert check_run_name(name).startswith(f"{job}-")

    def test_a_key_is_taken_as_it_stands(self) -> None:
        """EventBridge's events have the plain key, unlike S3's own notifications, where it is URL-encoded."""
        asked = read_message(json.dumps(upload("manifests/flights/a+b c.csv", version_id="v1")), message_id="m")

        assert asked is not None
        assert asked.source["uri"] == "s3://mapfold-data/manifests/flights/a+b c.csv"
