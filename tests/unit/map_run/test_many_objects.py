"""Readers of many objects, against an S3 in memory: listings, LOAD_AND_FLATTEN, S3 Inventory, Athena's manifests."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ConnectionClosedError, ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run.model import Chunk, ItemReaderError
from mapfold.local.map_run.readers import open_reader
from mapfold.local.map_run.readers.inventory import read_inventory
from mapfold.states.effects import Json, ReaderSpec
from tests.unit.map_run.fakes import FakeS3, refusal

FLATTEN = {"Transformation": "LOAD_AND_FLATTEN"}
FIRST_ROW = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}
GIVEN = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"]}


def bucket(objects: Mapping[str, str | bytes], **more: Any) -> FakeS3:
    """An S3 with the bucket `b`."""
    return FakeS3(
        {("b", key): data.encode() if isinstance(data, str) else data for key, data in objects.items()}, **more
    )


def listed(s3: Any, config: dict[str, Json] | None = None, **arguments: Json) -> list[Chunk]:
    """The chunks of a listing of the bucket `b`."""
    return list(open_reader(s3, ReaderSpec("s3:listObjectsV2", config or {}, {"Bucket": "b", **arguments})))


def named(s3: Any, config: dict[str, Json], key: str, **arguments: Json) -> list[Chunk]:
    """The chunks of what the manifest `key` in the bucket `b` names."""
    return list(open_reader(s3, ReaderSpec("s3:getObject", config, {"Bucket": "b", "Key": key, **arguments})))


def values(chunks: list[Chunk]) -> list[Json]:
    return [value for chunk in chunks for value in chunk.values]


def keys(chunks: list[Chunk]) -> list[str]:
    return [value["Key"] for value in values(chunks)]


class EndlessPages:
    """A bucket of `count` keys that makes up each page when it is asked for it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pages = 0

    def list_objects_v2(self, **kwargs: Any) -> Any:
        self.pages += 1
        start = int(kwargs.get("ContinuationToken", "0"))
        end = min(start + 1000, self.count)
        return {
            "Contents": [
                {"ETag": '"e"', "Key": f"{n:08d}", "LastModified": datetime(2026, 1, 2, tzinfo=UTC), "Size": n}
                for n in range(start, end)
            ],
            "IsTruncated": end < self.count,
            "NextContinuationToken": str(end),
        }


class BrokenListing(FakeS3):
    """Raises each of `errors` before it answers."""

    errors: list[Exception]

    def list_objects_v2(self, **kwargs: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return super().list_objects_v2(**kwargs)


class TestListing:
    def test_keys_come_in_s3s_order_over_all_pages(self) -> None:
        """Pages are followed by their tokens, whatever the keys are; folders are items like all others."""
        s3 = bucket({"p/": "", "p/é": "x", "p/b": "x", "p/a/": "", "q": "x"}, page_size=2)

        assert keys(listed(s3, Prefix="p/")) == ["p/", "p/a/", "p/b", "p/é"]
        assert [call.get("ContinuationToken") for call in s3.calls("list_objects_v2")] == [None, "2"]

    def test_parameters_go_to_every_page(self) -> None:
        """StartAfter, MaxKeys (the size of a page) and ExpectedBucketOwner are S3's own."""
        s3 = bucket({f"k{number}": "" for number in range(6)})

        found = keys(listed(s3, StartAfter="k1", MaxKeys=3, ExpectedBucketOwner="123456789012"))

        assert found == ["k2", "k3", "k4", "k5"]
        assert [call["ExpectedBucketOwner"] for call in s3.calls("list_objects_v2")] == ["123456789012"] * 2

    def test_a_bucket_without_such_keys_has_no_items(self) -> None:
        """No page with contents, no chunk."""
        assert listed(bucket({"a": ""}), Prefix="none/") == []

    def test_pages_are_asked_for_as_they_are_used(self) -> None:
        """What is not needed, as after MaxItems, is not listed."""
        s3 = EndlessPages(200_000)

        chunks = list(islice(open_reader(s3, ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "b"})), 3))  # type: ignore[arg-type]

        assert [len(chunk.values) for chunk in chunks] == [1000] * 3
        assert s3.pages == 3

    def test_memory_does_not_grow_with_the_keys(self) -> None:
        """120,000 keys go through the memory of a page or two; all at once they would take some 40 MB."""
        s3: Any = EndlessPages(120_000)
        tracemalloc.start()
        try:
            count = sum(
                len(chunk.values) for chunk in open_reader(s3, ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "b"}))
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert count == 120_000
        assert peak < 4_000_000

    def test_an_answer_that_breaks_off_is_asked_for_again(self) -> None:
        """The same page, so that no key is lost or doubled."""
        s3 = BrokenListing({("b", f"k{number}"): b"" for number in range(3)}, page_size=2)
        s3.errors = [ConnectionClosedError(endpoint_url="http://s3"), OSError("reset")]

        assert keys(listed(s3)) == ["k0", "k1", "k2"]

    @pytest.mark.parametrize(
        ("errors", "cause"),
        [
            (
                [refusal("AccessDenied", "No.")],
                r"^No\. \(Service: S3, Status Code: 403, Request ID: R, Extended Request ID: H\) \(SDK Attempt Count: 1\)$",
            ),
            ([OSError("reset")] * 5, r"^Cannot list s3://b/p, tried 5 times: reset$"),
            ([ParamValidationError(report="Bad")], r"^Cannot list s3://b/p: Parameter validation failed:\nBad$"),
        ],
    )
    def test_a_listing_that_fails_is_given_up(self, errors: list[Exception], cause: str) -> None:
        """A refusal at once, because the client has tried again already; a broken connection after five attempts."""
        s3 = BrokenListing({("b", "k"): b""})
        s3.errors = list(errors)

        with pytest.raises(ItemReaderError, match=cause):
            listed(s3, Prefix="p")
        assert s3.errors == []

    @pytest.mark.parametrize(
        ("arguments", "cause"),
        [
            ({"Prefix": 5}, "Prefix is 5; expected a text"),
            ({"MaxKeys": "10"}, "MaxKeys is '10'; expected the size of a page, 1 to 1000.*MaxItems"),
            ({"MaxKeys": 0}, "MaxKeys is 0"),
            ({"Bucket": ""}, "Bucket is ''; expected a text"),
            ({"Bucket": 7}, "Bucket is 7; expected a text"),
            ({"Key": "k"}, "parameters name Key; s3:listObjectsV2 takes Bucket, Delimiter"),
        ],
    )
    def test_a_parameter_that_is_wrong_is_named(self, arguments: dict[str, Json], cause: str) -> None:
        """boto3 would refuse it with a text that knows no ItemReader."""
        with pytest.raises(ItemReaderError, match=cause):
            listed(bucket({}), **arguments)

    @pytest.mark.parametrize("token", [None, "again"])
    def test_a_server_that_gives_no_new_page_ends_the_listing(self, token: str | None) -> None:
        """Not every S3 is AWS's: without a new token the reader would ask for ever."""

        class Stuck(FakeS3):
            def list_objects_v2(self, **kwargs: Any) -> Any:
                return {"IsTruncated": True, "NextContinuationToken": token}

        with pytest.raises(ItemReaderError, match=r"continuation token .*; expected a new one"):
            listed(Stuck())


def parquet(*values: int) -> bytes:
    """A Parquet file with the column n, in row groups of two rows."""
    file = io.BytesIO()
    pq.write_table(pa.table({"n": values}), file, row_group_size=2)
    return file.getvalue()


class TestLoadAndFlatten:
    def test_parquet_files_are_one_stream(self) -> None:
        """All row groups of all files; a file that is none of Parquet's is named."""
        s3 = bucket({"in/1": parquet(1, 2, 3), "in/2": parquet(4), "in/folder/": ""})
        config: dict[str, Json] = FLATTEN | {"InputType": "PARQUET"}

        items = [(value, chunk.source) for chunk in listed(s3, config) for value in chunk.values]
        s3.objects["b", "in/_SUCCESS"] = b""

        assert items == [({"n": n}, f"S3://b/in/{1 + n // 4}") for n in (1, 2, 3, 4)]
        with pytest.raises(ItemReaderError, match=r"^s3://b/in/_SUCCESS"):
            listed(s3, config)

    @pytest.mark.parametrize(
        ("config", "texts", "items"),
        [
            (FIRST_ROW, ["a,b\n1,2\n", "b,a\n3,4"], [{"a": "1", "b": "2"}, {"b": "3", "a": "4"}]),
            (GIVEN, ["1,2\n", "", "3,4"], [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            ({"InputType": "JSONL"}, ['{"n": 1}\n2', "", "3\n"], [{"n": 1}, 2, 3]),
            ({"InputType": "JSON"}, ["[1, [2]]", "[]", '["x"]'], [1, [2], "x"]),
            ({"InputType": "JSON", "ItemsPointer": "/in"}, ['{"in": [1]}', '{"in": [2]}'], [1, 2]),
        ],
    )
    def test_the_items_of_all_objects_are_one_stream(
        self, config: dict[str, Json], texts: list[str], items: list[Json]
    ) -> None:
        """In the order of the keys, over all pages; each CSV object has its own header."""
        s3 = bucket({f"in/{number}": text for number, text in enumerate(texts)} | {"out": "no"}, page_size=1)

        assert values(listed(s3, FLATTEN | config, Prefix="in/")) == items

    def test_members_of_objects_keep_their_keys(self) -> None:
        """JSON objects give key and value; the arrays beside them only values."""
        chunks = listed(bucket({"1": '{"x": 1}', "2": "[2]"}), FLATTEN | {"InputType": "JSON"})

        assert chunks == [Chunk([1], ["x"], "S3://b/1"), Chunk([2], None, "S3://b/2")]

    def test_each_item_knows_its_object(self) -> None:
        """`$$.Map.Item.Source` is the object that the item came from, not the bucket."""
        s3 = bucket({"p/1": "1\n", "p/2.gz": gzip.compress(b"2\n3\n")})

        chunks = listed(s3, FLATTEN | {"InputType": "JSONL"})

        assert chunks == [Chunk([1], None, "S3://b/p/1"), Chunk([2, 3], None, "S3://b/p/2.gz")]

    def test_folders_hold_no_items(self) -> None:
        """The empty objects that the S3 console makes for folders are left out; what only looks like one is read."""
        s3 = bucket({"p/": "", "p/1": "[1]", "p/q/": "", "p/r/": "[2]"})

        assert values(listed(s3, FLATTEN | {"InputType": "JSON"}, Prefix="p/")) == [1, 2]

    @pytest.mark.parametrize(
        ("config", "text", "cause"),
        [
            ({"InputType": "JSONL"}, "1\n{\n", r"^s3://b/p/2, line 2: "),
            ({"InputType": "JSON"}, "3", r"^s3://b/p/2: Attempting to map over non-iterable node\.$"),
            (FIRST_ROW, "a,a\n", r"^s3://b/p/2: CSV headers cannot contain duplicates\.$"),
            (FIRST_ROW, "", r"^s3://b/p/2 is empty; expected a header"),
        ],
    )
    def test_an_error_names_the_object(self, config: dict[str, Json], text: str, cause: str) -> None:
        """Of many objects it has to be said which one, even where AWS's words for one object do not."""
        good = {"JSONL": "1\n", "JSON": "[1]", "CSV": "a\n1\n"}[config["InputType"]]

        with pytest.raises(ItemReaderError, match=cause):
            listed(bucket({"p/1": good, "p/2": text}), FLATTEN | config)

    def test_an_object_that_is_gone_by_now_is_named(self) -> None:
        """The listing is a moment old when an object's turn comes."""

        class Vanishing(FakeS3):
            def list_objects_v2(self, **kwargs: Any) -> Any:
                answer = super().list_objects_v2(**kwargs)
                self.objects = {("b", "other"): b""}
                return answer

        with pytest.raises(ItemReaderError, match=r"^s3://b/1: The specified key does not exist\. \("):
            listed(Vanishing({("b", "1"): b"[1]"}), FLATTEN | {"InputType": "JSON"})

    def test_the_owner_is_demanded_of_each_object(self) -> None:
        """ExpectedBucketOwner goes to GetObject, too."""
        s3 = bucket({"1": "[1]"})

        listed(s3, FLATTEN | {"InputType": "JSON"}, ExpectedBucketOwner="123456789012")

        assert s3.calls("get_object") == [{"Bucket": "b", "Key": "1", "ExpectedBucketOwner": "123456789012"}]

    def test_objects_are_opened_when_their_turn_comes(self) -> None:
        """What is not needed, as after MaxItems, is not read."""
        s3 = bucket({f"{number:04d}": "[1]" for number in range(50)})
        config = FLATTEN | {"InputType": "JSON"}

        list(islice(open_reader(s3, ReaderSpec("s3:listObjectsV2", config, {"Bucket": "b"})), 2))

        assert len(s3.calls("get_object")) == 2


def inventory(**changes: Json) -> dict[str, Json]:
    """A manifest.json as S3 Inventory writes it, with two parts."""
    return {
        "sourceBucket": "photos",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate",
        "files": [
            {"key": "data/1.csv.gz", "size": 2147, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"},
            {"key": "data/2.csv.gz", "size": 99, "MD5checksum": "00000000000000000000000000000000"},
        ],
        **changes,
    }


def report(manifest: Json, key: str = "m/manifest.json") -> FakeS3:
    """An S3 with the manifest in the bucket `b` and its parts in `reports`."""
    first = b'"photos","a%2Bb+c.jpg","10","2026-01-02T00:00:00.000Z"\n"photos","d.jpg","","2026-01-03T00:00:00.000Z"\n'
    second = b'"photos","e.jpg","7","2026-01-04T00:00:00.000Z"\n'
    return FakeS3(
        {
            ("b", key): manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode(),
            ("reports", "data/1.csv.gz"): gzip.compress(first),
            ("reports", "data/2.csv.gz"): gzip.compress(second),
        }
    )


class TestInventory:
    @pytest.mark.parametrize("config", [{"ManifestType": "S3_INVENTORY"}, {"InputType": "MANIFEST"}])
    def test_the_rows_of_all_parts_are_items(self, config: dict[str, Json]) -> None:
        """Columns are named by fileSchema; values are texts as they are in the parts, keys URL-encoded as S3 does."""
        chunks = named(report(inventory()), config, "m/manifest.json")

        assert values(chunks) == [
            {"Bucket": "photos", "Key": "a%2Bb+c.jpg", "Size": "10", "LastModifiedDate": "2026-01-02T00:00:00.000Z"},
            {"Bucket": "photos", "Key": "d.jpg", "Size": "", "LastModifiedDate": "2026-01-03T00:00:00.000Z"},
            {"Bucket": "photos", "Key": "e.jpg", "Size": "7", "LastModifiedDate": "2026-01-04T00:00:00.000Z"},
        ]
        assert [chunk.source for chunk in chunks] == ["S3://reports/data/1.csv.gz", "S3://reports/data/2.csv.gz"]

    def test_an_inventory_of_nothing_has_no_items(self) -> None:
        """A manifest without files is a manifest."""
        assert named(report(inventory(files=[])), {"ManifestType": "S3_INVENTORY"}, "m/manifest.json") == []

    def test_version_and_owner_are_those_of_the_manifest(self) -> None:
        """VersionId is the manifest's alone; ExpectedBucketOwner is demanded of the parts' bucket, too."""
        s3 = report(inventory(files=[{"key": "data/1.csv.gz"}]))

        named(s3, {"InputType": "MANIFEST"}, "m/manifest.json", VersionId="v", ExpectedBucketOwner="123456789012")

        assert s3.calls("get_object") == [
            {"Bucket": "b", "Key": "m/manifest.json", "VersionId": "v", "ExpectedBucketOwner": "123456789012"},
            {"Bucket": "reports", "Key": "data/1.csv.gz", "ExpectedBucketOwner": "123456789012"},
        ]

    @pytest.mark.parametrize(
        ("manifest", "cause"),
        [
            (inventory(fileFormat="ORC"), "fileFormat is 'ORC'; expected 'CSV'"),
            (inventory(fileFormat="Parquet"), "fileFormat is 'Parquet'; expected 'CSV'"),
            ({"files": []}, "fileFormat is None; expected 'CSV'"),
            (inventory(fileSchema=None), "fileSchema is None; expected the names of the columns"),
            (inventory(fileSchema="a, , b"), "fileSchema is 'a, , b'; expected"),
            (inventory(fileSchema="a, a"), "fileSchema is 'a, a'; expected the names of the columns, each once"),
            (inventory(destinationBucket="reports"), "destinationBucket is 'reports'; expected the ARN of a bucket"),
            (inventory(destinationBucket="arn:aws:s3:::b/k"), "destinationBucket is 'arn:aws:s3:::b/k'; expected"),
            (inventory(destinationBucket=5), "destinationBucket is 5; expected the ARN"),
            (inventory(files={"key": "k"}), "files is {'key': 'k'}; expected an array"),
            (inventory(files=[{"key": "k"}, {"Key": "k"}]), r"files\[1\].key is None; expected the key of a part"),
            (inventory(files=["k"]), r"files\[0\].key is None; expected the key of a part"),
            (inventory(files=[{"key": "k", "size": 11 * 2**30}]), r"files\[0\].size is 11811160064; .* \(10 GB\)"),
            ([1], "is no JSON object; expected the manifest.json of an S3 Inventory"),
            (b"s3://b/x.csv.gz\n", r"is not JSON \(.*\); expected the manifest.json of an S3 Inventory report\.$"),
        ],
    )
    def test_a_manifest_that_is_none_names_itself_and_its_field(self, manifest: Json, cause: str) -> None:
        """AWS does not support manifests of one's own; here they have to have what S3's have."""
        with pytest.raises(ItemReaderError, match=rf"^s3://b/m/manifest\.json:? {cause}"):
            named(report(manifest), {"ManifestType": "S3_INVENTORY"}, "m/manifest.json")

    def test_the_checksum_beside_the_manifest_is_a_known_mistake(self) -> None:
        """S3 writes manifest.checksum into the same folder."""
        s3 = report(b"f11166069f1990abeb9c97ace9cdfabc", key="m/manifest.checksum")

        with pytest.raises(ItemReaderError, match=r"Give the manifest\.json beside it as the Key\.$"):
            named(s3, {"ManifestType": "S3_INVENTORY"}, "m/manifest.checksum")

    def test_a_part_that_is_missing_is_named_with_its_place(self) -> None:
        """By the manifest, the number of the file in it, and the part itself."""
        s3 = report(inventory())
        del s3.objects["reports", "data/2.csv.gz"]

        cause = (
            r"^s3://b/m/manifest\.json, files\[1\]: s3://reports/data/2\.csv\.gz: The specified key does not exist\. \("
        )
        with pytest.raises(ItemReaderError, match=cause):
            named(s3, {"ManifestType": "S3_INVENTORY"}, "m/manifest.json")

    def test_a_part_that_cannot_be_read_is_named_with_its_line(self) -> None:
        """What a part's own reader says comes behind the manifest's place."""
        s3 = report(inventory())
        s3.objects["reports", "data/1.csv.gz"] = gzip.compress(b'"photos","a"\n"photos","\xff"\n')

        cause = r"manifest\.json, files\[0\]: s3://reports/data/1\.csv\.gz, line 2: byte 0xff is not UTF-8"
        with pytest.raises(ItemReaderError, match=cause):
            named(s3, {"ManifestType": "S3_INVENTORY"}, "m/manifest.json")

    def test_a_part_may_be_large_packed_or_not_only_so_far(self) -> None:
        """What counts is its size when it is unpacked: 10 GB on AWS, 1,000 bytes here."""
        s3 = report(inventory())
        s3.objects["reports", "data/2.csv.gz"] = gzip.compress(b'"photos","x"\n' * 200)
        spec = ReaderSpec("s3:getObject", {"ManifestType": "S3_INVENTORY"}, {"Bucket": "b", "Key": "m/manifest.json"})

        cause = r"files\[1\]: s3://reports/data/2\.csv\.gz has more than 1000 bytes after unpacking"
        with pytest.raises(ItemReaderError, match=cause):
            list(read_inventory(s3, spec, part_limit_bytes=1000))
        assert len(values(list(read_inventory(s3, spec, part_limit_bytes=2600)))) == 202


class TestAthenaManifest:
    @pytest.mark.parametrize(
        ("config", "texts", "items"),
        [
            (GIVEN, ["1,2\n", "3,4\n"], [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            ({"InputType": "JSONL"}, ['{"a": 1}\n', '{"a": 2}\n'], [{"a": 1}, {"a": 2}]),
        ],
    )
    def test_the_rows_of_all_files_are_items(
        self, config: dict[str, Json], texts: list[str], items: list[Json]
    ) -> None:
        """Files may be gzipped, and lie in any bucket; empty lines and line ends of the manifest do not matter."""
        manifest = "s3://b/out/1.gz\r\n\n  \nS3://other/a b/%20é"
        s3 = bucket({"q-manifest.csv": manifest, "out/1.gz": gzip.compress(texts[0].encode())})
        s3.objects["other", "a b/%20é"] = texts[1].encode()

        chunks = named(s3, {"ManifestType": "ATHENA_DATA"} | config, "q-manifest.csv")

        assert chunks == [Chunk([items[0]], None, "S3://b/out/1.gz"), Chunk([items[1]], None, "S3://other/a b/%20é")]

    def test_parquet_files_of_a_manifest(self) -> None:
        """UNLOAD's own default format."""
        s3 = bucket({"m.csv": "s3://b/2\ns3://b/1\n", "1": parquet(1, 2, 3), "2": parquet(4)})

        chunks = named(s3, {"ManifestType": "ATHENA_DATA", "InputType": "PARQUET"}, "m.csv", VersionId="v")

        assert values(chunks) == [{"n": 4}, {"n": 1}, {"n": 2}, {"n": 3}]
        assert {chunk.source for chunk in chunks} == {"S3://b/1", "S3://b/2"}

    def test_a_query_without_rows_has_no_items(self) -> None:
        """Its manifest is empty."""
        assert named(bucket({"m.csv": ""}), {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}, "m.csv") == []

    @pytest.mark.parametrize("line", ["out/1.gz", "https://b/1", "s3://b", "s3://b/", "s3:///k", '{"files": []}'])
    def test_a_line_that_is_no_s3_uri_is_named(self, line: str) -> None:
        """The line's number counts empty lines, as an editor does."""
        s3 = bucket({"m.csv": f"s3://b/1\n\n{line}\n", "1": "1"})

        with pytest.raises(ItemReaderError, match=r"^s3://b/m\.csv, line 3: .* is no S3 URI; expected s3://bucket/key"):
            named(s3, {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}, "m.csv")

    def test_a_file_that_is_missing_or_wrong_is_named_with_its_line(self) -> None:
        """By the manifest, the line, and the file itself."""
        s3 = bucket({"m.csv": "s3://b/1\ns3://b/2\n", "1": "1\nx\n"})
        config = {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}

        with pytest.raises(ItemReaderError, match=r"^s3://b/m\.csv, line 1: s3://b/1, line 2: .* one JSON value"):
            named(s3, config, "m.csv")
        s3.objects["b", "1"] = b"1"
        with pytest.raises(
            ItemReaderError, match=r"^s3://b/m\.csv, line 2: s3://b/2: The specified key does not exist\. \("
        ):
            named(s3, config, "m.csv")

    def test_a_manifest_of_many_files_is_a_stream(self) -> None:
        """Files are opened when their turn comes, and the lines are not gathered before."""
        s3 = bucket({"m.csv": "s3://b/1\n" * 100_000, "1": "1"})
        config = {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}

        first = list(islice(open_reader(s3, ReaderSpec("s3:getObject", config, {"Bucket": "b", "Key": "m.csv"})), 2))

        assert values(first) == [1, 1]
        assert len(s3.calls("get_object")) == 3


@pytest.mark.parametrize("config", [{"InputType": "MANIFEST"}, {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}])
def test_a_parameter_of_a_manifest_that_is_wrong_is_named(config: dict[str, Json]) -> None:
    """Also one that could be passed over: a VersionId that is misspelled would read another version."""
    with pytest.raises(ItemReaderError, match="parameters name VersionID; s3:getObject takes Bucket, Key, VersionId"):
        named(bucket({"k": ""}), config, "k", VersionID="v")


class TestGeneratedObjects:
    @given(
        parts=st.lists(st.lists(st.integers() | st.text(max_size=5), max_size=5), max_size=7),
        page_size=st.integers(1, 4),
        packed=st.booleans(),
    )
    def test_every_record_comes_once_and_in_order(self, parts: list[list[Json]], page_size: int, packed: bool) -> None:
        """By a listing of any number of pages and by a manifest alike: all records of all objects, each with its own."""
        texts = ["".join(json.dumps(record) + "\n" for record in part).encode() for part in parts]
        names = [f"in/{number}" + (".gz" if packed else "") for number in range(len(parts))]
        s3 = bucket({key: gzip.compress(text) if packed else text for key, text in zip(names, texts, strict=True)})
        s3.objects["b", "manifest.csv"] = "".join(f"s3://b/{key}\n" for key in names).encode()
        s3.page_size = page_size

        by_listing = listed(s3, FLATTEN | {"InputType": "JSONL"}, Prefix="in/")
        by_manifest = named(s3, {"ManifestType": "ATHENA_DATA", "InputType": "JSONL"}, "manifest.csv")

        expected = [(f"S3://b/{key}", record) for key, part in zip(names, parts, strict=True) for record in part]
        for chunks in (by_listing, by_manifest):
            assert [(chunk.source, value) for chunk in chunks for value in chunk.values] == expected

    @given(
        columns=st.lists(st.text("abcXYZ_", min_size=1), min_size=1, max_size=4, unique=True),
        parts=st.lists(
            st.lists(st.lists(st.text("az09%+/-.é", max_size=6), min_size=4, max_size=4), max_size=4), max_size=4
        ),
    )
    def test_every_row_of_an_inventory_comes_once_and_in_order(
        self, columns: list[str], parts: list[list[list[str]]]
    ) -> None:
        """Every value is quoted, as S3 writes it, and comes as it is."""
        rows = [[row[: len(columns)] for row in part] for part in parts]
        manifest = inventory(
            fileSchema=", ".join(columns), files=[{"key": f"{number}.csv.gz"} for number in range(len(parts))]
        )
        s3 = report(manifest)
        for number, part in enumerate(rows):
            text = "".join(",".join(f'"{value}"' for value in row) + "\n" for row in part)
            s3.objects["reports", f"{number}.csv.gz"] = gzip.compress(text.encode())

        items = values(named(s3, {"ManifestType": "S3_INVENTORY"}, "m/manifest.json"))

        assert items == [dict(zip(columns, row, strict=True)) for part in rows for row in part]
