"""A run with all that it stands on: its retries are runs of their own, and only together are they the whole picture."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from mapfold.client.audit.claims import Failed
from mapfold.client.audit.values import CannotAudit, Finding, Kind
from mapfold.client.runs import ListsRuns, find_run
from mapfold.client.values import Event, Execution, Json, decode
from mapfold.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Audits(ListsRuns, Protocol):
    """What an audit takes of `AwsClient`."""

    def s3_client(self) -> S3Client: ...
    def find_record(self, run_id: str) -> Mapping[str, Json] | None: ...
    def find_definition_of(self, execution_arn: str) -> str | None: ...
    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class AuditedRun:
    """A run that has ended, as its execution left it. state: {"plan", "isolate", …}, behind the last Isolate."""

    execution: Execution
    state: Mapping[str, Json]

    @property
    def run_id(self) -> str:
        return self.execution.name

    @property
    def plan(self) -> Mapping[str, Json]:
        """What Plan decided: {"source", "listed", "list", "retry_of", …}."""
        return dict(self.state["plan"])

    @property
    def outcomes(self) -> list[Mapping[str, Json]]:
        """The manifest of each of its map runs over items."""
        return list(self.state["isolate"]["outcomes"])

    @property
    def is_whole(self) -> bool:
        """Whether its items were read to the end: a run that stopped early leaves some unread."""
        return not self.outcomes[0].get("stopped")


def chain_of(aws: Audits, execution: Execution) -> list[AuditedRun]:
    """The run and those that it stands on, the first one first. CannotAudit says which of them cannot, and why."""
    found = [_audited(aws, execution)]
    while (before := found[0].plan.get("retry_of")) is not None:
        try:
            found.insert(0, _audited(aws, find_run(aws, before)))
        except UsageError as error:
            raise CannotAudit(execution.name, f"it is a retry of {before}: {error}") from error
    return found


def _audited(aws: Audits, execution: Execution) -> AuditedRun:
    if not execution.status.is_terminal:
        raise CannotAudit(execution.name, f"it is {execution.status}. Wait for its end")
    for event in aws.events(execution.arn, newest_first=True):
        if event.type == "TaskStateExited" and event.details.get("name") == "Isolate":
            state = decode(event.details.get("output"))
            if isinstance(state, Mapping) and state.get("isolate", {}).get("done"):
                return AuditedRun(execution, state)
            break
    raise CannotAudit(
        execution.name,
        f"it ended {execution.status} before all its items had run, so its map runs have not told what they did. Let it go on "
        f"with `mapfold redrive {execution.name}`, if that can",
    )


def check_definition(aws: Audits, run: AuditedRun, item_reader: Mapping[str, Json]) -> None:
    """CannotAudit if the run read its source otherwise than the job declares it now."""
    text = aws.find_definition_of(run.execution.arn)
    states = json.loads(text)["States"] if text else {}
    was = states.get("Map", {}).get("ItemReader")
    if was is not None and was != item_reader:
        raise CannotAudit(
            run.run_id,
            f"its job declares its source otherwise today. The run read it with {json.dumps(was.get('ReaderConfig', was))}. "
            "Audit it with the job as it was then (--jobs)",
        )


def between(
    before: Iterable[Failed], listed: Iterable[tuple[int, Json]], after: Iterable[Failed], *, of: str
) -> Iterator[Finding]:
    """What does not hold between a run (`of`) whose failed items are `before` and its retry.

    What was tried again has failed before; what failed before was tried again, or is still among the failed; and nothing
    else is. All three come in the order of their places.
    """
    streams = (
        ((each.index, 0, each.item) for each in before),
        ((index, 1, item) for index, item in listed),
        ((each.index, 2, each.item) for each in after),
    )
    for index, group in groupby(heapq.merge(*streams, key=lambda entry: entry[0]), key=lambda entry: entry[0]):
        items = {stream: item for _, stream, item in group}
        item = next(iter(items.values()))
        if 0 not in items:
            if 1 in items:
                yield Finding(Kind.TWICE, index, item, detail=f"it was tried again, and had not failed in {of}")
            else:
                yield Finding(
                    Kind.UNKNOWN, index, item, detail=f"failures.jsonl lists it, and it had not failed in {of}"
                )
        elif 1 in items and items[0] != items[1]:
            yield Finding(
                Kind.ALTERED, index, item, detail=f"it was tried again as another item than had failed in {of}"
            )
        elif 1 not in items and 2 not in items:
            detail = f"it failed in {of}, was not tried again, and failures.jsonl does not list it any more"
            yield Finding(Kind.MISSING, index, item, detail=detail)


def tried_again(failed: Iterable[Failed], listed: Iterable[tuple[int, Json]]) -> Iterator[Failed]:
    """The failed items that a retry has tried: those in its list. Behind them its failures.jsonl has those left out."""
    indexes = (index for index, _ in listed)
    current = next(indexes, None)
    for each in failed:
        while current is not None and current < each.index:
            current = next(indexes, None)
        if current == each.index:
            yield each
