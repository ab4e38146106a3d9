"""`mapfold history RUN`: the tree of execution, states, map runs and children, or all events. Children stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from mapfold import client
from mapfold.cli.factory import Factory, Place
from mapfold.cli.look import kept_apart, map_run_counts
from mapfold.cli.output import Output
from mapfold.cli.present import counted, duration
from mapfold.client.documents import (
    child_document,
    event_document,
    failure_document,
    head_document,
    map_run_document,
    moment,
    span,
)
from mapfold.client.values import Json, explain_cause

CHILDREN_SHOWN = 1_000
"""Children of a map run that are shown as text unless another limit is asked for."""

_TEXT_LIMIT = 300


def history(
    place: Place,
    name: str,
    factory: Factory,
    output: Output,
    *,
    failed: bool,
    events: bool,
    limit: int | None,
    as_json: bool,
) -> int:
    """Print the history of a run or, by its ARN, of any execution.

    `limit`: children of a map run; 0 is all, None is all in JSON and CHILDREN_SHOWN as text.
    """
    with factory.connect(place, output.note) as connection:
        aws = connection.aws
        execution = client.find_run(aws, name)
        if events and as_json:
            lines = client.all_events(aws, execution, failed_only=failed)
            output.document(head_document(execution) | {"events": (event_document(line) for line in lines)})
        elif events:
            output.facts(_event_text(line) for line in client.all_events(aws, execution, failed_only=failed))
        elif as_json:
            node = client.history(aws, execution, failed_only=failed)
            output.document(
                head_document(execution) | {"states": tuple(_state_document(s, limit or None) for s in node.states)}
            )
        else:
            shown = CHILDREN_SHOWN if limit is None else limit or None
            node = client.history(aws, execution, failed_only=failed)
            output.facts(_tree_lines(node, shown))
            map_runs = [map_run.run for state in node.states for map_run in state.map_runs]
            if map_runs and execution.status.is_terminal:
                ended = client.outcome(aws, execution)
                output.facts(kept_apart(ended, map_runs, factory.typed("failures", name, place)))
    return 0


# --- text --------------------------------------------------------------------------------------------------


def _tree_lines(node: client.ExecutionNode, limit: int | None) -> Iterator[str]:
    execution = node.execution
    yield f"{execution.name}  {execution.status}  {duration(execution.seconds)}".rstrip()
    if execution.error:
        yield f"  {_reason(execution.error, execution.cause)}"
    width = max((len(state.name) for state in node.states), default=0)
    for state in node.states:
        yield from _state_lines(state, width, limit)


def _state_lines(state: client.StateNode, width: int, limit: int | None) -> Iterator[str]:
    took = duration(span(state.started, state.stopped))
    tries = f"  {state.attempts} attempts" if state.attempts > 1 else ""
    yield f"  {state.name:<{width}}  {state.type:<8}  {state.status:<9}  {took}{tries}".rstrip()
    if state.error:
        yield f"    {_reason(state.error, state.cause)}"
    for map_run in state.map_runs:
        run = map_run.run
        yield f"    map run {run.label}  {run.status}  {'; '.join(map_run_counts(run))}"
        for child in islice(map_run.children, limit):
            yield from _child_lines(child)
        if next(map_run.children, None) is not None:
            yield f"      … more children than {limit:,}: --limit 0 shows all, --failed those that failed"


def _child_lines(child: client.Child) -> Iterator[str]:
    summary = child.summary
    items = "" if summary.items is None else f"  {counted(summary.items, 'item')}"
    yield f"      {summary.name}  {summary.status:<9}  {duration(span(summary.started, summary.stopped))}{items}".rstrip()
    if child.error:
        yield f"        {_reason(child.error, child.cause)}"


def _event_text(line: client.EventLine) -> str:
    event = line.event
    details = {key: value for key, value in event.details.items() if not key.endswith("Details")}
    text = json.dumps(details, ensure_ascii=False) if details else ""
    text = text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
    return f"{'    ' * line.depth}{event.id:>5}  {moment(event.at)}  {event.type:<24}  {text}".rstrip()


def _reason(error: str, cause: str | None) -> str:
    text = " ".join(f"{error}: {explain_cause(cause)[0]}".split()) if cause else error
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"


# --- JSON --------------------------------------------------------------------------------------------------


def _state_document(state: client.StateNode, limit: int | None) -> dict[str, Json]:
    document: dict[str, Json] = {
        "name": state.name,
        "type": state.type,
        "status": str(state.status),
        "started": moment(state.started),
        "stopped": moment(state.stopped),
        "attempts": state.attempts,
        **failure_document(state.error, state.cause),
    }
    if state.map_runs:
        document["map_runs"] = tuple(
            map_run_document(node.run) | {"children": map(child_document, islice(node.children, limit))}
            for node in state.map_runs
        )
    return document
