"""`mapfold audit`: hold a run against its source, item by item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.factory import Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import columns, counted, number
from mapfold.client.values import Json

if TYPE_CHECKING:
    from mapfold.client.audit import Audit, Finding, Kind

SHOWN = 20
"""Findings that are shown; `--json` has all."""

_FIRST_LINE_SECONDS = 2.0
_LINES_APART_GROWTH = 1.5
_LINES_APART_LIMIT_SECONDS = 60.0


def audit(place: Place, name: str, jobs_folder: Path, factory: Factory, output: Output, *, as_json: bool) -> int:
    """`mapfold audit RUN`. 0 if all holds, 1 if not; what cannot be audited is a usage error, which is 2."""
    from mapfold import client
    from mapfold.client.audit import Audit

    with factory.connect(place, output.note) as connection:
        execution = client.find_run(connection.aws, name)
        job = factory.job(jobs_folder, connection.aws.target.job_of(execution.state_machine_arn))
        found = Audit(connection.aws, execution, job, heard=Progress(output.note))
        with closing(found.findings()) as findings:
            first = next(findings, None)  # before anything is printed: what cannot be audited is told here, as a rule
            every = chain(() if first is None else (first,), findings)
            if as_json:
                output.document(_Document(found, every))
            else:
                _show(found, every, output)
    return 0 if found.totals.holds else 1


class Progress:
    """Says how far a long audit is: after two seconds, then later and later, up to once a minute."""

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._note, self._clock = note, clock
        self._apart = _FIRST_LINE_SECONDS
        self._next = clock() + self._apart

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Hear that so many items are done."""
        now = self._clock()
        if now < self._next:
            return
        self._apart = min(self._apart * _LINES_APART_GROWTH, _LINES_APART_LIMIT_SECONDS)
        self._next = now + self._apart
        self._note(
            f"{stage}: {number(done)} of {counted(total, 'item')}" if total else f"{stage}: {counted(done, 'item')}"
        )


class _Document(Mapping[str, Json]):
    """The document of `--json`. Its findings are written as they come, and what is known at the end comes behind them."""

    def __init__(self, found: Audit, findings: Iterator[Finding]) -> None:
        self._members: dict[str, Callable[[], Json]] = {
            "run_id": lambda: found.run_id,
            "runs": lambda: list(found.runs),
            "manifest": lambda: found.manifest,
            "is_order_promised": lambda: found.is_order_promised,
            "findings": lambda: (finding.as_document() for finding in findings),
            "holds": lambda: found.totals.holds,
            "items": lambda: {
                "manifest": found.totals.manifest,
                "succeeded": found.totals.succeeded,
                "failed": found.totals.failed,
                "not_reached": found.totals.not_reached,
                "compared": found.totals.compared,
            },
            "found": lambda: {str(kind): count for kind, count in sorted(found.totals.found.items())},
        }

    def __getitem__(self, name: str) -> Json:
        return self._members[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def _show(found: Audit, findings: Iterator[Finding], output: Output) -> None:
    shown = 0
    rows: list[tuple[Json, ...]] = []
    for finding in findings:
        shown += 1
        if shown <= SHOWN:
            place = finding.index if finding.last in (None, finding.index) else f"{finding.index}-{finding.last}"
            rows.append((str(finding.kind), place, finding.item, finding.detail))
    totals = found.totals
    lines = [f"{found.run_id} {'holds' if totals.holds else 'does not hold'}"]
    if len(found.runs) > 1:
        lines.append(f"with the runs that it stands on: {', '.join(found.runs[:-1])}")
    counts = (
        ("manifest", totals.manifest, found.manifest),
        ("succeeded", totals.succeeded, ""),
        ("failed", totals.failed, ""),
        ("not reached", totals.not_reached, ""),
    )
    lines += columns(("", "items", ""), counts)[1:]
    if rows:
        said = (_found(kind, count) for kind, count in sorted(totals.found.items()))
        lines += ["", ", ".join(said), *columns(("what", "index", "item", ""), rows)]
        if shown > SHOWN:
            lines.append(f"… {shown - SHOWN:,} more: --json lists all")
    output.facts(lines)
    for note in _notes(found):
        output.note(note)


def _found(kind: Kind, count: int) -> str:
    """Words for what was found of a kind. Two kinds are not about single items."""
    from mapfold.client.audit import Kind

    if kind is Kind.COUNTS:
        return "other counts in the run's record"
    if kind is Kind.FAILURES:
        return f"other failures listed for batches of {counted(count, 'item')}"
    return f"{counted(count, 'item')} {kind}"


def _notes(found: Audit) -> Iterator[str]:
    totals = found.totals
    if totals.placed:
        yield (
            f"of {counted(totals.placed, 'item')} only the places were compared, not what they are: "
            "such a source is not read again"
        )
    if not found.is_order_promised and not totals.holds:
        yield (
            "of many objects as one source, AWS promises no order, and a listing changes when objects come and go: what is "
            "found may be that (docs/trust.md)"
        )
