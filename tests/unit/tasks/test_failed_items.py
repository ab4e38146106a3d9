"""Lists of failed items from elsewhere: what is read of each kind, and what is said of one that is broken."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from mapfold.runs.failed_items import FailedItem, FailedItemsError, read_failed_items
from tests.unit.tasks.conftest import World

BUCKET = "mapfold-data"
LINES = (
    {"item": {"key": "a"}, "index": 7, "error": "ValueError", "message": "bad", "traceback": None, "execution": "arn"},
    {"item": "b", "index": 9, "error": "KeyError", "message": "'x'", "traceback": "…", "execution": "arn"},
)
TIMEOUT = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"})
PLAIN = {"ExecutionArn": "arn", "Input": json.dumps({"id": 4}), "Status": "FAILED", "Error": "Boom", "Cause": "no"}
BATCH = {"ExecutionArn": "arn", "Input": json.dumps({"Items": [1, {"n": 2}]}), "Status": "TIMED_OUT"}
OURS = {
    "Input": json.dumps(
        {"BatchInput": {"source": {"bucket": "b"}}, "Items": [{"i": 40, "v": "x"}, {"i": 41, "v": "y"}]}
    ),
    "Status": "FAILED",
    "Error": "Sandbox.Timedout",
    "Cause": TIMEOUT,
}
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
REPORT = (
    'b,a+b%2Bc.txt,,failed,200,PermanentFailure,"Lambda said: {""errorMessage"":\n""timed out""}"\n'
    "b,fine.txt,,succeeded,200,Successful,\n"
    "b,old.txt,v17,failed,AccessDenied,403,Access Denied\n"
    "b,odd.txt,,failed,,500,\n"
)


def put(world: World, key: str, body: str | bytes) -> tuple[str, str]:
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=body if isinstance(body, bytes) else body.encode())
    return BUCKET, key


def read(world: World, where: tuple[str, str], **more: Any) -> list[FailedItem]:
    return list(read_failed_items(world.s3, *where, **more))


def jsonl(values: Sequence[Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def result_writer(world: World, *files: str, sizes: Sequence[int] | None = None) -> tuple[str, str]:
    """A ResultWriter's folder with these FAILED files."""
    named = []
    for number, text in enumerate(files):
        put(world, f"results/uuid/FAILED_{number}.json", text)
        named.append(
            {"Key": f"results/uuid/FAILED_{number}.json", "Size": sizes[number] if sizes else len(text.encode())}
        )
    manifest = {"DestinationBucket": BUCKET, "MapRunArn": "arn", "ResultFiles": {"FAILED": named, "SUCCEEDED": []}}
    return put(world, "results/uuid/manifest.json", json.dumps(manifest, indent=1))


def completion_report(world: World, text: str, *, checksum: str | None = None, schema: str = SCHEMA) -> tuple[str, str]:
    """An S3 Batch Operations job's report: its manifest names a file of failed tasks."""
    put(world, "job-1/results/f.csv", text)
    checksum = checksum or hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    results = [
        {
            "TaskExecutionStatus": "succeeded",
            "Bucket": BUCKET,
            "MD5Checksum": "0",
            "Key": "job-1/results/not-there.csv",
        },
        {"TaskExecutionStatus": "failed", "Bucket": BUCKET, "MD5Checksum": checksum, "Key": "job-1/results/f.csv"},
    ]
    manifest = {"Format": "Report_CSV_20180820", "Results": results, "ReportSchema": schema}
    return put(world, "job-1/manifest.json", json.dumps(manifest))


class TestFailuresFile:
    def test_each_line_is_an_item(self, world: World) -> None:
        """With its index in the source of the run that wrote it."""
        found = read(world, put(world, "f.jsonl", jsonl(LINES)))

        assert found == [FailedItem(7, {"key": "a"}, "ValueError", "bad"), FailedItem(9, "b", "KeyError", "'x'")]

    @pytest.mark.parametrize("broken", ['{"item": "c", "ind', '{"item": "c"}', "[]", '"text"'])
    def test_a_line_that_is_none_is_named(self, world: World, broken: str) -> None:
        """One that is cut off, and one that is something else."""
        with pytest.raises(FailedItemsError, match=r"s3://mapfold-data/f\.jsonl, line 3"):
            read(world, put(world, "f.jsonl", jsonl(LINES) + broken))


class TestResultWriter:
    @pytest.mark.parametrize("form", ["lines", "array"])
    def test_an_input_is_an_item_or_a_batch_of_them(self, world: World, form: str) -> None:
        """JSON Lines, or one array a file; numbered over all files, for their place in the source is not told."""
        write = jsonl if form == "lines" else lambda values: json.dumps(values, indent=2)

        found = read(world, result_writer(world, write([PLAIN, BATCH]), write([PLAIN])))

        assert found == [
            FailedItem(0, {"id": 4}, "Boom", "no"),
            FailedItem(1, 1, "ExecutionTimedOut", ""),
            FailedItem(2, {"n": 2}, "ExecutionTimedOut", ""),
            FailedItem(3, {"id": 4}, "Boom", "no"),
        ]

    def test_entries_of_our_own_batches_have_their_index(self, world: World) -> None:
        """What the reader gave is made the author's item with what the batch says of its source."""
        found = read(
            world, result_writer(world, jsonl([OURS])), make_item=lambda raw, batch: [raw, batch["source"]["bucket"]]
        )

        message = "Task timed out after 3.00 seconds"
        assert found == [
            FailedItem(40, ["x", "b"], "Sandbox.Timedout", message),
            FailedItem(41, ["y", "b"], "Sandbox.Timedout", message),
        ]

    def test_a_file_of_many_records_is_read_as_it_arrives(self, world: World) -> None:
        """An array whose elements are cut anywhere by the chunks that it is read in, with text of several bytes."""
        records = [{**PLAIN, "Input": {"name": "ä€𝄞" * (n % 97), "n": n}} for n in range(3_000)]

        found = read(world, result_writer(world, json.dumps(records, ensure_ascii=False)))

        assert [failed.item for failed in found] == [record["Input"] for record in records]

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            (jsonl([PLAIN]) + '{"Input": "1", "Sta', "line 2"),
            (jsonl([PLAIN, {"Status": "FAILED"}]), "line 2"),
            (jsonl([{"Input": "{cut"}]), "line 1"),
            (json.dumps([PLAIN, PLAIN])[:-1], "behind record 2"),
            (json.dumps([PLAIN, PLAIN])[:-9], "record 2"),
            (f"[{json.dumps(PLAIN)} {json.dumps(PLAIN)}]", "behind record 1"),
            ("[,]", "record 1"),
        ],
    )
    def test_a_broken_file_is_named_with_the_place(self, world: World, text: str, place: str) -> None:
        """Whether lines or an array."""
        with pytest.raises(FailedItemsError, match=rf"s3://mapfold-data/results/uuid/FAILED_0\.json, {place}"):
            read(world, result_writer(world, text))

    def test_a_file_of_another_size_than_the_manifest_says_is_refused(self, world: World) -> None:
        """Cut off behind a line, nothing else would tell."""
        with pytest.raises(FailedItemsError, match=r"FAILED_0\.json has .* bytes; .*manifest\.json says 9,999"):
            read(world, result_writer(world, jsonl([PLAIN]), sizes=[9_999]))

    def test_a_file_that_is_not_there_is_named_with_the_manifest(self, world: World) -> None:
        """It was deleted, or moved without its manifest."""
        where = result_writer(world, jsonl([PLAIN]))
        world.s3.delete_object(Bucket=BUCKET, Key="results/uuid/FAILED_0.json")

        with pytest.raises(
            FailedItemsError, match=r"FAILED_0\.json, which s3://.*manifest\.json names, cannot be read"
        ):
            read(world, where)


class TestCompletionReport:
    @pytest.mark.parametrize("form", ["manifest", "csv"])
    def test_each_failed_task_is_an_object(self, world: World, form: str) -> None:
        """The key decoded, with its version where there is one. AWS's own example has code and status swapped."""
        where = completion_report(world, REPORT) if form == "manifest" else put(world, "r.csv", REPORT)

        found = read(world, where)

        assert found == [
            FailedItem(
                0,
                {"bucket": "b", "key": "a b+c.txt"},
                "PermanentFailure",
                'Lambda said: {"errorMessage":\n"timed out"}',
            ),
            FailedItem(1, {"bucket": "b", "key": "old.txt", "version": "v17"}, "AccessDenied", "Access Denied"),
            FailedItem(2, {"bucket": "b", "key": "odd.txt"}, "HTTP 500", ""),
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (REPORT + "b,cut.txt,,fai", "line 6: 4 fields"),
            (REPORT + "b,x,,undone,200,,\n", "line 6: TaskStatus is 'undone'"),
            (REPORT + 'b,x,,failed,200,,"cut', "line 6: it is cut off"),
        ],
    )
    def test_a_broken_row_is_named(self, world: World, text: str, problem: str) -> None:
        """Lines are counted as an editor does: a message may have several."""
        with pytest.raises(FailedItemsError, match=re.escape(f"s3://mapfold-data/job-1/results/f.csv, {problem}")):
            read(world, completion_report(world, text))

    def test_a_report_with_another_checksum_is_refused(self, world: World) -> None:
        """Cut off behind a row, nothing else would tell."""
        with pytest.raises(FailedItemsError, match=r"f\.csv has the MD5 .*; s3://.*manifest\.json says 00"):
            read(world, completion_report(world, REPORT, checksum="00"))

    def test_a_schema_without_keys_is_refused(self, world: World) -> None:
        """Nothing could be made of its rows."""
        with pytest.raises(FailedItemsError, match="has no Key and no TaskStatus"):
            read(world, completion_report(world, REPORT, schema="Bucket, VersionId"))


@pytest.mark.parametrize("text", ["b,k\nb,k2\n", '{"Version": 1}', '{"item": "cut of', "[1, 2]", "\x00\x01", "{"])
def test_anything_else_is_refused_with_what_is_allowed(world: World, text: str) -> None:
    """A source's own manifest is no list of failed items."""
    with pytest.raises(
        FailedItemsError, match=r"s3://mapfold-data/x lists no failed items.*failures\.jsonl.*ResultWriter"
    ):
        read(world, put(world, "x", text))


@pytest.mark.parametrize(("key", "problem"), [("gone", "there is no such object"), ("folder/", "is a folder")])
def test_what_is_not_there_is_named(world: World, key: str, problem: str) -> None:
    """So is a folder: the command line looks for the manifest in it."""
    with pytest.raises(FailedItemsError, match=rf"s3://mapfold-data/{key}.*{problem}"):
        read(world, (BUCKET, key))


def test_an_empty_object_is_refused(world: World) -> None:
    """It may be a list that was never written."""
    with pytest.raises(FailedItemsError, match="is empty"):
        read(world, put(world, "x", ""))
