"""`mapfold retry`: the failed items of a run, or of a list from elsewhere, tried again by a run of their own.

With a canary there are two runs, one after the other, each a plain retry: the first of a few items of each signature, the
second of what is left, on top of the first. Nothing but the order of the two is decided here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from mapfold.cli.ending import INTERRUPTED, follow_run, follow_to_the_end, tell
from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import counted
from mapfold.cli.run import deploy
from mapfold.client import (
    Outcome,
    check_any,
    check_retryable,
    check_run_name,
    failures,
    find_list,
    find_run,
    new_run_id,
    outcome,
    selected_failures,
    start_from_outside,
    start_retry,
)
from mapfold.client.values import Execution, Json
from mapfold.errors import UsageError
from mapfold.runs.selection import Selection, parse_selection
from mapfold.runs.signature import Signatures, count_signatures


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """What the command line says about a retry. `what`: a run, or the URI of a list of failed items."""

    what: str
    place: Place
    jobs_folder: Path
    where: tuple[str, ...] = ()
    canary: int | None = None
    name: str | None = None
    again: bool = False
    job: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    as_json: bool = False


def retry(options: RetryOptions, factory: Factory, output: Output) -> int:
    """Try failed items again. 0 if the run then succeeded, 1 if not, 130 if interrupted (then it is stopped first)."""
    selection = parse_selection(options.where)
    if options.name:
        check_run_name(_canary_name(options.name) if options.canary else options.name)
    if options.what.startswith("s3://"):
        return _from_outside(options, selection, factory, output)
    if options.params:
        raise UsageError("--param is for a list from outside: a retry has the params of the run that it retries.")
    with factory.connect(options.place, output.note) as connection:
        execution = find_run(connection.aws, options.what)
        job = connection.aws.target.job_of(execution.state_machine_arn)
        if options.job not in (None, job):
            raise UsageError(f"{execution.name} is a run of job {job!r}, not of {options.job!r}. Leave --job out.")
        if connection.is_own and not execution.status.is_terminal:
            output.note(factory.goes_on(options.place))
        check_retryable(connection.aws, execution, again=options.again)
        check_any(connection.aws, execution, selection)
        _bring_code(job, options, factory, connection, output)
        attempt = _Attempt(options, selection, job, factory, connection, output)
        return attempt.whole(execution) if options.canary is None else attempt.with_canary(execution, options.canary)


def _from_outside(options: RetryOptions, selection: Selection, factory: Factory, output: Output) -> int:
    if options.job is None:
        raise UsageError(f"say whose items they are: mapfold retry {options.what} --job JOB")
    if options.canary is not None or options.again:
        raise UsageError(
            "--canary and --again are for a run: a list from outside has no earlier result to go on with. Try a few of its "
            "items with --where first, such as --where index=0-9."
        )
    run_id = options.name or new_run_id(options.job)
    with factory.connect(options.place, output.note) as connection:
        _bring_code(options.job, options, factory, connection, output)
        uri = find_list(connection.aws, options.what)
        output.note(f"run {run_id}")
        output.note(f"  failed items of {uri}{_said(selection)}")
        output.note(f"  on        {connection.where}")
        run = start_from_outside(connection.aws, options.job, uri, selection, params=options.params, name=run_id)
        return follow_to_the_end(run, connection, options.place, factory, output, as_json=options.as_json)


def _bring_code(job: str, options: RetryOptions, factory: Factory, connection: Connection, output: Output) -> None:
    """Today's code: on the embedded AWS the folder's, on AWS what is deployed."""
    if connection.is_local:
        deploy(factory.job(options.jobs_folder, job), options.jobs_folder, factory, connection, output)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One command's retry of a run: of the whole selection at once, or with a canary before it."""

    options: RetryOptions
    selection: Selection
    job: str
    factory: Factory
    connection: Connection
    output: Output

    def whole(self, execution: Execution) -> int:
        """One run over all that is selected."""
        ended = self._run(execution, self.selection, name=self._name(), again=self.options.again)
        return INTERRUPTED if ended is None else self._tell(*ended)

    def with_canary(self, execution: Execution, take: int) -> int:
        """A run over `take` items of each signature, and one over the rest if all of them succeed."""
        name = self._name()
        self._announce(count_signatures(selected_failures(self.connection.aws, execution, self.selection)), take)
        few = replace(self.selection, take=take)
        first = self._run(execution, few, name=_canary_name(name), again=self.options.again)
        if first is None:
            return INTERRUPTED
        canary, tried = first
        document = tried.as_document()
        if tried.retried is None:  # it ended before it could tell
            return self._tell(canary, tried, canary=document)
        if tried.retried.failed:
            return self._still_failing(canary, tried)
        self.output.note(f"canary {canary.name}: {counted(tried.retried.items, 'item')}, all succeeded")
        if next(selected_failures(self.connection.aws, canary, self.selection), None) is None:
            return self._tell(canary, tried, canary=document)  # there is no rest
        ended = self._run(canary, self.selection, name=name)
        return INTERRUPTED if ended is None else self._tell(*ended, canary=document)

    def _name(self) -> str:
        return self.options.name or new_run_id(self.job)

    def _run(
        self, of: Execution, selection: Selection, *, name: str, again: bool = False
    ) -> tuple[Execution, Outcome] | None:
        """A retry of the run `of`, followed to its end; None if it was interrupted."""
        self.output.note(f"run {name}")
        self.output.note(f"  retry of  {of.name}{_said(selection)}")
        self.output.note(f"  on        {self.connection.where}")
        run, _ = start_retry(
            self.connection.aws, of, selection, name=name, again=again, is_chosen=self.options.name is not None
        )
        execution = follow_run(run, self.connection, self.options.place, self.factory, self.output)
        return None if execution is None else (execution, outcome(self.connection.aws, execution))

    def _tell(self, execution: Execution, ended: Outcome, **more: Json) -> int:
        place, as_json = self.options.place, self.options.as_json
        return tell(ended, execution, self.connection, place, self.factory, self.output, as_json=as_json, more=more)

    def _announce(self, found: Signatures, take: int) -> None:
        kinds = counted(len(found.counts), "signature")
        self.output.note(f"canary: at most {counted(take, 'item')} of each of {kinds}, before all {found.items:,}")
        if found.others:
            self.output.note(
                f"  {counted(found.others, 'item')} of further signatures are not in the canary: {len(found.counts):,} are told apart"
            )

    def _still_failing(self, canary: Execution, tried: Outcome) -> int:
        """Say which signatures still fail: the canary's own failures come first in its list."""
        again = islice(failures(self.connection.aws, canary), tried.retried.failed if tried.retried else 0)
        found = count_signatures(again)
        if self.options.as_json:
            failing = [count.as_document() for count in found.counts]
            document = tried.as_document()
            # The run that was asked for never came to be: the canary's own status would say SUCCEEDED where it tolerates.
            self.output.document({**document, "status": "CANARY_FAILED", "canary": document, "still_failing": failing})
        self.output.note(f"mapfold: the canary {canary.name} failed, and the rest was not tried. Still failing:")
        for count in found.counts:
            self.output.note(f"  {count.signature.id}  {counted(count.items, 'item')}  {count.signature.text}")
        where = [word for condition in self.selection.conditions for word in ("--where", condition)]
        command = self.factory.typed("retry", canary.name, self.options.place)
        rest = shlex.join([*where, "--canary", str(self.options.canary)])
        self.output.note(f"look      {self.factory.typed('failures', canary.name, self.options.place)} --by-signature")
        self.output.note(f"the rest  {command} {rest}    once that is mended")
        return 1


def _canary_name(name: str) -> str:
    return f"{name}-canary"


def _said(selection: Selection) -> str:
    """The selection, as it stands behind the run that it selects from."""
    few = f", {selection.take} of each signature" if selection.take is not None else ""
    where = f", where {' and '.join(selection.conditions)}" if selection.conditions else ""
    return f"{where}{few}"
