"""What a recorded call of boto3 asks of IAM: actions on resources (AWS's Service Authorization Reference)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.permissions.iam import Request

ACCOUNT, REGION = "123456789012", "us-east-1"
Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call. function: the Lambda function that made it, or "" for the engine."""

    function: str
    service: str
    operation: str
    params: Params

    def requests(self, secrets: Mapping[str, str]) -> Iterator[Request]:
        """What IAM is asked. `secrets`: ARNs by the names that calls use."""
        if self.service == "secretsmanager" and self.operation == "GetSecretValue":
            name = self.params["SecretId"]
            yield Request("secretsmanager:GetSecretValue", secrets.get(name, name))
            return
        if not self.function and (self.service, self.operation) in OF_THE_EMBEDDED_ENGINE:
            return
        asked = ASKED.get((self.service, self.operation))
        assert asked is not None, f"{self}: say in ASKED which actions {self.service} {self.operation} needs"
        yield from asked(self.params)


class Recording:
    """The files of the recorder, read on from where they were read before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def news(self) -> list[Call]:
        """The calls since the last look."""
        return [call for path in sorted(self._folder.glob("*.jsonl")) for call in self._news_of(path)]

    def _news_of(self, path: Path) -> Iterator[Call]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            for line in file.readlines():
                yield Call(**json.loads(line))
            self._read[path] = file.tell()


def _object(action: str) -> Callable[[Params], Iterator[Request]]:
    def ask(params: Params) -> Iterator[Request]:
        yield Request(f"s3:{action}", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}")

    return ask


def _listing(params: Params) -> Iterator[Request]:
    context = (("s3:prefix", params.get("Prefix", "")),)
    yield Request("s3:ListBucket", f"arn:aws:s3:::{params['Bucket']}", context)


def _table(action: str) -> Callable[[Params], Iterator[Request]]:
    def ask(params: Params) -> Iterator[Request]:
        for table in params.get("RequestItems", [params.get("TableName")]):
            yield Request(f"dynamodb:{action}", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")

    return ask


def _named(service: str, action: str, *parameters: str) -> Callable[[Params], Iterator[Request]]:
    """The ARN is itself a parameter of the call; of several the first that is given."""

    def ask(params: Params) -> Iterator[Request]:
        yield Request(f"{service}:{action}", next(params[name] for name in parameters if name in params))

    return ask


ASKED: Mapping[tuple[str, str], Callable[[Params], Iterator[Request]]] = {
    ("s3", "GetObject"): _object("GetObject"),
    ("s3", "HeadObject"): _object("GetObject"),
    ("s3", "PutObject"): _object("PutObject"),
    ("s3", "CreateMultipartUpload"): _object("PutObject"),
    ("s3", "UploadPart"): _object("PutObject"),
    ("s3", "CompleteMultipartUpload"): _object("PutObject"),
    ("s3", "AbortMultipartUpload"): _object("AbortMultipartUpload"),
    ("s3", "ListParts"): _object("ListMultipartUploadParts"),
    ("s3", "DeleteObject"): _object("DeleteObject"),
    ("s3", "ListObjectsV2"): _listing,
    **{
        ("dynamodb", operation): _table(operation)
        for operation in (
            "GetItem",
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "Query",
            "Scan",
            "BatchGetItem",
            "BatchWriteItem",
        )
    },
    ("sns", "Publish"): _named("sns", "Publish", "TopicArn"),
    ("stepfunctions", "StartExecution"): _named("states", "StartExecution", "stateMachineArn"),
    ("stepfunctions", "ListExecutions"): _named("states", "ListExecutions", "stateMachineArn", "mapRunArn"),
    ("stepfunctions", "DescribeMapRun"): _named("states", "DescribeMapRun", "mapRunArn"),
    **{
        ("stepfunctions", operation): _named("states", operation, "executionArn")
        for operation in (
            "DescribeExecution",
            "GetExecutionHistory",
            "ListMapRuns",
            "StopExecution",
            "RedriveExecution",
        )
    },
}

OF_THE_EMBEDDED_ENGINE: Mapping[tuple[str, str], str] = {
    (
        "s3",
        "ListMultipartUploads",
    ): "It looks for uploads that it left when it was cut off; AWS's service keeps them in mind."
}
"""Calls of the embedded engine that AWS's own does not make, and why: no role is asked for them."""
