"""Retry what failed: a new run of the same job over the failed items of one that has ended.

Which items those are, the new run's Plan reads and its Finish folds their result with that of the run before
(`mapfold.runs.retry`, `mapfold.runs.combining`). Here is what can be said before it is started.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from mapfold.client.errors import NotRetryable, RetriedAlready
from mapfold.client.failures import Failure, ReadsFailures, failures
from mapfold.client.start import Run, StartsOnce, start_once
from mapfold.client.target import Target
from mapfold.client.values import Execution, Json, Lineage, decode
from mapfold.errors import UsageError
from mapfold.runs.folder import RunFolder
from mapfold.runs.retry import nothing_selected, why_no_last, why_nothing_to_retry
from mapfold.runs.selection import Selection

_LONGEST_CHAIN = 1_000


class RetriesRuns(StartsOnce, Protocol):
    """What retrying takes of `AwsClient`."""

    target: Target

    def object_size(self, bucket: str, key: str) -> int | None: ...
    def object_text(self, bucket: str, key: str) -> str: ...
    def object_keys(self, bucket: str, prefix: str, *, after: str = "") -> Iterator[str]: ...
    def lineages(self, run_ids: Sequence[str]) -> dict[str, Lineage]: ...


def check_retryable(aws: RetriesRuns, execution: Execution, *, again: bool = False, by: str | None = None) -> None:
    """Raise `NotRetryable`, with what to do, if the failed items of a run cannot be tried again.

    `RetriedAlready` if they were, unless `again`, or by the run `by` itself.
    """
    name = execution.name
    if not execution.status.is_terminal:
        raise NotRetryable(name, f"it is {execution.status}. Wait for its end, or stop it and start a new run")
    folder = RunFolder(aws.target.runs_bucket, name)
    if aws.object_size(folder.bucket, folder.last) is None:
        is_there = next(iter(aws.object_keys(folder.bucket, f"{folder.prefix}/")), None) is not None
        raise NotRetryable(name, why_no_last(name, is_folder_there=is_there))
    _check_last(name, json.loads(aws.object_text(folder.bucket, folder.last)))
    if not again:
        _check_first(aws, name, by)


def _check_last(name: str, last: Mapping[str, Json]) -> None:
    if reason := why_nothing_to_retry(is_whole=last.get("is_whole", True), failed=last["items"]["failed"]):
        raise NotRetryable(name, reason)


def _check_first(aws: RetriesRuns, name: str, by: str | None) -> None:
    """`RetriedAlready` names the newest run of the chain that begins with `name`."""
    newest = name
    for _ in range(_LONGEST_CHAIN):
        later = aws.lineages((newest,)).get(newest, Lineage()).retried_by
        if later is None or later == by:
            break
        newest = later
    if newest != name:
        raise RetriedAlready(name, newest)


def check_any(aws: ReadsFailures, execution: Execution, selection: Selection) -> None:
    """Raise UsageError if no failed item of the run is selected. Reads failures up to the first one that is."""
    if next(selection.select(failures(aws, execution)), None) is None:
        raise UsageError(nothing_selected(execution.name, selection.conditions))


def selected_failures(aws: ReadsFailures, execution: Execution, selection: Selection) -> Iterator[Failure]:
    """The failed items of a run that are selected, as they are read."""
    return selection.select(failures(aws, execution))


def retry_input(
    selection: Selection, *, of: str | None = None, uri: str | None = None, again: bool = False
) -> dict[str, Json]:
    """`retry` of the input of a run that tries failed items again: those of run `of`, or those that `uri` lists."""
    retry: dict[str, Json] = {"of": of} if of else {"uri": uri}
    if selection.conditions:
        retry["where"] = list(selection.conditions)
    if selection.take is not None:
        retry["take"] = selection.take
    return retry | ({"again": True} if again else {})


def start_retry(
    aws: RetriesRuns,
    execution: Execution,
    selection: Selection,
    *,
    name: str,
    again: bool = False,
    is_chosen: bool = False,
) -> tuple[Run, bool]:
    """Start a run over the selected failed items of a run, with its source and params; and whether it was started now.

    It is there already if a run of this name tries the same again. Checked before: `check_retryable`, if it is not there.
    """
    given = decode(execution.input)
    given = given if isinstance(given, Mapping) else {}
    source = given.get("source")
    return start_once(
        aws,
        aws.target.job_of(execution.state_machine_arn),
        source=source if isinstance(source, Mapping) else {"uri": source},
        params=given.get("params") or {},
        name=name,
        is_chosen=is_chosen,
        retry=retry_input(selection, of=execution.name, again=again),
    )


def start_from_outside(
    aws: StartsOnce, job: str, uri: str, selection: Selection, *, params: Mapping[str, Json], name: str
) -> Run:
    """Start a run of `job` over the failed items that an object lists: its source is that list."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    source = {"uri": uri, "bucket": bucket, "key": key}
    return start_once(aws, job, source=source, params=params, name=name, retry=retry_input(selection, uri=uri))[0]


def find_list(aws: RetriesRuns, uri: str) -> str:
    """The URI of the object that lists failed items: `uri` itself, or the one manifest.json under it, if it is a folder.

    The ResultWriter puts its manifest into a folder of the map run's own, and an S3 Batch Operations job does likewise.
    """
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not slash:
        raise UsageError(
            f"{uri!r} is no S3 URI of an object or a folder. Write s3://BUCKET/KEY or s3://BUCKET/FOLDER/."
        )
    if key and not key.endswith("/") and aws.object_size(bucket, key) is not None:
        return uri
    prefix = key if not key or key.endswith("/") else f"{key}/"
    found = [each for each in aws.object_keys(bucket, prefix) if each.rpartition("/")[2] == "manifest.json"]
    if len(found) == 1:
        return f"s3://{bucket}/{found[0]}"
    if not found:
        raise UsageError(f"there is no object {uri}, and no manifest.json under s3://{bucket}/{prefix}. Check the URI.")
    shown = "".join(f"\n  s3://{bucket}/{each}" for each in found[:10])
    more = f"\n  and {len(found) - 10:,} more" if len(found) > 10 else ""
    raise UsageError(f"there are {len(found)} manifests under s3://{bucket}/{prefix}. Name one of them:{shown}{more}")
