"""Item readers, ItemSelector and ItemBatcher on one real `mapfold local`: what the children of a Map are given.

Each child passes its input on, so the execution's output is the list of the children's inputs.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.embedded import EmbeddedAws
from tests.integration.embedded.maps import (
    client_of,
    counted,
    distributed,
    ended,
    failure,
    history,
    only_map_run,
    output,
)
from tests.integration.embedded.server import session

BUCKET = "items"
FIRST_ROW = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}
REFUSAL = "{} (Service: S3, Status Code: {}, Request ID: any, Extended Request ID: any) (SDK Attempt Count: 1)"
SOURCE = {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "s.$": "$$.Map.Item.Source"}


def read_failure(aws: EmbeddedAws, reader: dict[str, Any]) -> tuple[str, str]:
    """The error and cause of a Map that cannot read, without the ids of S3's answer."""
    error, cause = failure(aws, distributed(ItemReader=reader))
    return error, re.sub(r"Request ID: [^,)]*", "Request ID: any", cause)


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "s": ["x", None]}), file)
    return file.getvalue()


def inventory(file_format: str = "CSV") -> str:
    return json.dumps(
        {
            "sourceBucket": "any",
            "destinationBucket": f"arn:aws:s3:::{BUCKET}",
            "version": "2016-11-30",
            "fileFormat": file_format,
            "fileSchema": "Bucket, Key, Size",
            "files": [{"key": "inventory/1.csv.gz", "size": 40, "MD5checksum": "any"}],
        }
    )


OBJECTS: dict[str, bytes | str] = {
    "rows.csv": 'a,b\n1,"x, ""y""\nz"\n,\n3\n4,5,6\n',
    "rows.psv": 'a|b\n1|"x|y"\n',
    "rows.ssv": 'a;b\n1;"x;y"\n',
    "rows.spaces": 'a b\n1 "x y"\n',
    "rows.tsv": 'a\tb\n1\t"x\ty"\n',
    "bare.csv": "1,2\n",
    "twice.csv": "a,a\n1,2\n",
    "latin.csv": b"a,b\n1,2\n3,caf\xe9\n",
    "open.csv": 'a,b\n1,"2\n',
    "array.json": '[1, {"a": [2]}]',
    "object.json": '{"a": 1, "b": [2]}',
    "deep.json": '{"x": {"y/z": [1, 2]}}',
    "scalar.json": "3",
    "broken.json": '[1,\n {"a": oops}]',
    "empty.json": "",
    "lines.jsonl": '{"a": 1}\n\n2\n',
    "lines.jsonl.gz": gzip.compress(b"1\n2\n"),
    "broken.jsonl": '1\n{"a":\n',
    "rows.parquet": parquet(),
    "listed/1.csv": "a\n1\n",
    "listed/2.csv": "a\n2\n3\n",
    "inventory/manifest.json": inventory(),
    "inventory/orc.json": inventory("ORC"),
    "inventory/1.csv.gz": gzip.compress(b'"any","k%201","12"\n'),
    "unload/1.gz": gzip.compress(b"1\n2\n"),
    "unload/manifest.csv": f"s3://{BUCKET}/unload/1.gz\n",
    "unload/missing.csv": f"s3://{BUCKET}/unload/none\n",
    "big.jsonl": json.dumps("x" * 300_000),
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with session(tmp_path_factory.mktemp("data")) as opened:
        s3 = opened.aws.s3
        s3.create_bucket(Bucket=BUCKET)
        for key, body in OBJECTS.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        yield opened.aws


def get_object(key: str, config: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """An ItemReader of one object."""
    where = {"Bucket": BUCKET, "Key": key, **parameters}
    return {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Parameters": where}


def list_objects(prefix: str, config: dict[str, Any]) -> dict[str, Any]:
    """An ItemReader of a listing."""
    where = {"Bucket": BUCKET, "Prefix": prefix}
    return {"Resource": "arn:aws:states:::s3:listObjectsV2", "ReaderConfig": config, "Parameters": where}


@pytest.mark.parametrize(
    ("key", "config", "items"),
    [
        (
            "rows.csv",
            FIRST_ROW,
            [{"a": "1", "b": 'x, "y"\nz'}, {"a": "", "b": ""}, {"a": "3", "b": ""}, {"a": "4", "b": "5"}],
        ),
        ("rows.psv", {**FIRST_ROW, "CSVDelimiter": "PIPE"}, [{"a": "1", "b": "x|y"}]),
        ("rows.ssv", {**FIRST_ROW, "CSVDelimiter": "SEMICOLON"}, [{"a": "1", "b": "x;y"}]),
        ("rows.spaces", {**FIRST_ROW, "CSVDelimiter": "SPACE"}, [{"a": "1", "b": "x y"}]),
        ("rows.tsv", {**FIRST_ROW, "CSVDelimiter": "TAB"}, [{"a": "1", "b": "x\ty"}]),
        ("bare.csv", {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x"]}, [{"x": "1"}]),
        ("array.json", {"InputType": "JSON"}, [1, {"a": [2]}]),
        ("object.json", {"InputType": "JSON"}, [{"Key": "a", "Value": 1}, {"Key": "b", "Value": [2]}]),
        ("deep.json", {"InputType": "JSON", "ItemsPointer": "/x/y~1z"}, [1, 2]),
        ("lines.jsonl", {"InputType": "JSONL"}, [{"a": 1}, 2]),
        ("lines.jsonl.gz", {"InputType": "JSONL"}, [1, 2]),
        ("array.json", {"InputType": "JSON", "MaxItems": 1}, [1]),
        ("array.json", {"InputType": "JSON", "MaxItems": 0}, [1, {"a": [2]}]),
        ("rows.parquet", {"InputType": "PARQUET"}, [{"a": 1, "s": "x"}, {"a": 2, "s": None}]),
        ("inventory/manifest.json", {"ManifestType": "S3_INVENTORY"}, [{"Bucket": "any", "Key": "k%201", "Size": "12"}]),
        ("inventory/manifest.json", {"InputType": "MANIFEST"}, [{"Bucket": "any", "Key": "k%201", "Size": "12"}]),
        ("unload/manifest.csv", {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}, [1, 2]),
    ],
)  # fmt: skip
def test_the_items_of_an_object(aws: EmbeddedAws, key: str, config: dict[str, Any], items: list[Any]) -> None:
    """Every reader, from the definition to the child's input."""
    assert output(aws, distributed(ItemReader=get_object(key, config))) == items


@pytest.mark.parametrize(
    ("key", "config", "cause"),
    [
        ("twice.csv", FIRST_ROW, "CSV headers cannot contain duplicates."),
        ("latin.csv", FIRST_ROW, "s3://items/latin.csv, line 3: byte 0xe9 is not UTF-8; expected text in UTF-8."),
        (
            "open.csv",
            FIRST_ROW,
            (
                "s3://items/open.csv, line 2: a quote is opened in this row and never closed; "
                "expected a closing quote before the end of the object."
            ),
        ),
        ("scalar.json", {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
        (
            "broken.json",
            {"InputType": "JSON"},
            "s3://items/broken.json, line 2: the document is not JSON at 'oops}]'; expected a value.",
        ),
        (
            "empty.json",
            {"InputType": "JSON"},
            "s3://items/empty.json, line 1: the document is not JSON at the end of the object; expected a value.",
        ),
        (
            "deep.json",
            {"InputType": "JSON", "ItemsPointer": "/no"},
            "s3://items/deep.json: ItemsPointer /no points to nothing; expected an array or an object.",
        ),
        (
            "broken.jsonl",
            {"InputType": "JSONL"},
            (
                "s3://items/broken.jsonl, line 2: Expecting value at column 6; "
                "expected one JSON value on each line (InputType JSONL)."
            ),
        ),
        (
            "bare.csv",
            {"InputType": "PARQUET"},
            "s3://items/bare.csv is no Parquet file: it ends with b'1,2\\n'; expected b'PAR1'.",
        ),
        (
            "inventory/orc.json",
            {"ManifestType": "S3_INVENTORY"},
            (
                "s3://items/inventory/orc.json: fileFormat is 'ORC'; expected 'CSV', the only format of S3 Inventory that a "
                "Distributed Map reads. Choose it in the inventory's configuration."
            ),
        ),
        (
            "unload/missing.csv",
            {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"},
            "s3://items/unload/missing.csv, line 1: s3://items/unload/none: "
            + REFUSAL.format("The specified key does not exist.", 404),
        ),
    ],
)
def test_what_cannot_be_read(aws: EmbeddedAws, key: str, config: dict[str, Any], cause: str) -> None:
    """In AWS's words where those are known; else with the object, the line, and what was expected."""
    assert read_failure(aws, get_object(key, config)) == ("States.ItemReaderFailed", cause)


def test_a_reader_s_failure_in_the_history(aws: EmbeddedAws) -> None:
    """MapRunFailed says why, then MapStateFailed and ExecutionFailed."""
    execution = ended(aws, distributed(ItemReader=get_object("twice.csv", FIRST_ROW)))["executionArn"]
    why = {"error": "States.ItemReaderFailed", "cause": "CSV headers cannot contain duplicates."}

    assert history(aws, execution)[4:] == [
        ("MapRunFailed", 4, why),
        ("MapStateFailed", 5, None),
        ("ExecutionFailed", 6, why),
    ]


def test_the_bucket_s_owner_is_demanded(aws: EmbeddedAws) -> None:
    """ExpectedBucketOwner: the local account owns all buckets; anybody else is S3's AccessDenied."""
    reader = get_object("array.json", {"InputType": "JSON"}, ExpectedBucketOwner="123456789012")
    stranger = get_object("array.json", {"InputType": "JSON"}, ExpectedBucketOwner="111111111111")

    assert output(aws, distributed(ItemReader=reader)) == [1, {"a": [2]}]
    assert read_failure(aws, stranger) == ("States.ItemReaderFailed", REFUSAL.format("Access Denied", 403))


def test_an_older_version(aws: EmbeddedAws) -> None:
    """VersionId."""
    s3 = aws.s3
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    older = s3.put_object(Bucket="versions", Key="k", Body=b"[1]")["VersionId"]
    s3.put_object(Bucket="versions", Key="k", Body=b"[2]")
    reader = get_object("k", {"InputType": "JSON"}, Bucket="versions", VersionId=older)

    assert output(aws, distributed(ItemReader=reader)) == [1]


def test_a_listing(aws: EmbeddedAws) -> None:
    """Objects as S3 describes them (`Etag` with its quotes); their source is the bucket."""
    listed = output(aws, distributed(ItemReader=list_objects("listed/", {}), ItemSelector=SOURCE))

    assert [(item["i"], item["s"], item["v"]["Key"]) for item in listed] == [
        (0, "S3://items", "listed/1.csv"),
        (1, "S3://items", "listed/2.csv"),
    ]
    assert listed[0]["v"].keys() == {"Etag", "Key", "LastModified", "Size", "StorageClass"}
    assert (listed[0]["v"]["Etag"][0], listed[0]["v"]["Size"]) == ('"', 4)


def test_what_listed_objects_hold(aws: EmbeddedAws) -> None:
    """LOAD_AND_FLATTEN: one stream, counted through; each item knows its object."""
    reader = list_objects("listed/", {"Transformation": "LOAD_AND_FLATTEN", **FIRST_ROW})

    assert output(aws, distributed(ItemReader=reader, ItemSelector=SOURCE)) == [
        {"v": {"a": "1"}, "i": 0, "s": "S3://items/listed/1.csv"},
        {"v": {"a": "2"}, "i": 1, "s": "S3://items/listed/2.csv"},
        {"v": {"a": "3"}, "i": 2, "s": "S3://items/listed/2.csv"},
    ]


def test_an_object_in_the_state_s_input(aws: EmbeddedAws) -> None:
    """Its members are the items, with their keys."""
    selector = {"k.$": "$$.Map.Item.Key", "v.$": "$$.Map.Item.Value", "s.$": "$$.Map.Item.Source", "all.$": "$.b"}

    assert output(aws, distributed(ItemSelector=selector), {"a": 1, "b": 2}) == [
        {"k": "a", "v": 1, "s": "STATE_DATA", "all": 2},
        {"k": "b", "v": 2, "s": "STATE_DATA", "all": 2},
    ]


@pytest.mark.parametrize(
    ("batcher", "batches"),
    [
        ({"MaxItemsPerBatch": 2}, ['{"Items":["ab","cd"]}', '{"Items":["é"]}']),
        ({"MaxInputBytesPerBatch": 21}, ['{"Items":["ab","cd"]}', '{"Items":["é"]}']),
        ({"MaxInputBytesPerBatch": 20}, ['{"Items":["ab"]}', '{"Items":["cd"]}', '{"Items":["é"]}']),
        (
            {"MaxItemsPerBatchPath": "$.two", "MaxInputBytesPerBatchPath": "$.many", "BatchInput": {"x.$": "$.two", "y": 1}},
            ['{"BatchInput":{"y":1,"x":2},"Items":["ab","cd"]}', '{"BatchInput":{"y":1,"x":2},"Items":["é"]}'],
        ),
    ],
)  # fmt: skip
def test_batches(aws: EmbeddedAws, batcher: dict[str, Any], batches: list[str]) -> None:
    """The children's inputs, to the letter; the limit of bytes is one of their UTF-8."""
    each = distributed(ItemBatcher=batcher, ItemsPath="$.items")
    execution = ended(aws, each, {"items": ["ab", "cd", "é"], "two": 2, "many": 1000})["executionArn"]
    run = only_map_run(aws, execution)

    sfn = client_of(aws)
    children = sfn.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    inputs = [sfn.describe_execution(executionArn=child["executionArn"])["input"] for child in reversed(children)]
    assert inputs == batches
    assert counted(run)[0] == {"succeeded": 3, "total": 3, "resultsWritten": 3}


def test_all_of_it_in_jsonata(aws: EmbeddedAws) -> None:
    """Expressions in every field that takes one; `$states.context.Map.Item` in ItemSelector."""
    each = distributed(
        QueryLanguage="JSONata",
        ItemReader={
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON", "MaxItems": "{% $states.input.most %}"},
            "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "deep.json"},
        },
        ItemSelector={
            "key": "{% $states.context.Map.Item.Key %}",
            "value": "{% $states.context.Map.Item.Value %}",
            "index": "{% $states.context.Map.Item.Index %}",
        },
        ItemBatcher={
            "MaxItemsPerBatch": "{% $states.input.most + 1 %}",
            "MaxInputBytesPerBatch": "{% 1000 %}",
            "BatchInput": {"most": "{% $states.input.most %}"},
        },
        MaxConcurrency="{% 3 %}",
        ToleratedFailureCount="{% 2 %}",
        ToleratedFailurePercentage="{% 1.5 %}",
        Output="{% $states.result[0] %}",
    )

    described = ended(aws, each, {"bucket": BUCKET, "most": 1})
    run = only_map_run(aws, described["executionArn"])

    items = [{"key": "x", "value": {"y/z": [1, 2]}, "index": 0}]
    assert json.loads(described["output"]) == {"BatchInput": {"most": 1}, "Items": items}
    limits = (run["maxConcurrency"], run["toleratedFailureCount"], run["toleratedFailurePercentage"])
    assert limits == (3, 2, 1.5)


@pytest.mark.parametrize(
    ("fields", "value", "cause"),
    [
        ({"ToleratedFailureCountPath": "$.v"}, "x", 'refers to value "x" which is not a valid integer: $.v'),
        ({"ToleratedFailureCountPath": "$.v"}, -1, "ToleratedFailureCount cannot be negative."),
        ({"ToleratedFailurePercentagePath": "$.v"}, "x", 'refers to value "x" which is not a valid float: $.v'),
        ({"ToleratedFailurePercentagePath": "$.v"}, 101, "ToleratedFailurePercentage must be between 0 and 100."),
        ({"ItemBatcher": {"MaxItemsPerBatchPath": "$.v"}}, -1, "field MaxItemsPerBatch must be positive"),
    ],
)  # fmt: skip
def test_a_path_to_no_usable_number(aws: EmbeddedAws, fields: dict[str, Any], value: Any, cause: str) -> None:
    """States.Runtime before there is a map run, behind MapStateStarted."""
    described = ended(aws, distributed(ItemsPath="$.items", **fields), {"items": [1], "v": value})

    assert described["error"] == "States.Runtime"
    assert described["cause"].startswith(
        "An error occurred while executing the state 'Each' (entered at the event id #2)."
    )
    assert described["cause"].endswith(cause)
    assert [type_ for type_, _, _ in history(aws, described["executionArn"])] == [
        "ExecutionStarted", "MapStateEntered", "MapStateStarted", "ExecutionFailed",
    ]  # fmt: skip


def test_an_item_may_be_larger_than_an_input_if_the_selector_makes_it_small(aws: EmbeddedAws) -> None:
    """Without that the map run fails with States.DataLimitExceeded."""
    reader = get_object("big.jsonl", {"InputType": "JSONL"})

    assert output(aws, distributed(ItemReader=reader, ItemSelector={"i.$": "$$.Map.Item.Index"})) == [{"i": 0}]
    error, cause = failure(aws, distributed(ItemReader=reader))
    assert (error, "item 0 has 300002 bytes; at most 262144" in cause) == ("States.DataLimitExceeded", True)
