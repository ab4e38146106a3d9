"""Plan: the source exists and can be read; how many items a batch has, and how many batches run at once.

With N items estimated:

- concurrency is the job's, otherwise DEFAULT_CONCURRENCY (AWS's default quota of Lambda's concurrency in a region; a new
  account starts with less, until AWS raises it); less where the environment says that fewer can run at once
  (`MAPFOLD_CONCURRENCY`, which the embedded AWS sets to its workers), or the job (its reserved concurrency, the
  connections of its database).
  More children than that would only wait for a worker, and the five minutes of an EXPRESS one run meanwhile;
- a batch has what the job says, otherwise N / (WAVES * concurrency) items, so that every slot gets several batches and none waits long for the
  slowest, between 1 and LARGEST_BATCH, so that a batch that fails repeats little.

N comes from the look at the source (`mapfold.runs.looks`): a footer, a head and a size, the first pages of a listing. It
need not be right, it only shapes batches. Where items name objects, Plan goes through all of them for duplicates
(`mapfold.runs.unique`), and N is exact.

A source may say which version of its object is meant ({"uri", "version"} or {"uri", "etag"}, as uploads do). The ItemReader
reads the current one, so another one than was meant is a SourceError. Which one Plan saw is noted in the plan's `source`.

Usually Step Functions itself reads the items. Where it cannot (PROVIDERS), or each is to run once and some are there
twice, Plan lists them, and the list is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from mapfold.job import Job
from mapfold.limits import MAX_ITEMS
from mapfold.runs.deadline import SecondsLeft
from mapfold.runs.folder import RunFolder
from mapfold.runs.item_list import ItemList, write_list
from mapfold.runs.looks import SourceError, look_at
from mapfold.runs.partials import dumps
from mapfold.runs.records import Records
from mapfold.runs.retry import find_basis
from mapfold.runs.split_entries import split_entries
from mapfold.runs.unique import look_for_duplicates

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_CONCURRENCY = 1000
WAVES = 4
LARGEST_BATCH = 1000

PARAMS_BYTES = 32_768
"""They travel with every state and every batch, beside a partial of up to 200,000 bytes: 262,144 are for both."""


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
    """One run, as its execution's input says it. retry: which failed items of which run it tries again, if it does."""

    run_id: str
    source: Mapping[str, str]
    params: Mapping[str, Any]
    execution: str
    retry: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the state machine reads as `$.plan`, and all that its later states know of the run.

    listed: the items are read from `list`, {"bucket", "key"} of what Plan wrote (empty texts otherwise). retry_of: the run
    whose failed items these are; previous: the key of the index of its result, where that is in parts or shards. source: with
    the "etag" of its object, and its "version" where the bucket has versions.
    duplicates: {"items", "first"} of those that name an object that an earlier item names; None: not looked for.
    """

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
    isolate_prefix: str
    fold_prefix: str
    execution: str
    listed: bool
    list: Mapping[str, str]
    retry_of: str | None
    previous: str | None
    duplicates: Mapping[str, Any] | None = None


class EntryProvider(Protocol):
    """Lists a run's items where Step Functions cannot read them from the source: (index, author's item) each."""

    def __call__(
        self,
        job: Job,
        request: PlanRequest,
        *,
        s3: S3Client,
        folder: RunFolder,
        expected: int,
        seconds_left: SecondsLeft,
    ) -> Iterable[tuple[int, Any]] | None:
        """The items as a stream, or None where this is nothing to do with it.

        request: its source has the "etag" that Plan saw. expected: about how many items the source names. The stream may
        have `batch_items` and `duplicates`, as `ItemList` has, once all have been taken.
        """


PROVIDERS: tuple[EntryProvider, ...] = (split_entries,)
"""The first that lists a run's items does. A retry's are listed by what it stands on (`retry.Basis`)."""


def requested_source(job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    """The `source` of an execution's input. A retry's is not read again, so it is taken as it is, and may be missing."""
    if given.get("retry") is None:
        return dict(parse_source(job, given.get("source")))
    source = given.get("source")
    return dict(source) if isinstance(source, Mapping) else {"uri": source} if source else {}


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
    if pinned and job.source.key_name == "Prefix":
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
    providers: Iterable[EntryProvider] = PROVIDERS,
    seconds_left: SecondsLeft = lambda: math.inf,
) -> Plan:
    """Open the run's record, look at the source, list its items if that is needed, decide.

    SourceError if it is not there; OutOfTime; RunExists if the id is used; ParamsTooLarge; DuplicateItems if the job refuses them;
    RetryError, or RetriedBefore, if it is a retry of what cannot be retried.
    """
    if (size := len(dumps(request.params))) > PARAMS_BYTES:
        raise ParamsTooLarge(size)
    facts = {"job": job.name, "execution": request.execution, "params": dict(request.params)}
    basis = find_basis(job, request, s3=s3, bucket=folder.bucket)
    source = basis.source if basis else request.source
    records.open(request.run_id, {**facts, "source": source.get("uri"), **(basis.facts if basis else {})})
    # A retry reads nothing of the source: it may have been overwritten since, or deleted.
    seen = look_at_source(job, source, s3) if basis is None else SeenSource(0, {})
    etag = {"etag": seen.version["etag"]} if "etag" in seen.version else {}
    listed = list_items(
        job,
        replace(request, source={**request.source, **etag}),
        s3=s3,
        folder=folder,
        providers=providers if basis is None else (basis.entries,),
        expected=seen.items,
        seconds_left=seconds_left,
    )
    if basis and basis.previous:
        records.mark_retried(basis.previous.run_id, by=request.run_id, again=basis.retry.again)
    items = seen.items if listed is None else listed.items
    doubled = None
    duplicates = listed.duplicates if listed else None
    if listed is None and request.retry is None:
        doubled = look_for_duplicates(
            job,
            request.source,
            etag=etag.get("etag", ""),
            expected=items,
            s3=s3,
            folder=folder,
            seconds_left=seconds_left,
        )
    if doubled is not None:
        listed, items, duplicates = doubled.listed, doubled.items, doubled.report
    wanted = job.concurrency or DEFAULT_CONCURRENCY
    concurrency = min(bound for bound in (wanted, most_at_once, job.most_at_once) if bound is not None)
    # What a retry tolerates is said of all items of its chain, of which its map run has a few: it stops for none of them.
    percentage, count = _map_tolerance(job) if basis is None else (100.0, MAX_ITEMS)
    plan = Plan(
        run_id=request.run_id,
        job=job.name,
        params=request.params,
        source={**source, **seen.version},
        estimated_items=items,
        max_items_per_batch=job.batch_items or (listed and listed.batch_items) or batch_size(items, concurrency),
        max_concurrency=concurrency,
        tolerated_failure_percentage=percentage,
        tolerated_failure_count=count,
        map_prefix=folder.map_prefix,
        isolate_prefix=folder.isolate_prefix,
        fold_prefix=folder.fold_prefix,
        execution=request.execution,
        listed=listed is not None,
        list=listed.as_plan() if listed else {"bucket": "", "key": ""},
        retry_of=basis.previous.run_id if basis and basis.previous else None,
        previous=basis.index if basis else None,
        duplicates=duplicates,
    )
    decided = asdict(plan)
    shown = ("estimated_items", "max_items_per_batch", "max_concurrency")
    found = {"duplicates": plan.duplicates} if plan.duplicates else {}
    records.open(request.run_id, {**facts, **found, "plan": {name: decided[name] for name in shown}})
    return plan


def batch_size(items: int, concurrency: int) -> int:
    """Items in a batch, so that each of `concurrency` slots gets WAVES batches."""
    return max(1, min(LARGEST_BATCH, math.ceil(items / (WAVES * concurrency))))


def list_items(
    job: Job,
    request: PlanRequest,
    *,
    s3: S3Client,
    folder: RunFolder,
    providers: Iterable[EntryProvider],
    expected: int,
    seconds_left: SecondsLeft,
) -> ItemList | None:
    """The list of the run's items, written; None where Step Functions reads them from the source itself."""
    for provider in providers:
        entries = provider(job, request, s3=s3, folder=folder, expected=expected, seconds_left=seconds_left)
        if entries is not None:
            # Known once all have been taken, where they differ in size.
            written = write_list(s3, folder, entries)
            batch_items, duplicates = getattr(entries, "batch_items", None), getattr(entries, "duplicates", None)
            return replace(written, batch_items=batch_items, duplicates=duplicates)
    return None


@dataclass(frozen=True, slots=True)
class SeenSource:
    """What a look at the source tells. items: about how many. version: "etag" of its object, and "version" if it has one."""

    items: int
    version: Mapping[str, str]


def look_at_source(job: Job, source: Mapping[str, str], s3: S3Client) -> SeenSource:
    """Look at the source. SourceError if it cannot be read, is none, or is another version than was meant."""
    seen = look_at(job.source, source, s3)
    _check_version(source, {"version": seen.version, "etag": seen.etag})
    version = {"etag": seen.etag} if seen.etag else {}
    return SeenSource(seen.items, {**version, "version": seen.version} if seen.version not in ("", "null") else version)


def _map_tolerance(job: Job) -> tuple[float, int]:
    """What the Map state tolerates: everything, so that the result and failures.jsonl are complete; Finish judges.

    With `stop_early`, the job's own limits: the state counts the items of failed batches only, so it never stops a
    run that Finish would let pass. The unset limit must not bite: AWS fails a run when either is exceeded.
    """
    percentage, count = job.tolerated_failure_percentage, job.tolerated_failure_count
    if not job.stop_early:
        return 100.0, MAX_ITEMS
    if percentage is None and count is None:
        return 0.0, 0
    return (100.0 if percentage is None else float(percentage)), (MAX_ITEMS if count is None else count)


def _check_version(source: Mapping[str, str], current: Mapping[str, str]) -> None:
    """SourceError if the object is another one than the run was started for."""
    for name in _PINS:
        meant = source.get(name)
        if meant is not None and meant.strip('"') != current[name].strip('"'):
            raise SourceError(
                f"{source['uri']} has been overwritten since it was uploaded: this run was for {name} {meant}, and now it is "
                f"{name} {current[name]}. The newer upload has a run of its own."
            )
