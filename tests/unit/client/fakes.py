"""An AWS that lives in dicts, with the methods of `AwsClient` that the client's functions use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from mapfold.client.arns import is_map_run_arn, label_of
from mapfold.client.errors import RunNameTaken
from mapfold.client.target import Target
from mapfold.client.values import (
    Counts,
    Event,
    Execution,
    ExecutionSummary,
    FunctionFacts,
    Json,
    MapRun,
    MapRunSummary,
    Page,
    StateMachine,
    Status,
)
from mapfold.errors import ServiceError

T = TypeVar("T")

MACHINES = "arn:aws:states:us-east-1:123456789012:stateMachine:"
EXECUTIONS = "arn:aws:states:us-east-1:123456789012:execution:"
MAP_RUN = "arn:aws:states:us-east-1:123456789012:mapRun:mapfold-flights/flights:11111111-2222-3333-4444-555555555555"
GROUPS_RUN = MAP_RUN.replace("/flights:", "/FoldGroups:")
ROUND = MAP_RUN.replace("/flights:", "/Isolate:")
RUN = EXECUTIONS + "mapfold-flights:r1"


def execution(
    arn: str = RUN,
    status: Status = Status.SUCCEEDED,
    *,
    started: float = 100.0,
    output: Json = None,
    given: Json = None,
    error: str | None = None,
    cause: str | None = None,
) -> Execution:
    """An execution; one that has ended took two seconds."""
    return Execution(
        arn=arn,
        name=arn.rsplit(":", 1)[-1],
        state_machine_arn=MACHINES + arn.split(":")[6],
        status=status,
        started=started,
        stopped=started + 2 if status.is_terminal else None,
        input=None if given is None else json.dumps(given),
        output=None if output is None else json.dumps(output),
        error=error,
        cause=cause,
    )


def map_run(
    arn: str = MAP_RUN,
    status: Status = Status.RUNNING,
    *,
    items: Counts | None = None,
    children: Counts | None = None,
    started: float = 100.5,
) -> MapRun:
    """A map run of the run `RUN`."""
    return MapRun(
        arn=arn,
        execution_arn=RUN,
        label=label_of(arn),
        status=status,
        started=started,
        stopped=None,
        max_concurrency=10,
        items=items or Counts(),
        children=children or Counts(),
    )


def events(*lines: tuple[str, Mapping[str, Json]]) -> list[Event]:
    """A history without branches: each event points back to the one before it."""
    return [Event(i, i - 1, type_, 100.0 + i / 10, details) for i, (type_, details) in enumerate(lines, start=1)]


@dataclass
class FakeAws:
    """Everything is public: a test fills in what there is, and reads what was made."""

    target: Target = field(default_factory=Target)
    region: str = "us-east-1"
    account: str = "123456789012"
    machines: dict[str, str] = field(default_factory=dict)  # name -> definition
    executions_: dict[str, Execution] = field(default_factory=dict)
    map_runs_: dict[str, MapRun] = field(default_factory=dict)
    children_: dict[str, list[Execution]] = field(default_factory=dict)  # by map run
    events_: dict[str, list[Event]] = field(default_factory=dict)
    objects: dict[tuple[str, str], str] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    functions: dict[str, FunctionFacts] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    on_poll: Callable[[FakeAws], None] = lambda aws: None
    """Called before every DescribeExecution: the world goes on between two polls."""
    described: list[str] = field(default_factory=list)
    pages: list[tuple[str, int]] = field(default_factory=list)
    """Every page that was asked for: of what, and from where on."""
    ranges: list[tuple[str, int]] = field(default_factory=list)
    """Every range of an object that was read: its key, and where it starts."""
    records: dict[str, tuple[float, str, str]] = field(default_factory=dict)  # what closed a run's record

    def has(self, *executions: Execution) -> FakeAws:
        """Add executions, and the state machines that they are of."""
        for one in executions:
            self.executions_[one.arn] = one
            self.machines.setdefault(one.state_machine_arn.rsplit(":", 1)[-1], "{}")
        return self

    # --- Step Functions -----------------------------------------------------------------------------------

    def start_execution(self, machine_arn: str, *, name: str, input: str) -> str:
        if machine_arn.rsplit(":", 1)[-1] not in self.machines:
            raise ServiceError("no such machine", code="StateMachineDoesNotExist")
        arn = machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"
        if arn in self.executions_:
            raise RunNameTaken(name)
        self.has(execution(arn, Status.RUNNING, given=json.loads(input)))
        return arn

    def stop_execution(self, arn: str, *, error: str, cause: str) -> datetime:
        self.executions_[arn] = replace(
            self.executions_[arn], status=Status.ABORTED, error=error, cause=cause, stopped=103.0
        )
        return datetime.fromtimestamp(103.0, UTC)

    def abort_record(self, execution_arn: str, *, stopped: datetime, error: str, cause: str) -> bool:
        self.records[execution_arn] = (stopped.timestamp(), error, cause)
        return True

    def redrive_execution(self, arn: str) -> datetime:
        before = self.executions_[arn]
        self.executions_[arn] = replace(
            before, status=Status.RUNNING, stopped=None, error=None, cause=None,
            redrive_count=before.redrive_count + 1, redriven=110.0,
        )  # fmt: skip
        return datetime.fromtimestamp(110.0, UTC)

    def reopen_record(self, execution_arn: str) -> bool:
        return self.records.pop(execution_arn, None) is not None

    def find_execution(self, arn: str) -> Execution | None:
        self.described.append(arn)
        self.on_poll(self)
        children = {child.arn: child for group in self.children_.values() for child in group}
        return self.executions_.get(arn) or children.get(arn)

    def executions(self, machine_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]:
        found = [one for one in self.executions_.values() if one.state_machine_arn == machine_arn]
        found.sort(key=lambda one: -one.started)
        yield from (_summary(one) for one in found if status in (None, one.status))

    def execution_page(
        self, arn: str, *, status: Status | None = None, size: int = 1000, token: str | None = None
    ) -> Page[ExecutionSummary]:
        listed = self.children if is_map_run_arn(arn) else self.executions
        return self._page(f"{arn} {status}", list(listed(arn, status)), size, token)

    def event_page(self, arn: str, *, size: int = 1000, token: str | None = None) -> Page[Event]:
        return self._page(arn, self.events_.get(arn, []), size, token)

    def _page(self, question: str, found: list[T], size: int, token: str | None) -> Page[T]:
        """A page whose token says the question and where it goes on; of another question, it is refused."""
        asked, _, start = (token or f"{question}@0").rpartition("@")
        if asked != question:
            raise ServiceError("Invalid Token: 'Invalid token'", code="InvalidToken")
        self.pages.append((question, int(start)))
        end = int(start) + size
        return Page(tuple(found[int(start) : end]), f"{question}@{end}" if end < len(found) else None)

    def children(self, map_run_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]:
        found = self.children_.get(map_run_arn, [])
        yield from (_summary(one) for one in found if status in (None, one.status))

    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]:
        found = self.events_.get(arn, [])
        yield from (reversed(found) if newest_first else found)

    def map_runs(self, execution_arn: str) -> list[MapRunSummary]:
        runs = [MapRunSummary(run.arn, run.label, run.started, run.stopped) for run in self.map_runs_.values()]
        return sorted(runs, key=lambda run: run.started)

    def map_run(self, arn: str) -> MapRun:
        return self.map_runs_[arn]

    def state_machines(self) -> Iterator[StateMachine]:
        names = (name for name in self.machines if name.startswith(self.target.machine_prefix))
        yield from (StateMachine(MACHINES + name, self.target.job_of(name)) for name in names)

    def find_definition(self, machine_arn: str) -> str | None:
        return self.machines.get(machine_arn.rsplit(":", 1)[-1])

    def create_state_machine(self, name: str, definition: str) -> None:
        self.machines[name] = definition

    def update_state_machine(self, machine_arn: str, definition: str) -> None:
        self.machines[machine_arn.rsplit(":", 1)[-1]] = definition

    # --- the rest -----------------------------------------------------------------------------------------

    def find_function(self, name: str) -> FunctionFacts | None:
        return self.functions.get(name)

    def create_folder_function(
        self,
        name: str,
        *,
        folder: str,
        handler: str,
        runtime: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str],
    ) -> bool:
        if name in self.functions:
            return False
        self.functions[name] = FunctionFacts(name, handler, timeout_seconds, memory_mb, dict(environment))
        self.folders[name] = folder
        return True

    def update_folder_function(
        self,
        name: str,
        *,
        folder: str,
        handler: str,
        runtime: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str],
    ) -> bool:
        if name not in self.functions:
            return False
        del self.functions[name]
        return self.create_folder_function(
            name,
            folder=folder,
            handler=handler,
            runtime=runtime,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            environment=environment,
        )

    def ensure_bucket(self, name: str) -> bool:
        made = name not in self.buckets
        self.buckets.add(name)
        return made

    def ensure_table(self, name: str, keys: Sequence[str]) -> bool:
        made = name not in self.tables
        self.tables[name] = tuple(keys)
        return made

    def object_size(self, bucket: str, key: str) -> int | None:
        text = self.objects.get((bucket, key))
        return None if text is None else len(text)

    def object_text(self, bucket: str, key: str) -> str:
        return self.objects[bucket, key]

    def object_lines(self, bucket: str, key: str) -> Iterator[bytes] | None:
        text = self.objects.get((bucket, key))
        return None if text is None else iter(text.encode().splitlines())

    def object_range(self, bucket: str, key: str, *, start: int, length: int) -> tuple[bytes, int] | None:
        text = self.objects.get((bucket, key))
        if text is None:
            return None
        self.ranges.append((key, start))
        body = text.encode()
        return (body[start : start + length], len(body)) if start < len(body) else (b"", start)

    def object_link(self, bucket: str, key: str, *, seconds: int) -> str:
        return f"https://{bucket}.s3.amazonaws.com/{key}?X-Amz-Expires={seconds}"

    def object_keys(self, bucket: str, prefix: str, *, after: str = "") -> Iterator[str]:
        keys = (key for where, key in self.objects if where == bucket and key.startswith(prefix))
        yield from sorted(key for key in keys if key > after)


def _summary(one: Execution) -> ExecutionSummary:
    return ExecutionSummary(one.arn, one.name, one.status, one.started, one.stopped, redrive_count=one.redrive_count)


@dataclass
class FakeTriggers:
    """What was made, by name; `order` of it."""

    queues: dict[str, Mapping[str, str]] = field(default_factory=dict)
    mappings: dict[str, str] = field(default_factory=dict)
    rules: dict[str, tuple[str, str]] = field(default_factory=dict)
    telling: set[str] = field(default_factory=set)
    order: list[str] = field(default_factory=list)

    def ensure_queue(self, name: str, attributes: Mapping[str, str], *, visible_after: int = 0) -> str | None:
        self.order.append(name)
        if self.queues.get(name) == attributes:
            return None
        action = "replaced" if name in self.queues else "created"
        self.queues[name] = attributes
        return action

    def ensure_mapping(self, queue_arn: str, function: str) -> str | None:
        if self.mappings.get(queue_arn) == function:
            return None
        self.mappings[queue_arn] = function
        return "created"

    def ensure_notification(self, bucket: str, *, is_new: bool = False) -> None:
        self.telling.add(bucket)

    def ensure_rule(self, name: str, pattern: str, *, queue_arn: str) -> str | None:
        if self.rules.get(name) == (pattern, queue_arn):
            return None
        self.rules[name] = (pattern, queue_arn)
        return "created"
