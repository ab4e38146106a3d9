"""The order in which AWS's request validator lists the values of an enumeration.

    Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]

That is no order of anybody's choice: it is that of a hash table of 32 places by Java's `String.hashCode`, in which a value
that finds another at its place is put before it. The recorded list of Step Functions follows from it, and so do those that
are quoted of other services: `[B, N, S]` of DynamoDB, `[x86_64, arm64]` of Lambda, the eight key specs of KMS.
"""

from __future__ import annotations

from collections.abc import Sequence

_PLACES = 32
"""Enough for all enumerations in requests of Step Functions and of the embedded Lambda: the largest has six values."""


def as_listed(values: Sequence[str]) -> list[str]:
    """The values of an enumeration, given in the order of the service's model, as AWS lists them."""
    listed = list(values)
    listed.reverse()
    listed.sort(key=lambda value: _java_hash(value) % _PLACES)  # keeps the order of those at one place
    return listed


def _java_hash(text: str) -> int:
    number = 0
    for char in text:
        number = (31 * number + ord(char)) & 0xFFFF_FFFF
    return number
