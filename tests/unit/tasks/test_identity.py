"""What a batch's output says of its items, and the id of one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.runs.identity import add_up, as_text, item_digest, item_id, ranges


class TestDigest:
    def test_it_is_the_head_of_the_hash_of_index_and_item(self) -> None:
        """Anybody can compute it: blake2b of compact JSON with sorted keys, its first eight bytes."""
        text = '[7,{"bucket":"b","key":"\\u00e9"}]'

        digest = item_digest(7, {"key": "é", "bucket": "b"})

        assert as_text(digest) == hashlib.blake2b(text.encode()).hexdigest()[:16]

    def test_the_same_item_elsewhere_is_another(self) -> None:
        """The index is part of it: two items that changed places do not pass for themselves."""
        kept = add_up([item_digest(0, "a"), item_digest(1, "b")])

        swapped = add_up([item_digest(0, "b"), item_digest(1, "a")])

        assert kept != swapped

    def test_it_adds_up_in_any_order_and_in_halves(self) -> None:
        """Two pieces of a batch have together the digest of the batch, modulo 2^64."""
        parts = [item_digest(index, {"n": index}) for index in range(50)]

        halves = [add_up(parts[25:]), add_up(reversed(parts[:25]))]

        assert add_up(halves) == add_up(parts)
        assert add_up(parts) < 1 << 64


class TestRanges:
    @pytest.mark.parametrize(
        ("indexes", "expected"),
        [
            ([], []),
            ([5], [[5, 5]]),
            ([3, 1, 2], [[1, 3]]),
            ([1, 2, 9, 4, 5], [[1, 2], [4, 5], [9, 9]]),
            ([4, 4, 5], [[4, 4], [4, 5]]),
        ],
    )
    def test_neighbours_are_joined(self, indexes: list[int], expected: list[list[int]]) -> None:
        """In whatever order a batch's items come; one that came twice stays seen twice."""
        assert ranges(indexes) == expected

    @given(st.lists(st.integers(0, 40), max_size=60))
    def test_they_hold_each_index_as_often_as_it_came(self, indexes: list[int]) -> None:
        """Nothing is lost and nothing is added."""
        spread = [index for first, last in ranges(indexes) for index in range(first, last + 1)]

        assert sorted(spread) == sorted(indexes)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"uri": "s3://b/m.csv", "etag": "abc", "version": "v1"}, "s3://b/m.csv?versionId=v1#3"),
        ({"uri": "s3://b/m.csv", "etag": "abc", "version": "null"}, "s3://b/m.csv?etag=abc#3"),
        ({"uri": "s3://b/m.csv", "etag": "abc"}, "s3://b/m.csv?etag=abc#3"),
        ({"uri": "s3://b/logs/"}, "s3://b/logs/#3"),
    ],
)
def test_an_item_is_named_by_the_bytes_that_it_came_from(source: dict[str, str], expected: str) -> None:
    """The version where the bucket keeps them, else the ETag; a listing has neither."""
    assert item_id(source, 3) == expected
