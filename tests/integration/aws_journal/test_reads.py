"""What is only read, of moto in this process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import moto.core.utils

from mapfold.local.aws_journal import reproducible
from mapfold.local.aws_journal.application import Journaled
from mapfold.local.aws_journal.bodies import Bodies
from mapfold.local.aws_journal.journal import Journal, create
from tests.integration.aws_journal.moto_in_process import tell
from tests.unit.aws_journal.builders import dynamodb


def test_all_of_a_read_is_of_one_moment(tmp_path: Path) -> None:
    """
    moto counts a queue's messages twice for GetQueueAttributes: those that are visible, then those that are not. One
    whose visibility timeout ended in between would be in neither count, and the queue would seem empty.
    """
    reproducible.install()
    path = tmp_path / "journal"
    create(path)
    ticks = itertools.count(1_000_000)

    def asks_twice(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [str(moto.core.utils.unix_time()).encode(), b" ", str(moto.core.utils.unix_time()).encode()]

    journal = Journal(path, end=path.stat().st_size)
    journaled = Journaled(asks_twice, journal, Bodies(tmp_path / "bodies"), clock=lambda: float(next(ticks)))

    first, second = (tell(journaled, dynamodb("ListTables")).content() for _ in range(2))

    assert (first, second) == (b"1000000.0 1000000.0", b"1000001.0 1000001.0")
    journal.close()
