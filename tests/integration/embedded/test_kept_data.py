"""What S3, DynamoDB and the rest were asked to keep, after a kill (rules: `mapfold/local/aws_journal/`)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import signal
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.moto import MotoServer, open_moto
from tests.integration.embedded.server import Session, are_gone, descendants, session, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

AT_ONCE = 4
ANSWERED_BEFORE_THE_KILL = 60


def client(port: int, service: Any) -> Any:
    """One that does not try again: what it was answered is what the test knows."""
    return boto3.Session(aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1").client(
        service, endpoint_url=f"http://127.0.0.1:{port}", config=Config(retries={"total_max_attempts": 1})
    )


@contextmanager
def moto(data: Path) -> Iterator[MotoServer]:
    """moto alone over the folder `data`, as `mapfold local` opens it. Whatever the block does, it ends by a kill."""
    data.mkdir(exist_ok=True)
    with asyncio.Runner() as runner:
        opened = open_moto(port=0, data=data, report=_all_came_back)
        server = runner.run(opened.__aenter__())
        try:
            yield server
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _all_came_back(line: str) -> None:
    assert "did not come back" not in line


def moto_of(pids: list[int]) -> int:
    """The process id of moto, which is one of these."""
    for pid in pids:
        if b"_moto_process.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("there is no moto")


def kill_group(opened: Session) -> None:
    """What a terminal's end may do: `mapfold local` and moto at once."""
    os.kill(moto_of(opened.descendants()), signal.SIGKILL)
    opened.end(signal.SIGKILL)


def kill_one(opened: Session) -> None:
    """`mapfold local` alone; moto dies of it."""
    opened.end(signal.SIGKILL)


def create(port: int) -> None:
    """A bucket, one with versions, a table."""
    s3, dynamodb = client(port, "s3"), client(port, "dynamodb")
    s3.create_bucket(Bucket="plain")
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


class Burst:
    """Writers that note what they were answered, until they are answered no more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self.answered = 0
        self.objects: dict[str, int] = {}
        self.versions: dict[str, int] = {}
        self.uploads: dict[str, int] = {}
        self.items: dict[str, int] = {}

    def run(self, writer: int) -> None:
        """One writer."""
        s3, dynamodb = client(self._port, "s3"), client(self._port, "dynamodb")
        try:
            for n in range(10_000):
                key = f"{writer}-{n % 7}"
                s3.put_object(Bucket="plain", Key=key, Body=b"%d" % n)
                self._note(self.objects, key, n)
                version = s3.put_object(Bucket="versioned", Key=key, Body=b"%d" % n)["VersionId"]
                self._note(self.versions, version, n)
                dynamodb.put_item(TableName="table", Item={"k": {"S": key}, "n": {"N": str(n)}})
                self._note(self.items, key, n)
                if n % 5 == 0:
                    name = f"large-{writer}-{n}"
                    upload = s3.create_multipart_upload(Bucket="plain", Key=name)["UploadId"]
                    where = {"Bucket": "plain", "Key": name, "UploadId": upload}
                    part = s3.upload_part(**where, PartNumber=1, Body=b"%d " % n * 500_000)
                    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
                    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
                    self._note(self.uploads, name, n)
        except (BotoCoreError, ClientError):
            return
        finally:
            s3.close()
            dynamodb.close()

    def _note(self, noted: dict[str, int], name: str, n: int) -> None:
        with self._lock:
            noted[name] = n
            self.answered += 1


@pytest.mark.parametrize("kill", [kill_one, kill_group])
def test_whatever_was_answered_is_there_after_a_kill(tmp_path: Path, kill: Any) -> None:
    """
    Objects, all their versions, multipart uploads and items. One that was under way may be there as well: of two
    values that were written one after the other, the later one.
    """
    with session(tmp_path / "data") as opened, ThreadPoolExecutor(AT_ONCE) as threads:
        create(opened.aws.aws_port)
        burst = Burst(opened.aws.aws_port)
        for writer in range(AT_ONCE):
            threads.submit(burst.run, writer)
        until(lambda: burst.answered > ANSWERED_BEFORE_THE_KILL)
        processes = opened.descendants()
        kill(opened)
        until(lambda: are_gone(processes))

    with session(tmp_path / "data") as again:
        s3, dynamodb = client(again.aws.aws_port, "s3"), client(again.aws.aws_port, "dynamodb")
        objects = {key: int(body(s3, Bucket="plain", Key=key)) for key in burst.objects}
        listed = s3.list_object_versions(Bucket="versioned")["Versions"]
        versions = {
            one["VersionId"]: int(body(s3, Bucket="versioned", Key=one["Key"], VersionId=one["VersionId"]))
            for one in listed
        }
        uploads = {
            name: body(s3, Bucket="plain", Key=name) == b"%d " % n * 500_000 for name, n in burst.uploads.items()
        }
        items = {item["k"]["S"]: int(item["n"]["N"]) for item in dynamodb.scan(TableName="table")["Items"]}
        s3.close()
        dynamodb.close()

    assert {key: n for key, n in objects.items() if n not in (burst.objects[key], burst.objects[key] + 7)} == {}
    assert {version: n for version, n in burst.versions.items() if versions.get(version) != n} == {}
    assert uploads
    assert all(uploads.values())
    assert {key: n for key, n in burst.items.items() if items[key] not in (n, n + 7)} == {}


def body(s3: Any, **where: str) -> bytes:
    """An object whole."""
    with s3.get_object(**where)["Body"] as stream:
        return bytes(stream.read())


def test_what_is_streamed_presigned_or_large_is_there_after_a_kill(tmp_path: Path) -> None:
    """With its type, metadata, tags and date; an upload that was not complete can be completed."""
    large = os.urandom(1 << 20) * 9
    with moto(tmp_path / "data") as opened:
        create(opened.port)
        s3 = client(opened.port, "s3")
        s3.put_object(
            Bucket="plain", Key="a b/ü", Body=b"1", ContentType="text/x", Metadata={"m_1": "2"}, Tagging="t=3"
        )
        s3.upload_fileobj(io.BytesIO(large), "plain", "large")
        s3.put_object(Bucket="plain", Key="checked", Body=io.BytesIO(large), ChecksumAlgorithm="CRC32")
        url = s3.generate_presigned_url("put_object", Params={"Bucket": "plain", "Key": "presigned"})
        put(url, b"presigned")
        upload = s3.create_multipart_upload(Bucket="plain", Key="open")["UploadId"]
        where = {"Bucket": "plain", "Key": "open", "UploadId": upload}
        part = s3.upload_part(**where, PartNumber=1, Body=b"part")
        before = s3.head_object(Bucket="plain", Key="a b/ü")
        s3.close()

    with moto(tmp_path / "data") as again:
        s3 = client(again.port, "s3")
        after = s3.head_object(Bucket="plain", Key="a b/ü")
        tags = s3.get_object_tagging(Bucket="plain", Key="a b/ü")["TagSet"]
        bodies = {key: body(s3, Bucket="plain", Key=key) for key in ("large", "checked", "presigned")}
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        completed = body(s3, Bucket="plain", Key="open")
        s3.close()

    facts = ("LastModified", "ContentType", "Metadata", "ETag", "ContentLength")
    assert {name: after[name] for name in facts} == {name: before[name] for name in facts}
    assert tags == [{"Key": "t", "Value": "3"}]
    assert bodies == {"large": large, "checked": large, "presigned": b"presigned"}
    assert completed == b"part"


def put(url: str, data: bytes) -> None:
    """As a program without an SDK does."""

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, {"Content-Type": "text/x"}, method="PUT"), timeout=10) as answer:
        assert answer.status == 200


def test_a_message_that_was_received_is_not_received_again(tmp_path: Path) -> None:
    """Who received it before the kill can delete it after; a consumer that waits holds up nobody."""
    with moto(tmp_path / "data") as opened, ThreadPoolExecutor(1) as threads:
        sqs, s3 = client(opened.port, "sqs"), client(opened.port, "s3")
        url = sqs.create_queue(QueueName="queue")["QueueUrl"]
        waiting = threads.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        s3.create_bucket(Bucket="meanwhile")
        sqs.send_message(QueueUrl=url, MessageBody="one")
        (received,) = waiting.result(10)["Messages"]
        sqs.close()
        s3.close()

    with moto(tmp_path / "data") as again:
        sqs = client(again.port, "sqs")
        url = sqs.get_queue_url(QueueName="queue")["QueueUrl"]
        visible = sqs.receive_message(QueueUrl=url).get("Messages", [])
        sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        sqs.close()

    assert visible == []
    assert set(left.values()) == {"0"}


def test_a_full_disk_refuses_changes_and_loses_nothing(tmp_path: Path) -> None:
    """
    Small bodies, large ones, items: 503 with a message, and what was there is served as before. With space again it
    goes on, and after a kill all is there that was answered.
    """
    refused = []
    with moto(tmp_path / "data") as opened:
        create(opened.port)
        s3, dynamodb = client(opened.port, "s3"), client(opened.port, "dynamodb")
        s3.put_object(Bucket="plain", Key="a", Body=b"before")
        pid = moto_of(descendants(os.getpid()))
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        full = (tmp_path / "data" / "aws" / "journal").stat().st_size + 100
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, unlimited[1]))
        changes: list[Callable[[], Any]] = [
            lambda: s3.put_object(Bucket="plain", Key="a", Body=b"lost"),
            lambda: s3.put_object(Bucket="plain", Key="a", Body=b"lost" * (1 << 20)),
            lambda: dynamodb.put_item(TableName="table", Item={"k": {"S": "lost"}}),
        ]
        for change in changes:
            with pytest.raises(ClientError) as caught:
                change()
            refused.append(caught.value.response)
        seen = body(s3, Bucket="plain", Key="a"), dynamodb.scan(TableName="table")["Items"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        s3.put_object(Bucket="plain", Key="b", Body=b"after")
        s3.close()
        dynamodb.close()

    with moto(tmp_path / "data") as again:
        s3 = client(again.port, "s3")
        objects = [body(s3, Bucket="plain", Key=key) for key in ("a", "b")]
        s3.close()

    assert [one["ResponseMetadata"]["HTTPStatusCode"] for one in refused] == [503] * 3
    assert {one["Error"]["Code"] for one in refused} == {"ServiceUnavailable"}
    assert all("cannot keep what it changes" in one["Error"]["Message"] for one in refused)
    assert all(str(tmp_path / "data" / "aws") in one["Error"]["Message"] for one in refused)
    assert seen == (b"before", [])
    assert objects == [b"before", b"after"]
    assert len(list((tmp_path / "data" / "aws" / "bodies").iterdir())) == 0


def test_a_consumer_that_waits_leaves_nothing_in_the_journal(tmp_path: Path) -> None:
    """
    Not even at a queue with a dead-letter queue, where a message that was received too often is moved when somebody
    asks; a message that is moved so is where it was moved to after a kill.
    """
    journal = tmp_path / "data" / "aws" / "journal"
    with moto(tmp_path / "data") as opened:
        sqs = client(opened.port, "sqs")
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 1}'
        url = sqs.create_queue(QueueName="queue", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})[
            "QueueUrl"
        ]
        size = journal.stat().st_size
        waited = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
        left = journal.stat().st_size - size
        sqs.send_message(QueueUrl=url, MessageBody="bad")
        first, second = (sqs.receive_message(QueueUrl=url).get("Messages", []) for _ in range(2))
        sqs.close()

    with moto(tmp_path / "data") as again:
        sqs = client(again.port, "sqs")
        moved = sqs.receive_message(QueueUrl=dead)["Messages"]
        sqs.close()

    assert (waited.get("Messages"), left) == (None, 0)
    assert ([message["Body"] for message in first], second) == (["bad"], [])
    assert [message["Body"] for message in moved] == ["bad"]


def test_a_consumer_that_waits_for_a_group_in_flight_leaves_nothing_in_the_journal(tmp_path: Path) -> None:
    """Its messages are to be seen and not to be had, as long as one of them is worked on: twenty looks a second."""
    journal = tmp_path / "data" / "aws" / "journal"
    with moto(tmp_path / "data") as opened:
        sqs = client(opened.port, "sqs")
        sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})
        policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead.fifo", "maxReceiveCount": 3}'
        url = sqs.create_queue(QueueName="queue.fifo", Attributes={"FifoQueue": "true", "RedrivePolicy": policy})[
            "QueueUrl"
        ]
        for body in ("one", "two"):
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
        first = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
        size = journal.stat().st_size
        waited = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)
        left = journal.stat().st_size - size
        sqs.close()

    assert [message["Body"] for message in first] == ["one"]
    assert (waited.get("Messages"), left) == (None, 0)


def test_what_an_upload_told_event_bridge_is_there_after_a_kill(tmp_path: Path) -> None:
    """A message that a rule sent to a queue for an object is in it, though the object was put again, or deleted."""
    pattern = '{"source": ["aws.s3"], "detail-type": ["Object Created", "Object Deleted"], "detail": {"object": {"key": [{"prefix": "manifests/"}]}}}'
    with moto(tmp_path / "data") as opened:
        s3, sqs, events = (client(opened.port, service) for service in ("s3", "sqs", "events"))
        sqs.create_queue(QueueName="queue")
        s3.create_bucket(Bucket="data")
        s3.put_bucket_notification_configuration(
            Bucket="data", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        events.put_rule(Name="rule", EventPattern=pattern)
        target = {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:123456789012:queue"}
        events.put_targets(Rule="rule", Targets=[target])
        for key in ("manifests/a", "other", "other", "manifests/a"):
            s3.put_object(Bucket="data", Key=key, Body=b"x")
        s3.delete_object(Bucket="data", Key="manifests/a")
        url = sqs.get_queue_url(QueueName="queue")["QueueUrl"]
        seen = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)["Messages"]
        messages_before = sorted(message["Body"] for message in seen)
        for each in (s3, sqs, events):
            each.close()

    with moto(tmp_path / "data") as again:
        sqs = client(again.port, "sqs")
        url = sqs.get_queue_url(QueueName="queue")["QueueUrl"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        sqs.close()

    told = [json.loads(message["Body"]) for message in messages]
    sequencers = {event["detail"]["object"]["sequencer"] for event in told}
    assert len(sequencers) == 3
    assert messages_before == sorted(message["Body"] for message in messages)
    assert sorted((event["detail-type"], event["detail"]["object"]["key"]) for event in told) == [
        ("Object Created", "manifests/a"),
        ("Object Created", "manifests/a"),
        ("Object Deleted", "manifests/a"),
    ]


def test_a_delete_marker_that_is_deleted_is_told_of_too(tmp_path: Path) -> None:
    """It has no size and no ETag; S3 answers 204 as for any other version. moto tells of a key's last version alone."""
    with moto(tmp_path / "data") as opened:
        s3, sqs, events = (client(opened.port, service) for service in ("s3", "sqs", "events"))
        url = sqs.create_queue(QueueName="queue")["QueueUrl"]
        s3.create_bucket(Bucket="data")
        s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket="data", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        events.put_rule(Name="rule", EventPattern='{"source": ["aws.s3"], "detail-type": ["Object Deleted"]}')
        target = {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:123456789012:queue"}
        events.put_targets(Rule="rule", Targets=[target])
        version = s3.put_object(Bucket="data", Key="a", Body=b"x")["VersionId"]
        marker = s3.delete_object(Bucket="data", Key="a")["VersionId"]
        s3.delete_object(Bucket="data", Key="a", VersionId=version)
        deleted = s3.delete_object(Bucket="data", Key="a", VersionId=marker)
        (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        for each in (s3, sqs, events):
            each.close()

    told = json.loads(message["Body"])["detail"]["object"]
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (told["version-id"], told.keys()) == (marker, {"key", "version-id", "sequencer"})
