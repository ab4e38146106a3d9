"""Item readers against objects of an S3 in memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.local.map_run.model import Chunk, ItemReaderError, MapRunError
from mapfold.local.map_run.readers import ObjectIdentity, open_reader, read_state_input, source_name
from mapfold.local.map_run.readers.csv_reader import DELIMITERS
from mapfold.local.map_run.readers.objects import S3Object, read_object
from mapfold.local.map_run.stream import ItemStream
from mapfold.states.effects import Json, ReaderSpec
from mapfold.unpacking import BLOCK_BYTES
from tests.unit.map_run.fakes import FakeS3


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return packed


def parquet_file(columns: dict[str, list[Json]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


FIRST_ROW = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}
FORMS = [FIRST_ROW, {"InputType": "JSON"}, {"InputType": "JSONL"}, {"InputType": "PARQUET"}]
EMPTY = {"CSV": b"a\n", "JSON": b"[]", "JSONL": b"\n", "PARQUET": parquet_file({"a": []})}
WHERE = {"Bucket": "b", "Key": "k"}


def read_chunks(
    data: bytes | str, config: Mapping[str, Json], *, key: str = "k", s3: FakeS3 | None = None
) -> list[Chunk]:
    s3 = s3 or FakeS3()
    s3.objects["b", key] = data.encode() if isinstance(data, str) else data
    return list(open_reader(s3, ReaderSpec("s3:getObject", config, {"Bucket": "b", "Key": key})))


def read(data: bytes | str, config: Mapping[str, Json], *, key: str = "k", s3: FakeS3 | None = None) -> list[Json]:
    return [value for chunk in read_chunks(data, config, key=key, s3=s3) for value in chunk.values]


GIVEN = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}
PACKERS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd}
FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\\") | st.sampled_from(',;| \t"\r\n'), min_size=1)
JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def csv_line(row: list[str], delimiter: str, *, quote_all: bool) -> str:
    """Unlike csv.writer of Python 3.11 it quotes every kind of line end, whichever the file has."""
    special = delimiter + '"\r\n'
    return delimiter.join(
        '"' + field.replace('"', '""') + '"' if quote_all or set(field) & set(special) else field for field in row
    )


def outcome(data: str, config: Mapping[str, Json], s3: FakeS3) -> list[Json] | str:
    """The items, or the cause of the failure."""
    try:
        return read(data, config, s3=s3)
    except ItemReaderError as error:
        return error.cause


class TestCsv:
    @pytest.mark.parametrize(
        ("text", "items"),
        [
            ("a,b\n1,2\n", [{"a": "1", "b": "2"}]),
            ("a,b\r\n1,2\r\n3,4", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            ("a,b\r1,2\r", [{"a": "1", "b": "2"}]),
            ("\ufeffa,b\n1,2\n", [{"a": "1", "b": "2"}]),
            ('a,b\n"1,5","say ""hi"""\n', [{"a": "1,5", "b": 'say "hi"'}]),
            # AWS's own example: "" is a quote in a field without quotes around it as well.
            ('a,b\n{""k"":""v""},"[1,2]"\n', [{"a": '{"k":"v"}', "b": "[1,2]"}]),
            ('a,b\nx""y,"p """" q"\n', [{"a": 'x"y', "b": 'p "" q'}]),
            ('a,b\nx""y,"p,""z\n,w"\n', [{"a": 'x"y', "b": 'p,"z\n,w'}]),
            ('a,b\n"",""\nx""y,""\n', [{"a": "", "b": ""}, {"a": 'x"y', "b": ""}]),
            ('a,b\n"x\ny",2\n', [{"a": "x\ny", "b": "2"}]),
            ("a,b\n1\n", [{"a": "1", "b": ""}]),
            ("a,b\n1,2,3\n", [{"a": "1", "b": "2"}]),
            ("a,b\n,\n", [{"a": "", "b": ""}]),
            ("a,b\n  \n", [{"a": "  ", "b": ""}]),
            ("a,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
            ("a,b\n'1',true\n", [{"a": "'1'", "b": "true"}]),
            ('a,b\nx\\,y,\\"z\\"\n', [{"a": "x,y", "b": '"z"'}]),
            ("a,b\nx\\\\y,C:\\new\n", [{"a": "x\\y", "b": "C:new"}]),
            ("a,b\n1,C:\\new\\\n2,3\\", [{"a": "1", "b": "C:new"}, {"a": "2", "b": "3"}]),
            ('a,b\n1,C:\\\\\r\n"2\\\r\n",3', [{"a": "1", "b": "C:\\"}, {"a": "2\r\n", "b": "3"}]),
            ("\r\n\n\na,b\n1,2\n", [{"a": "1", "b": "2"}]),
            ("a\n\n1\n\n\n2", [{"a": "1"}, {"a": "2"}]),
            ('a\n""\n', [{"a": ""}]),
            ('a,b\n5" pipe,x"y"z\n', [{"a": '5" pipe', "b": 'x"y"z'}]),
            ('a,b\n"x"y, "z"\n', [{"a": "xy", "b": ' "z"'}]),
            ("a,b\n1\x00,\u2028\n", [{"a": "1\x00", "b": "\u2028"}]),
            ("a,b\n1,2\r3,4\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            (",0,{},True\n1,2,3,4\n", [{"": "1", "0": "2", "{}": "3", "True": "4"}]),
            ("a,b\n", []),
            ("é\nü\n", [{"é": "ü"}]),
        ],
    )
    def test_rows_become_objects_as_aws_reads_them(self, text: str, items: list[Json]) -> None:
        """Quotes, short and long rows, blanks, backslashes, line ends, a byte order mark."""
        assert read(text, FIRST_ROW) == items

    @pytest.mark.parametrize(
        ("header", "shown"),
        [
            ("userId,movieId,rating,timestamp", "rating movieId userId timestamp"),
            ("Bucket,Key,Size,LastModifiedDate", "LastModifiedDate Bucket Size Key"),
            (
                "show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description",
                "duration listed_in cast country date_added show_id director release_year rating description type title",
            ),
        ],
    )
    def test_members_stand_in_the_order_of_java_s_hash_map(self, header: str, shown: str) -> None:
        """As the developer guide shows items of CSV files and inventories."""
        (item,) = read(f"{header}\n0\n", FIRST_ROW)

        assert isinstance(item, dict)
        assert list(item) == shown.split()

    @pytest.mark.parametrize("name", DELIMITERS)
    def test_five_delimiters(self, name: str) -> None:
        """CSVDelimiter names the character."""
        text = "a,b\n1,2\n".replace(",", DELIMITERS[name])

        assert read(text, FIRST_ROW | {"CSVDelimiter": name}) == [{"a": "1", "b": "2"}]

    def test_a_given_header_makes_the_first_row_an_item_and_cuts_rows(self) -> None:
        """With CSVHeaderLocation GIVEN, columns past the given names are left out."""
        config = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["x"]}

        assert read("1,2\n3,4\n", config) == [{"x": "1"}, {"x": "3"}]

    @pytest.mark.parametrize(
        ("text", "config", "cause"),
        [
            ("a,a\n1,2\n", FIRST_ROW, r"^CSV headers cannot contain duplicates\.$"),
            ("", FIRST_ROW, r"^s3://b/k is empty; expected a header in its first row"),
            ("\n\n", FIRST_ROW, r"^s3://b/k is empty; expected a header in its first row"),
            ("a" * 10_241, FIRST_ROW, r"^s3://b/k, line 1: the header has 10241 bytes; at most 10240"),
            ('"' + "a" * 10_239 + '"\n', FIRST_ROW, r"^s3://b/k, line 1: the header has 10241 bytes; at most 10240"),
            ("", GIVEN | {"CSVHeaders": ["a" * 10_241]}, r"^CSVHeaders has 10241 bytes; at most 10240"),
            ("", GIVEN | {"CSVHeaders": ["a", "b", "a"]}, r"^CSV headers cannot contain duplicates\.$"),
            ('a,b\n1,2\n3,"4\n5\n', FIRST_ROW, r"^s3://b/k, line 3: a quote is opened in this row and never closed"),
            ('a\n1\n"', FIRST_ROW, r"^s3://b/k, line 3: a quote is opened in this row and never closed"),
            ("a\n1\n", {"InputType": "CSV"}, r"CSVHeaderLocation is None; expected FIRST_ROW or GIVEN"),
            ("a\n", {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}, r"CSVHeaders is None; expected a list"),
            ("a\n", FIRST_ROW | {"CSVDelimiter": "X"}, r"CSVDelimiter is 'X'; expected one of COMMA, PIPE"),
            (
                'a\n"' + "xxxxxxxxx\n" * 840_000,
                FIRST_ROW,
                r"^s3://b/k, line 2: the row .* 8388608 bytes.*Is a quote not clo",
            ),
            ("a\n" + "x" * 8_500_000, FIRST_ROW, r"^s3://b/k, line 2: the line has more than 8388608 bytes"),
        ],
    )
    def test_what_is_wrong_is_named(self, text: str, config: Mapping[str, Json], cause: str) -> None:
        """The cause says which object, which line or field, and what was expected."""
        with pytest.raises(ItemReaderError, match=cause):
            read(text, config)

    def test_bytes_that_are_not_utf_8_are_named_with_their_line(self) -> None:
        """The line is counted over all blocks before."""
        data = b"a\n" + b"x\n" * 300_000 + b"\xff\n"

        with pytest.raises(ItemReaderError, match=r"s3://b/k, line 300002: byte 0xff is not UTF-8"):
            read(data, FIRST_ROW)

    @given(
        rows=st.lists(
            st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\\\x00")), min_size=2, max_size=2),
            max_size=20,
        )
    )
    @settings(deadline=None)
    def test_what_a_csv_writer_wrote_is_read_back(self, rows: list[list[str]]) -> None:
        """Generated files: any text in any field comes back as it was."""
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])

        assert read(text.getvalue(), FIRST_ROW) == [{"a": row[0], "b": row[1]} for row in rows]

    def test_a_wide_header_is_read_like_a_narrow_one(self) -> None:
        """Past 200 columns the rows are built without a compiled function."""
        names = [f"c{number}" for number in range(250)]

        items = read(",".join(names) + "\n" + ",".join(names[:249]), FIRST_ROW)

        assert items == [dict(zip(names, [*names[:249], ""], strict=True))]

    def test_chunks_are_bounded_by_rows_and_by_bytes(self) -> None:
        """About a thousand small rows make a chunk; rows of 300 KB come a few at a time."""
        small = read_chunks("a\n" + "x\n" * 5000, FIRST_ROW)
        large = read_chunks("a\n" + ("x" * 300_000 + "\n") * 40, FIRST_ROW)

        assert all(len(chunk.values) < 1200 for chunk in small)
        assert sum(len(chunk.values) for chunk in small) == 5000
        assert max(sum(len(item["a"]) for item in chunk.values) for chunk in large) < 4_000_000

    @pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\nnext\n"])
    @pytest.mark.parametrize("row", ["{}", '"{}"', '"\n{}\r\n"', "é{}"], ids=["plain", "quoted", "lines", "wide"])
    def test_a_row_may_have_8_mb_as_it_is_written_and_no_byte_more(self, row: str, end: str) -> None:
        """Quotes and line ends inside count, the line's own end does not; bytes count, not characters."""
        largest = row.format("x" * (8 * 1024**2 - len(row.format("").encode())))

        items = read(f"a\n{largest}{end}", FIRST_ROW)

        assert [len(item["a"]) for item in items][:1] == [len(next(csv.reader(io.StringIO(largest, newline="")))[0])]
        with pytest.raises(
            ItemReaderError, match=r"s3://b/k, line 2: the (line|row) .*more than 8388608 bytes \(8 MB\)"
        ):
            read("a\n" + largest.replace("xx", "xxx", 1) + end, FIRST_ROW)

    @given(
        rows=st.lists(st.lists(FIELDS, min_size=1, max_size=4), max_size=12),
        delimiter=st.sampled_from(list(DELIMITERS)),
        quote_all=st.booleans(),
        line_end=st.sampled_from(["\n", "\r\n", "\r"]),
        last_end=st.booleans(),
        block_bytes=st.integers(1, 40),
        ending=st.sampled_from(["", ".gz", ".zst"]),
        bom=st.booleans(),
    )
    @settings(deadline=None)
    def test_any_dialect_is_read_alike_however_the_bytes_come(
        self,
        rows: list[list[str]],
        delimiter: str,
        quote_all: bool,
        line_end: str,
        last_end: bool,
        block_bytes: int,
        ending: str,
        bom: bool,
    ) -> None:
        """Delimiters, quotes, line ends in and out of them, a byte order mark, packed or not, in blocks of any size."""
        lines = [csv_line(row, DELIMITERS[delimiter], quote_all=quote_all) for row in [["a", "b", "c"], *rows]]
        data = line_end.join(lines) + line_end * last_end
        stored = PACKERS[ending]((b"\xef\xbb\xbf" if bom else b"") + data.encode())
        expected = [dict(zip("abc", [*row, "", "", ""], strict=False)) for row in rows]

        items = read(
            stored, FIRST_ROW | {"CSVDelimiter": delimiter}, key="k" + ending, s3=FakeS3(block_bytes=block_bytes)
        )

        assert items == expected

    @given(
        lines=st.lists(st.text('a,"\\\n\r ', max_size=8), max_size=8),
        block_bytes=st.integers(1, 20),
    )
    @settings(deadline=None)
    def test_blocks_never_change_what_is_read(self, lines: list[str], block_bytes: int) -> None:
        """The wildest text gives the same items, or the same error, in one block and in many."""
        data = "h,i\n" + "\n".join(lines)

        whole, cut = (outcome(data, FIRST_ROW, s3) for s3 in (FakeS3(), FakeS3(block_bytes=block_bytes)))

        assert whole == cut


class TestJsonLines:
    @given(
        values=st.lists(st.none() | JSON_VALUES, max_size=12),
        line_ends=st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]), min_size=12, max_size=12),
        last_end=st.booleans(),
        block_bytes=st.integers(1, 40),
        ending=st.sampled_from(["", ".gz", ".zst"]),
    )
    @settings(deadline=None)
    def test_what_was_written_is_read_back(
        self, values: list[Json], line_ends: list[str], last_end: bool, block_bytes: int, ending: str
    ) -> None:
        """Generated lines, with empty ones between them, packed or not, in blocks of any size."""
        text = "".join(json.dumps(value) + end for value, end in zip(values, line_ends, strict=False))
        stored = PACKERS[ending]((text if last_end else text.rstrip()).encode())

        items = read(stored, {"InputType": "JSONL"}, key="k" + ending, s3=FakeS3(block_bytes=block_bytes))

        assert items == values

    @pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n1\n"])
    def test_a_line_may_have_8_mb_and_no_byte_more(self, end: str) -> None:
        """Its line end does not count."""
        largest = '"' + "x" * (8 * 1024**2 - 2) + '"'

        assert read("0\n" + largest + end, {"InputType": "JSONL"})[1] == largest.strip('"')
        with pytest.raises(ItemReaderError, match=r"^s3://b/k, line 2: the line has more than 8388608 bytes \(8 MB\)"):
            read("0\n" + largest + " " + end, {"InputType": "JSONL"})

    def test_bytes_that_are_not_utf_8_are_named(self) -> None:
        """Neither another encoding nor a guess is tried."""
        with pytest.raises(ItemReaderError, match=r"^s3://b/k, line 3: byte 0xff is not UTF-8; expected text in UTF-8"):
            read(b'1\n\n"\xff"\n', {"InputType": "JSONL"})
        with pytest.raises(ItemReaderError, match=r"^s3://b/k, line 1: .*expected one JSON value"):
            read("[1]".encode("utf-16-le"), {"InputType": "JSONL"})
        with pytest.raises(
            ItemReaderError, match=r"^s3://b/k, line 2: Expecting value at column 6; expected one JSON value"
        ):
            read('{"a":1}\n{"a":\n', {"InputType": "JSONL"})

    def test_a_value_that_is_nested_too_deeply_is_named(self) -> None:
        """It does not end the reader's thread."""
        with pytest.raises(ItemReaderError, match=r"^s3://b/k, line 2: the value is nested too deeply"):
            read("1\n" + "[" * 200_000, {"InputType": "JSONL"})

    def test_each_line_is_a_value_and_empty_ones_are_left_out(self) -> None:
        """Any JSON value may stand on a line; line ends may be CR LF; big whole numbers stay whole."""
        text = '{"a": 1}\r\n\n[1]\n"x"\n  \nnull\n' + str(2**70)

        assert read(text, {"InputType": "JSONL"}) == [{"a": 1}, [1], "x", None, pytest.approx(2**70)]

    def test_the_line_that_is_not_json_is_named(self) -> None:
        """Empty lines count, too."""
        text = "1\n" * 2500 + '\n{"a": }\n'

        with pytest.raises(
            ItemReaderError, match=r"s3://b/k, line 2502: Expecting value at column 7; expected one JSON"
        ):
            read(text, {"InputType": "JSONL"})


class TestJson:
    @pytest.mark.parametrize(
        ("text", "pointer", "items"),
        [
            ("[]", None, []),
            (' [1, 2.5 ,"x" , {"a": [1]}, null]\n', None, [1, 2.5, "x", {"a": [1]}, None]),
            ("\ufeff[1]", None, [1]),
            ('{"a": {"b": [1, 2]}, "c": 3}', "/a/b", [1, 2]),
            ('{"x": "]}\\"", "y": [[{}], {"b": "{"}], "a": [1]}', "/a", [1]),
            ("[[1], [2, 3], [4]]", "/1", [2, 3]),
            ('{"a/b": {"c~d": [1]}}', "/a~1b/c~0d", [1]),
            ('{"": [1]}', "/", [1]),
            ("[123456789012345678901234567890]", None, [123456789012345678901234567890]),
        ],
    )
    def test_the_elements_of_an_array(self, text: str, pointer: str | None, items: list[Json]) -> None:
        """At the top, or where ItemsPointer (a JSON Pointer) points."""
        assert read(text, {"InputType": "JSON", "ItemsPointer": pointer}) == items

    def test_the_members_of_an_object(self) -> None:
        """Each item has its key."""
        chunks = read_chunks('{"a": 1, "b": [2]}', {"InputType": "JSON"})

        assert chunks == [Chunk([1, [2]], ["a", "b"])]

    @pytest.mark.parametrize(
        ("text", "pointer", "cause"),
        [
            ("3", None, r"^Attempting to map over non-iterable node\.$"),
            ("", None, r"^s3://b/k, line 1: the document is not JSON at the end of the object; expected a value\.$"),
            ("hello", None, r"^s3://b/k, line 1: the document is not JSON at 'hello'; expected a value\.$"),
            ("\n3 4", None, r"^s3://b/k, line 2: the document is not JSON at '4'; expected the end of the document\.$"),
            ('{"a": 3}', "/a", r"^Attempting to map over non-iterable node\.$"),
            ('{"a": 3}', "/b", r"s3://b/k: ItemsPointer /b points to nothing"),
            ("[[1]]", "/²", r"s3://b/k: ItemsPointer /² points to nothing"),
            ("[[1], [2]]", "/01", r"s3://b/k: ItemsPointer /01 points to nothing"),
            ('{"a": {"b": 3}}', "/a/b/c", r"s3://b/k: ItemsPointer /a/b/c points to nothing"),
            ("[1,\n" + "[" * 200_000, None, r"s3://b/k, line 2: .*expected a value that is nested less deeply"),
            ("[1,\n 2", None, r"s3://b/k, line 2: .* expected ',' or '\]'"),
            ("[1,\n oops]", None, r"s3://b/k, line 2: the document is not JSON at 'oops\]'"),
            ("[1,]", None, r"s3://b/k, line 1: the document is not JSON at '\]'"),
            ("[NaN]", None, r"NaN is no JSON value"),
            ("[1] 2", None, r"expected the end of the document"),
            ("[1", "x", r"ItemsPointer is 'x'; expected a JSON Pointer"),
        ],
    )
    def test_what_is_wrong_is_named(self, text: str, pointer: str | None, cause: str) -> None:
        """The cause says which object, which line or pointer, and what was expected."""
        with pytest.raises(ItemReaderError, match=cause):
            read(text, {"InputType": "JSON", "ItemsPointer": pointer})

    @given(
        values=st.lists(
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(2**80), 2**80)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            ),
            max_size=20,
        ),
        indent=st.none() | st.integers(0, 2),
        ascii_only=st.booleans(),
    )
    @settings(deadline=None)
    def test_what_json_wrote_is_read_back(self, values: list[Json], indent: int | None, ascii_only: bool) -> None:
        """Generated documents, with and without spaces, inside an object that is skipped up to them."""
        text = json.dumps({"skipped": values, "items": values}, indent=indent, ensure_ascii=ascii_only)

        assert read(text.encode("utf-8", "surrogatepass"), {"InputType": "JSON", "ItemsPointer": "/items"}) == values

    def test_a_long_document_is_read_in_pieces(self) -> None:
        """Elements that lie across the blocks of the stream come out whole, and chunks stay small."""
        values = [{"n": number, "text": "é" * (number % 700)} for number in range(5000)]

        chunks = read_chunks(json.dumps(values), {"InputType": "JSON"})

        assert [value for chunk in chunks for value in chunk.values] == values
        assert max(len(chunk.values) for chunk in chunks) <= 1000

    @pytest.mark.parametrize(("before", "after"), [("[", "]"), ("[1, ", ", 2]"), ('{"a": ', ', "b": 1}')])
    @pytest.mark.parametrize("character", ["x", "é"])
    def test_an_item_may_have_8_mb_and_no_byte_more(self, before: str, after: str, character: str) -> None:
        """As bytes of the element or of the member's value."""
        largest = '"' + character * ((8 * 1024**2 - 2) // len(character.encode())) + '"'

        items = read("\n" + before + largest + after, {"InputType": "JSON"})

        assert largest.strip('"') in items
        with pytest.raises(
            ItemReaderError, match=r"^s3://b/k, line 2: the item that begins here has more than 8388608"
        ):
            read("\n" + before + largest.replace("xx", "xxx", 1).replace("éé", "ééé", 1) + after, {"InputType": "JSON"})

    def test_an_item_whose_end_is_far_away_is_not_read_to_it(self) -> None:
        """Memory is bounded."""
        with pytest.raises(
            ItemReaderError, match=r"^s3://b/k, line 1: the item that begins here has more than 8388608"
        ):
            read('["' + "x" * 30_000_000, {"InputType": "JSON"})

    def test_what_is_skipped_may_be_of_any_size(self) -> None:
        """Only items are limited; a long text on the pointer's way is not kept."""
        text = '{"skipped": "' + "xxxxxxxx\\\\" * 2_000_000 + '", "items": [1]}'

        assert read(text, {"InputType": "JSON", "ItemsPointer": "/items"}) == [1]

    @given(
        values=st.lists(st.none() | JSON_VALUES, max_size=8) | st.dictionaries(st.text(), JSON_VALUES, max_size=8),
        name=st.text(min_size=1),
        indent=st.none() | st.integers(0, 2),
        block_bytes=st.integers(1, 40),
        ending=st.sampled_from(["", ".gz", ".zst"]),
    )
    @settings(deadline=None)
    def test_any_document_is_read_alike_however_the_bytes_come(
        self, values: Json, name: str, indent: int | None, block_bytes: int, ending: str
    ) -> None:
        """Arrays or objects, at the end of a pointer with any name in it, packed or not, in blocks of any size."""
        text = json.dumps([[values], {name: values}], indent=indent)
        pointer = "/1/" + name.replace("~", "~0").replace("/", "~1")
        s3 = FakeS3(block_bytes=block_bytes)

        chunks = read_chunks(
            PACKERS[ending](text.encode()), {"InputType": "JSON", "ItemsPointer": pointer}, key="k" + ending, s3=s3
        )

        found = [value for chunk in chunks for value in chunk.values]
        if isinstance(values, dict):
            assert dict(zip((key for chunk in chunks for key in chunk.keys or []), found, strict=True)) == values
        else:
            assert found == values

    def test_one_value_larger_than_the_buffer(self) -> None:
        """The buffer grows with the largest element alone."""
        values = ["x" * 3_000_000, 1]

        assert read(json.dumps(values), {"InputType": "JSON"}) == values


class TestListing:
    def test_every_page_is_read(self) -> None:
        """More than 1,000 keys come in pages; each is metadata as AWS spells it."""
        s3 = FakeS3({("b", f"p/{number:04d}"): b"x" for number in range(25)}, page_size=10)

        chunks = list(open_reader(s3, ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "b", "Prefix": "p/"})))

        assert [len(chunk.values) for chunk in chunks] == [10, 10, 5]
        assert chunks[0].values[0] == {
            "Etag": '"e"',
            "Key": "p/0000",
            "LastModified": 1767312000,
            "Size": 1,
            "StorageClass": "STANDARD",
        }

    def test_a_parameter_that_is_none_is_named(self) -> None:
        """boto3 would refuse it with a text that knows no ItemReader."""
        with pytest.raises(ItemReaderError, match="parameters name Key; s3:listObjectsV2 takes Bucket"):
            list(open_reader(FakeS3(), ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "b", "Key": "k"})))


class TestObjects:
    @pytest.mark.parametrize("key", ["k.jsonl.gz", "k.GZIP"])
    def test_gzip_by_name(self, key: str) -> None:
        """Unpacked as a stream; several members follow one another."""
        lines = [orjson.dumps({"n": number}) for number in range(100_000)]
        data = gzip.compress(b"\n".join(lines[:50_000]) + b"\n") + gzip.compress(b"\n".join(lines[50_000:]))

        items = read(data, {"InputType": "JSONL"}, key=key)

        assert items == [{"n": number} for number in range(100_000)]

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"plain text", "s3://b/k.gz is named like a gzip file but cannot be unpacked"),
            (gzip.compress(b"1\n2\n", mtime=0)[:-10], "s3://b/k.gz is named like a gzip file but ends in the middle"),
        ],
    )
    def test_a_broken_gzip_file_is_named(self, data: bytes, cause: str) -> None:
        """What cannot be unpacked, or only half, is an error, not fewer items."""
        with pytest.raises(ItemReaderError, match=cause):
            read(data, {"InputType": "JSONL"}, key="k.gz")

    @pytest.mark.parametrize("key", ["k.jsonl.zst", "k.ZSTD"])
    def test_zstandard_by_name(self, key: str) -> None:
        """Unpacked as a stream, on every Python; several frames follow one another."""
        lines = [orjson.dumps({"n": number}) for number in range(100_000)]
        data = zstd(b"\n".join(lines[:50_000]) + b"\n") + zstd(b"\n".join(lines[50_000:]))

        items = read(data, {"InputType": "JSONL"}, key=key)

        assert items == [{"n": number} for number in range(100_000)]

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"plain text", "s3://b/k.zst is named like a Zstandard file but cannot be unpacked"),
            (zstd(b"1\n2\n")[:-4], "s3://b/k.zst is named like a Zstandard file but ends in the middle"),
            (zstd(b"1\n") + b"rest", "s3://b/k.zst is named like a Zstandard file but cannot be unpacked"),
        ],
    )
    def test_a_broken_zstandard_file_is_named(self, data: bytes, cause: str) -> None:
        """What cannot be unpacked, or only half, is an error, not fewer items."""
        with pytest.raises(ItemReaderError, match=cause):
            read(data, {"InputType": "JSONL"}, key="k.zst")

    @pytest.mark.parametrize(("ending", "pack"), [("", bytes), (".gz", gzip.compress), (".zst", zstd)])
    def test_bytes_can_be_counted_after_unpacking(self, ending: str, pack: Callable[[bytes], bytes]) -> None:
        """10 GB is the limit of an inventory's file, however small it is when packed; here it is 1 MB."""
        s3 = FakeS3({("b", "small" + ending): pack(bytes(10**6)), ("b", "large" + ending): pack(bytes(10**6 + 1))})

        whole = b"".join(read_object(s3, S3Object("b", "small" + ending), unpacked_limit=10**6))

        assert whole == bytes(10**6)
        with pytest.raises(ItemReaderError, match="has more than 1000000 bytes after unpacking"):
            list(read_object(s3, S3Object("b", "large" + ending), unpacked_limit=10**6))

    @pytest.mark.parametrize(("size", "refused"), [(10 * 1024**3, False), (10 * 1024**3 + 1, True)])
    def test_an_object_over_10_gb_is_refused_before_it_is_read(self, size: int, refused: bool) -> None:
        """By the length that S3 tells."""

        class Huge(FakeS3):
            def get_object(self, **kwargs: Any) -> Any:
                return super().get_object(**kwargs) | {"ContentLength": size}

        blocks = read_object(Huge({("b", "k"): b"12345"}), S3Object("b", "k"))

        if refused:
            with pytest.raises(ItemReaderError, match=rf"^s3://b/k has {size} bytes; a single object may have"):
                next(blocks)
        else:
            assert next(blocks) == b"12345"

    @given(
        data=st.binary(max_size=2000),
        repeat=st.integers(1, 2000),
        cuts=st.lists(st.integers(0, 100), max_size=3),
        pack=st.sampled_from([("", bytes), (".gz", gzip.compress), (".zst", zstd)]),
        blocks=st.sampled_from([1, 7, 1000, BLOCK_BYTES]),
    )
    @settings(deadline=None)
    def test_what_was_packed_is_unpacked(
        self,
        data: bytes,
        repeat: int,
        cuts: list[int],
        pack: tuple[str, Callable[[bytes], bytes]],
        blocks: int,
    ) -> None:
        """Any bytes, in one member or frame or several, in answers of any size."""
        ending, packed = pack
        whole = b"x" + data * repeat
        places = [0, *sorted(len(whole) * cut // 100 for cut in cuts), len(whole)]
        stored = b"".join(packed(whole[start:end]) for start, end in pairwise(places))
        s3 = FakeS3({("b", "k" + ending): stored}, block_bytes=max(blocks, len(stored) // 1000))

        found = list(read_object(s3, S3Object("b", "k" + ending)))

        assert b"".join(found) == whole
        assert max(map(len, found)) <= BLOCK_BYTES

    def test_a_connection_that_breaks_is_taken_up_again(self) -> None:
        """The rest is asked for from the byte after the last one, of the same version of the object."""
        s3 = FakeS3(break_after=300_000)
        data = "".join(f"{number}\n" for number in range(200_000))

        items = read(data, {"InputType": "JSONL"}, s3=s3)

        assert items == list(range(200_000))
        assert [call.get("Range") for call in s3.calls("get_object")][:2] == [None, "bytes=300000-"]
        assert s3.calls("get_object")[1]["IfMatch"] == '"e"'

    def test_a_connection_that_never_gives_a_byte_is_given_up(self) -> None:
        """Five attempts without progress are the bound."""
        s3 = FakeS3(break_after=0)

        with pytest.raises(ItemReaderError, match=r"Cannot read s3://b/k from byte 0 on, tried 5 times: Read timeout"):
            read("1", {"InputType": "JSONL"}, s3=s3)

    def test_a_missing_object_and_a_missing_bucket(self) -> None:
        """In S3's words, with what the SDK adds to them."""
        s3 = FakeS3({("b", "x"): b""})
        missing_key = ReaderSpec("s3:getObject", {"InputType": "JSONL"}, {"Bucket": "b", "Key": "k"})
        missing_bucket = ReaderSpec("s3:getObject", {"InputType": "JSONL"}, {"Bucket": "c", "Key": "k"})

        sdk = r" \(Service: S3, Status Code: 404, Request ID: R, Extended Request ID: H\) \(SDK Attempt Count: 1\)$"
        with pytest.raises(ItemReaderError, match=rf"^The specified key does not exist\.{sdk}"):
            list(open_reader(s3, missing_key))
        with pytest.raises(ItemReaderError, match=rf"^The specified bucket does not exist{sdk}"):
            list(open_reader(s3, missing_bucket))

    def test_version_and_owner_are_passed_on(self) -> None:
        """VersionId and ExpectedBucketOwner of the reader's parameters go to GetObject."""
        s3 = FakeS3({("b", "k"): b"1"})
        arguments = {"Bucket": "b", "Key": "k", "VersionId": "v", "ExpectedBucketOwner": "123456789012"}

        list(open_reader(s3, ReaderSpec("s3:getObject", {"InputType": "JSONL"}, arguments)))

        assert s3.calls("get_object") == [arguments]

    def test_version_and_owner_are_passed_on_when_a_connection_is_taken_up_again(self) -> None:
        """Else the rest could be of another version."""
        s3 = FakeS3({("b", "k"): b"1\n" * 1000}, break_after=500)
        arguments = {"Bucket": "b", "Key": "k", "VersionId": "v", "ExpectedBucketOwner": "123456789012"}

        list(open_reader(s3, ReaderSpec("s3:getObject", {"InputType": "JSONL"}, arguments)))

        assert len(s3.calls("get_object")) == 4
        assert all(call.items() >= arguments.items() for call in s3.calls("get_object"))

    @pytest.mark.parametrize(
        ("arguments", "cause"),
        [
            ({"Bucket": "b"}, "The ItemReader's Key is None; expected a text that is not empty"),
            ({"Bucket": "", "Key": "k"}, "The ItemReader's Bucket is ''; expected a text that is not empty"),
            ({"Bucket": "b", "Key": "k", "VersionId": 3}, "The ItemReader's VersionId is 3; expected a text"),
            (
                {"Bucket": "b", "Key": "k", "Prefix": "p", "MaxKeys": 1},
                "parameters name MaxKeys, Prefix; s3:getObject takes Bucket, Key, VersionId, ExpectedBucketOwner",
            ),
        ],
    )
    @pytest.mark.parametrize("config", FORMS[:3], ids=lambda config: config["InputType"])
    def test_parameters_that_are_wrong_are_named(
        self, config: Mapping[str, Json], arguments: dict[str, Json], cause: str
    ) -> None:
        """Before S3 is asked for anything."""
        s3 = FakeS3()

        with pytest.raises(ItemReaderError, match=cause):
            list(open_reader(s3, ReaderSpec("s3:getObject", config, arguments)))
        assert not s3.requests


@pytest.mark.parametrize("config", FORMS, ids=lambda config: config["InputType"])
class TestTheSameBytesAfterACrash:
    def test_the_identity_of_the_object_is_told_before_its_items(self, config: Mapping[str, Json]) -> None:
        """The ETag, and the version where the bucket keeps versions, of the answer that the items come from."""
        s3 = FakeS3({("b", "k"): EMPTY[config["InputType"]]}, version="v1")
        told: list[ObjectIdentity] = []

        next(open_reader(s3, ReaderSpec("s3:getObject", config, WHERE), on_opened=told.append), None)

        assert told == [ObjectIdentity('"e"', "v1")]

    def test_a_pinned_object_is_read_by_its_etag_and_version(self, config: Mapping[str, Json]) -> None:
        """Every request demands both, the first one too."""
        s3 = FakeS3({("b", "k"): EMPTY[config["InputType"]]}, version="v2")

        list(open_reader(s3, ReaderSpec("s3:getObject", config, WHERE), pinned=ObjectIdentity('"e"', "v1")))

        assert {(call["IfMatch"], call["VersionId"]) for call in s3.calls("get_object")} == {('"e"', "v1")}

    def test_an_object_that_has_changed_is_an_error_that_says_so(self, config: Mapping[str, Json]) -> None:
        """Going on with other bytes would skip items or take them twice."""
        s3 = FakeS3({("b", "k"): EMPTY[config["InputType"]]}, etags={("b", "k"): '"new"'})
        expected = (
            r's3://b/k has changed since the run began \(its ETag was "old", it is "new" now\)\. Start a new exec'
        )

        with pytest.raises(ItemReaderError, match=expected):
            list(open_reader(s3, ReaderSpec("s3:getObject", config, WHERE), pinned=ObjectIdentity('"old"')))


class TestMemory:
    ROWS = 100_000
    SOURCES = (
        ("k.csv", FIRST_ROW, "id,text\n" + '1,"x, y"\n' * 10 + "2,abcdefghijklmnopqrstuvwxyz\n" * ROWS),
        ("k.csv", FIRST_ROW, "id,text\n" + '2,"abcdefghijkl\nmnopqrstuvwxyz"\n' * ROWS),
        ("k.jsonl", {"InputType": "JSONL"}, '{"id": 1, "text": "abcdefghijklmnopqrstuvwxyz"}\n' * ROWS),
        ("k.json", {"InputType": "JSON"}, "[0" + ', {"id": 1, "text": "abcdefghijklmnopqrstuvwxyz"}' * ROWS + "]"),
        ("k.jsonl.gz", {"InputType": "JSONL"}, '{"id": 1, "text": "abcdefghijklmnopqrstuvwxyz"}\n' * ROWS),
        ("k.jsonl.zst", {"InputType": "JSONL"}, '{"id": 1, "text": "abcdefghijklmnopqrstuvwxyz"}\n' * ROWS),
    )

    @pytest.mark.parametrize(
        ("key", "config", "text"), SOURCES, ids=[f"{key}-{at}" for at, (key, *_) in enumerate(SOURCES)]
    )
    def test_it_does_not_grow_with_the_object(self, key: str, config: Mapping[str, Json], text: str) -> None:
        """A hundred thousand items need no more than the few blocks that are being worked on."""
        s3 = FakeS3({("b", key): PACKERS[key[key.rindex(".") :] if key.count(".") > 1 else ""](text.encode())})
        chunks = open_reader(s3, ReaderSpec("s3:getObject", config, {"Bucket": "b", "Key": key}))
        count = len(next(chunks).values)

        tracemalloc.start()
        try:
            for chunk in chunks:
                count += len(chunk.values)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert count >= self.ROWS
        assert peak < 4 * 1024**2


@given(rows=st.integers(0, 3000), most=st.integers(1, 3100), form=st.sampled_from(["CSV", "JSON", "JSONL", "PARQUET"]))
@settings(deadline=None)
def test_max_items_cuts_anywhere(rows: int, most: int, form: str) -> None:
    """The first items and no more, in the middle of a chunk, at its end, or past the last."""
    stored = {
        "CSV": b"n\n" + b"".join(b"%d\n" % number for number in range(rows)),
        "JSON": orjson.dumps([{"n": str(number)} for number in range(rows)]),
        "JSONL": b"".join(b'{"n":"%d"}\n' % number for number in range(rows)),
        "PARQUET": parquet_file({"n": [str(number) for number in range(rows)]}),
    }
    s3 = FakeS3({("b", "k"): stored[form]})
    spec = ReaderSpec("s3:getObject", {"InputType": form, "CSVHeaderLocation": "FIRST_ROW"}, WHERE)

    stream = ItemStream(lambda: open_reader(s3, spec), max_items=most, threaded=False)
    items: list[object] = []
    while (chunk := stream.take()) is not None:
        assert isinstance(chunk, Chunk)
        items += chunk.values
    stream.close()

    assert items == [{"n": str(number)} for number in range(min(rows, most))]
    assert stream.items_read == len(items)


@pytest.mark.parametrize(
    ("resource", "config", "what"),
    [
        ("s3:getObject", {"InputType": "AVRO"}, "InputType AVRO"),
        ("s3:getObject", {"ManifestType": "ICEBERG"}, "ManifestType ICEBERG"),
        ("s3:getObject", {"ManifestType": "ATHENA_DATA", "InputType": "ORC"}, "InputType ORC"),
        ("s3:listObjectsV2", {"Transformation": "LOAD_AND_FLATTEN"}, "InputType None"),
        ("s3:headObject", {}, "resource s3:headObject"),
    ],
)
def test_a_form_that_is_not_supported_says_what_is(resource: str, config: Mapping[str, Json], what: str) -> None:
    """States.ItemReaderFailed, naming the supported forms."""
    with pytest.raises(
        ItemReaderError, match=f"cannot read with {what}.*CSV, JSON, JSONL, PARQUET .*; s3:listObjectsV2"
    ):
        list(open_reader(FakeS3(), ReaderSpec(resource, config, {"Bucket": "b", "Key": "k"})))


class TestStateInput:
    def test_arrays_and_objects(self) -> None:
        """Elements, or members with their keys, a thousand at a time."""
        assert [len(chunk.values) for chunk in read_state_input(list(range(2500)))] == [1000, 1000, 500]
        assert list(read_state_input({"a": 1, "b": 2})) == [Chunk([1, 2], ["a", "b"])]

    def test_anything_else_is_no_dataset(self) -> None:
        """AWS's words, as States.Runtime."""
        with pytest.raises(MapRunError, match="must point to array"):
            read_state_input("text")


def test_the_source_of_an_item() -> None:
    """What `$$.Map.Item.Source` says for the three kinds of source."""
    assert source_name(None) == "STATE_DATA"
    assert source_name(ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "b", "Prefix": "p"})) == "S3://b"
    assert source_name(ReaderSpec("s3:getObject", {}, {"Bucket": "b", "Key": "k"})) == "S3://b/k"
