"""Plan's look at each source: estimates, and bad input told with the object's name and the way out."""

from __future__ import annotations

import gzip
import hashlib
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mapfold import (
    AthenaResult,
    CsvRows,
    Inventory,
    JsonArray,
    JsonLines,
    JsonPairs,
    Manifest,
    ObjectRows,
    Objects,
    ParquetRows,
    Source,
)
from mapfold.runs.looks import SourceError, look_at
from tests.unit.runs.fake_s3 import fake_s3, put_report, source


def packed(data: bytes) -> bytes:
    """The same each time, for it is in the names of tests."""
    return gzip.compress(data, mtime=0)


LINES = '"b","k%20{}","12"\n'


def parquet(rows: int, **options: Any) -> bytes:
    """A Parquet file of two columns."""
    file = io.BytesIO()
    table = pa.table({"n": list(range(rows)), "t": [[str(n)] for n in range(rows)]})
    pq.write_table(table, file, **options)
    return file.getvalue()


def items(declared: Source, key: str, body: str | bytes) -> int:
    s3 = fake_s3()
    return look_at(declared, source(s3.put(key, body)), s3).items


def refused(declared: Source, key: str, body: str | bytes) -> str:
    """What a SourceError says of an object; it has to name it."""
    s3 = fake_s3()
    with pytest.raises(SourceError) as caught:
        look_at(declared, source(s3.put(key, body)), s3)
    assert f"s3://b/{key}" in str(caught.value)
    return str(caught.value)


class TestEstimates:
    @pytest.mark.parametrize(
        ("declared", "key", "body", "expected"),
        [
            (Manifest(), "m.csv", b"b,k\nb,k2", 2),
            (Manifest(), "m.csv.gz", packed(b"b,k\n" * 3), 3),
            (Manifest(versions=True), "m.csv", b"b,k,v\nb,k\n", 2),
            (CsvRows(), "x.csv", b"\xef\xbb\xbfa,b\n1,2\n3,4\n", 2),
            (JsonLines(), "x.jsonl", b'1\n{"a": 2}\n\n3\n', 4),
            (JsonArray(), "x.json", b'[{"a":1},{"a":2},{"a":3}]', 3),
            (JsonArray("/in"), "x.json", b'{"in": [1]}', 2),
            (JsonPairs(), "x.json", b'{"a": 1, "b": 2, "c": 3}', 1),
            (ParquetRows(), "x.parquet", parquet(1234, row_group_size=100), 1234),
            (ObjectRows("csv"), "x/", b"", 0),
        ],
    )
    def test_small_sources_are_seen_whole(self, declared: Source, key: str, body: bytes, expected: int) -> None:
        """Exactly where lines are items, or a footer tells; about, where a document would have to be parsed."""
        assert items(declared, key, body) == expected

    def test_large_ones_are_estimated_from_their_head(self) -> None:
        """Also where they are packed: from what the head gives when it is unpacked."""
        plain = "".join(f"mapfold-data,flights/{number}.csv\n" for number in range(50_000))

        assert 47_000 < items(Manifest(), "m.csv", plain) < 53_000
        assert 40_000 < items(Manifest(), "m.csv.gz", packed(plain.encode())) < 60_000

    def test_a_report_is_estimated_from_all_its_parts(self) -> None:
        """By the rows of the first and the sizes of all."""
        s3 = fake_s3()
        uri = put_report(s3, ["".join(LINES.format(n) for n in range(100))] * 3)

        seen = look_at(Inventory(), source(uri), s3)

        assert seen.items == 300

    def test_rows_of_many_objects_are_estimated_from_the_first(self) -> None:
        """Folders that are empty objects do not count."""
        s3 = fake_s3({"in/": b"", **{f"in/{n}.csv": "a,b\n" + "1,2\n" * 10 for n in range(5)}})

        assert look_at(ObjectRows("csv"), source("s3://b/in/"), s3).items == 50

    def test_an_unload_is_estimated_from_its_first_file(self) -> None:
        """As many rows in each."""
        s3 = fake_s3({"out/1.gz": packed(b"1,2\n" * 7), "q-manifest.csv": "s3://b/out/1.gz\ns3://b/out/2.gz\n"})

        seen = look_at(AthenaResult("csv", headers=("a", "b")), source("s3://b/q-manifest.csv"), s3)

        assert seen.items == 14

    def test_a_look_tells_which_object_it_saw(self) -> None:
        """By its ETag; a listing has none."""
        s3 = fake_s3({"m.csv": "b,k\n"})

        assert look_at(Manifest(), source("s3://b/m.csv"), s3).etag == hashlib.md5(b"b,k\n").hexdigest()
        assert look_at(Objects(), source("s3://b/m"), s3).etag == ""


class Listed(Source):
    """A source whose items Plan lists itself."""

    is_read_natively = False


class TestWhatPlanLists:
    def test_it_is_seen_which_object_it_is_and_no_more(self) -> None:
        """Who lists the items reads it."""
        seen = look_at(Listed(), source("s3://b/x"), fake_s3({"x": "\x00"}))

        assert (seen.items, seen.etag) == (0, hashlib.md5(b"\x00").hexdigest())

    def test_one_that_is_not_there_is_an_error_all_the_same(self) -> None:
        """With what S3 says."""
        with pytest.raises(
            SourceError, match=r"s3://b/x cannot be read: there is no such object \(404\)\. Check bucket and key\."
        ):
            look_at(Listed(), source("s3://b/x"), fake_s3())


class TestBadInput:
    @pytest.mark.parametrize(
        ("declared", "key", "body", "said"),
        [
            (Manifest(), "m.csv", "b,k\n\ntexts\n", "line 3: 'texts' names no object: field 2 (the key) is missing"),
            (Manifest(), "m.csv", ",k\n", "line 1: ',k' names no object: field 1 (the bucket) is empty"),
            (Manifest(), "m.csv", "s3://b/k\n", "A line is no S3 URI: write the bucket, a comma, the key."),
            (Manifest(), "m.csv", "Bucket,Key\nb,k\n", "line 1: 'Bucket,Key' is a header, and a manifest has none"),
            (Manifest(), "m.csv", "b,a,b.txt\n", "has 3 fields, and 2 would be read. Declare Manifest(versions=True)"),
            (Manifest(versions=True), "m.csv", "b,k,v,x\n", "has 4 fields, and 3 would be read. Take the others out"),
            (Manifest(), "m.csv", parquet(1), "is a Parquet file, not text. Declare ParquetRows()"),
            (Manifest(), "m.csv", packed(b"b,k"), "is packed with gzip, and its name does not say so"),
            (Manifest(), "m.csv.gz", "b,k\n", "is named like a gzip file but is none"),
            (Manifest(), "m.csv.gz", packed(b"b,k\n" * 99)[:-9], "ends in the middle. Upload it again, whole"),
            (Manifest(), "m.csv.zst", "b,k\n", "is named like a Zstandard file but is none"),
            (Manifest(), "m/", "", "stands for a folder. The job's source wants a CSV manifest of bucket,key lines"),
            (CsvRows(), "x.csv", "", "is empty, and its first line has to name the columns"),
            (CsvRows(), "x.csv", "a,b,a\n1,2,3\n", "names a column twice ('a')"),
            (CsvRows(), "x.csv", "x" * 11_000, "has more than 10,240 bytes, the most that Step Functions takes"),
            (JsonLines(), "x.jsonl", "1\nnone\n", "line 2: 'none' is not JSON"),
            (JsonLines(), "x.json", "[1,\n2]", "line 1: '[1,' is not JSON"),
            (JsonArray(), "x.json", '{"a": 1}', "is a JSON object, not an array. Declare JsonPairs()"),
            (JsonPairs(), "x.json", "[1]", "is a JSON array, whose elements have no keys. Declare JsonArray()"),
            (JsonArray(), "x.json", "3", "begins with '3'; JsonArray() reads a JSON document"),
            (JsonArray(), "x.json", "", "is empty; JsonArray() reads"),
            (ParquetRows(), "x.csv", "a,b\n1,2\n", "is no Parquet file: it begins with b'a,b\\n', not with b'PAR1'"),
            (ParquetRows(), "x.parquet", "", "is no Parquet file: it begins with b''"),
            (ParquetRows(), "x.parquet", parquet(100)[:-20], "is cut off: its footer is not there"),
            (ParquetRows(), "x", b"PAR1" + b"\xff" * 9 + b"\x09\0\0\0PAR1", "whose footer cannot be read"),
            (Inventory(), "i/manifest.json", "not json", "is not JSON"),
            (Inventory(), "i/manifest.json", "[]", "has no files and no fileSchema: it is JSON, but not the manifest"),
            (AthenaResult("jsonl"), "q-manifest.csv", "b,k\n", "line 1: 'b,k' is no S3 URI"),
            (AthenaResult("jsonl"), "q-manifest.csv", "", "names no file: the UNLOAD found no rows"),
        ],
    )
    def test_it_is_told_with_the_object_and_the_way_out(
        self, declared: Source, key: str, body: str | bytes, said: str
    ) -> None:
        """Before anything runs."""
        assert said in refused(declared, key, body)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"fileFormat": "ORC"}, "its fileFormat is 'ORC', and Step Functions reads CSV alone"),
            ({"destinationBucket": "b"}, "its destinationBucket is 'b', and not the ARN of a bucket"),
            ({"fileSchema": "Bucket, Size"}, "its fileSchema is 'Bucket, Size'; it has to name each column once"),
            ({"fileSchema": "Bucket, Key, VersionId"}, "lists all versions of its objects"),
            ({"files": []}, "names no part, so that the report is empty"),
            ({"files": [{"size": 1}]}, "files[0]: its key is None"),
            ({"files": [{"key": "gone.csv.gz", "size": 1}]}, "files[0]: the part s3://b/gone.csv.gz cannot be read"),
            ({"files": [{"key": "inv/data/0.csv.gz", "size": 1}]}, "bytes, and the report says 1"),
        ],
    )
    def test_a_report_that_is_none_or_not_whole(self, fields: dict[str, Any], said: str) -> None:
        """The manifest is named, and the part where it is one."""
        s3 = fake_s3()
        uri = put_report(s3, [LINES], **fields)

        with pytest.raises(SourceError) as caught:
            look_at(Inventory(), source(uri), s3)

        assert uri in str(caught.value)
        assert said in str(caught.value)

    def test_a_report_without_versions_for_a_job_that_wants_them(self) -> None:
        """The other way round."""
        s3 = fake_s3()
        uri = put_report(s3, [LINES])

        with pytest.raises(SourceError, match=r"lists current versions alone .* Declare Inventory\(\)"):
            look_at(Inventory(versions=True), source(uri), s3)

    def test_a_part_that_is_cut_off(self) -> None:
        """As far as its head shows; a later part's end is told by the reader, with its name."""
        s3 = fake_s3()
        uri = put_report(s3, [LINES * 50])
        s3.objects["inv/data/0.csv.gz"] = s3.objects["inv/data/0.csv.gz"][:-8] + b"\0" * 0
        uri = s3.put(
            "inv/x/manifest.json", s3.objects["inv/2026-01-01T01-00Z/manifest.json"].replace(b'"size"', b'"s"')
        )

        with pytest.raises(SourceError, match=r"s3://b/inv/data/0\.csv\.gz is a gzip file that ends in the middle"):
            look_at(Inventory(), source(uri), s3)

    def test_an_empty_listing_is_an_error(self) -> None:
        """It is a prefix that is wrong, far more often than a run that is meant to do nothing."""
        with pytest.raises(SourceError, match=r"s3://b/none/ lists no object\. Check the prefix"):
            look_at(Objects(), source("s3://b/none/"), fake_s3())

    def test_one_object_is_no_prefix(self) -> None:
        """It would list itself."""
        with pytest.raises(SourceError, match=r"s3://b/m\.csv is one object, and the job's source lists"):
            look_at(Objects(), source("s3://b/m.csv"), fake_s3({"m.csv": "b,k"}))

    def test_a_listed_object_of_another_format_is_named(self) -> None:
        """Not the prefix: that is right."""
        s3 = fake_s3({"in/1.jsonl": "1\n", "in/2.csv": "a,b\n"})

        with pytest.raises(SourceError, match=r"s3://b/in/2\.csv, line 1: 'a,b' is not JSON"):
            look_at(ObjectRows("jsonl"), source("s3://b/in/"), s3)

    @pytest.mark.parametrize("declared", [Manifest(), ParquetRows(), Inventory(), Objects()])
    def test_what_is_not_there_is_named_with_what_s3_says(self, declared: Source) -> None:
        """Bucket or object."""
        with pytest.raises(SourceError, match=r"s3://none/x cannot be read: there is no such (object|bucket) \("):
            look_at(declared, source("s3://none/x"), fake_s3())

    def test_a_key_that_ends_with_a_slash_is_taken_for_a_prefix(self) -> None:
        """The way out is another source."""
        with pytest.raises(SourceError, match=r"For everything under a prefix, declare Objects\(\)"):
            look_at(CsvRows(), source("s3://b/in/"), fake_s3())


@pytest.mark.parametrize("version", ["1.0", "2.6"])
@pytest.mark.parametrize("columns", [1, 40])
def test_rows_of_a_footer_are_those_that_pyarrow_counts(version: Any, columns: int) -> None:
    """With a schema that is short or long, statistics, and metadata of the writer."""
    file = io.BytesIO()
    table = pa.table({f"column-{n}": pa.array([True, None, False] * 7) for n in range(columns)})
    pq.write_table(table.replace_schema_metadata({"k": "v" * 300}), file, version=version)

    assert items(ParquetRows(), "x.parquet", file.getvalue()) == 21
