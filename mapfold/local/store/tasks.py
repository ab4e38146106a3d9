"""What the store keeps of tasks that people and other programs do: activities, and open task tokens.

Both are few: activities at most ten thousand, tokens one for each task that waits. So they are read once, when the
store is opened, and only written after that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

TABLES = """
CREATE TABLE IF NOT EXISTS activities (
    id INTEGER PRIMARY KEY,
    arn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    encryption TEXT NOT NULL,
    tags TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS task_tokens (
    token TEXT PRIMARY KEY,
    answer TEXT
) WITHOUT ROWID;
"""
"""Added to a file that does not have them yet: files without them are not of another version."""

Put = Callable[[str, tuple[Any, ...], int], None]
"""(statement, parameters, size in bytes): queues a write."""


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """An activity. `encryption` is its encryptionConfiguration as it was given; empty: none was."""

    id: int
    arn: str
    name: str
    created: float
    encryption: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a worker has answered. `output` is JSON text; None: the task failed, with `error` and `cause`."""

    output: str | None = None
    error: str | None = None
    cause: str | None = None


class TaskStore:
    """Part of the store: `Store.tasks`."""

    def __init__(self, connection: sqlite3.Connection, put: Put) -> None:
        """Read what is there from `connection`; write by `put`."""
        self._put = put
        rows = connection.execute("SELECT id, arn, name, created, encryption, tags FROM activities").fetchall()
        self._activities = {
            arn: ActivityRow(number, arn, name, created, orjson.loads(encryption), orjson.loads(tags))
            for number, arn, name, created, encryption, tags in rows
        }
        self._tokens = {
            token: None if answer is None else KeptAnswer(*orjson.loads(answer))
            for token, answer in connection.execute("SELECT token, answer FROM task_tokens")
        }

    # --- activities -----------------------------------------------------------------------------------------

    def next_activity_id(self) -> int:
        """A number for a new activity, greater than those of all others."""
        return 1 + max((row.id for row in self._activities.values()), default=0)

    def put_activity(self, row: ActivityRow) -> None:
        """Keep a new activity, or a known one as it is now."""
        self._activities[row.arn] = row
        values = (row.id, row.arn, row.name, row.created, _json(row.encryption), _json(row.tags))
        self._put("INSERT OR REPLACE INTO activities VALUES (?, ?, ?, ?, ?, ?)", values, 0)

    def delete_activity(self, arn: str) -> None:
        """Forget an activity."""
        if self._activities.pop(arn, None) is not None:
            self._put("DELETE FROM activities WHERE arn = ?", (arn,), 0)

    def activity(self, arn: str) -> ActivityRow | None:
        """The activity with this ARN."""
        return self._activities.get(arn)

    def activities(self) -> list[ActivityRow]:
        """All activities, newest first."""
        return sorted(self._activities.values(), key=lambda row: row.id, reverse=True)

    # --- tokens ---------------------------------------------------------------------------------------------

    def take_open_tokens(self) -> dict[str, KeptAnswer | None]:
        """The tokens that were open when the store was opened, with the answers that had come. Given once."""
        tokens, self._tokens = self._tokens, {}
        return tokens

    def token_opened(self, token: str) -> None:
        """Keep that somebody waits for an answer to `token`."""
        self._put("INSERT OR IGNORE INTO task_tokens VALUES (?, NULL)", (token,), len(token))

    def token_answered(self, token: str, answer: KeptAnswer) -> None:
        """Keep an answer, until the token is closed."""
        text = orjson.dumps([answer.output, answer.error, answer.cause]).decode()
        self._put("UPDATE task_tokens SET answer = ? WHERE token = ?", (text, token), len(text))

    def tokens_closed(self, tokens: Iterable[str]) -> None:
        """Forget tokens that nobody waits for any more."""
        for token in tokens:
            self._put("DELETE FROM task_tokens WHERE token = ?", (token,), len(token))


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value)).decode()
