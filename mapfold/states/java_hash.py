"""The order in which Java's HashSet and HashMap give their members: States.ArrayUnique and payload templates show it.

Each value has the hash of the Java object that a JSON parser makes of it: Integer, Long, BigInteger, Double, String,
Boolean, List, Map or null. Jackson's own nodes have the same hashes but for booleans and null; that the functions work
on plain objects is our conclusion from States.Format, which prints an object as Java's maps do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from mapfold.states.effects import Json

_LEAST_BUCKETS = 16
_LOAD = 0.75
"""A table that is fuller than this is doubled."""
_MOST_IN_CHAIN, _BUCKETS_OF_TREES = 8, 64
"""A bucket that gets a ninth member makes a table of less than 64 buckets twice as large (HashMap.treeifyBin)."""
_INT_BITS = 0xFFFFFFFF


def in_hash_order(members: Iterable[Json], *, made_for: int) -> list[Json]:
    """Members that are distinct, in the order of a HashSet that was made of a list of `made_for` values.

    Those of one bucket stay as they came. (Where there are 64 buckets, Java makes a tree of one with more than eight
    members, with an order of its own, which is not followed here.)
    """
    spread = [(_spread(hash_code(member)), member) for member in members]
    mask = _buckets(made_for, [code for code, _ in spread]) - 1
    return [member for _, member in sorted(spread, key=lambda pair: pair[0] & mask)]


def names_in_map_order(names: Iterable[str]) -> list[str]:
    """Distinct names in the order of a HashMap that they were put into one by one. Those of one bucket stay as they came."""
    listed = list(names)
    buckets = _LEAST_BUCKETS
    while len(listed) > buckets * _LOAD:
        buckets *= 2
    return sorted(listed, key=lambda name: _spread(_of_text(name)) & (buckets - 1))


def hash_code(value: Json) -> int:
    """Java's `hashCode()` of a JSON value, as an unsigned number of 32 bits."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1231 if value else 1237
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, int):
        return _of_whole(value)
    if isinstance(value, float):
        return _fold(struct.unpack(">q", struct.pack(">d", value))[0])
    if isinstance(value, list):
        code = 1
        for member in value:
            code = (31 * code + hash_code(member)) & _INT_BITS
        return code
    return sum(_of_text(key) ^ hash_code(member) for key, member in value.items()) & _INT_BITS


def _of_text(text: str) -> int:
    code = 0
    if text.isascii():  # nearly all are, and this takes half the time
        for unit in text.encode():
            code = (31 * code + unit) & _INT_BITS
        return code
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        code = (31 * code + (units[at] << 8 | units[at + 1])) & _INT_BITS
    return code


def _of_whole(value: int) -> int:
    """The hash of an Integer, a Long or (past 63 bits, which JSON has up to 64) a BigInteger."""
    if -(2**31) <= value < 2**31:
        return value & _INT_BITS
    if value < 2**63:
        return _fold(value)
    return (31 * (value >> 32) + value) & _INT_BITS


def _fold(bits: int) -> int:
    """The hash of a Long, or of a Double's bits."""
    return (bits ^ (bits % 2**64 >> 32)) & _INT_BITS


def _spread(code: int) -> int:
    """What a HashMap makes of a hash before it takes its last bits for the bucket."""
    return code ^ (code >> 16)


def _buckets(values: int, codes: Sequence[int]) -> int:
    """How many there are: a power of two, for the values with a quarter of it to spare, or more where many collide."""
    needed = max(int(values / _LOAD) + 1, _LEAST_BUCKETS)
    buckets = 1 << (needed - 1).bit_length()
    if buckets >= _BUCKETS_OF_TREES or len(codes) <= _MOST_IN_CHAIN:
        return buckets
    for count in range(1, len(codes) + 1):
        place = codes[count - 1] & (buckets - 1)
        if sum(code & (buckets - 1) == place for code in codes[:count]) > _MOST_IN_CHAIN:
            buckets *= 2
            if buckets == _BUCKETS_OF_TREES:
                break
    return buckets
