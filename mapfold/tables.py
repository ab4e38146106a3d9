"""DynamoDB as a job's author sees it: write many items to one of the job's tables.

BatchWriteItem takes 25 items and may answer that it left some undone; those are sent again, later and later, until
they are in or the time is up. Writing the same keys again replaces the items, so a batch that is retried does no harm.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_ITEMS = 25
"""Most items in one BatchWriteItem (DynamoDB quotas)."""

_FIRST_DELAY_SECONDS = 0.05
_LONGEST_DELAY_SECONDS = 5.0
_RESERVE_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 900.0
"""For one batch, also where nothing else ends the waiting (a job's example, a test): as long as Lambda would give."""
_THROTTLED = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"})


class TableBusy(Exception):
    """DynamoDB left items undone until the time was up. `unwritten` says how many."""

    def __init__(self, table: str, unwritten: int) -> None:
        super().__init__(
            f"table {table}: {unwritten} items still unwritten as the time runs out. "
            "Lower the job's concurrency, or raise its timeout_seconds or the table's capacity."
        )
        self.table, self.unwritten = table, unwritten


class Table:
    """One table. `keys` are the names of its key attributes; `name` is what it is called on AWS."""

    def __init__(
        self,
        client: DynamoDBClient,
        name: str,
        *,
        keys: Sequence[str],
        seconds_left: Callable[[], float] = lambda: math.inf,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._client = client
        self._keys = tuple(keys)
        self._seconds_left, self._sleep, self._jitter = seconds_left, sleep, jitter

    def write(self, items: Iterable[Any]) -> int:
        """Put items (dicts or dataclasses); returns how many. Floats become numbers, None becomes NULL.

        Of two items with the same key in one call's batch the later one wins. ValueError names a field that DynamoDB
        cannot hold or a key that is missing; TableBusy says that the time ran out.
        """
        written = 0
        waiting = iter(items)
        while batch := list(islice(waiting, BATCH_ITEMS)):
            self._write_batch(self._requests(batch))
            written += len(batch)
        return written

    def _requests(self, batch: list[Any]) -> list[Any]:
        """Put requests, one a key: BatchWriteItem refuses a key twice."""
        by_key: dict[tuple[str, ...], Any] = {}
        for item in batch:
            plain = asdict(item) if is_dataclass(item) and not isinstance(item, type) else item
            attributes = {name: attribute(value, f"{self.name}.{name}") for name, value in plain.items()}
            if missing := [key for key in self._keys if key not in attributes]:
                raise ValueError(f"an item for table {self.name} has no {' and no '.join(missing)}: {item!r}")
            by_key[tuple(str(attributes[key]) for key in self._keys)] = {"PutRequest": {"Item": attributes}}
        return list(by_key.values())

    def _write_batch(self, requests: list[Any]) -> None:
        attempt, waited = 0, 0.0
        while requests := self._send(requests):
            delay = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** min(attempt, 10)) * self._jitter()
            left = min(self._seconds_left() - _RESERVE_SECONDS, _LONGEST_WAIT_SECONDS - waited)
            if delay > left:
                raise TableBusy(self.name, len(requests))
            self._sleep(delay)
            waited += delay
            attempt += 1

    def _send(self, requests: list[Any]) -> list[Any]:
        """What the service left unprocessed; everything, if it was too busy for the call itself."""
        from botocore.exceptions import ClientError

        try:
            answer = self._client.batch_write_item(RequestItems={self.name: requests})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _THROTTLED:
                return requests
            raise
        return list(answer.get("UnprocessedItems", {}).get(self.name, []))


def attribute(value: Any, path: str) -> dict[str, Any]:
    """`value` as a DynamoDB attribute; a number by its shortest exact text, as DynamoDB keeps 38 digits."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case float() if not math.isfinite(value):
            raise ValueError(f"{path} is {value}: DynamoDB has no such number. Leave it out, or use None.")
        case float():
            return {"N": format(Decimal(repr(float(value))), "f")}
        case int() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {str(name): attribute(member, f"{path}.{name}") for name, member in value.items()}}
        case list() | tuple():
            return {"L": [attribute(member, f"{path}[{index}]") for index, member in enumerate(value)]}
    raise ValueError(f"{path} is a {type(value).__name__}, which this writer does not put into DynamoDB.")
