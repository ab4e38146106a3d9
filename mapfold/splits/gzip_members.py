"""gzip files of several members, each read by the split in which it begins.

A member can only be read from its beginning, and where one begins is not written down anywhere. So a worker looks for the
bytes that a member begins with, and inflates what follows to its checksum before it believes them. What only looked like
a member and what was one and is damaged are then alike to it: therefore each worker also inflates the member behind its
own, the first one of the next range. Thereby every member is inflated by a worker that knows that it is one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from mapfold.splits.errors import DamagedMember, Place, SplitError
from mapfold.splits.reading import ObjectReader
from mapfold.splits.records import Block, Located, whole_records

MAGIC = b"\x1f\x8b\x08"
"""gzip, deflate (RFC 1952)."""
_RESERVED_FLAGS = 0xE0
"""Must be zero; zlib refuses others too."""
_OUTPUT_BYTES = 512 * 1024
"""Inflated at once: deflate makes up to a thousand bytes of one."""
_PROOF_BYTES = 4 * 1024
"""Chance bytes are refused by zlib within a few hundred."""


def member_blocks(reader: ObjectReader, start: int, end: int, *, quoted: bool = False) -> Iterator[Block]:
    """Whole records of the members that begin at byte `start` or later and before `end`."""
    begin = 0 if start == 0 else _first_member(reader, start, end)
    if begin is None:
        return
    compressed = _Compressed(reader, begin, end)
    while compressed.position < end and compressed.at_member():
        place = Place(reader.uri, member=compressed.position)
        for block in whole_records(_inflated(compressed), place, quoted=quoted):
            if not block.data.endswith(b"\n") and compressed.at_member():
                raise _cut_record(block, compressed.position)
            yield block
    if compressed.at_member():
        for _ in _inflated(compressed):
            pass  # see the module


def begins_member(reader: ObjectReader, start: int, end: int) -> bool:
    """Whether a member seems to begin between two bytes. Never False where one does; True by chance once in some TB."""
    return any(_inflates(reader, offset) for offset in _candidates(reader, start, end))


def inflated_head(reader: ObjectReader, size: int) -> bytes:
    """The first `size` bytes of what the first member holds, or all of them."""
    head = bytearray()
    for _, data in _inflated(_Compressed(reader, 0, min(reader.size, size))):
        head += data
        if len(head) >= size:
            break
    return bytes(head[:size])


class _Compressed:
    """The compressed bytes from `position` on. What was read too far is given back."""

    def __init__(self, reader: ObjectReader, position: int, end: int) -> None:
        self._chunks = reader.chunks_beyond(position, end)
        self._kept = b""
        self.reader, self.position = reader, position

    def read(self) -> bytes:
        """The next bytes; none at the object's end."""
        data = self._kept or next(self._chunks, b"")
        self._kept = b""
        self.position += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        """The end of what was read last."""
        self._kept = data
        self.position -= len(data)

    def at_member(self) -> bool:
        """Whether a member follows. Not at the end, before which there may be zeros. SplitError if it is no gzip."""
        head = self._peek()
        while head[:1] == b"\0" and self.position:
            self.give_back(self.read().lstrip(b"\0"))
            head = self._peek()
        if head == MAGIC or not head:
            return bool(head)
        what = "has something else behind its last gzip member" if self.position else "is no gzip"
        fix = "Write it anew" if self.position else 'Leave compression="gzip" out for what is not compressed'
        raise SplitError(f"it {what}", at=Place(self.reader.uri).at(self.position), fix=fix)

    def _peek(self) -> bytes:
        while len(self._kept) < len(MAGIC) and (more := next(self._chunks, b"")):
            self._kept += more
        return self._kept[: len(MAGIC)]


def _inflated(compressed: _Compressed) -> Iterator[Located]:
    """What the member holds that begins at `compressed`, which is behind it afterwards."""
    engine, begin, produced = zlib.decompressobj(wbits=31), compressed.position, 0
    at = Place(compressed.reader.uri).at(begin)
    while not engine.eof:
        data = compressed.read()
        ended = not data
        while data or ended:
            try:
                output = engine.decompress(data, _OUTPUT_BYTES)
            except zlib.error as error:
                problem = f"the gzip member that begins here is damaged ({error})"
                raise DamagedMember(problem, at=at, fix="Write the object anew from its source") from error
            data = engine.unconsumed_tail
            if output:
                yield produced, output
                produced += len(output)
            elif ended:
                break
            if engine.eof:
                break
        if ended and not engine.eof:
            problem = f"the gzip member that begins here is not whole: the object ends at byte {compressed.position:,}"
            raise SplitError(problem, at=at, fix="Upload the object again: it is truncated")
    compressed.give_back(engine.unused_data)


def _first_member(reader: ObjectReader, start: int, end: int) -> int | None:
    for offset in _candidates(reader, start, end):
        try:
            for _ in _inflated(_Compressed(reader, offset, end)):
                pass
        except DamagedMember:
            continue
        return offset
    return None


def _candidates(reader: ObjectReader, start: int, end: int) -> Iterator[int]:
    """Where there is what a member begins with: by chance too, once in some 130 MB."""
    held, position = b"", start
    for chunk in reader.chunks(start, min(reader.size, end + len(MAGIC))):
        held += chunk
        found = held.find(MAGIC)
        while 0 <= found < len(held) - len(MAGIC) and position + found < end:
            if not held[found + len(MAGIC)] & _RESERVED_FLAGS:
                yield position + found
            found = held.find(MAGIC, found + 1)
        position += max(0, len(held) - len(MAGIC))
        held = held[-len(MAGIC) :]


def _inflates(reader: ObjectReader, offset: int) -> bool:
    try:
        zlib.decompressobj(wbits=31).decompress(reader.read(offset, offset + _PROOF_BYTES), _OUTPUT_BYTES)
    except zlib.error:
        return False
    return True


def _cut_record(block: Block, next_member: int) -> SplitError:
    last = block.data.rfind(b"\n") + 1
    problem = (
        f"the record that begins here is not at its end where the member is, and another member follows at byte "
        f"{next_member:,} (bgzip cuts like that)"
    )
    fix = (
        "Write members of whole records (`split -C 64m --filter='gzip >> all.gz'`), or all as one member with gzip, or do not "
        "compress it"
    )
    return block.error(last, problem, fix)
