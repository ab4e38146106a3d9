"""Opening all of it: the journal read, what it holds done again, and the application that goes on with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from mapfold.local.aws_journal import outgoing, reproducible
from mapfold.local.aws_journal.application import Journaled
from mapfold.local.aws_journal.bodies import Bodies
from mapfold.local.aws_journal.compaction import (
    Survey,
    needed_entries,
    put_in_place,
    remove_bodies,
    survey,
    write_compacted,
)
from mapfold.local.aws_journal.errors import JournalError, NotKept
from mapfold.local.aws_journal.journal import Journal, create
from mapfold.local.aws_journal.records import DONE
from mapfold.local.aws_journal.replay import replay
from mapfold.local.aws_journal.requests import Application
from mapfold.local.aws_journal.updated_items import put_instead

log = logging.getLogger(__name__)

COMPACT_AFTER_BYTES = 32 << 20
"""How much a journal grows, side files not counted, until it is looked through for what is not needed any more.

Twice its size then, if that is more: looking through takes as long as there is.
"""

_LOOK_EVERY = 500
"""Changes."""


def open_kept(application: Application, folder: Path, report: Callable[[str], None] = lambda line: None) -> KeptMoto:
    """Do again in `application` what the journal in `folder` holds; JournalError if it cannot be read.

    `report` gets lines for people when that takes long, or has not come to the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # secrets and parameters are in there as well
    path = folder / "journal"
    bodies = Bodies(folder / "bodies")
    if not path.exists():
        create(path)
    reproducible.install()
    outgoing.install()
    surveyed = survey(path, bodies)
    needed = surveyed.needed
    replayed = replay(
        application,
        needed_entries(path, surveyed),
        bodies,
        report=lambda done: report(
            f"kept data: bringing S3, DynamoDB and the rest back: {done:,} of {needed:,} changes"
        ),
    )
    if replayed.refused:
        report(
            f"kept data: {replayed.refused:,} of {needed:,} changes to S3, DynamoDB and the rest did not come back as they were; "
            "moto.log in the data directory names them"
        )
    kept = KeptMoto(application, Journal(path, end=surveyed.end), bodies, is_faithful=not replayed.refused)
    bodies.keep_only({place.side.name for place in surveyed.places if place.side is not None})
    kept.shorten(surveyed)
    return kept


class KeptMoto:
    """The application to serve, and the compaction of its journal as it grows.

    Where moto is not `is_faithful` to the journal, for some of it was refused, that stays as it is: another moto may do.
    """

    def __init__(self, application: Application, journal: Journal, bodies: Bodies, *, is_faithful: bool = True) -> None:
        self._journal, self._bodies, self._is_faithful = journal, bodies, is_faithful
        self._countdown = _LOOK_EVERY
        self._look_at = max(COMPACT_AFTER_BYTES, 2 * journal.end)
        self._compacting: threading.Thread | None = None
        self.application = Journaled(application, journal, bodies, settled=self._settled)

    def close(self) -> None:
        """Let go of the files. What is served after that cannot be changed."""
        if self._compacting is not None:
            self._compacting.join()
        self._journal.close()

    def shorten(self, surveyed: Survey) -> None:
        """Do what makes the journal shorter, now or the next time, where it is worth it."""
        if not self._is_faithful:
            return
        self.put_what_was_updated(surveyed)
        if surveyed.is_worth_compacting:
            self.compact(surveyed)

    def compact(self, surveyed: Survey) -> None:
        """Write the journal anew, without what `surveyed` found not to be needed. If that fails, it stays as it is."""
        try:
            compacted = write_compacted(self._journal.path, surveyed)
            with self.application.turn:
                put_in_place(self._journal, compacted, surveyed)
        except OSError as error:
            log.warning("the journal could not be compacted: %s", error)
            return
        remove_bodies(self._bodies, surveyed)

    def put_what_was_updated(self, surveyed: Survey) -> None:
        """Note items that are updated often as they are now, so that their updates are not needed any more.

        In the journal alone: moto has them so. When it cannot be written, or moto does not answer, all stays as it is.
        """
        for update in surveyed.often_updated:
            with self.application.turn:
                put = put_instead(self.application.unkept, update)
                if put is None:
                    continue
                try:
                    self._journal.settle(self._journal.begin(put), DONE)
                except NotKept as error:
                    log.warning("an item that is updated often could not be noted: %s", error)
                    return

    def _settled(self) -> None:
        self._countdown -= 1
        if self._countdown:
            return
        self._countdown = _LOOK_EVERY
        if self._journal.end > self._look_at and (self._compacting is None or not self._compacting.is_alive()):
            self._compacting = threading.Thread(target=self._look_through, args=(self._journal.end,), daemon=True)
            self._compacting.start()

    def _look_through(self, end: int) -> None:
        try:
            surveyed = survey(self._journal.path, self._bodies, up_to=end)
        except JournalError as error:
            log.error("%s", error)
            return
        self.shorten(surveyed)
        self._look_at = max(COMPACT_AFTER_BYTES, 2 * self._journal.end)
