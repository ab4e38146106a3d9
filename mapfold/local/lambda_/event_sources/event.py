"""The event that a function gets from a queue, and which messages its answer calls failed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.invocations import MAX_REQUEST_BYTES

Message = Mapping[str, Any]
"""A message as boto3's ReceiveMessage gives it."""

_FRAME = b'{"Records":[%b]}'
_MOST_BYTES = MAX_REQUEST_BYTES - len(_FRAME)


def events(messages: Sequence[Message], mapping: EventSourceMapping) -> Iterator[tuple[list[Message], bytes]]:
    """The events for these messages, in order: one, or more where one would be too large; each with its messages."""
    batch: list[Message] = []
    records: list[bytes] = []
    size = 0
    for message in messages:
        encoded = orjson.dumps(record(message, mapping))
        if batch and size + len(encoded) > _MOST_BYTES:
            yield batch, _FRAME % b",".join(records)
            batch, records, size = [], [], 0
        batch.append(message)
        records.append(encoded)
        size += len(encoded) + 1
    if batch:
        yield batch, _FRAME % b",".join(records)


def record(message: Message, mapping: EventSourceMapping) -> dict[str, Any]:
    """One of an event's Records."""
    document = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.queue_arn,
        "awsRegion": mapping.queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        document["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return document


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        document["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        document["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return document


def succeeded(messages: Sequence[Message], answer: bytes, *, reports_failures: bool) -> list[Message]:
    """Of a batch that a function answered, the messages to delete.

    Where the function reports failures, those that it names stay. An answer that is no such report, or names what was
    not in the batch, counts as the failure of all (Lambda's rules for partial batch responses); none at all as success.
    """
    if not reports_failures:
        return list(messages)
    failed = _failed(answer)
    known = {message["MessageId"] for message in messages}
    if failed is None or not failed <= known:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


def _failed(answer: bytes) -> set[str] | None:
    """The identifiers that a partial batch response names; None for an answer that is none."""
    try:
        report = json.loads(answer)
    except ValueError:
        return None
    if report is None:
        return set()
    if not isinstance(report, dict):
        return None
    failures = report.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return None
    failed: set[str] = set()
    for failure in failures:
        name = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(name, str) or not name:
            return None
        failed.add(name)
    return failed
