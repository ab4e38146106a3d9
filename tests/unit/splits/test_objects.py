"""Which objects there are, what kind they are, and that they stay what Plan saw."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mapfold.runs.looks import SourceError
from mapfold.runs.split_entries import find_objects
from mapfold.splits import SplitError, Splits
from mapfold.splits.reading import CHUNK_BYTES
from mapfold.splits.rows import read_rows
from tests.unit.splits.fakes import BUCKET, KEY, FakeS3, pieces

OBJECT = f"s3://{BUCKET}/{KEY}"


def parquet(rows: int = 10) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"n": list(range(rows))}), file)
    return file.getvalue()


class TestWhatSourceNames:
    def test_a_manifest_names_objects_whose_splits_come_in_its_order(self) -> None:
        """Keys are URL-encoded, and a blank line is none."""
        s3: Any = FakeS3({"m": b"data,b+1\r\n\ndata,a\n", "a": b"1\n", "b 1": b"2\n"})

        splits = pieces(s3, Splits("text", "manifest"), "m")

        assert [piece.split["key"] for piece in splits] == ["b 1", "a"]

    def test_an_object_that_the_manifest_names_and_is_not_there_is_an_error_with_its_place(self) -> None:
        """However many are looked at at once: the first one in the manifest's order."""
        s3: Any = FakeS3({"m": b"data,a\n" * 50 + b"data,none\n" + b"data,neither\n" * 50, "a": b"1\n"})

        with pytest.raises(
            SplitError, match=r"s3://data/none \(item 50 of s3://data/m, counted from 0\): there is no such object"
        ):
            pieces(s3, Splits("text", "manifest"), "m")

    def test_a_line_of_the_manifest_that_names_no_object_is_an_error(self) -> None:
        """With what it says."""
        s3: Any = FakeS3({"m": b"data,a\nwhat?\n", "a": b"1\n"})

        with pytest.raises(SourceError, match=r"s3://data/m, line 2: 'what\?' names no object"):
            pieces(s3, Splits("text", "manifest"), "m")

    def test_a_manifest_may_be_packed_and_quoted(self) -> None:
        """As one of `Manifest` may be: unpacked by its name, with a comma in a quoted key."""
        s3: Any = FakeS3({"m.csv.gz": gzip.compress(b'data,"a,b"\n'), "a,b": b"1\n"})

        splits = pieces(s3, Splits("text", "manifest"), "m.csv.gz")

        assert [piece.split["key"] for piece in splits] == ["a,b"]

    def test_small_objects_under_a_prefix_are_not_asked_for(self) -> None:
        """The listing says all that a split needs, and the worker reads the header."""
        s3: Any = FakeS3({"in/a.csv": b"a\n1\n", "in/b.csv": b"b\n2\n", "in/": b"", "other": b"x"})

        splits = pieces(s3, Splits("csv", "prefix"), "in/")

        assert not s3.ranges
        assert [row for piece in splits for row in read_rows(s3, piece.split)] == [{"a": "1"}, {"b": "2"}]

    def test_a_prefix_without_objects_is_an_error(self) -> None:
        """As a mistyped one should be."""
        s3: Any = FakeS3({})

        with pytest.raises(SplitError, match="s3://data/in/: the prefix lists no object"):
            pieces(s3, Splits("csv", "prefix"), "in/")


class TestAnObjectThatWasOverwritten:
    @pytest.mark.parametrize("objects", ["one", "manifest"])
    def test_between_plans_look_and_the_cutting_is_an_error(self, objects: Any) -> None:
        """The run's record would name another object than the one that was read."""
        s3: Any = FakeS3({"m": b"data,m\n"})
        seen = {"uri": f"s3://{BUCKET}/m", "bucket": BUCKET, "key": "m", "etag": "of another"}

        with pytest.raises((SplitError, SourceError), match=r"s3://data/m.* has been overwritten since"):
            list(find_objects(s3, Splits("text", objects), seen))

    @pytest.mark.parametrize("source", [Splits("text"), Splits("parquet")])
    def test_is_an_error_and_never_mixed_data(self, source: Splits) -> None:
        """Also where the new one has the same length."""
        data = parquet() if source.format == "parquet" else b"1\n2\n"
        s3: Any = FakeS3({KEY: data})
        (piece,) = pieces(s3, source)
        s3.objects[KEY] = data[::-1]

        with pytest.raises(SplitError, match=f"{OBJECT}: it has been overwritten since the run was planned"):
            list(read_rows(s3, piece.split))


class TestRows:
    @pytest.mark.parametrize("source", [Splits("csv", headers=("n",)), Splits("jsonl"), Splits("text")])
    def test_arrive_while_the_split_is_read(self, source: Splits) -> None:
        """One block of the object is in memory, however long the split is."""
        s3: Any = FakeS3({KEY: b"1234567\n" * 400_000})
        (piece,) = pieces(s3, source)

        rows = read_rows(s3, piece.split)
        next(rows)

        assert s3.bodies[-1].tell() == CHUNK_BYTES


class TestAConnectionThatBreaks:
    def test_is_opened_again_where_it_broke(self) -> None:
        """No byte is read twice or left out."""
        s3: Any = FakeS3({KEY: b"".join(b"%d\n" % number for number in range(1_000))})
        (piece,) = pieces(s3, Splits("jsonl"))
        s3.breaks_after = [1_000, 501, 7]

        rows = list(read_rows(s3, piece.split))

        assert rows == list(range(1_000))

    def test_is_given_up_when_it_brings_nothing(self) -> None:
        """With how far it came."""
        s3: Any = FakeS3({KEY: b"1\n" * 1_000})
        (piece,) = pieces(s3, Splits("jsonl"))
        s3.breaks_after = [1_000, 0, 0, 0, 0, 0]

        with pytest.raises(SplitError, match=f"{OBJECT}: reading broke off at byte 1,000, 4 times"):
            list(read_rows(s3, piece.split))


class TestKinds:
    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (gzip.compress(b"a\n", mtime=0), "gzip"),
            (bz2.compress(b"a\n"), "bzip2"),
            (lzma.compress(b"a\n"), "xz"),
            (b"\x28\xb5\x2f\xfd\x04\x00", "Zstandard"),
            (b"PK\x03\x04", "zip"),
        ],
    )
    def test_compressed_data_has_no_byte_ranges(self, data: bytes, kind: str) -> None:
        """Plan sees it by the first bytes, and names the way out."""
        s3: Any = FakeS3({KEY: data})

        with pytest.raises(SplitError, match=rf'{OBJECT}: it is compressed with {kind} .*compression="gzip"'):
            pieces(s3, Splits("csv"))

    @pytest.mark.parametrize("key", ["a.csv.gz", "a.CSV.ZST"])
    def test_a_name_says_so_too(self, key: str) -> None:
        """Also in a listing, where nobody looks into a small object."""
        s3: Any = FakeS3({key: b"a\n"})

        with pytest.raises(SplitError, match=f"s3://data/{key}: it is compressed with "):
            pieces(s3, Splits("csv", "prefix"), "")

    def test_a_worker_sees_it_in_a_listing_of_small_objects(self) -> None:
        """Where Plan did not look."""
        s3: Any = FakeS3({KEY: gzip.compress(b"a\n")})
        (piece,) = pieces(s3, Splits("csv", "prefix"), "")

        with pytest.raises(SplitError, match="it is compressed with gzip"):
            list(read_rows(s3, piece.split))

    @pytest.mark.parametrize(("data", "what"), [(parquet(), "Parquet"), ("a,b\n".encode("utf-16"), "UTF-16")])
    def test_what_is_no_text_of_records_is_said(self, data: bytes, what: str) -> None:
        """And not read as if it were."""
        s3: Any = FakeS3({KEY: data})

        with pytest.raises(SplitError, match=f"{OBJECT}: it is {what}"):
            pieces(s3, Splits("csv"))


class TestParquet:
    @pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n" * 9, b"PAR1 and no more PAR1", parquet()[:-1]])
    def test_a_file_that_is_none_is_named(self, data: bytes) -> None:
        """By its last bytes, or by what pyarrow says of its footer."""
        s3: Any = FakeS3({KEY: data})

        with pytest.raises(SplitError, match=f"{OBJECT}: it is no Parquet file"):
            pieces(s3, Splits("parquet"))

    def test_row_groups_are_put_together_to_about_the_size(self) -> None:
        """One is never cut."""
        file = io.BytesIO()
        pq.write_table(
            pa.table({"n": list(range(1_000))}), file, row_group_size=100, compression="none", use_dictionary=False
        )
        s3: Any = FakeS3({KEY: file.getvalue()})

        splits = pieces(s3, Splits("parquet", split_bytes=3_000))

        assert [piece.split["row_groups"] for piece in splits] == [[0, 2], [3, 5], [6, 8], [9, 9]]

    def test_without_pyarrow_the_way_out_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A function on AWS has what its job's lock file names, and Mapfold needs no pyarrow by itself."""
        s3: Any = FakeS3({KEY: parquet()})
        monkeypatch.setitem(sys.modules, "pyarrow", None)

        with pytest.raises(
            SplitError, match=f"{OBJECT}: it is read with pyarrow, .* Name pyarrow in the job's lock file"
        ):
            pieces(s3, Splits("parquet"))

    def test_columns_are_read_alone(self) -> None:
        """And a name that is none is an error that says which there are."""
        file = io.BytesIO()
        pq.write_table(pa.table({"n": [1], "m": [2]}), file)
        s3: Any = FakeS3({KEY: file.getvalue()})

        (piece,) = pieces(s3, Splits("parquet", columns=("m",)))
        (wrong,) = pieces(s3, Splits("parquet", columns=("o",)))

        assert list(read_rows(s3, piece.split)) == [{"m": 2}]
        with pytest.raises(SplitError, match=r"it has no column o\. Use some of n, m"):
            list(read_rows(s3, wrong.split))


def test_rows_of_what_is_no_split_is_an_error_that_says_what_is() -> None:
    """An item of another source has an object, and no range of it."""
    s3: Any = FakeS3({})

    with pytest.raises(TypeError, match=r"context\.rows takes a split, an item of Splits"):
        read_rows(s3, {"bucket": BUCKET, "key": KEY})
