"""What the store keeps of versions and aliases of state machines, and of how a machine was made.

All of them are few (1,000 versions and 100 aliases a machine), so they are read once, when the store is opened, and only
written after that. Which version or alias an execution was started by is a row of its own, which most have not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

TABLES = """
CREATE TABLE IF NOT EXISTS machine_creations (
    arn TEXT PRIMARY KEY,
    publish INTEGER NOT NULL,
    description TEXT,
    last_version INTEGER NOT NULL,
    deleting REAL
);
CREATE TABLE IF NOT EXISTS machine_versions (
    arn TEXT PRIMARY KEY,
    machine_arn TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    description TEXT,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS machine_aliases (
    arn TEXT PRIMARY KEY,
    machine_arn TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    routes TEXT NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS execution_origins (
    execution_id INTEGER PRIMARY KEY,
    version_arn TEXT NOT NULL,
    alias_arn TEXT
);
CREATE INDEX IF NOT EXISTS executions_of_version ON execution_origins (version_arn, execution_id);
CREATE INDEX IF NOT EXISTS executions_of_alias ON execution_origins (alias_arn, execution_id)
    WHERE alias_arn IS NOT NULL;
"""
"""Added to a file that does not have them yet: files without them are not of another version."""

Put = Callable[[str, tuple[Any, ...]], None]
"""(statement, parameters): queues a write."""


@dataclass(frozen=True, slots=True)
class CreationRow:
    """How a machine was made: CreateStateMachine's `publish` and `versionDescription`, which it compares.

    `last_version` is the number of the newest version that there ever was; numbers are not used again. `deleting` is
    when the machine was told to go (epoch seconds), while executions of it run on.
    """

    arn: str
    publish: bool = False
    description: str | None = None
    last_version: int = 0
    deleting: float | None = None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a machine: a revision that stays. `arn` ends in `number`; `created` is in epoch seconds."""

    arn: str
    machine_arn: str
    number: int
    revision: int
    description: str | None
    created: float


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An alias of a machine. `routes`: one or two (version ARN, weight), the weights 100 together.

    `number` grows in the order in which the aliases of a store were made.
    """

    arn: str
    machine_arn: str
    number: int
    name: str
    description: str | None
    routes: Sequence[tuple[str, int]]
    created: float
    updated: float


class PublishingStore:
    """Part of the store: `Store.publishing`."""

    def __init__(self, connection: sqlite3.Connection, put: Put) -> None:
        """Read what is there from `connection`; write by `put`."""
        self._put = put
        creations = connection.execute(
            "SELECT arn, publish, description, last_version, deleting FROM machine_creations"
        )
        self._creations = {
            arn: CreationRow(arn, bool(publish), description, last, deleting)
            for arn, publish, description, last, deleting in creations
        }
        columns = "arn, machine_arn, number, revision, description, created"
        self._versions: dict[str, dict[str, VersionRow]] = {}
        for row in connection.execute(f"SELECT {columns} FROM machine_versions ORDER BY number"):
            version = VersionRow(*row)
            self._versions.setdefault(version.machine_arn, {})[version.arn] = version
        columns = "arn, machine_arn, number, name, description, routes, created, updated"
        self._aliases: dict[str, dict[str, AliasRow]] = {}
        for row in connection.execute(f"SELECT {columns} FROM machine_aliases ORDER BY number"):
            arn, machine_arn, number, name, description, routes, created, updated = row
            kept = [(version_arn, weight) for version_arn, weight in orjson.loads(routes)]
            alias = AliasRow(arn, machine_arn, number, name, description, kept, created, updated)
            self._aliases.setdefault(alias.machine_arn, {})[alias.arn] = alias
        newest = [alias.number for aliases in self._aliases.values() for alias in aliases.values()]
        self._alias_number = max(newest, default=0)

    # --- machines -------------------------------------------------------------------------------------------

    def creation(self, machine_arn: str) -> CreationRow:
        """How a machine was made; that of any other machine if nothing was kept."""
        return self._creations.get(machine_arn) or CreationRow(machine_arn)

    def put_creation(self, row: CreationRow) -> None:
        """Keep how a machine was made, or where it stands now."""
        self._creations[row.arn] = row
        values = (row.arn, row.publish, row.description, row.last_version, row.deleting)
        self._put("INSERT OR REPLACE INTO machine_creations VALUES (?, ?, ?, ?, ?)", values)

    def deleting(self) -> list[str]:
        """ARNs of the machines that were told to go and are still there."""
        return [row.arn for row in self._creations.values() if row.deleting is not None]

    def forget_machine(self, machine_arn: str) -> None:
        """Forget a machine's versions and aliases, and that it ever was. Which executions they started stays."""
        self._creations.pop(machine_arn, None)
        self._versions.pop(machine_arn, None)
        self._aliases.pop(machine_arn, None)
        self._put("DELETE FROM machine_creations WHERE arn = ?", (machine_arn,))
        self._put("DELETE FROM machine_versions WHERE machine_arn = ?", (machine_arn,))
        self._put("DELETE FROM machine_aliases WHERE machine_arn = ?", (machine_arn,))

    # --- versions -------------------------------------------------------------------------------------------

    def publish(self, machine_arn: str, revision: int, description: str | None, now: float) -> VersionRow:
        """Keep `revision` as the machine's next version."""
        creation = self.creation(machine_arn)
        number = creation.last_version + 1
        self.put_creation(replace(creation, last_version=number))
        row = VersionRow(f"{machine_arn}:{number}", machine_arn, number, revision, description, now)
        self._versions.setdefault(machine_arn, {})[row.arn] = row
        values = (row.arn, row.machine_arn, row.number, row.revision, row.description, row.created)
        self._put("INSERT OR REPLACE INTO machine_versions VALUES (?, ?, ?, ?, ?, ?)", values)
        return row

    def version(self, machine_arn: str, arn: str) -> VersionRow | None:
        """The version of a machine with this ARN."""
        return self._versions.get(machine_arn, {}).get(arn)

    def versions(self, machine_arn: str) -> list[VersionRow]:
        """A machine's versions, newest first."""
        return list(reversed(self._versions.get(machine_arn, {}).values()))

    def delete_version(self, row: VersionRow) -> None:
        """Forget a version; executions that it started run on."""
        if self._versions.get(row.machine_arn, {}).pop(row.arn, None) is not None:
            self._put("DELETE FROM machine_versions WHERE arn = ?", (row.arn,))

    # --- aliases --------------------------------------------------------------------------------------------

    def next_alias_number(self) -> int:
        """A number for a new alias."""
        self._alias_number += 1
        return self._alias_number

    def put_alias(self, row: AliasRow) -> None:
        """Keep a new alias, or a known one as it is now."""
        self._aliases.setdefault(row.machine_arn, {})[row.arn] = row
        routes = orjson.dumps([list(route) for route in row.routes]).decode()
        values = (row.arn, row.machine_arn, row.number, row.name, row.description, routes, row.created, row.updated)
        self._put("INSERT OR REPLACE INTO machine_aliases VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def alias(self, machine_arn: str, arn: str) -> AliasRow | None:
        """The alias of a machine with this ARN."""
        return self._aliases.get(machine_arn, {}).get(arn)

    def aliases(self, machine_arn: str, version_arn: str | None = None) -> list[AliasRow]:
        """A machine's aliases, newest first; with `version_arn` those that lead to it."""
        found = sorted(self._aliases.get(machine_arn, {}).values(), key=lambda row: row.number, reverse=True)
        if version_arn is None:
            return found
        return [row for row in found if version_arn in (arn for arn, _ in row.routes)]

    def delete_alias(self, row: AliasRow) -> None:
        """Forget an alias."""
        if self._aliases.get(row.machine_arn, {}).pop(row.arn, None) is not None:
            self._put("DELETE FROM machine_aliases WHERE arn = ?", (row.arn,))

    # --- executions -----------------------------------------------------------------------------------------

    def execution_started_by(self, execution_id: int, version_arn: str, alias_arn: str | None) -> None:
        """Keep which version an execution runs, and which alias chose it."""
        self._put("INSERT OR REPLACE INTO execution_origins VALUES (?, ?, ?)", (execution_id, version_arn, alias_arn))
