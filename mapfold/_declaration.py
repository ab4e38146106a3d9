"""What can be wrong with one declaration of a job, said where it stands: the field, what was found, what to write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.access import Mistake, Network, Permission, prefix_mistake
from mapfold.function_settings import environment_mistake, requirements_mistake
from mapfold.limits import (
    EXPRESS_LIMIT_SECONDS,
    LAMBDA_MEMORY_MB,
    LAMBDA_STORAGE_MB,
    LAMBDA_TIMEOUT_LIMIT_SECONDS,
    MAX_CONCURRENCY,
    MAX_ITEMS_PER_BATCH,
    START_MARGIN_SECONDS,
)
from mapfold.sources import Source

if TYPE_CHECKING:
    from mapfold.job import Job

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


def declaration_mistakes(job: Job) -> Iterator[Mistake]:
    """The mistakes in what a job declares, one after the other; a later one may only show once the earlier is mended."""
    if not isinstance(job.name, str) or not _NAME.fullmatch(job.name):
        fix = "Use at most 40 lower-case letters, digits and hyphens, a letter or digit first"
        yield "its name is not allowed", fix
    if not isinstance(job.source, Source):
        yield f"its source is {job.source!r}", "Use Manifest(), CsvRows() or another source of mapfold"
    else:
        yield from _of_duplicates(job)
    yield from _of_numbers(job)
    yield from _of_children(job)
    for name, keys in job.tables.items():
        yield from _of_table(name, keys)
    yield from _of_functions(job)
    yield from _of_access(job)


def _of_numbers(job: Job) -> Iterator[Mistake]:
    memory, storage = LAMBDA_MEMORY_MB, LAMBDA_STORAGE_MB
    yield from _whole("timeout_seconds", job.timeout_seconds, 1, LAMBDA_TIMEOUT_LIMIT_SECONDS)
    yield from _whole("memory_mb", job.memory_mb, memory.start, memory.stop - 1)
    yield from _whole("ephemeral_storage_mb", job.ephemeral_storage_mb, storage.start, storage.stop - 1)
    yield from _whole("batch_items", job.batch_items, 1, MAX_ITEMS_PER_BATCH, optional=True)
    yield from _whole("concurrency", job.concurrency, 1, MAX_CONCURRENCY, optional=True)
    yield from _whole("reserved_concurrency", job.reserved_concurrency, 1, MAX_CONCURRENCY, optional=True)
    yield from _whole("tolerated_failure_count", job.tolerated_failure_count, 0, MAX_ITEMS_PER_BATCH, optional=True)
    value = job.tolerated_failure_percentage
    if value is not None and (type(value) not in (int, float) or not 0 <= value <= 100):
        yield f"tolerated_failure_percentage is {value!r}", "Use a number from 0 to 100"


def _whole(field: str, value: object, low: int, high: int, *, optional: bool = False) -> Iterator[Mistake]:
    if value is None and optional:
        return
    if type(value) is not int or not low <= value <= high:
        yield f"{field} is {value!r}", f"Use a whole number from {low:,} to {high:,}"


def _of_children(job: Job) -> Iterator[Mistake]:
    if job.children not in ("auto", "standard", "express"):
        yield f"children is {job.children!r}", 'Use "auto", "standard" or "express"'
    longest = EXPRESS_LIMIT_SECONDS - START_MARGIN_SECONDS
    if job.children == "express" and job.timeout_seconds > longest:
        problem = f'children is "express", whose limit is 5 minutes, and timeout_seconds {job.timeout_seconds}'
        yield problem, f'Use children="standard", or a timeout_seconds of at most {longest}'


def _of_duplicates(job: Job) -> Iterator[Mistake]:
    if job.on_duplicate not in ("twice", "once", "refuse", "ignore"):
        yield f"on_duplicate is {job.on_duplicate!r}", 'Use "twice", "once", "refuse" or "ignore"'
    if job.on_duplicate in ("once", "refuse") and not job.source.names_objects:
        problem = f"on_duplicate is {job.on_duplicate!r}, and {type(job.source).__name__} names no objects that could be there twice"
        yield problem, "Leave it out, or use a source that does: Manifest(), Inventory() or Splits(…, 'manifest')"


def _of_table(name: object, keys: object) -> Iterator[Mistake]:
    if not isinstance(name, str) or not _TABLE_NAME.fullmatch(name):
        yield f"the table name {name!r} is not allowed", "DynamoDB wants 3 to 255 letters, digits, `_`, `-` and `.`"
    named = isinstance(keys, (tuple, list)) and len(keys) in (1, 2) and all(k and isinstance(k, str) for k in keys)
    if not named:
        fix = f'Write tables={{{name!r}: ("partition_key",)}} or ("partition_key", "sort_key")'
        yield f"the keys of table {name!r} are {keys!r}", fix


def _of_functions(job: Job) -> Iterator[Mistake]:
    """What Lambda is told about the job's functions, beside their sizes."""
    if (mistake := environment_mistake(job.environment)) is not None:
        yield mistake
    if job.requirements is None:
        return
    if not isinstance(job.requirements, str) or Path(job.requirements).name != job.requirements:
        fix = 'Write the name of a lock file beside the module, such as requirements="orders.lock"'
        yield f"requirements is {job.requirements!r}", fix
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        return  # in a function the packages are there already, and the lock stayed where it was deployed from
    if (mistake := requirements_mistake(Path(job.file).parent / job.requirements)) is not None:
        yield mistake


def _of_access(job: Job) -> Iterator[Mistake]:
    """What the job's code reaches on AWS."""
    for field, prefixes in (("reads", job.reads), ("writes", job.writes)):
        if isinstance(prefixes, str):
            yield f"{field} is {prefixes!r}", f"Write a tuple: {field}=({prefixes!r},)"
        for prefix in prefixes:
            if (mistake := prefix_mistake(prefix)) is not None:
                problem, fix = mistake
                yield f"{field}: {problem}", fix
    if isinstance(job.permissions, Permission):
        yield "permissions is one alone", f"Write a tuple: permissions=({job.permissions!r},)"
        return
    for permission in job.permissions:
        if not isinstance(permission, Permission):
            yield f"permissions has {permission!r}", "Use Permission(actions=…, resources=…, because=…)"
    if job.network is not None and not isinstance(job.network, Network):
        yield f"network is {job.network!r}", "Use Network(vpc=…, subnets=…, security_groups=…)"
