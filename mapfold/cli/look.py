"""The commands that look: jobs, definition, runs, show, failures; and stop. `history` is in tree.py."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.ending import STOPPING, duplicate_lines, replaced_lines, told_result
from mapfold.cli.factory import Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import clock_time, columns, counted, duration, tally
from mapfold.cli.results import outcome_result_lines
from mapfold.client.arns import is_isolation, is_of_items
from mapfold.client.documents import run_document, span, status_document, summary_document
from mapfold.client.values import Execution, Json, MapRun, decode, explain_cause

if TYPE_CHECKING:
    from mapfold.client import Failure, Outcome, Standing
    from mapfold.job import Job
    from mapfold.runs.signature import Failed
    from mapfold.sources import Source


def jobs(folder: Path, factory: Factory, output: Output, *, as_json: bool) -> int:
    """`mapfold jobs`: the jobs of a folder; modules that are none are said on stderr, and make it end with 2."""
    loaded = factory.jobs(folder)
    if as_json:
        errors = [str(error) for error in loaded.errors]
        output.document({"jobs": [_job_document(job) for job in loaded.values()], "errors": errors})
    elif loaded:
        rows = [
            (
                job.name,
                declared_source(job.source),
                job.child_type()[0],
                job.result_kind,
                ", ".join(job.tables),
                "yes" if job.example_function else "",
            )
            for job in loaded.values()
        ]
        output.facts(columns(("job", "source", "children", "result", "tables", "example"), rows))
    else:
        output.note(f"there is no job in {folder}")
    for error in loaded.errors:
        output.note(f"mapfold: {error}")
    return 2 if loaded.errors else 0


def definition(folder: Path, name: str, factory: Factory, output: Output) -> int:
    """`mapfold definition JOB`: its state machine in the States Language."""
    output.facts([factory.rendered(factory.job(folder, name)).rstrip("\n")])
    return 0


def runs(place: Place, factory: Factory, output: Output, *, job: str | None, limit: int, as_json: bool) -> int:
    """`mapfold runs`: newest first."""
    from mapfold import client

    with factory.connect(place, output.note) as connection:
        listed = list(islice(client.runs(connection.aws, job=job), limit or None))
        found = client.add_lineages(connection.aws, listed)
    if as_json:
        output.document({"runs": map(summary_document, found)})
        return 0
    if not found:
        of_job = f" of {job}" if job else ""
        output.note(f"there are no runs{of_job} yet: {factory.command} run {job or 'JOB'} starts one")
        return 0
    if connection.is_own and any(not run.status.is_terminal for run in found):
        output.note(factory.goes_on(place))
    rows: list[tuple[Json, ...]] = [
        (run.run_id, run.job, str(run.status), clock_time(run.started), duration(span(run.started, run.stopped)))
        for run in found
    ]
    header: tuple[str, ...] = ("run", "job", "status", "started (UTC)", "took")
    if any(run.redrive_count for run in found):
        header = (*header, "redrives")
        rows = [(*row, run.redrive_count or None) for row, run in zip(rows, found, strict=True)]
    if any(run.lineage.retry_of for run in found):
        header = (*header, "retry of")
        rows = [(*row, run.lineage.retry_of) for row, run in zip(rows, found, strict=True)]
    output.facts(columns(header, rows))
    return 0


def show(place: Place, name: str, factory: Factory, output: Output, *, as_json: bool) -> int:
    """`mapfold show RUN`: one run with its counts and, if it has ended, its result."""
    from mapfold import client

    with factory.connect(place, output.note) as connection:
        view = client.show(connection.aws, name)
        execution = view.execution
        ended = client.outcome(connection.aws, execution) if execution.status.is_terminal else None
        states = client.standing(connection.aws, execution) if ended is None else None
        result = outcome_result_lines(ended, connection.aws) if ended is not None and not as_json else []
    if connection.is_own and ended is None:
        output.note(factory.goes_on(place))
    for line in replaced_lines(ended) if ended is not None else []:
        output.note(line)
    given = decode(execution.input)
    if as_json:
        output.document(run_document(view, ended, states=states))
        return 0
    facts = {
        "run": execution.name,
        "job": view.job,
        "status": str(execution.status),
        "state": _standing(states) if states is not None else None,
        "started": f"{clock_time(execution.started)} UTC",
        "took": duration(execution.seconds),
        "redrives": _redrives(execution),
        "source": (given.get("source") or {}).get("uri") if isinstance(given, dict) else None,
        "retry of": " ← ".join(reversed(view.lineage.runs)),
        "retried by": view.lineage.retried_by,
        "output": f"not what Finish gave: replaced by {ended.replaced_by or 'a state behind it'}"
        if ended is not None and ended.is_replaced
        else None,
        "failed in": _failed_in(ended, factory.typed("history", name, place)),
        "error": execution.error,
        "cause": explain_cause(execution.cause)[0],
        "items": f"{ended.items.total:,}: {ended.items.succeeded:,} succeeded, {ended.items.failed:,} failed"
        if ended
        else None,
        "retried": _retried(ended),
        "result": ended.result_uri if ended else None,
        "failures": ended.failures_uri if ended else None,
        "execution": execution.arn,
    }
    lines = [f"{key:<10} {value}" if len(key) == 10 else f"{key:<10}{value}" for key, value in facts.items() if value]
    for run in view.map_runs:
        redrives = f", {counted(run.redrive_count, 'redrive')}" if run.redrive_count else ""
        lines += [
            f"map run   {run.label} {run.status}{redrives}",
            *(f"          {said}" for said in map_run_counts(run)),
        ]
    if ended is not None:
        lines += [
            f"          {said}" for said in kept_apart(ended, view.map_runs, factory.typed("failures", name, place))
        ]
    if ended is not None:
        lines += duplicate_lines(ended)
    if ended is not None and result:
        lines += ["", *told_result(ended), *result]
    output.facts(lines)
    return 0


def failures(
    place: Place,
    name: str,
    factory: Factory,
    output: Output,
    *,
    traceback: bool,
    as_json: bool,
    where: Sequence[str] = (),
    by_signature: bool = False,
) -> int:
    """`mapfold failures RUN`: the items that failed, with their reasons; those that `where` selects."""
    from mapfold import client
    from mapfold.runs.selection import parse_selection

    selection = parse_selection(where)
    with factory.connect(place, output.note) as connection:
        execution = client.find_run(connection.aws, name)
        found = client.selected_failures(connection.aws, execution, selection)
        if by_signature:
            signatures(execution.name, found, output, as_json=as_json)
            return 0
        listed = 0

        def counting() -> Iterator[Failure]:
            nonlocal listed
            for failure in found:
                listed += 1
                yield failure

        if as_json:
            output.document({"run_id": execution.name, "failures": (failure.as_document() for failure in counting())})
        else:
            for failure in counting():
                output.facts(_failure_lines(failure, with_traceback=traceback))
        if where:
            if not listed and not as_json:
                output.note(f"no failed item of {execution.name} is selected by {' and '.join(where)}")
            return 0
        failed = client.outcome(connection.aws, execution).items.failed if execution.status.is_terminal else 0
        if listed < failed:
            output.note(
                f"listed are {listed:,} of {counted(failed, 'item')} that failed: what the run wrote about the others is "
                "not in S3 any more"
            )
        elif not listed and not as_json:
            why = f" with {execution.error}: {explain_cause(execution.cause)[0]}" if execution.error else ""
            state = f"ended {execution.status}{why}" if execution.status.is_terminal else "is still running"
            output.note(f"no item of {execution.name} failed; the run {state}")
    return 0


def signatures(run: str, found: Iterable[Failure], output: Output, *, as_json: bool) -> None:
    """Failed items counted by why they failed, with an example of each reason; in memory is one of each."""
    from mapfold.runs.signature import count_signatures

    counted_ = count_signatures(found)
    if as_json:
        documents = [count.as_document() for count in counted_.counts]
        output.document({"run_id": run, "items": counted_.items, "signatures": documents, "others": counted_.others})
        return
    for count in counted_.counts:
        output.facts(
            [
                f"{count.signature.id}  {counted(count.items, 'item')}  {count.signature.text}",
                f"          such as {_item_line(count.example)}",
            ]
        )
    if counted_.others:
        output.note(
            f"and {counted(counted_.others, 'item')} of further signatures: {len(counted_.counts):,} are told apart"
        )
    if not counted_.items:
        output.note(f"no failed item of {run} was found")


def stop(place: Place, name: str, factory: Factory, output: Output, *, as_json: bool) -> int:
    """`mapfold stop RUN`: abort it."""
    from mapfold import client

    with factory.connect(place, output.note) as connection:
        execution = client.find_run(connection.aws, name)
        client.check_running(execution)
        client.stop(connection.aws, execution.arn, cause="stopped at the command line")
        stopped = connection.aws.find_execution(execution.arn) or execution
    if as_json:
        output.document(status_document(stopped))
    else:
        output.facts([f"{execution.name} {stopped.status}"])
    if not stopped.status.is_terminal:
        output.note(STOPPING.format(run=execution.name, show=factory.typed("show", name, place)))
    return 0


def _failed_in(ended: Outcome | None, history: str) -> str | None:
    if ended is None or ended.failed_state is None:
        return None
    return f"{ended.failed_state}: {history} --failed"


def _standing(states: Standing) -> str | None:
    """The states that a run is in, with whom they wait for; equal ones, of many iterations, once."""
    said = Counter(
        f"{state.name} ({state.type}){f', waits for {state.waits_for}' if state.waits_for else ''}"
        for state in states.states
    )
    listed = "; ".join(text if count == 1 else f"{count:,} times {text}" for text, count in said.items())
    if states.is_whole:
        return listed or None
    return f"{listed or 'not known'} (by its newest events; {'there may be others' if listed else 'it has too many'})"


def _retried(ended: Outcome | None) -> str | None:
    """Of a run that tried failed items again: how those ended."""
    if ended is None or ended.retried is None:
        return None
    tried = ended.retried
    return f"{tried.items:,} of them: {tried.succeeded:,} succeeded now, {tried.failed:,} failed again"


def _redrives(execution: Execution) -> str | None:
    if not execution.redrive_count:
        return None
    last = "" if execution.redriven is None else f", the last at {clock_time(execution.redriven)} UTC"
    return f"{execution.redrive_count}{last}"


def declared_source(source: Source) -> str:
    """A source as a job declares it, without what is as it would be anyway: `Manifest()`, `CsvRows(delimiter='|')`."""
    given = (
        (
            f"{field.name}={getattr(source, field.name)!r}"
            for field in fields(source)
            if getattr(source, field.name) != field.default
        )
        if is_dataclass(source)
        else ()
    )
    return f"{type(source).__name__}({', '.join(given)})"


def _job_document(job: Job) -> dict[str, Json]:
    children, why = job.child_type()
    return {
        "name": job.name,
        "source": type(job.source).__name__,
        "source_names": job.source.kind,
        "on_duplicate": job.on_duplicate if job.source.names_objects else None,
        "children": children,
        "children_because": why,
        "result_kind": job.result_kind,
        "tables": {name: list(keys) for name, keys in job.tables.items()},
        "timeout_seconds": job.timeout_seconds,
        "memory_mb": job.memory_mb,
        "tolerance": job.tolerance(),
        "has_example": job.example_function is not None,
    }


def _item_line(failure: Failed) -> str:
    place = "" if failure.index is None else f"{failure.index}: "
    item = failure.item if isinstance(failure.item, str) else json.dumps(failure.item, ensure_ascii=False)
    return f"{place}{item}"


def _failure_lines(failure: Failure, *, with_traceback: bool) -> list[str]:
    lines = [_item_line(failure), f"    {failure.error}: {failure.message}"]
    if with_traceback and failure.traceback:
        lines += [f"    {line}" for line in failure.traceback.splitlines()]
    return lines


def map_run_counts(run: MapRun) -> list[str]:
    return [tally(run.items, "item"), tally(run.children, "child execution")]


def kept_apart(ended: Outcome, map_runs: Iterable[MapRun], command: str) -> list[str]:
    """A line where the run counts more failed items than its map runs, which know whole batches only.

    None where batches were split whose worker died: the map run over the items counts those as failed.
    """
    runs = list(map_runs)
    if any(is_isolation(run.label) for run in runs):
        return []
    more = ended.items.failed - sum(run.items.failed for run in runs if is_of_items(run.label))
    if more <= 0:
        return []
    return [f"{counted(more, 'more item')} failed in batches that succeeded with the rest: {command}"]
