"""How large pieces and batches are."""

from __future__ import annotations

import math

import pytest

from mapfold.splits.sizes import BatchSizes, largest_piece, piece_bytes, piece_ranges

MIB = 1024 * 1024


class TestPieces:
    def test_ten_gigabytes_are_a_few_hundred(self) -> None:
        """With a function as jobs declare it by themselves: 512 MB, 60 s."""
        piece = piece_bytes(10_000_000_000, largest_piece(memory_mb=512, timeout_seconds=60))

        assert 200 <= math.ceil(10_000_000_000 / piece) <= 500

    @pytest.mark.parametrize(
        ("memory_mb", "timeout_seconds", "mib"),
        [(512, 60, 34), (1769, 60, 120), (512, 900, 520), (128, 3, 4)],
    )
    def test_a_worker_takes_on_what_it_can_read_in_a_quarter_of_its_time(
        self, memory_mb: int, timeout_seconds: int, mib: int
    ) -> None:
        """Memory is what Lambda gives cores by."""
        assert largest_piece(memory_mb=memory_mb, timeout_seconds=timeout_seconds) // MIB == mib

    @pytest.mark.parametrize(("size", "piece"), [(0, 4), (31 * MIB, 4), (2_000 * MIB, 10), (90_000 * MIB, 35)])
    def test_are_larger_in_larger_objects(self, size: int, piece: int) -> None:
        """Between what is worth a child and what a worker takes on."""
        assert piece_bytes(size, 35 * MIB) // MIB == piece

    def test_are_all_about_as_long_and_none_longer(self) -> None:
        """A rest of a few bytes is no piece of its own."""
        ranges = list(piece_ranges(10, 111, 50))

        assert ranges == [(10, 43), (43, 77), (77, 111)]
        assert list(piece_ranges(10, 10, 50)) == []

    def test_are_made_as_they_are_taken(self) -> None:
        """Pieces of one byte of 10 GB would not fit into the memory of Plan."""
        ranges = piece_ranges(0, 10_000_000_000, 1)

        assert [next(ranges), next(ranges)] == [(0, 1), (1, 2)]


class TestBatches:
    def test_one_large_object_has_one_piece_in_each(self) -> None:
        """A piece is what a worker takes on."""
        sizes = BatchSizes()
        for _ in range(300):
            sizes.add(35 * MIB)

        assert sizes.choose(35 * MIB) == 1

    def test_small_objects_share_one(self) -> None:
        """A gigabyte in 100,000 objects makes some 200 children, as one object of a gigabyte does."""
        sizes = BatchSizes()
        for _ in range(100_000):
            sizes.add(10_000)

        assert sizes.choose(35 * MIB) == 256

    def test_have_no_more_bytes_than_the_job_gives_a_split(self) -> None:
        """Who makes splits small wants many children; objects that are smaller still share one."""
        sizes = BatchSizes()
        for _ in range(100):
            sizes.add(300)

        assert sizes.choose(35 * MIB, given=500) == 1
        assert sizes.choose(35 * MIB, given=1_300) == 4

    def test_the_largest_neighbours_decide(self) -> None:
        """Large objects that follow each other would otherwise be more than a worker can take on."""
        sizes = BatchSizes()
        for number in range(1_000):
            sizes.add(20 * MIB if number in (500, 501) else 1_000)

        assert sizes.choose(35 * MIB) == 1
