"""Sources: SOURCE, ItemReader, and items."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold import (
    AthenaResult,
    CsvRows,
    Inventory,
    JobError,
    JsonArray,
    JsonLines,
    JsonPairs,
    Manifest,
    ObjectRows,
    Objects,
    ParquetRows,
    Source,
)
from mapfold.errors import UsageError

SOURCE = {"uri": "s3://data/m.csv", "bucket": "data", "key": "m.csv"}


class TestParseUri:
    def test_bucket_and_key_are_told_apart(self) -> None:
        """The key may hold slashes."""
        assert Manifest().parse_uri("s3://data/a/b.csv") == {
            "uri": "s3://data/a/b.csv",
            "bucket": "data",
            "key": "a/b.csv",
        }

    @pytest.mark.parametrize("uri", ["data/a.csv", "s3://", "s3:///a", "s3://data", "s3://data/", "", "http://x/y"])
    def test_what_is_no_object_is_told(self, uri: str) -> None:
        """With the form that is wanted."""
        with pytest.raises(UsageError, match=r"Write s3://BUCKET/KEY\."):
            Manifest().parse_uri(uri)

    @pytest.mark.parametrize("source", [Objects(), ObjectRows("csv")])
    def test_a_listing_may_have_no_prefix(self, source: Source) -> None:
        """Then it is the whole bucket."""
        assert source.parse_uri("s3://data/")["key"] == ""

    @pytest.mark.parametrize(
        ("uri", "said"),
        [
            ("s3://data/inv/2026/manifest.checksum", "Give the manifest.json of the report"),
            ("s3://data/inv/hive/dt=2026/symlink.txt", "Give the manifest.json of the report"),
            ("s3://data/inv/data/1.csv.gz", "is a part of a report. Give its manifest.json"),
        ],
    )
    def test_what_lies_beside_an_inventory_is_told_apart(self, uri: str, said: str) -> None:
        """By its name, before anything is started."""
        with pytest.raises(UsageError, match=said):
            Inventory().parse_uri(uri)


class TestItems:
    def test_keys_of_a_manifest_are_url_encoded(self) -> None:
        """As S3 Batch Operations writes them: + is a space, %2B a plus."""
        raw = {"bucket": "data", "key": "a+b%2Bc/%C3%BC%2C.csv"}

        assert Manifest().item(raw, SOURCE) == {"bucket": "data", "key": "a b+c/ü,.csv"}

    @pytest.mark.parametrize(("version", "more"), [("v1", {"version": "v1"}), ("", {})])
    def test_a_manifest_may_name_versions(self, version: str, more: dict[str, str]) -> None:
        """The reader fills a line that has none with an empty text."""
        raw = {"bucket": "data", "key": "k", "version": version}

        assert Manifest(versions=True).item(raw, SOURCE) == {"bucket": "data", "key": "k", **more}

    def test_a_row_of_a_report_is_made_readable(self) -> None:
        """The key decoded, the size a number, empty columns left out, others in snake case."""
        raw = {
            "Bucket": "data",
            "Key": "a+b%2Bc",
            "VersionId": "v1",
            "IsLatest": "true",
            "Size": "12",
            "ETag": "abc",
            "LastModifiedDate": "2026-01-01T00:00:00.000Z",
            "ReplicationStatus": "",
        }

        assert Inventory(versions=True).item(raw, SOURCE) == {
            "bucket": "data",
            "key": "a b+c",
            "version": "v1",
            "is_latest": "true",
            "size": 12,
            "etag": "abc",
            "last_modified_date": "2026-01-01T00:00:00.000Z",
        }

    def test_an_object_of_a_listing_gets_its_bucket(self) -> None:
        """The reader's record has none, and its Etag keeps its quotes."""
        raw = {"Etag": '"abc"', "Key": "a/b", "LastModified": 1.0, "Size": 3, "StorageClass": "STANDARD"}

        assert Objects().item(raw, SOURCE) == {"bucket": "data", "key": "a/b", "size": 3, "etag": "abc"}

    @pytest.mark.parametrize(
        "source",
        [
            CsvRows(),
            JsonLines(),
            JsonArray(),
            JsonPairs(),
            ParquetRows(),
            AthenaResult("parquet"),
            ObjectRows("jsonl"),
        ],
    )
    def test_rows_and_values_are_items_as_they_are(self, source: Source) -> None:
        """Nothing is added."""
        raw = {"a": "1"}

        assert source.item(raw, SOURCE) is raw

    @pytest.mark.parametrize(
        ("source", "text"),
        [(CsvRows(), True), (JsonLines(), False), (ObjectRows("csv"), True), (ObjectRows("parquet"), False)],
    )
    def test_numbers_are_read_from_text_where_there_is_nothing_else(self, source: Source, text: bool) -> None:
        """For a dataclass that an item is decoded into."""
        assert source.items_are_text is text


class TestItemReader:
    @pytest.mark.parametrize(
        ("source", "config"),
        [
            (
                CsvRows(headers=("a", "b"), delimiter="\t"),
                {"InputType": "CSV", "CSVDelimiter": "TAB", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"]},
            ),
            (JsonArray("/a/b"), {"InputType": "JSON", "ItemsPointer": "/a/b"}),
            (JsonArray(), {"InputType": "JSON"}),
            (JsonPairs("/a"), {"InputType": "JSON", "ItemsPointer": "/a"}),
            (ParquetRows(), {"InputType": "PARQUET"}),
            (Inventory(), {"ManifestType": "S3_INVENTORY"}),
            (AthenaResult("parquet"), {"ManifestType": "ATHENA_DATA", "InputType": "PARQUET"}),
            (
                ObjectRows("csv", delimiter="|"),
                {
                    "Transformation": "LOAD_AND_FLATTEN",
                    "InputType": "CSV",
                    "CSVDelimiter": "PIPE",
                    "CSVHeaderLocation": "FIRST_ROW",
                },
            ),
        ],
    )
    def test_what_is_declared_is_what_the_reader_is_told(self, source: Source, config: dict[str, Any]) -> None:
        """In AWS's names."""
        assert source.item_reader()["ReaderConfig"] == config

    def test_a_listing_has_a_prefix_and_no_config(self) -> None:
        """listObjectsV2 takes none."""
        assert Objects().item_reader() == {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket.$": "$.plan.source.bucket", "Prefix.$": "$.plan.source.key"},
        }

    def test_a_pair_is_made_by_the_item_selector(self) -> None:
        """Of the context's two halves."""
        assert JsonPairs().value_selector() == {"v": {"key.$": "$$.Map.Item.Key", "value.$": "$$.Map.Item.Value"}}

    @pytest.mark.parametrize(
        ("make", "arguments", "said"),
        [
            (CsvRows, {"delimiter": "::"}, r"CsvRows\(delimiter='::'\): Step Functions cannot split at it"),
            (CsvRows, {"headers": ("a", "a")}, r"a column is named twice \(a\)"),
            (CsvRows, {"headers": "ab"}, "headers are no tuple of names"),
            (JsonArray, {"pointer": "a"}, "it is no JSON Pointer"),
            (ObjectRows, {"format": "orc"}, "Use one of 'csv', 'json', 'jsonl', 'parquet'"),
            (ObjectRows, {"format": "jsonl", "headers": ("a",)}, "headers and delimiter are for CSV"),
            (ObjectRows, {"format": "csv", "pointer": "/a"}, "csv has no pointer"),
            (AthenaResult, {"format": "json"}, "Use one of 'csv', 'jsonl', 'parquet'"),
            (AthenaResult, {"format": "csv"}, "CSV that UNLOAD wrote has no header"),
        ],
    )
    def test_what_the_reader_would_not_take_is_told_where_it_is_declared(
        self, make: Any, arguments: dict[str, Any], said: str
    ) -> None:
        """At import of the job, with what to write."""
        with pytest.raises(JobError, match=said):
            make(**arguments)
