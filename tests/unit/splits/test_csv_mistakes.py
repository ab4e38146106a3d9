"""What is wrong in CSV is an error that names the object, the byte and the way out; nothing is cut silently."""

from __future__ import annotations

import csv
import gzip
import io
import random
from typing import Any

import pytest

from mapfold.splits import SplitError, Splits
from mapfold.splits.records import RECORD_LIMIT
from mapfold.splits.rows import read_rows
from tests.unit.splits.fakes import BUCKET, KEY, FakeS3, pieces, rows_of

OBJECT = f"s3://{BUCKET}/{KEY}"


def refused(data: bytes, source: Splits) -> str:
    with pytest.raises(SplitError) as caught:
        rows_of(data, source)
    return str(caught.value)


class TestQuotedNewlines:
    @pytest.mark.parametrize("size", [8, 14, 20, 1_000])
    def test_are_refused_while_every_newline_ends_a_record(self, size: int) -> None:
        """Whichever split the first half of the record is in: a line with an odd number of quotes proves it."""
        message = refused(b'a,b\n1,2\n3,"x\ny"\n5,6\n', Splits("csv", split_bytes=size))

        assert message.startswith(f"{OBJECT}, byte 8: the line that begins here has an odd number of quotes")
        assert "quoted_newlines=True" in message

    def test_are_found_though_a_stray_quote_makes_the_line_even(self) -> None:
        """The parser sees that its row goes on, where counting quotes sees nothing."""
        message = refused(b'a,b,c\n1,2,3\n5" pipe,"x\ny",z"\n', Splits("csv"))

        assert message.startswith(f"{OBJECT}, byte 12: ")
        assert "quoted_newlines=True" in message

    def test_are_found_by_the_split_that_begins_inside_of_the_field(self) -> None:
        """Its first line looks like a row with a quote in a field; it is none."""
        data = b'a,b\n3,"x\ny,2"\n5,6\n'
        s3: Any = FakeS3({KEY: data})
        (piece,) = pieces(s3, Splits("csv"))
        inside = {**piece.split, "start": 9}

        with pytest.raises(SplitError, match="byte 9: the line that begins here has an odd number of quotes"):
            list(read_rows(s3, inside))

    def test_a_header_with_one_is_refused_by_plan(self) -> None:
        """And read where they are declared."""
        data = b'"a\nx",b\n1,2\n'

        message, rows = refused(data, Splits("csv")), rows_of(data, Splits("csv", quoted_newlines=True))

        assert "byte 0: the line that begins here has an odd number of quotes" in message
        assert rows == [{"a\nx": "1", "b": "2"}]


class TestQuotesThatPlanReads:
    @pytest.mark.parametrize(
        ("row", "byte", "problem"),
        [
            (b'5" pipe,2\n', 5, "stands inside of a field"),
            (b'"x"y,2\n', 6, "closes a field in which more follows"),
            (b'"x,2\n', 4, "has a quote that nothing closes"),
        ],
    )
    def test_one_that_neither_opens_nor_closes_a_field_is_an_error(self, row: bytes, byte: int, problem: str) -> None:
        """A cut after it would be a guess. Plan says so, before anything runs."""
        s3: Any = FakeS3({KEY: b"a,b\n" + row + b"1,2\n" * 9})

        with pytest.raises(SplitError, match=f"byte {byte}: .*{problem}"):
            pieces(s3, Splits("csv", split_bytes=20, quoted_newlines=True))

    def test_a_record_over_split_bytes_is_an_error(self) -> None:
        """Its newlines are in quotes, so that no cut can be made in it."""
        s3: Any = FakeS3({KEY: b'a,b\n1,2\n3,"' + b"x\n" * 30 + b'"\n5,6\n'})

        with pytest.raises(
            SplitError, match="byte 8: the record that begins here has 65 bytes or more, and split_bytes is 20"
        ):
            pieces(s3, Splits("csv", split_bytes=20, quoted_newlines=True))


class TestRows:
    @pytest.mark.parametrize(("row", "fields"), [(b"3", 1), (b"3,4,5", 3), (b'3,"4",5', 3)])
    def test_too_few_or_too_many_fields_name_the_byte(self, row: bytes, fields: int) -> None:
        """Where the row begins in the object, also in a later split."""
        message = refused(b"a,b\n" + b"1,2\n" * 50 + row + b"\n6,7\n", Splits("csv", split_bytes=40))

        assert message.startswith(
            f"{OBJECT}, byte 204: the row that begins here has {fields} fields, and there are 2 columns"
        )

    def test_a_byte_that_is_no_text_is_named(self) -> None:
        """The encoding can be declared."""
        data = b"a,b\n1,2\n3,\xe4\n"

        message, rows = refused(data, Splits("csv")), rows_of(data, Splits("csv", encoding="latin-1"))

        assert message.startswith(f"{OBJECT}, byte 10: byte 0xE4 is no utf-8.")
        assert rows[1] == {"a": "3", "b": "ä"}

    def test_a_carriage_return_alone_ends_no_row(self) -> None:
        """csv.reader would take it for an end, where a range of bytes knows newlines only."""
        message = refused(b"a,b\n1,2\n3,4\r5,6\n", Splits("csv"))

        assert message.startswith(f"{OBJECT}, byte 8: the row that begins here has a carriage return without a newline")

    def test_a_field_may_be_longer_than_the_csv_module_allows_by_itself(self) -> None:
        """Its limit of 131,072 characters is none of ours."""
        rows = rows_of(b'a,b\n1,"' + b"x" * 300_000 + b'"\n', Splits("csv"))

        assert len(rows[0]["b"]) == 300_000

    def test_a_column_that_is_named_twice_is_an_error(self) -> None:
        """A row would lose one of the two values."""
        message = refused(b"a,b,a\n1,2,3\n", Splits("csv"))

        assert message.startswith(f"{OBJECT}, byte 0: the header names 'a' more than once")


class TestRecordsLongerThanTheirSplit:
    def test_name_the_byte_the_length_and_the_size_to_give(self) -> None:
        """Of split_bytes that were given; chosen ones have splits in which no record begins instead."""
        data = b"a,b\n1,2\n3," + b"x" * 100 + b"\n5,6\n"

        message = refused(data, Splits("csv", split_bytes=50))

        assert message.startswith(f"{OBJECT}, byte 8: the record that begins here has 103 bytes, and split_bytes is 50")
        assert "at least 103" in message

    def test_a_header_over_split_bytes_is_refused_by_plan(self) -> None:
        """Before anything runs."""
        s3: Any = FakeS3({KEY: b"a,b,c,d\n1,2,3,4\n"})

        with pytest.raises(SplitError, match="its header has 8 bytes, and split_bytes is 4"):
            pieces(s3, Splits("csv", split_bytes=4))

    @pytest.mark.parametrize(("source", "byte"), [(Splits("text"), 4), (Splits("text", compression="gzip"), 0)])
    def test_none_may_be_longer_than_the_limit(self, source: Splits, byte: int) -> None:
        """Memory is bounded, whatever the object is."""
        text = b"x" * (RECORD_LIMIT + 1_000_000)
        data = gzip.compress(text, 1) if source.compression else b"abc\n" + text

        message = refused(data, source)

        assert f"byte {byte}" in message
        assert "does not end within 67,108,864 bytes" in message


class TestWhatIsNoRow:
    @pytest.mark.parametrize("data", [b"", b"a,b", b"a,b\n", b"\xef\xbb\xbfa,b\r\n", b"\n\n"])
    def test_an_object_without_rows_has_no_split(self, data: bytes) -> None:
        """Empty, or a header alone."""
        s3: Any = FakeS3({KEY: data})

        splits = pieces(s3, Splits("csv"))

        assert splits == []

    def test_given_headers_leave_the_first_line_a_row(self) -> None:
        """As CsvRows does."""
        rows = rows_of(b"1,2\n3,4", Splits("csv", headers=("a", "b")))

        assert rows == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize("quoted_newlines", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_no_text_whatever_is_cut_silently(seed: int, quoted_newlines: bool) -> None:
    """Of random quotes, commas and newlines: the rows are those of csv.reader over the whole, or there is an error."""
    chance, answers = random.Random(seed), set()
    for _ in range(100):
        data = "".join(chance.choices(('"', '""', ',"', '"\n', "a", "\n", "a\n", ","), k=chance.randrange(30))).encode()
        width, size = chance.choice((1, 2)), chance.choice((5, 9, 17, 1_000))
        headers = ("a", "b")[:width]
        source = Splits("csv", headers=headers, split_bytes=size, quoted_newlines=quoted_newlines)

        try:
            rows = rows_of(data, source)
        except SplitError:
            answers.add("refused")
            continue

        whole = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        assert rows == [dict(zip(headers, row, strict=True)) for row in whole if row], data
        answers.add("read")
    assert answers == {"refused", "read"}
