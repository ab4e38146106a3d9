"""Which requests change something (rules: `mapfold/local/aws_journal/changes.py`)."""

from __future__ import annotations

import pytest

from mapfold.local.aws_journal.changes import Kind, kind_of
from mapfold.local.aws_journal.records import Record
from tests.unit.aws_journal.builders import dynamodb, record, s3

FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (s3("GET", "/bucket/key"), Kind.READ),
        (s3("HEAD", "/bucket"), Kind.READ),
        (s3("PUT", "/bucket/key"), Kind.CHANGE),
        (s3("DELETE", "/bucket/key"), Kind.CHANGE),
        (record("PUT", "/bucket/key", "X-Amz-Signature=any", body=b"Action=GetIt&x=1", **FORM), Kind.CHANGE),
        (s3("POST", "/bucket/key", "uploads"), Kind.CHANGE),
        (s3("POST", "/bucket/key", "select&select-type=2"), Kind.READ),
        (dynamodb("Scan"), Kind.READ),
        (dynamodb("BatchGetItem"), Kind.READ),
        (dynamodb("TransactGetItems"), Kind.READ),
        (dynamodb("UpdateItem"), Kind.CHANGE),
        (dynamodb("NeverHeardOf"), Kind.CHANGE),
        (record("POST", "/", body=b"Action=DescribeKeyPairs&Version=1", **FORM), Kind.READ),
        (record("POST", "/", body=b"Action=RunInstances&Version=1", **FORM), Kind.CHANGE),
        (record("GET", "/", "Action=SendMessage&MessageBody=x"), Kind.CHANGE),
        (record("POST", "/moto-api/reset"), Kind.CHANGE),
        (record("GET", "/moto-api/data.json"), Kind.READ),
        (record("POST", "/moto-api/recorder/replay-recording"), Kind.PASS),
        (record("POST", "/2015-03-31/functions/f/invocations"), Kind.PASS),
        (s3("POST", "/2015-03-31/functions/f/invocations", "uploads"), Kind.CHANGE),
        (s3("PUT", "/latest/key"), Kind.CHANGE),
        (s3("PUT", "/bucket/key", HTTP_X_AMZ_TARGET="Any.GetIt"), Kind.CHANGE),
        (record("PUT", "/latest/api/token"), Kind.PASS),
        (record("POST", "/", HTTP_X_AMZ_TARGET="TrentService.Decrypt"), Kind.READ),
    ],
)
def test_what_a_request_does(request_: Record, kind: Kind) -> None:
    """By its operation where it names one, else by its method. What may call back must not hold others up."""
    assert kind_of(request_.environ, request_.body) is kind
