"""Which changes are needed (rules: `mapfold/local/aws_journal/effects.py` and `liveness.py`).

That the state is the same without the others is shown in `tests/integration/aws_journal`, with moto.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mapfold.local.aws_journal.effects import Effects
from mapfold.local.aws_journal.liveness import live
from mapfold.local.aws_journal.records import Record
from tests.unit.aws_journal.builders import S3, batch_put, create_table, delete_item, put_item, record, s3, update_item
from tests.unit.aws_journal.builders import dynamodb as call

BUCKET = s3("PUT", "/b")
A = s3("PUT", "/b/a")
COPY = s3("PUT", "/b/copy", HTTP_X_AMZ_COPY_SOURCE="/b/a")
DELETE_A = s3("DELETE", "/b/a")
DELETE_BOTH = s3("POST", "/b", "delete", b"<Delete><Object><Key>a</Key></Object><Object><Key>c</Key></Object></Delete>")
VERSIONS = s3("PUT", "/b", "versioning")
TAG_A = s3("PUT", "/b/a", "tagging")
TABLE = create_table()
STREAM: dict[str, Any] = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}
OPAQUE = record("POST", "/never/heard/of")
TELLING = s3(
    "PUT", "/b", "notification", b"<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"
)
MANIFEST = s3("PUT", "/b/manifests/m")
IF_ABSENT = {"ConditionExpression": "attribute_not_exists(k)"}


def assume_role(account: str) -> Record:
    """As boto3 sends it."""
    body = f"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A{account}%3Arole%2Fr&RoleSessionName=any"
    return record(
        "POST",
        "/",
        body=body.encode(),
        HTTP_AUTHORIZATION=S3.replace("/s3/", "/sts/"),
        CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8",
    )


def events(operation: str, **request: Any) -> Record:
    """A request to EventBridge."""
    return record(
        "POST",
        "/",
        body=orjson.dumps(request),
        HTTP_AUTHORIZATION=S3.replace("/s3/", "/events/"),
        HTTP_X_AMZ_TARGET=f"AWSEvents.{operation}",
    )


def rule(**detail: Any) -> Record:
    """A rule on what S3 tells, for objects with such details."""
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
    return events("PutRule", Name="r", EventPattern=orjson.dumps(pattern).decode())


OF_MANIFESTS = rule(bucket={"name": ["b"]}, object={"key": [{"prefix": "manifests/"}]})
OF_SUFFIX = rule(object={"key": [{"suffix": "m"}]})


def upload(step: str, upload_id: str = "u") -> Record:
    """A step of a multipart upload of b/a."""
    return {
        "begin": s3("POST", "/b/a", "uploads"),
        "part": s3("PUT", "/b/a", f"uploadId={upload_id}&partNumber=1"),
        "complete": s3("POST", "/b/a", f"uploadId={upload_id}"),
        "abort": s3("DELETE", "/b/a", f"uploadId={upload_id}"),
    }[step]


UPLOADED = [upload("begin"), upload("part"), upload("complete")]


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        pytest.param([BUCKET, A, A], "+-+", id="an object that was put again"),
        pytest.param([BUCKET, A, DELETE_A], "+--", id="an object that was deleted, and its deletion"),
        pytest.param([BUCKET, A, s3("PUT", "/b/c"), DELETE_BOTH], "+---", id="several that were deleted at once"),
        pytest.param(
            [BUCKET, OPAQUE, upload("begin"), upload("abort")], "++--", id="aborted; who else would begin it?"
        ),
        pytest.param([BUCKET, OPAQUE, A, DELETE_A], "++-+", id="deleted, where somebody may have put it"),
        pytest.param([BUCKET, A, TAG_A, A], "+--+", id="tags of an object that was put again"),
        pytest.param([BUCKET, A, TAG_A], "+++", id="tags of an object that is there"),
        pytest.param([BUCKET, A, COPY, A], "++++", id="what was copied before it was put again"),
        pytest.param([BUCKET, A, COPY, A, s3("DELETE", "/b/copy")], "+--+-", id="copied, and the copy deleted"),
        pytest.param([BUCKET, VERSIONS, A, A, DELETE_A], "+++++", id="all versions"),
        pytest.param([BUCKET, A, A, VERSIONS, A], "+-+++", id="the version that was there before there were any"),
        pytest.param([BUCKET, VERSIONS, BUCKET, A, A], "+++++", id="a bucket with versions that was made again"),
        pytest.param([BUCKET, BUCKET, A, A], "++-+", id="a bucket that was made again"),
        pytest.param([BUCKET, TELLING, OF_MANIFESTS, A, A, DELETE_A], "+++---", id="of which no rule wants to hear"),
        pytest.param([BUCKET, TELLING, A, OF_MANIFESTS, A], "++-++", id="put again when there was a rule for others"),
        pytest.param([BUCKET, TELLING, OF_MANIFESTS, MANIFEST, MANIFEST], "+++++", id="of each of which a rule heard"),
        pytest.param([BUCKET, TELLING, OF_SUFFIX, A, A], "+++++", id="of which a rule may want to hear"),
        pytest.param([BUCKET, TELLING, events("CreateArchive"), A, A], "+++++", id="an archive has a rule of its own"),
        pytest.param([BUCKET, OF_MANIFESTS, MANIFEST, MANIFEST], "++-+", id="of a bucket that tells nobody"),
        pytest.param([BUCKET, s3("PUT", "/b", "notification"), A, A], "++++", id="of a bucket that tells anybody"),
        pytest.param([events("PutTargets"), BUCKET, A, A], "++-+", id="who asked EventBridge looked at no object"),
        pytest.param([OPAQUE, BUCKET, A, A], "++++", id="a bucket that may have been there, with versions"),
        pytest.param([A, A], "++", id="a bucket that nobody saw made may have versions"),
        pytest.param([BUCKET, *UPLOADED], "++++", id="an upload"),
        pytest.param([BUCKET, *UPLOADED, A], "+---+", id="an upload of an object that was put again"),
        pytest.param([BUCKET, upload("begin"), upload("part"), upload("abort")], "+---", id="an aborted upload"),
        pytest.param([BUCKET, upload("begin"), upload("part")], "+++", id="an upload that goes on"),
        pytest.param(
            [BUCKET, upload("begin"), upload("begin"), upload("part"), upload("complete"), A],
            "++++++",
            id="two uploads of one key at once: which is which, nobody knows",
        ),
        pytest.param([TABLE, put_item("1"), put_item("1")], "+-+", id="an item that was put again"),
        pytest.param([TABLE, put_item("1"), update_item("1")], "+++", id="an item that was updated"),
        pytest.param([TABLE, put_item("1"), update_item("1"), put_item("1")], "+--+", id="updated, then put"),
        pytest.param([TABLE, put_item("1"), delete_item("1")], "+--", id="an item that was deleted"),
        pytest.param([TABLE, batch_put("1", "2"), delete_item("1")], "+++", id="one of a batch that was deleted"),
        pytest.param([TABLE, batch_put("1", "2"), put_item("1"), put_item("2")], "+-++", id="a batch put again"),
        pytest.param([TABLE, delete_item("1"), put_item("1", **IF_ABSENT)], "+-+", id="put on a condition"),
        pytest.param(
            [TABLE, put_item("1"), delete_item("1"), put_item("1", **IF_ABSENT)],
            "+--+",
            id="what a condition needs gone, and was never there then",
        ),
        pytest.param([TABLE, put_item("1"), call("DeleteTable", TableName="t")], "+-+", id="items of a deleted table"),
        pytest.param([create_table(**STREAM), put_item("1"), put_item("1")], "+++", id="a table with a stream"),
        pytest.param([put_item("1"), put_item("1")], "++", id="a table that nobody saw made"),
        pytest.param([BUCKET, A, record("POST", "/never/heard/of"), A], "++++", id="what somebody may have read"),
        pytest.param([BUCKET, A, record("POST", "/moto-api/reset"), BUCKET], "---+", id="all that was before a reset"),
        pytest.param(
            [BUCKET, A, s3("PUT", "/b/c", HTTP_X_MOTO_ACCOUNT_ID="210987654321"), A],
            "+" * 4,
            id="as soon as there are several accounts",
        ),
        pytest.param([BUCKET, A, assume_role("210987654321"), A], "+" * 4, id="as soon as somebody is in another one"),
        pytest.param([BUCKET, A, assume_role("123456789012"), A], "+-++", id="somebody in a role of the same account"),
        pytest.param(
            [TABLE, call("PutItem", TableName="t", Item={"k": {"S": "1", "N": "1"}})], "++", id="a key of two types"
        ),
        pytest.param([BUCKET, s3("PUT", "/b/a", HTTP_X_AMZ_COPY_SOURCE="//[b/a")], "++", id="a source that is none"),
        pytest.param([BUCKET, A, s3("PUT", "/a", HTTP_HOST="b.localhost:1"), A], "++++", id="a bucket in the host"),
        pytest.param([BUCKET, A, s3("PUT", "/b/a", "x-id=PutObject")], "+-+", id="what SDKs add to a URL"),
        pytest.param([BUCKET, s3("PUT", "/b/%61"), A], "+-+", id="a key that is written in two ways"),
    ],
)
def test_what_is_needed(changes: list[Record], needed: str) -> None:
    """`+` stays."""
    effects = Effects(lambda record: record.body)

    found = live([effects.of(change) for change in changes])

    assert "".join("+" if stays else "-" for stays in found) == needed


@pytest.mark.parametrize(("key", "needed"), [("1", "+-+"), ("1.0", "+++")])
def test_numbers_as_keys_are_the_same_only_when_written_in_the_same_way(key: str, needed: str) -> None:
    """1 and 1.0 are one key to DynamoDB; rather than to decide that again, what is not plain stays."""
    effects = Effects(lambda record: record.body)
    put = call("PutItem", TableName="t", Item={"k": {"N": key}})

    found = live([effects.of(change) for change in (TABLE, put, put)])

    assert "".join("+" if stays else "-" for stays in found) == needed


@pytest.mark.parametrize(
    ("before", "failing", "after"),
    [
        pytest.param([BUCKET, A], A, [], id="an object"),
        pytest.param([TABLE, put_item("1")], put_item("1"), [], id="an item"),
        pytest.param([BUCKET, VERSIONS], s3("DELETE", "/b"), [BUCKET, A, A], id="the deletion of a bucket"),
        pytest.param([create_table(**STREAM)], TABLE, [put_item("1"), put_item("1")], id="the making of a table"),
    ],
)
def test_what_failed_in_the_middle_takes_the_place_of_nothing(
    before: list[Record], failing: Record, after: list[Record]
) -> None:
    """It may not have come to what it would have replaced, nor have made what it asked for."""
    effects = Effects(lambda record: record.body)

    found = live(
        [
            *(effects.of(change) for change in before),
            effects.of(failing, failed=True),
            *(effects.of(change) for change in after),
        ]
    )

    assert all(found)
