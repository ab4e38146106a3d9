"""The rows of all splits together are the rows of the object read whole, whatever the splits' size."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mapfold.splits import Splits
from mapfold.splits.rows import read_rows
from tests.unit.splits.fakes import KEY, FakeS3, pieces, rows_of

SEEDS = range(60)
PLAIN = "abcäöü .-;|'☃"
SPECIAL = (*PLAIN, '"', ",")
QUOTED = (*SPECIAL, "\n", "\r\n")


def table(chance: random.Random, alphabet: Sequence[str]) -> list[list[str]]:
    """Rows of three fields, no row blank."""

    def field() -> str:
        return "".join(chance.choices(alphabet, k=chance.choice((0, 0, 1, 3, 40))))

    return [[str(number), field(), field()] for number in range(chance.choice((0, 1, 2, 50)))]


def as_csv(rows: list[list[str]], chance: random.Random) -> bytes:
    """A CSV file with one of everything that may differ: line ends, BOM, quotes, the last newline, blank lines."""
    text = io.StringIO(newline="")
    quoting: Any = chance.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    writer = csv.writer(text, lineterminator=chance.choice(("\n", "\r\n")), quoting=quoting)
    writer.writerow(["id", "käse", "c"])
    for row in rows:
        writer.writerow(row)
        if chance.random() < 0.05:
            text.write("\n")
    whole = text.getvalue()
    whole = whole.rstrip("\r\n") if chance.random() < 0.3 else whole
    return (b"\xef\xbb\xbf" if chance.random() < 0.3 else b"") + whole.encode()


def read_whole(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def longest_line(data: bytes) -> int:
    return max(map(len, data.splitlines(keepends=True)), default=1) * 3 + 100


def members(data: bytes, ends: list[int]) -> bytes:
    """A gzip file whose members end at these bytes of the text."""
    starts = [0, *ends[:-1]]
    return b"".join(gzip.compress(data[start:end], mtime=0) for start, end in zip(starts, ends, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
class TestAllSplitsTogether:
    def test_csv_with_quotes_and_without_newlines_in_them(self, seed: int) -> None:
        """Every newline is a record's end; a quoted comma, a doubled quote, CRLF and a BOM are no matter."""
        chance = random.Random(seed)
        data = as_csv(table(chance, SPECIAL), chance)
        size = chance.choice((longest_line(data), longest_line(data) + 13, 1_000_000))

        rows = rows_of(data, Splits("csv", split_bytes=size))

        assert rows == read_whole(data)

    def test_csv_with_newlines_in_quotes(self, seed: int) -> None:
        """Plan cuts at true ends of records: a newline, a quote and a comma in a field are no end."""
        chance = random.Random(seed)
        data = as_csv(table(chance, QUOTED), chance)
        size = chance.choice((2_000, 2_117, 1_000_000))

        rows = rows_of(data, Splits("csv", split_bytes=size, quoted_newlines=True))

        assert rows == read_whole(data)

    def test_json_lines(self, seed: int) -> None:
        """A blank line is no row; a line separator of Unicode in a string is no line's end."""
        chance = random.Random(seed)
        values = [{"n": n, "text": text, "more": [more, "\u2028\x0b"]} for n, text, more in table(chance, QUOTED)]
        end = chance.choice(("\n", "\r\n", "\n\n"))
        data = end.join(json.dumps(value, ensure_ascii=False) for value in values).encode()

        rows = rows_of(data, Splits("jsonl", split_bytes=longest_line(data)))

        assert rows == values

    def test_lines_of_text(self, seed: int) -> None:
        """A blank line is a line. The last one needs no newline."""
        chance = random.Random(seed)
        lines = [chance.choice(row) for row in table(chance, PLAIN)]
        data = "".join(f"{line}{chance.choice(('', chr(13)))}\n" for line in lines).encode()
        data = data[:-1] if chance.random() < 0.3 and lines and lines[-1] else data

        rows = rows_of(data, Splits("text", split_bytes=longest_line(data)))

        assert [row.removesuffix("\r") for row in rows] == lines

    def test_gzip_members(self, seed: int) -> None:
        """A member belongs to the split in which it begins, whichever bytes it is made of."""
        chance = random.Random(seed)
        data = as_csv(table(chance, QUOTED), chance)
        ends = record_ends(data)
        chosen = sorted({*chance.sample(ends, min(len(ends), 7)), len(data)})

        rows = rows_of(
            members(data, chosen),
            Splits("csv", compression="gzip", quoted_newlines=True, split_bytes=chance.choice((40, 97, 9_999))),
        )

        assert rows == read_whole(data)

    def test_parquet_row_groups(self, seed: int) -> None:
        """In order, with Python's values."""
        chance = random.Random(seed)
        values = [{"id": int(n), "text": text, "parts": [more]} for n, text, more in table(chance, QUOTED)]
        file = io.BytesIO()
        schema = pa.schema({"id": pa.int64(), "text": pa.string(), "parts": pa.list_(pa.string())})
        pq.write_table(pa.Table.from_pylist(values, schema=schema), file, row_group_size=chance.choice((1, 7, 100)))

        rows = rows_of(file.getvalue(), Splits("parquet", split_bytes=chance.choice((1, 300, 1_000_000))))

        assert rows == values


def record_ends(data: bytes) -> list[int]:
    """Where records end: behind newlines before which quotes are even."""
    return [at + 1 for at, byte in enumerate(data) if byte == 10 and data.count(b'"', 0, at) % 2 == 0]


@pytest.mark.parametrize("size", range(1, 40))
def test_each_line_is_in_one_split_whichever_byte_it_is_cut_at(size: int) -> None:
    """A record belongs to the split in which it begins: none twice, none left out, at every size of the splits."""
    lines = ["", "a", "bcd", "", "", "efghijkl", "m"]
    data = "\n".join(lines).encode()
    s3: Any = FakeS3({KEY: data})
    (whole,) = pieces(s3, Splits("text"))
    cut_anew = [{**whole.split, "start": at, "end": min(at + size, len(data))} for at in range(0, len(data), size)]

    rows = rows_in(s3, cut_anew)

    assert rows == lines


def rows_in(s3: Any, splits: list[dict[str, Any]]) -> list[Any]:
    return [row for split in splits for row in read_rows(s3, {**split, "split_bytes": None})]
