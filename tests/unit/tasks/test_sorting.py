"""Sorting lines in bounded memory."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.runs import sorting
from mapfold.runs.sorting import SortedLines, TmpFull


def number(line: bytes) -> int:
    return int(line.split(b" ")[0])


@given(numbers=st.lists(st.integers(0, 50), max_size=60), at_once=st.integers(1, 3000))
def test_lines_come_back_in_order_however_little_is_held(numbers: list[int], at_once: int) -> None:
    """Equal keys keep the order in which they came, whether they were in memory or in files."""
    with SortedLines[int](number, at_once=at_once) as lines:
        for place, key in enumerate(numbers):
            lines.add(key, b"%d %d" % (key, place))

        found = [line for _, line in lines]

    assert found == [b"%d %d" % pair for pair in sorted((key, place) for place, key in enumerate(numbers))]


def test_many_runs_are_merged_into_one_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may open only so many files."""
    monkeypatch.setattr(sorting, "RUNS_AT_ONCE", 4)

    with SortedLines[int](number, at_once=1) as lines:
        for key in reversed(range(30)):
            lines.add(key, b"%d x" % key)

        assert len(lines._runs) < 4
        assert [key for key, _ in lines] == list(range(30))


def test_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm worker's /tmp is that of the batch before."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with SortedLines[int](number, at_once=1) as lines:
        lines.add(1, b"1 x")
        held = list(tmp_path.iterdir())

    assert len(held) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_way_out() -> None:
    """Not as an OSError of a file that nobody knows."""
    lines: SortedLines[bytes] = SortedLines(lambda line: line, at_once=1000)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, most))
    try:
        with lines, pytest.raises(TmpFull, match=r"/tmp .* is full: 5,001 bytes .*ephemeral_storage_mb") as raised:
            lines.add(b"x", b"x" * 5_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert raised.value.lines_bytes == 5_001
