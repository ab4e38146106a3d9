"""A job: a map function, mostly a fold function, a source and limits.

    job = Job("flight-delays", source=Manifest())

    @job.map
    def day(item, context): ...

    @job.fold
    def add(a, b): ...

The decorators note a function and hand it back unchanged, so a test calls it as it stands. What can be wrong with one
declaration is said where it stands, at import; what only shows when the module is complete (no map, annotations that
name nothing) is said by `check`, which the loader calls for every module.

What a run gives follows from the functions (`result_kind`): with a fold one value; with a fold and a group_by part files
of records by key; with neither, every item's value in the order of the source.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from mapfold._declaration import declaration_mistakes
from mapfold._loading import LoadedJobs, load_job, load_jobs
from mapfold.access import Network, Permission
from mapfold.errors import JobError
from mapfold.limits import EXPRESS_LIMIT_SECONDS, RETRY_MARGIN_SECONDS, START_MARGIN_SECONDS
from mapfold.sources import Source

__all__ = ["ChildType", "Job", "LoadedJobs", "ResultKind", "load_job", "load_jobs"]

Function = TypeVar("Function", bound=Callable[..., Any])
ChildType = Literal["STANDARD", "EXPRESS"]
OnDuplicate = Literal["twice", "once", "refuse", "ignore"]
ResultKind = Literal["value", "parts", "shards"]
"""One folded value; part files of records by key; shards of the items' values in order."""

_PARAMETERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "map": (("item", "context"),),
    "fold": (("a", "b"),),
    "group_by": (("record",),),
    "setup": (("context",),),
    "finish": (("partial",), ("partial", "context")),
    "example": (("context",),),
}


class Job:
    """What a module in `jobs/` declares. JobError says which part is wrong, where, and how to mend it.

    name: lower-case letters, digits and hyphens, at most 40; unique in the folder.
    source: where items come from (`Manifest()`, `CsvRows()`, …).
    tables: DynamoDB tables that it writes, {name: (partition key,) or (partition key, sort key)}; keys are strings.
    batch_items, concurrency: items in a batch, and batches at once; None lets Plan decide (`mapfold.runs.plan`).
    timeout_seconds, memory_mb, ephemeral_storage_mb (`/tmp`): of the Lambda function that runs one batch.
    reserved_concurrency: the most batches at once of all runs together, which Lambda then keeps for this job.
    environment: variables of the job's functions, beside Mapfold's own.
    requirements: a pip lock file with hashes beside the job's module: packages that its functions import.
    reads, writes: `s3://bucket/prefix`, or a prefix of the data bucket; what its functions may read beside the data
        bucket, and write at all.
    permissions: whatever else its code calls on AWS. network: where its database is.
    tolerated_failure_percentage, tolerated_failure_count: failed items that a run may have and still succeed. Either
        being exceeded fails the run; with neither given, one failed item does. The result is written all the same.
    stop_early: let Step Functions stop starting batches once failed batches alone exceed what is tolerated.
    children: "auto", "standard" or "express": how child executions run, see `child_type`.
    on_duplicate: what becomes of items that name an object that an earlier item names, for sources that name objects
        (`Manifest`, `Inventory`, `Splits` of a manifest): they run "twice", as they stand, and are reported; "once"; or the run fails, "refuse".
        "ignore" does not look for them.
    """

    def __init__(
        self,
        name: str,
        *,
        source: Source,
        tables: Mapping[str, tuple[str, ...]] | None = None,
        batch_items: int | None = None,
        concurrency: int | None = None,
        timeout_seconds: int = 60,
        memory_mb: int = 512,
        tolerated_failure_percentage: float | None = None,
        tolerated_failure_count: int | None = None,
        stop_early: bool = False,
        children: Literal["auto", "standard", "express"] = "auto",
        ephemeral_storage_mb: int = 512,
        reserved_concurrency: int | None = None,
        environment: Mapping[str, str] | None = None,
        requirements: str | None = None,
        reads: Sequence[str] = (),
        writes: Sequence[str] = (),
        permissions: Sequence[Permission] = (),
        network: Network | None = None,
        on_duplicate: OnDuplicate = "twice",
    ) -> None:
        frame = sys._getframe(1)
        self.file = frame.f_code.co_filename
        self._at = f"{_short(self.file)}:{frame.f_lineno}, job {name!r}"
        self.name = name
        self.source = source
        self.tables: dict[str, tuple[str, ...]] = dict(tables or {})
        self.batch_items = batch_items
        self.concurrency = concurrency
        self.timeout_seconds = timeout_seconds
        self.memory_mb = memory_mb
        self.tolerated_failure_percentage = tolerated_failure_percentage
        self.tolerated_failure_count = tolerated_failure_count
        self.stop_early = stop_early
        self.children = children
        self.ephemeral_storage_mb = ephemeral_storage_mb
        self.reserved_concurrency = reserved_concurrency
        self.environment: dict[str, str] = dict(environment or {})
        self.requirements = requirements
        self.reads = reads if isinstance(reads, str) else tuple(reads)
        self.writes = writes if isinstance(writes, str) else tuple(writes)
        self.permissions = permissions if isinstance(permissions, Permission) else tuple(permissions)
        self.network = network
        self.on_duplicate = on_duplicate
        self._functions: dict[str, Callable[..., Any]] = {}
        self._hints: dict[str, dict[str, Any]] = {}
        self._check_declaration()

    def __repr__(self) -> str:
        return f"Job({self.name!r})"

    # --- decorators ------------------------------------------------------------------------------------------

    def map(self, function: Function) -> Function:
        """One item and a Context to one partial: `(item, context) -> partial`.

        With @job.group_by to a list, or any iterable, of records; without @job.fold to the item's value in the result.
        """
        return self._declare("map", function)

    def fold(self, function: Function) -> Function:
        """Two partials to one, associative and commutative: `(a, b) -> partial`. It may change and return `a`.

        With @job.group_by it merges two records of one key.
        """
        return self._declare("fold", function)

    def group_by(self, function: Function) -> Function:
        """A record to its key, for a result too large for one partial: `(record) -> str`.

        The map function then returns records, and the result is a set of part files with one record for each key.
        """
        return self._declare("group_by", function)

    def setup(self, function: Function) -> Function:
        """Once in a warm worker, before its first item: `(context) -> anything`, then found as `context.setup`."""
        return self._declare("setup", function)

    def finish(self, function: Function) -> Function:
        """The last partial to the result: `(partial) -> result` or `(partial, context) -> result`."""
        return self._declare("finish", function)

    def example(self, function: Function) -> Function:
        """Put real input into the data bucket and return its SOURCE: `(context) -> "s3://bucket/key"`."""
        return self._declare("example", function)

    # --- what was declared -----------------------------------------------------------------------------------

    @property
    def map_function(self) -> Callable[..., Any]:
        """The function under @job.map."""
        return self._functions["map"]

    @property
    def fold_function(self) -> Callable[..., Any]:
        """The function under @job.fold. KeyError where the job has none: its `result_kind` is "shards"."""
        return self._functions["fold"]

    @property
    def group_by_function(self) -> Callable[..., Any]:
        """The function under @job.group_by. KeyError where the job has none."""
        return self._functions["group_by"]

    @property
    def result_kind(self) -> ResultKind:
        """What a run of it gives: see the module."""
        if "group_by" in self._functions:
            return "parts"
        return "value" if "fold" in self._functions else "shards"

    @property
    def setup_function(self) -> Callable[..., Any] | None:
        """The function under @job.setup, if there is one."""
        return self._functions.get("setup")

    @property
    def finish_function(self) -> Callable[..., Any] | None:
        """The function under @job.finish, if there is one. Without it the last partial is the result."""
        return self._functions.get("finish")

    @property
    def example_function(self) -> Callable[..., Any] | None:
        """The function under @job.example, if there is one."""
        return self._functions.get("example")

    @property
    def item_type(self) -> Any:
        """The annotation of the map function's item, or Any."""
        return self._parameter_hint("map", 0)

    @property
    def partial_type(self) -> Any:
        """The annotation of a partial: of the fold's first parameter, else of what the map returns, else Any.

        With @job.group_by that of a record: of the fold's, else of the group_by's first parameter, else of the members
        of what the map returns.
        """
        returned = self._hints_of("map").get("return", Any)
        if self.result_kind == "shards":
            return returned
        hint = self._parameter_hint("fold", 0)
        if self.result_kind == "value":
            return returned if hint is Any else hint
        hint = self._parameter_hint("group_by", 0) if hint is Any else hint
        members = typing.get_args(returned)
        return members[0] if hint is Any and len(members) == 1 else hint

    @property
    def finish_takes_context(self) -> bool:
        """Whether @job.finish is handed a Context, and so may do whatever the map function may."""
        function = self.finish_function
        return function is not None and len(inspect.signature(function).parameters) > 1

    @property
    def finish_takes_connections(self) -> bool:
        """Whether @job.finish may open connections of a database that allows only so many."""
        return self.finish_takes_context and self.network is not None and self.network.connections is not None

    @property
    def most_workers(self) -> int | None:
        """Workers that the connections are enough for, beside the one that finishes a run; None: they are not limited."""
        workers = self.network.most_workers if self.network else None
        return workers - 1 if workers is not None and self.finish_takes_connections else workers

    @property
    def most_at_once(self) -> int | None:
        """The most batches at once of all runs together: what is reserved, or fewer where connections are; None: any."""
        bounds = (self.reserved_concurrency, self.most_workers)
        return min((bound for bound in bounds if bound is not None), default=None)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names or ARNs of the secrets that `context.secret` gives."""
        return self.network.secrets if self.network else ()

    @property
    def requirements_file(self) -> Path | None:
        """The lock file of the job's packages, if it has one."""
        return Path(self.file).parent / self.requirements if self.requirements is not None else None

    def child_type(self) -> tuple[ChildType, str]:
        """How child executions run, and why.

        AWS starts up to 1,000 EXPRESS children a second for a map run, and 100 STANDARD ones; a STANDARD child costs
        $25 a million state transitions, an EXPRESS one $1 a million and its duration (reference: service quotas and
        pricing). An EXPRESS child is ended after five minutes, so it is taken where a batch fits, with retries of what Lambda
        itself got wrong. A batch that died with its worker is not tried again by its child, but split.
        Where runs share a bound, a child also waits for those of other runs, and that may take longer.
        """
        worst = self.timeout_seconds + START_MARGIN_SECONDS + RETRY_MARGIN_SECONDS
        if self.children != "auto":
            return ("EXPRESS" if self.children == "express" else "STANDARD"), f"the job says children={self.children!r}"
        if self.most_at_once is not None:
            bound = f"all runs together have {self.most_at_once} at once"
            return (
                "STANDARD",
                f"{bound}, and one that waits for another run's would be ended after 5 minutes as EXPRESS",
            )
        if worst <= EXPRESS_LIMIT_SECONDS:
            batch = f"a batch of {self.timeout_seconds} s and the waits of its retries fit into 5 minutes"
            return "EXPRESS", f"{batch}: 1,000 children start a second, at $1 a million and duration"
        batch = f"a batch of {self.timeout_seconds} s and the waits of its retries do not fit into 5 minutes"
        return "STANDARD", f"{batch}: 100 children start a second, at $25 a million"

    def tolerates(self, *, failed: int, total: int) -> bool:
        """Whether a run of `total` items may have `failed` ones and still succeed. Either limit exceeded: no."""
        percentage, count = self.tolerated_failure_percentage, self.tolerated_failure_count
        if percentage is None and count is None:
            return failed == 0
        within_percentage = percentage is None or failed * 100 <= percentage * total
        return within_percentage and (count is None or failed <= count)

    def tolerance(self) -> str:
        """What is tolerated, in words: "0 failed items", "5 % of the items", …"""
        parts = []
        if self.tolerated_failure_percentage is not None:
            parts.append(f"{self.tolerated_failure_percentage:g} % of the items")
        if self.tolerated_failure_count is not None:
            count = self.tolerated_failure_count
            parts.append("1 item" if count == 1 else f"{count} items")
        return " and ".join(parts) or "0 items"

    # --- checks ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What can only be seen once the module is complete. The loader calls it."""
        if "map" not in self._functions:
            raise self._error("it has no @job.map", "Put @job.map on a function such as day(item, context)")
        self._check_result_kind()
        for role in self._functions:
            self._hints_of(role)
        if self.most_workers == 0 and self.network is not None:
            problem = f"connections is {self.network.connections}, and @job.finish with a context takes them all"
            fix = "Allow more connections, or let a worker open fewer, or write @job.finish without a context"
            raise self._error(problem, fix)

    def _check_result_kind(self) -> None:
        """Functions that say different things about what a run gives."""
        roles = self._functions
        if "group_by" in roles and "fold" not in roles:
            fix = "Put @job.fold on a function that merges two records of one key, such as add(a, b)"
            raise self._error("it has a @job.group_by and no @job.fold", fix)
        if "finish" in roles and "group_by" in roles:
            fix = "Remove @job.finish, and finish each record where the parts are read; or fold into one partial"
            raise self._error("it has a @job.finish, and a @job.group_by, whose result is in many parts", fix)
        if "finish" in roles and "fold" not in roles:
            fix = "Put @job.fold on a function such as add(a, b), or remove @job.finish to keep every item's value"
            raise self._error("it has a @job.finish and no @job.fold, so there is no partial to finish", fix)

    def _declare(self, role: str, function: Function) -> Function:
        at = f"@job.{role}"
        if not inspect.isfunction(function):
            raise self._error(f"{at} stands on {function!r}, which is no function", "Put it on a plain `def`")
        if role in self._functions:
            first = self._functions[role].__name__
            raise self._error(f"two functions are its {at}: {first} and {function.__name__}", "Keep one")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise self._error(f"{at} {function.__name__} is async or a generator", "Write a plain `def` that returns")
        self._check_parameters(role, function)
        self._functions[role] = function
        return function

    def _check_parameters(self, role: str, function: Callable[..., Any]) -> None:
        allowed = _PARAMETERS[role]
        for parameters in allowed:
            try:
                inspect.signature(function).bind(*parameters)
            except TypeError:
                continue
            return
        shapes = " or ".join(f"{function.__name__}({', '.join(parameters)})" for parameters in allowed)
        found = f"{function.__name__}({', '.join(inspect.signature(function).parameters)})"
        raise self._error(f"@job.{role} cannot be called as it will be: {found}", f"Write it as {shapes}")

    def _check_declaration(self) -> None:
        for problem, fix in declaration_mistakes(self):
            raise self._error(problem, fix)

    def _hints_of(self, role: str) -> dict[str, Any]:
        if role not in self._hints:
            try:
                self._hints[role] = typing.get_type_hints(self._functions[role])
            except Exception as error:  # an annotation is an expression: it can raise anything
                problem = f"an annotation of @job.{role} {self._functions[role].__name__} cannot be read: {error}"
                raise self._error(problem, "Define what it names at the top of the module") from error
        return self._hints[role]

    def _parameter_hint(self, role: str, position: int) -> Any:
        names = list(inspect.signature(self._functions[role]).parameters)
        return self._hints_of(role).get(names[position], Any) if position < len(names) else Any

    def _error(self, problem: str, fix: str) -> JobError:
        return JobError(problem, at=self._at, fix=fix)


def _short(file: str) -> str:
    """`jobs/flights.py`: a folder and a file are enough to find it, and the same on every machine."""
    path = Path(file)
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name
