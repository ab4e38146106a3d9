"""Retry: which items a run tries again, and what it stands on.

The input of such a run's execution says either of

    "retry": {"of": RUN, "where"?: [condition, …], "take"?: N, "again"?: true}     the failed items of a run of the same job
    "retry": {"uri": "s3://…", "where"?: […], "take"?: N}                          those that something else has listed

Plan writes the selected ones into the run's item list, with the indexes that they have in the source, and notes in the
record of RUN that it was retried: the first retry wins. The list is in the order of RUN's failures.jsonl. That is how
Finish (`mapfold.runs.combining`) tells those that were left out, whatever the selection was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.errors import UsageError
from mapfold.job import Job
from mapfold.runs.failed_items import FailedItem, read_failed_items, read_failures
from mapfold.runs.folder import RunFolder
from mapfold.runs.last import Last, read_last
from mapfold.runs.objects import exists
from mapfold.runs.selection import Selection, parse_selection
from mapfold.runs.shown_item import shown_item

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mapfold.runs.plan import PlanRequest

Json = Any
Entry = tuple[int, Json]


class RetryError(Exception):
    """The failed items cannot be tried again. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What is to be tried again: the failed items of run `of`, or those that the object `uri` lists.

    again: also if `of` was retried before.
    """

    of: str | None
    uri: str | None
    selection: Selection
    again: bool = False


def parse_retry(given: Json) -> Retry | None:
    """The `retry` of an execution's input; None if it has none. RetryError says what is wrong with it."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or (("of" in given) == ("uri" in given)):
        raise RetryError(f'the execution\'s input has the retry {given!r}. Give {{"of": RUN}} or {{"uri": "s3://…"}}.')
    if unknown := given.keys() - {"of", "uri", "where", "take", "again"}:
        raise RetryError(
            f"the execution's input has a retry with {', '.join(sorted(unknown))}; it may have where, take and again."
        )
    where = given.get("where") or []
    take = given.get("take")
    if not isinstance(where, list) or not (take is None or isinstance(take, int)):
        raise RetryError(f"the retry {given!r}: where is a list of conditions, take a whole number.")
    try:
        selection = parse_selection(where, take=take)
    except UsageError as error:
        raise RetryError(str(error)) from error
    return Retry(given.get("of"), given.get("uri"), selection, again=bool(given.get("again")))


@dataclass(frozen=True, slots=True)
class Basis:
    """What a run that is a retry stands on. previous: the run that is retried, as it ended; None: items from outside.

    source: that of the first run, with the version that its Plan saw, so that an item's id is the same in every retry.
    """

    retry: Retry
    previous: Last | None
    source: Mapping[str, Json]

    def entries(self, job: Job, request: PlanRequest, *, s3: S3Client, folder: RunFolder, **_: Any) -> Iterator[Entry]:
        """The items that the run tries again, as they are read. RetryError if there is none."""
        return selected_entries(self.retry, job, self.previous, s3=s3, bucket=folder.bucket)

    @property
    def index(self) -> str | None:
        """Of a result in parts or shards, the key of its index, onto which Fold combines; None if there is nothing yet."""
        last = self.previous
        if last is None or last.result_kind == "value" or not last.items.succeeded:
            return None
        return str(last.partial["index"])

    @property
    def facts(self) -> dict[str, Json]:
        """What the run's record says of it."""
        if self.previous is None:
            return {}
        lineage = [*self.previous.lineage, self.previous.run_id]
        return {"retry_of": self.previous.run_id, "lineage": lineage}


def find_basis(job: Job, request: PlanRequest, *, s3: S3Client, bucket: str) -> Basis | None:
    """What the run that is asked for stands on; None if it is no retry. RetryError if that cannot be retried."""
    retry = parse_retry(request.retry)
    if retry is None:
        return None
    previous = _previous(retry, job, s3=s3, bucket=bucket)
    source = previous.source if previous else {"uri": retry.uri, **request.source}
    return Basis(retry, previous, source)


def _previous(retry: Retry, job: Job, *, s3: S3Client, bucket: str) -> Last | None:
    if retry.of is None:
        return None
    folder = RunFolder(bucket, retry.of)
    last = read_last(s3, folder)
    if last is None:
        raise RetryError(why_no_last(retry.of, is_folder_there=_is_there(s3, folder)))
    check_last(last, job)
    return last


def check_last(last: Last, job: Job) -> None:
    """RetryError if the failed items of a run that ended cannot be tried again by `job`."""
    if last.job != job.name:
        raise RetryError(
            f"{last.run_id} is a run of job {last.job!r}, not of {job.name!r}: its items are none of this job's."
        )
    if last.result_kind != job.result_kind:
        raise RetryError(
            f"the result of {last.run_id} is of the kind {last.result_kind!r}, and that of today's job {job.name!r} would be "
            f"of the kind {job.result_kind!r}: they cannot be combined. Start a new run."
        )
    if reason := why_nothing_to_retry(is_whole=last.is_whole, failed=last.items.failed):
        raise RetryError(f"{last.run_id} cannot be retried: {reason}.")


def why_nothing_to_retry(*, is_whole: bool, failed: int) -> str | None:
    """Why a run that came to its end has no failed items that could be tried again; None if it has."""
    if not is_whole:
        return (
            "it was stopped early by too many failed items, before its source was read to the end: items that it did not "
            "reach are in no list. Start a new run"
        )
    return None if failed else "no item of it failed, so there is nothing to try again"


def why_no_last(run: str, *, is_folder_there: bool) -> str:
    """Why there is no last.json of a run, and what to do."""
    if is_folder_there:
        return (
            f"{run} did not come to its end (it was stopped, or crashed), so what failed in it is not all there is to do. "
            f"Let it go on with `mapfold redrive {run}`, or start a new run."
        )
    return f"there is no folder of a run {run} (runs/{run}/): its name is wrong, or the folder was deleted. Start a new run."


def selected_entries(retry: Retry, job: Job, previous: Last | None, *, s3: S3Client, bucket: str) -> Iterator[Entry]:
    """The selected items with their indexes, as they are read. RetryError if none is selected."""
    failed = _of_run(previous, s3, bucket) if previous else _from_outside(retry, job, s3)
    nothing = True
    for number, found in enumerate(retry.selection.select(failed)):
        nothing = False
        # From outside, several lists may have been put together: only a number of our own is no other item's too.
        yield (found.index if previous else number), found.item
    if nothing:
        raise RetryError(nothing_selected(retry.of or retry.uri or "", retry.selection.conditions))


def nothing_selected(where: str, conditions: Iterable[str]) -> str:
    """That no failed item is as the conditions say."""
    said = " and ".join(conditions)
    look = f"`mapfold failures {where} --by-signature` shows what there is"
    if not said:
        return f"{where} lists no failed item: there is nothing to try again."
    return f"no failed item of {where} is selected by {said}: {look if '://' not in where else 'look into it'}."


def _of_run(previous: Last, s3: S3Client, bucket: str) -> Iterator[FailedItem]:
    folder = RunFolder(bucket, previous.run_id)
    if not exists(s3, bucket, folder.failures):
        raise RetryError(
            f"{previous.items.failed:,} items of {previous.run_id} failed, and {folder.uri(folder.failures)}, which lists them, "
            "is not there any more. Start a new run."
        )
    return read_failures(s3, bucket, folder.failures)


def _from_outside(retry: Retry, job: Job, s3: S3Client) -> Iterator[FailedItem]:
    uri = retry.uri or ""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise RetryError(f"{uri!r} is no S3 URI. Write s3://BUCKET/KEY.")
    return read_failed_items(s3, bucket, key, make_item=lambda raw, batch: shown_item(job, raw, batch))


def _is_there(s3: S3Client, folder: RunFolder) -> bool:
    return bool(s3.list_objects_v2(Bucket=folder.bucket, Prefix=f"{folder.prefix}/", MaxKeys=1).get("Contents"))
