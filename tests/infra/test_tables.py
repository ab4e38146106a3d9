"""tables.json: the keys of every table that was ever declared, for DynamoDB cannot change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from infra.tables import check_record, declared_tables, write_record
from mapfold import Job, Manifest

Record = Callable[[object], Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write infra/tables.json; None leaves it away."""

    def write(content: object) -> Path:
        file = tmp_path / "infra" / "tables.json"
        file.parent.mkdir(exist_ok=True)
        if content is not None:
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


def job(name: str, **tables: tuple[str, ...]) -> Job:
    """A job with tables."""
    return Job(name, source=Manifest(), tables=tables)


def test_a_new_table_is_recorded(record: Record) -> None:
    """Synth writes its keys beside those that were known; the file is committed."""
    file = record({"days": ["carrier", "day"]})

    changed = write_record(check_record([job("words", seen=("key",))], file), file)

    assert changed
    assert json.loads(file.read_text()) == {"days": ["carrier", "day"], "seen": ["key"]}


def test_a_record_that_says_it_all_is_left_alone(record: Record) -> None:
    """The second synth changes nothing, to the byte."""
    file = record(None)
    write_record(check_record([job("words", seen=("key",))], file), file)

    assert not write_record(check_record([job("words", seen=("key",))], file), file)


def test_a_changed_key_stops_with_the_ways_out(record: Record) -> None:
    """CloudFormation would make an empty table in place of the one with the data."""
    file = record({"seen": ["key"]})

    with pytest.raises(ConfigurationError) as raised:
        check_record([job("words", seen=("bucket", "key"))], file)

    assert str(raised.value) == (
        "infra/test_tables.py, job 'words', table 'seen': its key is (bucket, key), and (key) in infra/tables.json; "
        "DynamoDB cannot change a key. Give the table another name, or write (key) again, or, once its data is moved "
        "and the table deleted, remove 'seen' from infra/tables.json."
    )


def test_a_removed_table_stays_recorded(record: Record) -> None:
    """It is retained on AWS, and a table of its name would meet it again."""
    assert check_record([], record({"seen": ["key"]})) == {"seen": ("key",)}


def test_jobs_may_share_a_table_if_they_agree(record: Record) -> None:
    """One table for both; another key in the second job is an error that names the first."""
    assert declared_tables([job("one", seen=("key",)), job("two", seen=("key",))]) == {"seen": ("key",)}

    with pytest.raises(
        ConfigurationError, match=r"job 'two', table 'seen': its key is \(id\), and \(key\) in job 'one'"
    ):
        declared_tables([job("one", seen=("key",)), job("two", seen=("id",))])


@pytest.mark.parametrize("content", ["{", "[]", '{"seen": "key"}', '{"seen": ["a", "b", "c"]}'])
def test_a_damaged_record_is_said(record: Record, content: str) -> None:
    """It is never overwritten: what it knew would be lost."""
    file = record(content)

    with pytest.raises(ConfigurationError, match=r"infra/tables\.json: it .*take the file back from git"):
        check_record([], file)
    assert file.read_text() == content
