"""What a job's functions are handed beside their item: storage, tables, secrets, a logger, the run, the time left.

On Lambda, `mapfold.runs` makes it. A test makes its own, and gives what the function under test needs:

    context = Context(job="flights", storage=Storage(client), params={"year": "2013"})
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.splits.rows import Split, read_rows
from mapfold.storage import Storage
from mapfold.tables import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class Context:
    """One batch's surroundings. Everything is optional: what is not given is made with boto3 when first used.

    tables: the job's tables with their keys, as the job declares them; table_names: declared name to the name on AWS.
    secrets: values of the job's secrets by the name that the job declares. item_id: None where there is no item.
    """

    def __init__(
        self,
        *,
        job: str = "test",
        run_id: str = "test",
        params: Mapping[str, Any] | None = None,
        storage: Storage | None = None,
        dynamodb: DynamoDBClient | None = None,
        tables: Mapping[str, tuple[str, ...]] | None = None,
        table_names: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        logger: Any = None,
        setup: Any = None,
        seconds_left: Callable[[], float] = lambda: math.inf,
        item_id: str | None = "test#0",
    ) -> None:
        self.job = job
        self.run_id = run_id
        self.params: Mapping[str, Any] = _Params(params or {})
        self.logger: Any = logger or logging.getLogger(f"mapfold.jobs.{job}")
        """On Lambda a Powertools Logger: its lines are JSON and carry the run's id and the execution."""
        self.setup = setup
        """What @job.setup returned in this warm worker."""
        self._storage = storage
        self._dynamodb = dynamodb
        self._declared = dict(tables or {})
        self._table_names = dict(table_names or {})
        self._secrets = secrets or {}
        self._seconds_left = seconds_left
        self._item_id = item_id

    @property
    def item_id(self) -> str:
        """The stable id of the item at hand: `s3://bucket/key?etag=…#index`, or with `versionId=`.

        The same whenever this item of the source is run again: after a crash, in a piece of its batch, by `mapfold retry`.
        LookupError outside of the map function, where there is no item.
        """
        if self._item_id is None:
            raise LookupError("context.item_id: there is no item here. Only the map function has one.")
        return self._item_id

    @item_id.setter
    def item_id(self, value: str | None) -> None:
        self._item_id = value

    @property
    def storage(self) -> Storage:
        """S3: `get`, `text`, `json`, `stream`, `lines`, `rows`, `put`."""
        if self._storage is None:
            self._storage = Storage(_s3())
        return self._storage

    def rows(self, split: Split) -> Iterator[Any]:
        """The rows of a split, the item of a job whose source is `Splits(…)`, read as they arrive.

        Of CSV {header: text}, of JSON Lines values, of text lines, of Parquet dicts of Python's values. SplitError says where
        the object is not what the source declares, or that it has been overwritten since the run was planned.
        """
        return read_rows(self.storage.client, split)

    def table(self, name: str) -> Table:
        """One of the tables that the job declares; `.write(items)` puts items. KeyError names those there are."""
        if name not in self._declared:
            known = ", ".join(self._declared) or "none"
            raise KeyError(f"job {self.job!r} declares no table {name!r} (it has: {known}). Add it to Job(tables=…)")
        if self._dynamodb is None:
            self._dynamodb = _dynamodb()
        physical = self._table_names.get(name, name)
        return Table(self._dynamodb, physical, keys=self._declared[name], seconds_left=self._seconds_left)

    def secret(self, name: str) -> str:
        """One of the secrets that the job declares, as text; a warm worker reads it once in five minutes.

        `name` as the job declares it. KeyError names those there are.
        """
        if name not in self._secrets:
            known = ", ".join(self._secrets) or "none"
            fix = "Add it to Network(secrets=…)"
            raise KeyError(f"job {self.job!r} declares no secret {name!r} (it has: {known}). {fix}")
        return self._secrets[name]

    def seconds_left(self) -> float:
        """Seconds until Lambda ends this invocation; infinite where nothing ends it."""
        return self._seconds_left()


class _Params(dict[str, Any]):
    """A run's parameters. Who asks for one that was not given, as `yaer` for `year`, is told those that were."""

    def __missing__(self, key: str) -> Any:
        error = KeyError(key)
        error.add_note(f"The run was given the parameters: {', '.join(map(str, self)) or 'none'}")
        raise error


def _s3() -> S3Client:
    import boto3

    return boto3.client("s3")


def _dynamodb() -> DynamoDBClient:
    import boto3

    return boto3.client("dynamodb")
