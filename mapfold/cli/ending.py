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
from mapfold.client import AWS_PACE, LOCAL_PACE, Outcome, Run, Unreachable, failures, follow, outcome, stop
from mapfold.client.values import Execution, Json, explain_cause
from mapfold.errors import ServiceError

INTERRUPTED = 130
PUT_INPUT = """\
  The embedded AWS was started for this command alone; in its S3 is what was put into the same data directory earlier.
  To run on input of yours: start `mapfold local` in another terminal, put the input into its S3, and run again."""
STOPPING = """\
  {run} is being stopped, and is not ABORTED yet: its EXPRESS children cannot be stopped, and the embedded AWS waits 30 s for
  them at the most. Whether it has ended says: {show}"""
REPLACED = """\
  A job's output must stay what its Finish state gave: other executions and the API read it. {state} in
  workflows/definition.py {needs} "ResultPath": None, and an OutputPath, ResultSelector or Output that leaves it as it is."""
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
    """Tell how a run ended, with `more` in its document. 0 if it succeeded and its output is its own, 1 if not."""
    if as_json:
        output.document({**ended.as_document(), **(more or {})})
    else:
        output.facts(_outcome_lines(ended, connection, execution, partial(factory.typed, place=place)))
    if ended.is_result_too_large:
        output.note(f"the result is too large to be shown: read it at {ended.result_uri}")
    if not ended.succeeded:
        output.note(f"mapfold: run {ended.run_id} ended {ended.status}{in_state(ended)}: {_why(ended)}")
    told = f"{factory.typed('history', ended.run_id, place)} --failed"
    if ended.error == _GROUP_FAILED:
        output.note(f"  a group of results could not be folded: {told} shows its error")
    elif ended.failed_state:
        output.note(f"  what failed, and how: {told}")
    for line in replaced_lines(ended):
        output.note(line)
    if ended.error == _SOURCE_ERROR and connection.is_own:
        output.note(PUT_INPUT)
    return 0 if ended.succeeded and not ended.is_replaced else 1


def in_state(ended: Outcome) -> str:
    """` in state Plan`, of a run that failed; nothing where it is not known."""
    return f" in state {ended.failed_state}" if ended.failed_state else ""


def replaced_lines(ended: Outcome) -> list[str]:
    """That the output is not what Finish gave, whose doing it is, and what mends it; nothing where it is."""
    if not ended.is_replaced:
        return []
    by = f"the state {ended.replaced_by!r}" if ended.replaced_by else "a state"
    where = f"it is in {ended.result_uri}" if ended.result_uri else "none was found in S3 either"
    said = f"mapfold: run {ended.run_id} ended {ended.status}, and its result and counts are missing in its output"
    return [
        f"{said}: {by} behind Finish replaced it. The result: {where}",
        REPLACED.format(
            state=f"The state {ended.replaced_by!r}" if ended.replaced_by else "States behind Finish",
            needs="needs" if ended.replaced_by else "need",
        ),
    ]


def follow_run(
    started: Run, connection: Connection, place: Place, factory: Factory, output: Output
) -> Execution | None:
    """The execution as it ended, or None if Ctrl-C came first."""
    try:
        with output.watching() as shown, noticing_interrupts(shown) as watcher:
            pace = LOCAL_PACE if connection.is_local else AWS_PACE
            return follow(connection.aws, started.execution_arn, watcher, pace=pace)
    except Unreachable:
        output.note(
            f"run {started.run_id} was started. Where its service still runs or runs again, it goes on; look at it with"
        )
        output.note(f"  {factory.typed('show', started.run_id, place)}")
        raise
    except KeyboardInterrupt:
        output.note(f"interrupted: stopping run {started.run_id} (Ctrl-C again leaves at once)")
        stopped = _stop(started, connection)
        show = factory.typed("show", started.run_id, place)
        output.note(f"look      {show}")
        has_ended = stopped is not None and stopped.status.is_terminal
        once = "" if has_ended else "    once it has ended"
        output.note(f"go on     {factory.typed('redrive', started.run_id, place)}{once}")
        if stopped is None:
            output.note(f"  it was not answered that {started.run_id} is stopped: look whether it runs")
        elif not has_ended:
            output.note(STOPPING.format(run=started.run_id, show=show))
        return None


def _stop(started: Run, connection: Connection) -> Execution | None:
    """Ask for the run's end, and wait a little: who pressed Ctrl-C wants to leave. The run after that, if it was answered.

    In a thread, for the call itself has no bound that is short enough.
    """
    answers: list[Execution | None] = []

    def ask() -> None:
        with suppress(ServiceError):  # the server may have been ended by the same hand
            stop(connection.aws, started.execution_arn, cause="interrupted at the command line")
            answers.append(connection.aws.find_execution(started.execution_arn))

    asking = threading.Thread(target=ask, name="stop-run", daemon=True)
    asking.start()
    asking.join(_STOP_SECONDS)
    return next(iter(answers), None)


def _outcome_lines(ended: Outcome, connection: Connection, execution: Execution, typed: Typed) -> list[str]:
    items = ended.items
    lines = [_head(ended)]
    if items.total or ended.succeeded:
        lines.append(f"{counted(items.total, 'item')}: {items.succeeded:,} succeeded, {items.failed:,} failed")
    lines += duplicate_lines(ended)
    if ended.retried:
        tried = ended.retried
        lines.append(f"tried again {tried.items:,}: {tried.succeeded:,} succeeded, {tried.failed:,} failed again")
    if items.failed:
        lines += _reasons(ended, connection, execution, typed)
    if ended.result is not None:
        lines += ["", *told_result(ended), *outcome_result_lines(ended, connection.aws)]
    lines.append("")
    if ended.result_uri:
        lines.append(f"result    {ended.result_uri}")
    if ended.failures_uri:
        lines.append(f"failures  {ended.failures_uri}")
    return [*lines, f"look      {typed('show', ended.run_id)}", f"          {typed('history', ended.run_id)}"]


def _head(ended: Outcome) -> str:
    head = f"{ended.run_id} {ended.status.lower().replace('_', ' ')} in {duration(ended.seconds)}"
    if ended.is_replaced:
        return f"{head}, but its output is not what Finish gave"
    return head if ended.succeeded else f"{head}{in_state(ended)}: {ended.error or 'no reason was given'}"


def told_result(ended: Outcome) -> list[str]:
    """What stands above the result of a run that did not simply succeed: it looks like that of any other."""
    if ended.is_replaced:
        return ["what Finish gave, which is not in the run's output:"]
    return [] if ended.succeeded else [f"what Finish gave before the run ended {ended.status}:"]


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
