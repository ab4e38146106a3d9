"""Audit: hold what a run says it did against its source, item by item.

    claims.py    what the run says: which batches had which items, which items failed; sorted on disk
    walk.py      the manifest in its order, beside the claims: what is missing, done twice, unknown, altered
    chain.py     a retry and the runs that it stands on
    values.py    findings and totals

    found = Audit(aws, execution, job)
    for finding in found.findings(): …
    found.totals.holds

Memory does not depend on the number of items. On disk (the folder for temporary files) lie the claims, some 40 bytes a
range, and the failed items; of a run whose items Plan listed the list too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from mapfold.client.audit.chain import AuditedRun, Audits, between, chain_of, check_definition, tried_again
from mapfold.client.audit.claims import GONE, Told, gather, gather_list
from mapfold.client.audit.values import CannotAudit, Finding, Kind, Totals
from mapfold.client.audit.walk import walk
from mapfold.client.aws import speaking
from mapfold.client.values import Execution, Json
from mapfold.errors import ServiceError
from mapfold.job import Job
from mapfold.runs.folder import RunFolder
from mapfold.runs.looks import SourceError
from mapfold.runs.shown_item import shown_item
from mapfold.runs.source_items import has_promised_order, read_items

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Audit", "Audits", "CannotAudit", "Finding", "Heard", "Kind", "Totals"]

Heard = Callable[[str, int, int | None], None]
"""Hears what is being done, how many items it was done for, and how many there are, where that is known."""

_TELL_EVERY_ITEMS = 5_000


def unheard(stage: str, done: int, total: int | None) -> None:
    """Do nothing."""


class Audit:
    """One audit. `totals` are complete when `findings` has come to its end.

    Making it looks at the run and those that it stands on; CannotAudit says why one cannot be audited. So may `findings`,
    where its folder was deleted or its source overwritten.
    """

    def __init__(self, aws: Audits, execution: Execution, job: Job, *, heard: Heard = unheard) -> None:
        self._aws, self._job, self._heard = aws, job, heard
        self._chain = chain_of(aws, execution)
        if not self._chain[0].plan["listed"]:
            check_definition(aws, self._chain[0], job.source.item_reader())
        self.run_id = execution.name
        self.totals = Totals()

    @property
    def runs(self) -> tuple[str, ...]:
        """The run, and before it those that it stands on, the first one first."""
        return tuple(run.run_id for run in self._chain)

    @property
    def manifest(self) -> str:
        """What the run was held against, as an URI."""
        plan = self._chain[0].plan
        if plan["listed"]:
            return f"s3://{plan['list']['bucket']}/{plan['list']['key']}"
        return str(plan["source"]["uri"])

    @property
    def is_order_promised(self) -> bool:
        """Whether the places of items are those in the source on AWS too, and not only here."""
        return bool(self._chain[0].plan["listed"]) or has_promised_order(self._job.source)

    def findings(self) -> Generator[Finding, None, None]:
        """What does not hold, one by one."""
        try:
            with speaking():
                yield from self._findings()
        except SourceError as error:
            raise CannotAudit(self.run_id, f"its source cannot be read as it was: {error}") from error
        except ServiceError as error:
            if error.code not in GONE:
                raise
            raise CannotAudit(self.run_id, f"some of what it wrote is not there any more: {error}") from error

    def _findings(self) -> Iterator[Finding]:
        before: Told | None = None
        succeeded = 0
        with ExitStack() as kept:
            for position, run in enumerate(self._chain):
                told = self._gathered(run, kept)
                totals = self.totals if position == 0 else Totals(found=self.totals.found)
                for finding in self._of_run(run, told, before, totals, of=self.runs[position - 1]):
                    yield replace(finding, run=run.run_id)
                if before is not None:
                    before.__exit__()
                before, succeeded = told, succeeded + totals.succeeded
            if len(self._chain) > 1 and before is not None:
                self._sum_up(succeeded, before)
            for finding in self._counts():
                yield replace(self.totals.note(finding), run=self.run_id)

    def _of_run(
        self, run: AuditedRun, told: Told, before: Told | None, totals: Totals, *, of: str
    ) -> Iterator[Finding]:
        if before is None:
            yield from walk(self._manifest(run, told), told, told.failed(), totals, is_whole=run.is_whole)
            return
        for finding in between(before.failed(), told.listed(), told.failed(), of=of):
            yield totals.note(finding)
        failed = tried_again(told.failed(), told.listed())
        yield from walk(self._telling(told.listed(), None), told, failed, totals, is_whole=run.is_whole)

    def _gathered(self, run: AuditedRun, kept: ExitStack) -> Told:
        told = kept.enter_context(Told())
        s3, folder = self._s3, RunFolder(self._aws.target.runs_bucket, run.run_id)
        if run.plan["listed"]:
            gather_list(told, s3, folder, run.plan["list"]["bucket"], run.plan["list"]["key"])
        gather(
            told,
            s3,
            folder,
            run.outcomes,
            shown=self._shown,
            progressed=lambda items: self._heard("reading what the run did", items, None),
        )
        return told

    def _manifest(self, run: AuditedRun, told: Told) -> Iterator[tuple[int, Json]]:
        if run.plan["listed"]:
            return self._telling(told.listed(), told.claimed_items)
        entries = enumerate(read_items(self._s3, self._job.source, run.plan["source"]))
        return self._telling(entries, told.claimed_items)

    def _telling(self, entries: Iterable[tuple[int, Json]], total: int | None) -> Iterator[tuple[int, Json]]:
        for number, entry in enumerate(entries):
            if number % _TELL_EVERY_ITEMS == 0:
                self._heard("comparing the manifest", number, total)
            yield entry

    def _sum_up(self, succeeded: int, last: Told) -> None:
        """The totals of a chain: what succeeded in any run, and what the last one still lists as failed."""
        self.totals.succeeded = succeeded
        self.totals.failed = self.totals.not_reached = 0
        for each in last.failed():
            if each.is_reached:
                self.totals.failed += 1
            else:
                self.totals.not_reached += 1

    def _counts(self) -> Iterator[Finding]:
        """Whether the run's record has the numbers that were counted, and these are those of the manifest."""
        totals = self.totals
        counted = {
            "total": totals.succeeded + totals.failed + totals.not_reached - totals.unread,
            "succeeded": totals.succeeded,
            "failed": totals.failed + totals.not_reached - totals.unread,
        }
        record = self._aws.find_record(self.run_id) or {}
        said = record.get("items")
        if isinstance(said, Mapping) and {name: said.get(name) for name in counted} != counted:
            yield Finding(Kind.COUNTS, None, detail=_difference(said, counted))
        together = totals.succeeded + totals.failed + totals.not_reached
        if together + totals.found[Kind.MISSING] != totals.manifest and totals.holds:
            detail = f"the manifest has {totals.manifest} items, and {_words(counted)} are accounted for"
            yield Finding(Kind.COUNTS, None, detail=detail)

    def _shown(self, raw: Json, batch: Mapping[str, Json]) -> Json:
        return shown_item(self._job, raw, batch)

    @property
    def _s3(self) -> S3Client:
        return self._aws.s3_client()


def _difference(said: Mapping[str, Json], counted: Mapping[str, int]) -> str:
    """Only the numbers that differ: the line on the terminal is short."""
    differing = [name for name, count in counted.items() if said.get(name) != count]
    recorded = ", ".join(f"{said.get(name)} {name}" for name in differing)
    return f"the record says {recorded}; counted were {', '.join(str(counted[name]) for name in differing)}"


def _words(counts: Mapping[str, Json]) -> str:
    return ", ".join(f"{counts.get(name)} {name}" for name in ("total", "succeeded", "failed"))
