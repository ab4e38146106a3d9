"""The journal's format (rules: `mapfold/local/aws_journal/records.py` and `journal.py`)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.local.aws_journal.errors import JournalError, NotKept
from mapfold.local.aws_journal.journal import Journal, create
from mapfold.local.aws_journal.records import BEGUN, DONE, FIRST_LINE, Entry, Record, SideBody, encode, read_entries
from tests.unit.aws_journal.builders import s3


def entries(path: Path) -> list[Entry]:
    with path.open("rb") as file:
        return list(read_entries(file, path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    create(path)
    return path


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path, end=path.stat().st_size)


RECORDS = [s3("PUT", f"/bucket/{n}", body=b"x" * n) for n in (0, 1, 300)]


@settings(deadline=None)
@given(
    st.builds(
        Record,
        st.dictionaries(st.text(), st.text() | st.dictionaries(st.text(), st.text())),
        st.binary(),
        st.integers(0, 2**62),
        st.floats(0, 1e10),
        st.none() | st.builds(SideBody, st.text(), st.integers(0, 2**40), st.integers(0, 2**32 - 1)),
    )
)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    """Any text, any bytes."""
    written = FIRST_LINE + encode(record)

    (entry,) = read_entries(io.BytesIO(written), Path("journal"), up_to=len(written))

    assert (entry.record, entry.went) == (record, BEGUN)


def test_a_journal_that_ends_anywhere_has_what_was_whole(path: Path) -> None:
    """Cut at every byte: the records that end before it are there, and nothing else."""
    data = FIRST_LINE
    ends = []
    for record in RECORDS:
        data += encode(record)
        ends.append(len(data))

    for cut in range(len(FIRST_LINE), len(data) + 1):
        path.write_bytes(data[:cut])

        assert [entry.end for entry in entries(path)] == [end for end in ends if end <= cut]


def test_what_a_power_cut_left_empty_at_the_end_is_not_there(path: Path) -> None:
    """A file may be longer than what reached the disk; the rest is zeros."""
    path.write_bytes(FIRST_LINE + encode(RECORDS[0]) + bytes(5000))

    assert len(entries(path)) == 1


def test_damage_in_the_middle_is_an_error_that_names_the_file(path: Path) -> None:
    """Whichever byte of the first of two records it is, but for the one that says how it went."""
    first, second = encode(RECORDS[1]), encode(RECORDS[2])

    for index in range(len(first)):
        damaged = bytearray(first)
        damaged[index] ^= 0x01
        path.write_bytes(FIRST_LINE + damaged + second)

        with pytest.raises(JournalError, match=rf"{path}: damaged at byte {len(FIRST_LINE)}.*move the folder"):
            entries(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"mapfold-aws-journal 2\nmore", "a journal of version 2; this Mapfold reads version 1"),
        (b"SQLite format 3\0", "not a journal of Mapfold's"),
        (b"", "not a journal of Mapfold's"),
    ],
)
def test_another_file_is_an_error(path: Path, content: bytes, problem: str) -> None:
    """Also a journal of another version. It stays as it is."""
    path.write_bytes(content)

    with pytest.raises(JournalError, match=problem):
        entries(path)

    assert path.read_bytes() == content


class TestJournal:
    def test_a_settled_record_says_how_it_went(self, journal: Journal) -> None:
        """The last may still be under way."""
        journal.settle(journal.begin(RECORDS[0]), DONE)
        journal.begin(RECORDS[1])
        journal.close()

        assert [entry.went for entry in entries(journal.path)] == [DONE, BEGUN]

    def test_what_is_taken_back_is_not_there(self, journal: Journal) -> None:
        """The next one takes its place."""
        journal.take_back(journal.begin(RECORDS[2]))
        journal.settle(journal.begin(RECORDS[1]), DONE)
        journal.close()

        assert [entry.record for entry in entries(journal.path)] == [RECORDS[1]]

    def test_a_tail_that_was_cut_short_is_written_over(self, path: Path) -> None:
        """Even by a shorter record."""
        path.write_bytes(FIRST_LINE + encode(RECORDS[2])[:-1])
        journal = Journal(path, end=len(FIRST_LINE))
        journal.settle(journal.begin(RECORDS[0]), DONE)
        journal.close()

        assert [entry.record for entry in entries(path)] == [RECORDS[0]]

    def test_after_a_record_that_could_not_be_settled_nothing_may_change(self, journal: Journal) -> None:
        """What is served would drift from what is kept; only a restart brings them together."""
        start = journal.begin(RECORDS[0])
        journal.close()

        with pytest.raises(NotKept):
            journal.settle(start, DONE)

        with pytest.raises(NotKept, match="Restart it"):
            journal.begin(RECORDS[1])

    def test_what_fails_after_it_was_moved_loses_nothing(
        self, journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The old file is no more then: what comes next is in the new one."""
        other = path.with_name("other")
        create(other)

        def broken(descriptor: int) -> None:
            raise OSError("asked to")

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="asked to"):
            journal.move_to(other, end=len(FIRST_LINE))
        journal.settle(journal.begin(RECORDS[0]), DONE)
        journal.close()

        assert [entry.record for entry in entries(path)] == [RECORDS[0]]
