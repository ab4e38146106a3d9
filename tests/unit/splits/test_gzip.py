"""gzip members: read by the split in which they begin, and never passed over for being damaged."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from typing import Any

import pytest

from mapfold.splits import SplitError, Splits
from mapfold.splits.rows import read_rows
from tests.unit.splits.fakes import BUCKET, KEY, FakeS3, pieces, rows_of

OBJECT = f"s3://{BUCKET}/{KEY}"


def member(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


def noise(size: int) -> bytes:
    """Text that gzip cannot make much smaller."""
    return random.Random(7).randbytes(size // 2).hex().encode() + b"\n"


def bgzip_member(text: bytes) -> bytes:
    """A member as bgzip writes it: with an extra field that says its length."""
    deflated = zlib.compressobj(wbits=-15)
    data = deflated.compress(text) + deflated.flush()
    extra = struct.pack("<2sHH", b"BC", 2, len(data) + 25)
    head = b"\x1f\x8b\x08\x04" + b"\0" * 4 + b"\0\xff" + struct.pack("<H", len(extra)) + extra
    return head + data + struct.pack("<II", zlib.crc32(text), len(text))


class TestOneMember:
    def test_is_one_split_whatever_its_size(self) -> None:
        """Ranges in which no member begins are no children."""
        data = member(noise(200_000))
        s3: Any = FakeS3({KEY: data})

        splits = pieces(s3, Splits("text", compression="gzip", split_bytes=1_000))

        assert [piece.split["start"] for piece in splits] == [0]

    def test_is_read_whole_by_it(self) -> None:
        """From byte 0 to the member's end, far behind the range's."""
        text = noise(200_000)

        rows = rows_of(member(text), Splits("text", compression="gzip", split_bytes=1_000))

        assert rows == [text.decode().rstrip("\n")]


class TestMembersEnd:
    def test_inside_of_a_record_is_an_error_that_says_what_to_do(self) -> None:
        """bgzip cuts wherever 64 KiB are full."""
        data = bgzip_member(b"one\ntw") + bgzip_member(b"o\nthree\n") + bgzip_member(b"")

        with pytest.raises(SplitError) as caught:
            rows_of(data, Splits("text", compression="gzip"))

        assert str(caught.value).startswith(f"{OBJECT}, byte 4 of what the gzip member at byte 0 holds: ")
        assert "bgzip" in str(caught.value)
        assert "one member" in str(caught.value)

    def test_behind_a_record_is_none_and_an_empty_member_is_nothing(self) -> None:
        """Extra fields in a member's head are passed over; bgzip ends a file with an empty member."""
        data = bgzip_member(b"one\n") + bgzip_member(b"two\n") + bgzip_member(b"")

        rows = rows_of(data, Splits("text", compression="gzip", split_bytes=10))

        assert rows == ["one", "two"]

    def test_may_be_followed_by_zeros(self) -> None:
        """Some tools fill up blocks."""
        rows = rows_of(member(b"one\n") + b"\0" * 2_000, Splits("text", compression="gzip"))

        assert rows == ["one"]

    def test_may_not_be_followed_by_anything_else(self) -> None:
        """Nobody knows what it is."""
        data = member(b"one\n") + b"garbage"

        with pytest.raises(
            SplitError, match=f"byte {len(data) - 7}: it has something else behind its last gzip member"
        ):
            rows_of(data, Splits("text", compression="gzip"))


class TestDamage:
    @pytest.mark.parametrize("size", [50, 130, 10_000])
    def test_a_truncated_object_names_the_member_and_the_last_byte(self, size: int) -> None:
        """In whichever split the member begins."""
        members = [member(f"line {number}\n".encode() * 9) for number in range(8)]
        data = b"".join(members)[:-5]

        with pytest.raises(SplitError) as caught:
            rows_of(data, Splits("text", compression="gzip", split_bytes=size))

        last = sum(map(len, members[:-1]))
        assert f"{OBJECT}, byte {last}: the gzip member that begins here is not whole" in str(caught.value)
        assert f"the object ends at byte {len(data)}" in str(caught.value)

    @pytest.mark.parametrize("broken", range(8))
    def test_a_damaged_member_is_never_passed_over(self, broken: int) -> None:
        """
        A worker that looks for its first member cannot tell a damaged one from bytes that look like one by chance. The
        worker of the range before can, and checks it.
        """
        members = [bytearray(member(noise(300))) for _ in range(8)]
        members[broken][-6] ^= 1  # of the checksum
        data = b"".join(members)
        s3: Any = FakeS3({KEY: data})
        ranges = [(at, min(at + 200, len(data))) for at in range(0, len(data), 200)]
        facts = {"bucket": BUCKET, "key": KEY, "etag": pieces(s3, Splits("text", compression="gzip"))[0].split["etag"]}
        facts |= {"size": len(data), "format": "text", "compression": "gzip"}

        messages = []
        for start, end in ranges:
            try:
                list(read_rows(s3, {**facts, "start": start, "end": end}))
            except SplitError as error:
                messages.append(str(error))

        where = f"byte {sum(map(len, members[:broken])):,}: the gzip member that begins here is damaged"
        assert messages
        assert all(where in message for message in messages)

    def test_what_looks_like_a_member_by_chance_is_passed_over(self) -> None:
        """Incompressible bytes hold anything; only a checksum is believed."""
        false = b"no text: \x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03 no deflate here \x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
        stored = zlib.compressobj(0, wbits=31)
        first = stored.compress(false.hex().encode() + b"\n") + stored.flush()
        hidden = first.replace(false.hex().encode(), false + b"x" * len(false))
        crc = struct.pack("<II", zlib.crc32(false + b"x" * len(false) + b"\n"), 2 * len(false) + 1)
        data = hidden[:-8] + crc + member(b"two\n")

        rows = rows_of(data, Splits("text", compression="gzip", split_bytes=20, encoding="latin-1"))

        assert [row[-3:] for row in rows] == ["xxx", "two"]

    def test_what_is_no_gzip_is_refused_by_plan(self) -> None:
        """With the way out."""
        s3: Any = FakeS3({KEY: b"a,b\n"})

        with pytest.raises(SplitError, match=f'{OBJECT}: it is no gzip.*Leave compression="gzip" out'):
            pieces(s3, Splits("csv", compression="gzip"))
