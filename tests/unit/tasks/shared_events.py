"""Events of the shared functions: requests as API Gateway makes them, and batches of the start queue."""

from __future__ import annotations

import json
from typing import Any

from mapfold.client.values import Json


def rest_request(method: str, path: str, *, body: Json = None, stage: str = "v1", **query: str) -> dict[str, Any]:
    """A REST API's proxy event. `body` is a document, or a text as it stands."""
    return {
        "resource": "/{proxy+}",
        "httpMethod": method,
        "path": path,
        "headers": {"Content-Type": "application/json", "Host": "abc.execute-api.us-east-1.amazonaws.com"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userArn": "arn:aws:iam::123456789012:user/me"},
            "path": f"/{stage}{path}",
            "requestId": "11111111-2222-3333-4444-555555555555",
            "resourcePath": "/{proxy+}",
            "stage": stage,
        },
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


def message_id(number: int) -> str:
    """The id of the message `number` of a batch."""
    return f"00000000-0000-0000-0000-{number:012}"


def sqs_batch(*bodies: Json) -> dict[str, Any]:
    """A batch of messages, numbered from 1. A body is a document, or a text as it stands."""
    return {"Records": [_message(number, body) for number, body in enumerate(bodies, start=1)]}


def _message(number: int, body: Json) -> dict[str, Any]:
    return {
        "messageId": message_id(number),
        "receiptHandle": "handle",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1795750733485",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1795750733490",
        },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:start",
        "awsRegion": "us-east-1",
    }


def upload(key: str, *, bucket: str = "mapfold-data", **versions: str) -> dict[str, Any]:
    """EventBridge's event of an object that was put. versions: `version_id`, `etag`, `sequencer`."""
    described = {name.replace("_", "-"): value for name, value in versions.items()}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-11-27T00:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": 5, **described},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }
