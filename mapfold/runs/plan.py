"""Plan: the source exists and can be read; how many items a batch has, and how many batches run at once.

With N items estimated:

- concurrency is the job's, otherwise DEFAULT_CONCURRENCY (AWS's default quota of Lambda's concurrency in a region; a new
  account starts with less, until AWS raises it); less where the environment says that fewer can run at once
  (`MAPFOLD_CONCURRENCY`, which the embedded AWS sets to its workers), or the job (its reserved concurrency, the
  connections of its database).
  More children than that would only wait for a worker, and the five minutes of an EXPRESS one run meanwhile;
- a batch has what the job says, otherwise N / (WAVES * concurrency) items, so that every slot gets several batches and none waits long for the
  slowest, between 1 and LARGEST_BATCH, so that a batch that fails repeats little.

N comes from the object's size and the length of the items in its head, or from the first pages of a listing. It need
not be right: it only shapes batches.

A source may say which version of its object is meant ({"uri", "version"} or {"uri", "etag"}, as uploads do). The ItemReader
reads the current one, so another one than was meant is a SourceError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mapfold.job import Job
from mapfold.runs.folder import RunFolder
from mapfold.runs.partials import dumps
from mapfold.runs.records import Records
from mapfold.sources import CsvRows, JsonArray, Objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_CONCURRENCY = 1000
WAVES = 4
LARGEST_BATCH = 1000

_HEAD_BYTES = 64 * 1024
_LISTED_PAGES = 10
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")
_TYPICAL_RATIO = 8
"""How much text shrinks: only for the estimate of a compressed source, whose head says nothing."""
_TYPICAL_ITEM_BYTES = 100


PARAMS_BYTES = 32_768
"""They travel with every state and every batch, beside a partial of up to 200,000 bytes: 262,144 are for both."""


class SourceError(Exception):
    """The run's source cannot be read. The message names it and says why."""


class ParamsTooLarge(Exception):
    """The run's parameters would not fit beside a batch or a partial. `size` is that of their JSON."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the run's params have {size:,} bytes as JSON; at most {PARAMS_BYTES:,} are allowed. "
            "Put what is large into an object in S3, and its URI into the params."
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One run, as its execution's input says it."""

    run_id: str
    source: Mapping[str, str]
    params: Mapping[str, Any]
    execution: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the state machine reads as `$.plan`, and all that its later states know of the run."""

    run_id: str
    job: str
    params: Mapping[str, Any]
    source: Mapping[str, str]
    estimated_items: int
    max_items_per_batch: int
    max_concurrency: int
    tolerated_failure_percentage: float
    tolerated_failure_count: int
    map_prefix: str
    fold_prefix: str
    execution: str


def parse_source(job: Job, given: Any) -> dict[str, str]:
    """The `source` of an execution's input: what `parse_uri` gave, or an URI alone; with the version that is meant."""
    if isinstance(given, str):
        return job.source.parse_uri(given)
    if isinstance(given, Mapping) and "uri" in given:
        return {**job.source.parse_uri(given["uri"]), **_pinned(job, given)}
    if isinstance(given, Mapping) and "bucket" in given:
        return job.source.parse_uri(f"s3://{given['bucket']}/{given.get('key', given.get('prefix', ''))}")
    raise SourceError(f'the execution\'s input has no source: {given!r}. Give {{"uri": "s3://BUCKET/KEY"}}.')


def _pinned(job: Job, given: Mapping[str, Any]) -> dict[str, str]:
    """`version` or `etag`, where the source has one."""
    pinned = {name: str(given[name]) for name in _PINS if given.get(name)}
    if pinned and isinstance(job.source, Objects):
        raise SourceError(
            f"the source {given['uri']} is a listing, which has no {' and no '.join(pinned)}. Leave it out."
        )
    return pinned


_PINS = ("version", "etag")


def make_plan(
    job: Job,
    request: PlanRequest,
    *,
    s3: S3Client,
    records: Records,
    folder: RunFolder,
    most_at_once: int | None = None,
) -> Plan:
    """Open the run's record, look at the source, decide.

    SourceError if it is not there; RunExists if the id is used; ParamsTooLarge.
    """
    if (size := len(dumps(request.params))) > PARAMS_BYTES:
        raise ParamsTooLarge(size)
    facts = {"job": job.name, "execution": request.execution, "params": dict(request.params)}
    records.open(request.run_id, {**facts, "source": request.source["uri"]})
    items = estimate_items(job, request.source, s3)
    wanted = job.concurrency or DEFAULT_CONCURRENCY
    concurrency = min(bound for bound in (wanted, most_at_once, job.most_at_once) if bound is not None)
    percentage, count = _map_tolerance(job)
    plan = Plan(
        run_id=request.run_id,
        job=job.name,
        params=request.params,
        source=request.source,
        estimated_items=items,
        max_items_per_batch=job.batch_items or batch_size(items, concurrency),
        max_concurrency=concurrency,
        tolerated_failure_percentage=percentage,
        tolerated_failure_count=count,
        map_prefix=folder.map_prefix,
        fold_prefix=folder.fold_prefix,
        execution=request.execution,
    )
    decided = asdict(plan)
    shown = ("estimated_items", "max_items_per_batch", "max_concurrency")
    records.open(request.run_id, {**facts, "plan": {name: decided[name] for name in shown}})
    return plan


def batch_size(items: int, concurrency: int) -> int:
    """Items in a batch, so that each of `concurrency` slots gets WAVES batches."""
    return max(1, min(LARGEST_BATCH, math.ceil(items / (WAVES * concurrency))))


def estimate_items(job: Job, source: Mapping[str, str], s3: S3Client) -> int:
    """About how many items the source has. SourceError if it cannot be read, or a listing is empty."""
    from botocore.exceptions import ClientError

    try:
        if isinstance(job.source, Objects):
            return _count_objects(source, s3)
        return _estimate_lines(job, source, s3)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        reason = _REASONS.get(code, str(error))
        raise SourceError(f"the source {source['uri']} cannot be read: {reason} ({code})") from error


_REASONS = {
    "404": "there is no such object",
    "NoSuchKey": "there is no such object",
    "NoSuchBucket": "there is no such bucket",
    "403": "access is denied, or there is no such object",
    "AccessDenied": "access is denied, or there is no such object",
}


def _map_tolerance(job: Job) -> tuple[float, int]:
    """What the Map state tolerates: everything, so that the result and failures.jsonl are complete; Finish judges.

    With `stop_early`, the job's own limits: the state counts the items of failed batches only, so it never stops a
    run that Finish would let pass. The unset limit must not bite: AWS fails a run when either is exceeded.
    """
    percentage, count = job.tolerated_failure_percentage, job.tolerated_failure_count
    if not job.stop_early:
        return 100.0, _NO_COUNT
    if percentage is None and count is None:
        return 0.0, 0
    return (100.0 if percentage is None else float(percentage)), (_NO_COUNT if count is None else count)


_NO_COUNT = 100_000_000
"""More than this many items no run reads."""


def _count_objects(source: Mapping[str, str], s3: S3Client) -> int:
    count, token = 0, None
    for _ in range(_LISTED_PAGES):
        more: Any = {"ContinuationToken": token} if token else {}
        page = s3.list_objects_v2(Bucket=source["bucket"], Prefix=source["key"], **more)
        count += page.get("KeyCount", 0)
        token = page.get("NextContinuationToken")
        if not token:
            break
    if not count:
        raise SourceError(f"the source {source['uri']} lists no object. Check the prefix.")
    return count if not token else count * 10  # unknown, but many


def _estimate_lines(job: Job, source: Mapping[str, str], s3: S3Client) -> int:
    where: Any = {"Bucket": source["bucket"], "Key": source["key"]}
    found = s3.head_object(**where)
    _check_version(source, {"version": found.get("VersionId", "null"), "etag": found["ETag"]})
    size = found["ContentLength"]
    if not size:
        return 0
    head = s3.get_object(**where, Range=f"bytes=0-{_HEAD_BYTES - 1}")["Body"].read()
    if source["key"].endswith(_COMPRESSED):
        return math.ceil(size * _TYPICAL_RATIO / _TYPICAL_ITEM_BYTES)
    marks = _count_items(job, head)
    if len(head) >= size:
        return marks
    return math.ceil(size / (len(head) / max(1, marks)))


def _check_version(source: Mapping[str, str], current: Mapping[str, str]) -> None:
    """SourceError if the object is another one than the run was started for."""
    for name in _PINS:
        meant = source.get(name)
        if meant is not None and meant.strip('"') != current[name].strip('"'):
            raise SourceError(
                f"{source['uri']} has been overwritten since it was uploaded: this run was for {name} {meant}, and now it is "
                f"{name} {current[name]}. The newer upload has a run of its own."
            )


def _count_items(job: Job, head: bytes) -> int:
    if isinstance(job.source, JsonArray):
        return max(1, head.count(b"},"), head.count(b",") // 20) + 1
    lines = head.count(b"\n") + (not head.endswith(b"\n"))
    return max(0, lines - 1) if isinstance(job.source, CsvRows) and not job.source.headers else lines
