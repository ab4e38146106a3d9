"""Sources: SOURCE, ItemReader, and items."""

from __future__ import annotations

import pytest

from mapfold import CsvRows, JsonArray, JsonLines, Manifest, Objects
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

    def test_a_listing_may_have_no_prefix(self) -> None:
        """Then it is the whole bucket."""
        assert Objects().parse_uri("s3://data/")["key"] == ""


class TestItems:
    def test_keys_of_a_manifest_are_url_encoded(self) -> None:
        """As S3 Batch Operations writes them: + is a space, %2B a plus."""
        raw = {"bucket": "data", "key": "a+b%2Bc/%C3%BC%2C.csv"}

        assert Manifest().item(raw, SOURCE) == {"bucket": "data", "key": "a b+c/ü,.csv"}

    def test_an_object_of_a_listing_gets_its_bucket(self) -> None:
        """The reader's record has none, and its Etag keeps its quotes."""
        raw = {"Etag": '"abc"', "Key": "a/b", "LastModified": 1.0, "Size": 3, "StorageClass": "STANDARD"}

        assert Objects().item(raw, SOURCE) == {"bucket": "data", "key": "a/b", "size": 3, "etag": "abc"}

    @pytest.mark.parametrize("source", [CsvRows(), JsonLines(), JsonArray()])
    def test_rows_and_values_are_items_as_they_are(self, source: CsvRows | JsonLines | JsonArray) -> None:
        """Nothing is added."""
        raw = {"a": "1"}

        assert source.item(raw, SOURCE) is raw


class TestItemReader:
    def test_columns_may_be_given(self) -> None:
        """For a file without a header line."""
        config = CsvRows(headers=("a", "b"), delimiter="\t").reader_config()

        assert config == {
            "InputType": "CSV",
            "CSVDelimiter": "TAB",
            "CSVHeaderLocation": "GIVEN",
            "CSVHeaders": ["a", "b"],
        }

    def test_an_array_may_be_nested(self) -> None:
        """By a JSON Pointer."""
        assert JsonArray(pointer="/a/b").reader_config() == {"InputType": "JSON", "ItemsPointer": "/a/b"}
        assert JsonArray().reader_config() == {"InputType": "JSON"}

    def test_a_listing_has_a_prefix_and_no_config(self) -> None:
        """listObjectsV2 takes none."""
        assert Objects().item_reader() == {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket.$": "$.plan.source.bucket", "Prefix.$": "$.plan.source.key"},
        }
