"""What becomes of duplicates: Plan looks for them where items name objects, and does what the job says.

"twice"    they run, and are reported            "once"     Plan lists the items without them
"refuse"   the run fails, and names the first    "ignore"   nobody looks
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mapfold.job import Job
from mapfold.runs.deadline import SecondsLeft
from mapfold.runs.duplicates import Duplicates, find_duplicates, first_occurrences, refused
from mapfold.runs.folder import RunFolder
from mapfold.runs.item_list import ItemList, write_list
from mapfold.runs.looks.inventory import read_report
from mapfold.runs.names import Names, shown_name
from mapfold.sources import Inventory, Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class LookedThrough:
    """What a source names, and what is there twice. skips: each is to run once, and some have to be left out for that."""

    names: Names
    found: Duplicates
    report: Mapping[str, Any]
    skips: bool

    def entries(self) -> Iterator[tuple[int, Any]]:
        """(index, author's item) of all that is to run."""
        return first_occurrences(self.names.items(), self.found) if self.skips else enumerate(self.names.items())


@dataclass(frozen=True, slots=True)
class Doubled:
    """items: how many will run. report: {"items", "first"} of the duplicates. listed: their list, where it was written."""

    items: int
    report: Mapping[str, Any]
    listed: ItemList | None = None


def look_for_duplicates(
    job: Job,
    source: Mapping[str, str],
    *,
    etag: str,
    expected: int,
    s3: S3Client,
    folder: RunFolder,
    seconds_left: SecondsLeft,
) -> Doubled | None:
    """Go through all that the source names; None where nobody wants to know. `etag`: of the object that was looked at.

    DuplicateItems if there are some and the job refuses them; OutOfTime; SourceError for a line that names nothing.
    """
    declared = job.source
    if job.on_duplicate == "ignore" or not isinstance(declared, Manifest | Inventory):
        return None
    names = _names(declared, source, etag=etag, s3=s3)
    looked = look_through(names, job, expected=expected, seconds_left=seconds_left)
    if looked.skips:
        listed = write_list(s3, folder, looked.entries())
        return Doubled(listed.items, looked.report, listed)
    return Doubled(looked.found.names, looked.report)


def look_through(names: Names, job: Job, *, expected: int, seconds_left: SecondsLeft) -> LookedThrough:
    """All names, for duplicates. DuplicateItems if there are some and the job refuses them; OutOfTime; SourceError."""
    shown = partial(shown_name, names.declared)
    found = find_duplicates(names.chunks, expected=expected, seconds_left=seconds_left)
    if found.items and job.on_duplicate == "refuse":
        raise refused(found, shown)
    skips = bool(found.items) and job.on_duplicate == "once"
    return LookedThrough(names, found, found.as_event(shown), skips)


def _names(declared: Manifest | Inventory, source: Mapping[str, str], *, etag: str, s3: S3Client) -> Names:
    if isinstance(declared, Manifest):
        return Names.of_manifest(s3, declared, source, etag=etag)
    return Names.of_report(s3, declared, read_report(s3, source, versions=declared.versions))
