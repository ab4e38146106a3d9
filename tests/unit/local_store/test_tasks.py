"""Activities and open task tokens in the store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mapfold.local.store import ActivityRow, KeptAnswer, open_store

ROW = ActivityRow(1, "arn:a", "a", 5.5, {"type": "AWS_OWNED_KEY"}, {"k": "v"})


async def test_activities_are_there_again(tmp_path: Path) -> None:
    """With their tags and dates; those that were deleted are not. New ones get greater numbers."""
    async with open_store(tmp_path) as store:
        store.tasks.put_activity(ROW)
        store.tasks.put_activity(ActivityRow(2, "arn:b", "b", 6.0))
        store.tasks.delete_activity("arn:b")

    async with open_store(tmp_path) as store:
        assert store.tasks.activities() == [ROW]
        assert store.tasks.activity("arn:a") == ROW
        assert store.tasks.next_activity_id() == 2


async def test_open_tokens_are_there_again_with_their_answers(tmp_path: Path) -> None:
    """Once: then they belong to who took them. Closed ones are gone."""
    async with open_store(tmp_path) as store:
        for token in ("waits", "answered", "failed", "closed"):
            store.tasks.token_opened(token)
        store.tasks.token_answered("answered", KeptAnswer('"ü"'))
        store.tasks.token_answered("failed", KeptAnswer(error="E"))
        store.tasks.tokens_closed(["closed"])

    async with open_store(tmp_path) as store:
        taken = store.tasks.take_open_tokens(), store.tasks.take_open_tokens()

    assert taken == ({"waits": None, "answered": KeptAnswer('"ü"'), "failed": KeptAnswer(error="E")}, {})


async def test_a_token_that_is_opened_again_keeps_its_answer(tmp_path: Path) -> None:
    """Its attempt goes on after a restart, and then after another."""
    async with open_store(tmp_path) as store:
        store.tasks.token_opened("t")
        store.tasks.token_answered("t", KeptAnswer("1"))
        store.tasks.token_opened("t")

    async with open_store(tmp_path) as store:
        assert store.tasks.take_open_tokens() == {"t": KeptAnswer("1")}


async def test_a_file_from_before_gets_the_tables(tmp_path: Path) -> None:
    """It is not of another version: all else is as it was."""
    async with open_store(tmp_path) as store:
        file = store.file
    with sqlite3.connect(file) as connection:
        connection.executescript("DROP TABLE activities; DROP TABLE task_tokens;")
    connection.close()

    async with open_store(tmp_path) as store:
        store.tasks.put_activity(ROW)
    async with open_store(tmp_path) as store:
        assert store.tasks.activities() == [ROW]
