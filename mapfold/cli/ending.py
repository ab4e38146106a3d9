"""Follow a run to its end and tell how it ended: what `mapfold run`, `redrive` and `retry` have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice

from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.interrupts import noticing_interrupts
from mapfold.cli.output import Output
from mapfold.cli.present import counted, duration
from mapfold.cli.results import outcome_result_lines
from mapfold.client import AWS_PACE, LOCAL_PACE, Outcome, Run, failures, follow, outcome, stop
from mapfold.client.values import Execution, Json, explain_cause
from mapfold.errors import ServiceError

INTERRUPTED = 130
PUT_INPUT = """\
  The embedded AWS was started for this command alone; in its S3 is what was put into the same data directory earlier.
  To run on input of yours: start `mapfold local` in another terminal, put the input into its S3, and run again."""
_REASONS = 5
_MESSAGE_CHARACTERS = 400
"""Of a reason: those of Mapfold say at their end what to do."""
_STOP_SECONDS = 3.0
_SOURCE_ERROR = "SourceError"
_GROUP_FAILED = "States.ExceedToleratedFailureThreshold"
"""Where a run ends with it, a child of FoldGroups failed: the states before it catch their own, and its cause names none."""

Typed = Callable[[str, str], str]
"""A verb and a run to the command line that can be pasted."""


def follow_to_the_end(
    run: Run, connection: Connection, place: Place, factory: Factory, output: Output, *, as_json: bool
) -> int:
    """Show a run's progress, then its outcome. 0 if it succeeded, 1 if not, 130 if interrupted: then it is stopped."""
    execution = follow_run(run, connection, place, factory, output)
    if execution is None:
        return INTERRUPTED
    ended = outcome(connection.aws, execution)
    return tell(ended, execution, connection, place, factory, output, as_json=as_json)


def tell(
    ended: Outcome,
    execution: Execution,
    connection: Connection,
    place: Place,
    factory: Factory,
    output: Output,
    *,
    as_json: bool,
    more: Mapping[str, Json] | None = None,
) -> int:
    """Tell how a run ended, with `more` in its document. 0 if it succeeded, 1 if not."""
    if as_json:
        output.document({**ended.as_document(), **(more or {})})
    else:
        output.facts(_outcome_lines(ended, connection, execution, partial(factory.typed, place=place)))
    if ended.is_result_too_large:
        output.note(f"the result is too large to be shown: read it at {ended.result_uri}")
    if not ended.succeeded:
        output.note(f"mapfold: run {ended.run_id} ended {ended.status}: {_why(ended)}")
    if ended.error == _GROUP_FAILED:
        told = factory.typed("history", ended.run_id, place)
        output.note(f"  a group of results could not be folded: {told} --failed shows its error")
    if ended.error == _SOURCE_ERROR and connection.is_own:
        output.note(PUT_INPUT)
    return 0 if ended.succeeded else 1


def follow_run(
    started: Run, connection: Connection, place: Place, factory: Factory, output: Output
) -> Execution | None:
    """The execution as it ended, or None if Ctrl-C came first."""
    try:
        with output.watching() as shown, noticing_interrupts(shown) as watcher:
            pace = LOCAL_PACE if connection.is_local else AWS_PACE
            return follow(connection.aws, started.execution_arn, watcher, pace=pace)
    except KeyboardInterrupt:
        output.note(f"interrupted: stopping run {started.run_id} (Ctrl-C again leaves at once)")
        _stop(started, connection)
        output.note(f"look      {factory.typed('show', started.run_id, place)}")
        output.note(f"go on     {factory.typed('redrive', started.run_id, place)}")
        return None


def _stop(started: Run, connection: Connection) -> None:
    """Ask for the run's end, and wait a little: who pressed Ctrl-C wants to leave.

    In a thread, for the call itself has no bound that is short enough.
    """

    def ask() -> None:
        with suppress(ServiceError):  # the server may have been ended by the same hand
            stop(connection.aws, started.execution_arn, cause="interrupted at the command line")

    asking = threading.Thread(target=ask, name="stop-run", daemon=True)
    asking.start()
    asking.join(_STOP_SECONDS)


def _outcome_lines(ended: Outcome, connection: Connection, execution: Execution, typed: Typed) -> list[str]:
    items = ended.items
    lines = [f"{ended.run_id} {ended.status.lower().replace('_', ' ')} in {duration(ended.seconds)}"]
    if items.total or ended.succeeded:
        lines.append(f"{counted(items.total, 'item')}: {items.succeeded:,} succeeded, {items.failed:,} failed")
    lines += duplicate_lines(ended)
    if ended.retried:
        tried = ended.retried
        lines.append(f"tried again {tried.items:,}: {tried.succeeded:,} succeeded, {tried.failed:,} failed again")
    if items.failed:
        lines += _reasons(ended, connection, execution, typed)
    if ended.result is not None:
        lines += ["", *outcome_result_lines(ended, connection.aws)]
    lines.append("")
    if ended.result_uri:
        lines.append(f"result    {ended.result_uri}")
    if ended.failures_uri:
        lines.append(f"failures  {ended.failures_uri}")
    return [*lines, f"look      {typed('show', ended.run_id)}", f"          {typed('history', ended.run_id)}"]


def duplicate_lines(ended: Outcome) -> list[str]:
    """How many items name what an earlier one does, and the first of them; nothing where there are none."""
    count = int((ended.duplicates or {}).get("items", 0))
    if ended.duplicates is None or not count:
        return []
    verb = "names an object that an earlier item names" if count == 1 else "name objects that earlier items name"
    lines = [f"{counted(count, 'duplicate item')} {verb}"]
    for each in ended.duplicates["first"]:
        lines.append(f"  {each['key']}: items {', '.join(map(str, each['indexes']))}")
    return lines


def _reasons(ended: Outcome, connection: Connection, execution: Execution, typed: Typed) -> list[str]:
    """The first few failed items; how they can all be seen."""
    first = list(islice(failures(connection.aws, execution), _REASONS))
    lines = [f"  item {failure.index}: {failure.error}: {_one_line(failure.message)}" for failure in first]
    left = ended.items.failed - len(first)
    more = f"… {left:,} more" if left > 0 else "with tracebacks"
    command = typed("failures", ended.run_id) + ("" if left > 0 else " --traceback")
    return [*lines, f"  {more}: {command}"]


def _why(ended: Outcome) -> str:
    said = [text for text in (ended.error, explain_cause(ended.cause)[0]) if text]
    return ": ".join(said) or "no reason was given"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_CHARACTERS else f"{line[: _MESSAGE_CHARACTERS - 1]}…"
