"""The tables of a stage's jobs, and the record of their keys.

DynamoDB cannot change a table's key: CloudFormation would make a new, empty table in place of the old one. So synth writes
the keys of every table to `tables.json`, which is committed, and refuses a table whose key has changed since.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.errors import ConfigurationError, Finding
from mapfold.job import Job

RECORD = Path(__file__).parent / "tables.json"

Keys = Mapping[str, tuple[str, ...]]


def declared_tables(jobs: Iterable[Job]) -> Keys:
    """The tables of all jobs by name. Jobs may share one, if they agree on its key."""
    keys: dict[str, tuple[str, ...]] = {}
    owner: dict[str, Job] = {}
    findings = []
    for job in jobs:
        for name, declared in job.tables.items():
            known = keys.setdefault(name, tuple(declared))
            first = owner.setdefault(name, job)
            if tuple(declared) != known:
                found = f"its key is {_shown(declared)}, and {_shown(known)} in job {first.name!r}"
                findings.append(Finding(_at(job, name), found, "Declare the same key in both, or name two tables"))
    if findings:
        raise ConfigurationError(findings)
    return keys


def check_record(jobs: Iterable[Job], record: Path = RECORD) -> dict[str, tuple[str, ...]]:
    """What the record is to hold: the tables that it knows and those that are new.

    ConfigurationError for each table whose key is another than the recorded one.
    """
    jobs = tuple(jobs)
    known = _read(record)
    findings = [
        Finding(
            _at(job, name),
            f"its key is {_shown(keys)}, and {_shown(known[name])} in {_place(record)}; DynamoDB cannot change a key",
            f"Give the table another name, or write {_shown(known[name])} again, or, once its data is moved and the "
            f"table deleted, remove {name!r} from {_place(record)}",
        )
        for job in jobs
        for name, keys in job.tables.items()
        if name in known and tuple(keys) != known[name]
    ]
    if findings:
        raise ConfigurationError(findings)
    return dict(sorted({**known, **declared_tables(jobs)}.items()))


def write_record(tables: Keys, record: Path = RECORD) -> bool:
    """Write the record where it is to change; says whether it was."""
    text = json.dumps({name: list(keys) for name, keys in tables.items()}, indent=2) + "\n"
    if record.is_file() and record.read_text() == text:
        return False
    record.write_text(text)
    return True


def _read(record: Path) -> dict[str, tuple[str, ...]]:
    if not record.is_file():
        return {}
    fix = 'Write {"table": ["partition_key", "sort_key"]}, or take the file back from git'
    try:
        tables = json.loads(record.read_text())
    except ValueError as error:
        raise ConfigurationError([Finding(_place(record), f"it is no JSON: {error}", fix)]) from error
    if not isinstance(tables, dict) or not all(_are_keys(keys) for keys in tables.values()):
        raise ConfigurationError([Finding(_place(record), "it does not hold tables and their keys", fix)])
    return {name: tuple(keys) for name, keys in tables.items()}


def _are_keys(keys: object) -> bool:
    return isinstance(keys, list) and len(keys) in (1, 2) and all(isinstance(key, str) for key in keys)


def _shown(keys: Iterable[str]) -> str:
    return f"({', '.join(keys)})"


def _place(record: Path) -> str:
    return f"{record.parent.name}/{record.name}"


def _at(job: Job, table: str) -> str:
    return f"{_place(Path(job.file))}, job {job.name!r}, table {table!r}"
