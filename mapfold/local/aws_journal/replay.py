"""What was changed, changed again, before anything is served."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mapfold.local.aws_journal.bodies import Bodies
from mapfold.local.aws_journal.outgoing import outgoing, to_nobody
from mapfold.local.aws_journal.records import DONE, Entry
from mapfold.local.aws_journal.reproducible import reproducible
from mapfold.local.aws_journal.requests import Application, ask, for_moto

log = logging.getLogger(__name__)

REPORT_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many were done again, and how many of these were refused though they were not the first time."""

    done: int
    refused: int


def replay(
    application: Application,
    entries: Iterable[Entry],
    bodies: Bodies,
    *,
    report: Callable[[int], None] = lambda done: None,
) -> Replayed:
    """Do all `entries` again. JournalError if a body is damaged.

    `report` hears how many are done, every two seconds; if it has heard anything, then also that all are.
    """
    done = refused = told = 0
    reported = time.monotonic()
    for entry in entries:
        refused += not _again(application, entry, bodies)
        done += 1
        if time.monotonic() - reported > REPORT_EVERY_SECONDS:
            report(done)
            told, reported = done, time.monotonic()
    if 0 < told < done:
        report(done)
    return Replayed(done, refused)


def _again(application: Application, entry: Entry, bodies: Bodies) -> bool:
    """Whether it went as it did the first time."""
    record = entry.record
    if record.side is not None:
        bodies.check(record.side)
    request = f"{record.environ.get('REQUEST_METHOD')} {record.environ.get('RAW_URI')} (byte {entry.start})"
    with (
        bodies.open(record.body, record.side) as body,
        reproducible(record.seed, record.moment),
        outgoing(to_nobody),
    ):
        try:
            answer = ask(application, for_moto(record.environ, body, record.size))
            content = answer.content()
        except Exception as error:  # noqa: BLE001  moto's own faults; those of the first time come again
            if entry.went == DONE:
                log.warning("%s failed when it was done again: %r", request, error)
            return entry.went != DONE
    if entry.went == DONE and answer.code >= 400:
        log.warning("%s was refused when it was done again: %s %s", request, answer.status, content[:500])
        return False
    return True
