"""The Parquet reader against files that pyarrow wrote into an S3 in memory."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import math
import subprocess
import sys
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.local.map_run.model import Chunk, ItemReaderError
from mapfold.local.map_run.readers import ObjectIdentity, open_reader
from mapfold.local.map_run.readers.parquet import ROW_GROUP_LIMIT_BYTES, TAIL_BYTES
from mapfold.states.effects import Json, ReaderSpec
from tests.unit.map_run.fakes import FakeS3

WHERE = {"Bucket": "b", "Key": "k"}
SPEC = ReaderSpec("s3:getObject", {"InputType": "PARQUET"}, WHERE)


def written(table: pa.Table, **options: Any) -> bytes:
    """The table as a Parquet file."""
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def read_chunks(data: bytes, s3: FakeS3 | None = None) -> list[Chunk]:
    s3 = s3 or FakeS3()
    s3.objects["b", "k"] = data
    return list(open_reader(s3, SPEC))


def read(data: bytes, s3: FakeS3 | None = None) -> list[Json]:
    return [value for chunk in read_chunks(data, s3) for value in chunk.values]


def read_column(array: Any) -> list[Json]:
    return [row["x"] for row in read(written(pa.table({"x": array})))]


TIME = dt.datetime(2013, 1, 1, 5, 0, 0, 123456)
ZONED = TIME.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
UUID = uuid.UUID("07e86318-a3c3-4c71-9049-9e356a91f9db")


class TestTypes:
    @pytest.mark.parametrize(
        ("array", "items"),
        [
            (pa.array([1, None, -(2**63)]), [1, None, -(2**63)]),
            (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
            (pa.array([True, None]), [True, None]),
            (pa.array(["é", None, ""]), ["é", None, ""]),
            (pa.array([1.5, None, math.nan, math.inf, -math.inf]), [1.5, None, "NaN", "Infinity", "-Infinity"]),
            (pa.array([0.1, None, math.nan], pa.float32()), [0.1, None, "NaN"]),
            (pa.array([0.5], pa.float16()), [0.5]),
            (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(10, 2)), [1.5, None]),
            (pa.array([decimal.Decimal(10**30)], pa.decimal128(38, 0)), [10**30]),
            (pa.array([decimal.Decimal("0.0000001000")], pa.decimal128(20, 10)), ["0.0000001000"]),
            (pa.array([dt.date(2013, 1, 1), None]), ["2013-01-01", None]),
            (pa.array([dt.time(5, 6, 7)], pa.time32("ms")), ["05:06:07.000"]),
            (pa.array([TIME, None], pa.timestamp("us")), ["2013-01-01T05:00:00.123456", None]),
            (pa.array([TIME.replace(microsecond=0)], pa.timestamp("ms")), ["2013-01-01T05:00:00.000"]),
            (pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
            (pa.array([ZONED], pa.timestamp("us", "Europe/Berlin")), ["2013-01-01T03:00:00.123456Z"]),
            (pa.array([5], pa.duration("us")), [5]),
            (pa.array([b"\x00\xff", None]), ["AP8=", None]),
            (pa.array([b"ab"], pa.binary(2)), ["YWI="]),
            (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID.bytes, None], pa.binary(16))), [str(UUID), None]),
            (pa.array(["x", "y", "x", None]).dictionary_encode(), ["x", "y", "x", None]),
            (pa.nulls(2), [None, None]),
            (pa.array([[1, 2], None, [], [None]]), [[1, 2], None, [], [None]]),
            (pa.array([[dt.date(2013, 1, 1)], []]), [["2013-01-01"], []]),
            (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)), [[1, 2], None, [3, 4]]),
            (pa.array([{"a": 1, "b": {"c": b"x"}}, None]), [{"a": 1, "b": {"c": "eA=="}}, None]),
            (pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())), [{"a": 1}, None, {}]),
            (pa.array([[(7, [b"x"])]], pa.map_(pa.int64(), pa.list_(pa.binary()))), [{"7": ["eA=="]}]),
        ],
        ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
    )
    def test_each_type_has_a_form_in_json(self, array: Any, items: list[Json]) -> None:
        """Numbers, text, booleans and null as they are; what JSON has not, as text; nesting at any depth."""
        found = read_column(array)

        assert found == items
        assert json.loads(json.dumps(found, allow_nan=False)) == items

    def test_old_timestamps_of_96_bits_reach_the_year_9999(self) -> None:
        """In nanoseconds they would wrap around, silently."""
        table = pa.table({"x": pa.array([dt.datetime(9999, 12, 31)], pa.timestamp("us"))})

        assert read(written(table, use_deprecated_int96_timestamps=True)) == [{"x": "9999-12-31T00:00:00.000000"}]

    def test_a_row_without_columns_is_an_empty_object(self) -> None:
        """A file may have rows and no columns."""
        table = pa.table({"x": [1, 2, 3]}).select([])

        assert read(written(table)) in ([{}, {}, {}], [])

    VALUES = st.fixed_dictionaries(
        {
            "number": st.none() | st.integers(-(2**63), 2**63 - 1),
            "text": st.none() | st.text(st.characters(codec="utf-8")),
            "float": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "list": st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3),
            "struct": st.none() | st.fixed_dictionaries({"a": st.none() | st.text("xyz", max_size=3)}),
        }
    )
    SCHEMA = pa.schema(
        {
            "number": pa.int64(),
            "text": pa.string(),
            "float": pa.float64(),
            "list": pa.list_(pa.int64()),
            "struct": pa.struct({"a": pa.string()}),
        }
    )

    @settings(deadline=None)  # a busy machine is no finding
    @given(
        rows=st.lists(VALUES, max_size=30),
        row_group=st.integers(1, 40),
        compression=st.sampled_from(["none", "snappy", "gzip", "zstd"]),
        page=st.integers(50, 2000),
        dictionary=st.booleans(),
    )
    def test_what_was_written_is_read_back(
        self, rows: list[Json], row_group: int, compression: str, page: int, dictionary: bool
    ) -> None:
        """Generated rows, in row groups, pages and packings of any kind."""
        table = pa.Table.from_pylist(rows, self.SCHEMA)

        items = read(
            written(
                table,
                row_group_size=row_group,
                compression=compression,
                data_page_size=page,
                use_dictionary=dictionary,
            )
        )

        assert items == rows


class TestReading:
    def test_rows_come_by_the_thousand_and_row_group_by_row_group(self) -> None:
        """No chunk has rows of two row groups."""
        chunks = read_chunks(written(pa.table({"n": range(5000)}), row_group_size=2500))

        assert [len(chunk.values) for chunk in chunks] == [1000, 1000, 500] * 2
        assert [row["n"] for chunk in chunks for row in chunk.values] == list(range(5000))

    def test_chunks_of_large_rows_are_small(self) -> None:
        """Text that a dictionary keeps once is as large as its rows when it is read."""
        table = pa.table({"x": ["x" * 100_000] * 200})

        chunks = read_chunks(written(table))

        assert sum(len(chunk.values) for chunk in chunks) == 200
        assert max(len(chunk.values) for chunk in chunks) <= 42

    def test_a_file_is_read_by_two_requests_in_sequence(self) -> None:
        """One for the footer, one for all row groups, which lie one after the other."""
        s3 = FakeS3()
        data = written(pa.table({f"c{column}": range(100_000) for column in range(3)}), row_group_size=10_000)

        items = read(data, s3)

        assert len(data) > 4 * TAIL_BYTES
        assert len(items) == 100_000
        assert [call["Range"] for call in s3.calls("get_object")] == ["bytes=-65536", "bytes=4-"]
        assert s3.calls("get_object")[1]["IfMatch"] == '"e"'

    def test_memory_is_bounded_by_one_row_group(self) -> None:
        """32 row groups of half a megabyte; what Arrow holds at most is about one of them."""
        table = pa.table({"text": [f"{number:032}" for number in range(512_000)]})
        s3 = FakeS3({("b", "k"): written(table, row_group_size=16_000, compression="none", use_dictionary=False)})
        del table
        before = pa.total_allocated_bytes()
        most = 0

        for _ in open_reader(s3, SPEC):
            most = max(most, pa.total_allocated_bytes() - before)

        assert len(s3.objects["b", "k"]) > 16 * 1024**2
        assert most < 3 * 1024**2

    def test_a_footer_larger_than_the_first_request_is_fetched(self) -> None:
        """A wide file has a long footer."""
        s3 = FakeS3()
        table = pa.table({f"column-{column}": ["x"] for column in range(1500)})

        items = read(written(table), s3)

        assert items == [{f"column-{column}": "x" for column in range(1500)}]
        assert len(s3.calls("get_object")) == 3

    def test_a_connection_that_breaks_is_taken_up_again(self) -> None:
        """The rest is asked for from the byte after the last one."""
        s3 = FakeS3(break_after=100_000)

        items = read(written(pa.table({"n": range(100_000)}), compression="none"), s3)

        assert items == [{"n": number} for number in range(100_000)]
        assert len(s3.calls("get_object")) > 5

    def test_a_row_group_that_is_not_needed_is_not_checked_or_read(self) -> None:
        """Reading stops where the map run stops asking."""
        s3 = FakeS3({("b", "k"): written(pa.table({"n": range(100_000)}), row_group_size=1000)})
        chunks: Any = open_reader(s3, SPEC)

        first = next(chunks)
        chunks.close()

        assert [row["n"] for row in first.values] == list(range(1000))

    def test_the_engine_does_not_import_pyarrow_without_parquet(self) -> None:
        """It takes 40 MiB and 0.1 s."""
        code = "import sys, mapfold.local.map_run; sys.exit('pyarrow' in sys.modules)"

        assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"", r"^s3://b/k is no Parquet file: it ends with b''; expected b'PAR1'"),
            (b"a,b\n1,2\n3,4\n5,6\n", r"^s3://b/k is no Parquet file: it ends with b'5,6\\n'"),
            (
                b"PAR1" + b"x" * 20 + b"\xff\xff\xff\x01PAR1",
                r"the footer has 33554431 bytes; it may have 5242880 \(5 MB\)",
            ),
            (b"PAR1" + b"\xff\x00\x00\x00PAR1", r"is no Parquet file: its footer would have 255 of its 12 bytes"),
            (b"PAR1" + b"x" * 20 + b"\x14\x00\x00\x00PAR1", r"^s3://b/k: .*; expected a Parquet file that is whole"),
            (b"PAR1" + b"x" * 20 + b"\x14\x00\x00\x00PARE", r"^s3://b/k is encrypted"),
        ],
    )
    def test_a_file_that_is_not_parquet_is_named(self, data: bytes, cause: str) -> None:
        """The cause says which object, and what was expected."""
        with pytest.raises(ItemReaderError, match=cause):
            read(data)

    def test_a_damaged_row_group_is_named(self) -> None:
        """The footer is whole, the pages are not."""
        data = bytearray(written(pa.table({"n": range(2000)}), row_group_size=1000, compression="zstd"))
        start = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(0).dictionary_page_offset
        data[start : start + 200] = b"\xff" * 200

        with pytest.raises(ItemReaderError, match=r"^s3://b/k, row group 1: .*; expected a Parquet file that is whole"):
            read(bytes(data))

    def test_rows_that_do_not_come_are_an_error_and_not_fewer_items(self) -> None:
        """The Arrow that is locked reads no row of this one, and says nothing."""
        table = pa.table({"x": pa.array([None], pa.list_(pa.int64()))})

        with pytest.raises(ItemReaderError, match="row group 0: it ends at row 0 of the file; the footer says 1"):
            read(written(table, data_page_size=1))

    def test_a_row_group_over_256_mb_is_an_error(self) -> None:
        """As the footer counts it; the rows are packed well and small here."""
        text = pa.array(["x" * 1_000_000]).take(pa.array([0] * 270))
        data = written(pa.table({"x": text}), use_dictionary=False, compression="zstd")
        size = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).total_byte_size

        with pytest.raises(ItemReaderError, match=f"row group 0: it has {size} bytes; a row group may have 268435456"):
            read(data)
        assert size > ROW_GROUP_LIMIT_BYTES

    def test_text_that_is_not_utf_8_is_named_with_its_row_and_column(self) -> None:
        """Parquet files do not check what they hold."""
        text = pa.array([b"x"] * 2100 + [b"\xff"]).view(pa.string())

        with pytest.raises(ItemReaderError, match=r"^s3://b/k, row 2101, column 'x': byte 0xff is not UTF-8"):
            read(written(pa.table({"n": range(2101), "x": text})))

    def test_a_date_out_of_the_calendar_is_named(self) -> None:
        """Arrow would write a remark in its place."""
        dates = pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32())

        with pytest.raises(
            ItemReaderError, match=r"row 2, column 'x': value out of range: 2147483647; expected a date"
        ):
            read_column(dates)

    def test_two_columns_of_one_name_are_an_error(self) -> None:
        """One of them would be lost."""
        table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])

        with pytest.raises(ItemReaderError, match="s3://b/k has the column 'x' twice"):
            read(written(table))

    def test_a_version_in_the_parameters_is_refused_as_on_aws(self) -> None:
        """VersionId is not for Parquet."""
        spec = ReaderSpec("s3:getObject", {"InputType": "PARQUET"}, WHERE | {"VersionId": "v"})

        with pytest.raises(ItemReaderError, match="name VersionId, which InputType PARQUET does not support"):
            list(open_reader(FakeS3(), spec))

    def test_a_file_that_changes_while_it_is_read_is_an_error(self) -> None:
        """Its footer is another one by then."""
        s3 = FakeS3({("b", "k"): written(pa.table({"n": range(100_000)}))})
        chunks = open_reader(s3, SPEC, on_opened=lambda _: s3.etags.update({("b", "k"): '"new"'}))

        with pytest.raises(ItemReaderError, match=r's3://b/k has changed .* \(its ETag was "e", it is "new" now\)'):
            next(chunks)

    def test_expected_bucket_owner_is_passed_with_every_request(self) -> None:
        """Reading someone else's bucket is refused at the first byte and at every later one."""
        s3 = FakeS3({("b", "k"): written(pa.table({"n": range(100_000)}))})
        owned = ReaderSpec(SPEC.resource, SPEC.config, WHERE | {"ExpectedBucketOwner": "123456789012"})

        list(open_reader(s3, owned, pinned=ObjectIdentity('"e"', "v")))

        calls = s3.calls("get_object")
        assert len(calls) == 2
        assert {(call["ExpectedBucketOwner"], call["VersionId"], call["IfMatch"]) for call in calls} == {
            ("123456789012", "v", '"e"')
        }
