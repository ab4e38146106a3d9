"""The run's record: one item in the runs table, so that a run is found when Step Functions has forgotten it.

run_id (key), job, status RUNNING | SUCCEEDED | FAILED, execution (ARN), source (URI), params, started_at, stopped_at
(ISO 8601, UTC), plan, items {total, succeeded, failed}, result_uri, failures_uri, error, cause, expires_at (epoch seconds:
when DynamoDB deletes the record, two weeks after the run's folder; none where folders are kept).
Every write may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mapfold.tables import attribute

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


EXPIRES_AT = "expires_at"
"""The attribute by which DynamoDB deletes records (TTL)."""

_DAY_SECONDS = 86_400
_MARGIN_DAYS = 14
"""A record outlives its run's folder: S3 and DynamoDB delete in their own time, and a run may go on after its end."""


class RunExists(Exception):
    """Another execution has opened a record of this run id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is already a run {run_id}, of another execution. Give this one another name.")
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class Records:
    """The runs table. `clock` gives epoch seconds; folders are deleted after `run_days`, None: never."""

    client: DynamoDBClient
    table: str
    clock: Callable[[], float]
    run_days: int | None = None

    def open(self, run_id: str, facts: Mapping[str, Any]) -> None:
        """Note that a run has started. Again by the same execution: its facts are written anew, its start is kept.

        RunExists if the record is another execution's.
        """
        self._update(
            run_id,
            {**facts, **self._expiry(), "status": "RUNNING"},
            keep={"started_at": self._now()},
            condition="attribute_not_exists(run_id) OR #execution = :execution",
        )

    def close(self, run_id: str, status: str, facts: Mapping[str, Any]) -> bool:
        """Note how a run has ended; `facts` name its execution.

        A run that has succeeded stays so, and a record of another execution, whose name this one took, is left alone:
        False if that was the case.
        """
        try:
            self._update(
                run_id,
                {**facts, **self._expiry(), "status": status, "stopped_at": self._now()},
                condition="attribute_not_exists(run_id) OR "
                "(#execution = :execution AND (#status <> :succeeded OR :status = :succeeded))",
                also={":succeeded": {"S": "SUCCEEDED"}},
            )
        except RunExists:
            return False
        return True

    def _update(
        self,
        run_id: str,
        facts: Mapping[str, Any],
        *,
        condition: str,
        keep: Mapping[str, Any] | None = None,
        also: Mapping[str, Any] | None = None,
    ) -> None:
        """Set `facts`; set those of `keep` that are not there yet."""
        from botocore.exceptions import ClientError

        keep = keep or {}
        sets = [f"#{name} = :{name}" for name in facts]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in keep]
        values = {f":{name}": attribute(value, name) for name, value in {**facts, **keep}.items()}
        try:
            self.client.update_item(
                TableName=self.table,
                Key={"run_id": {"S": run_id}},
                UpdateExpression="SET " + ", ".join(sets),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in {**facts, **keep}},
                ExpressionAttributeValues={**values, **(also or {})},
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                raise RunExists(run_id) from error
            raise

    def _expiry(self) -> dict[str, int]:
        if self.run_days is None:
            return {}
        return {EXPIRES_AT: int(self.clock()) + (self.run_days + _MARGIN_DAYS) * _DAY_SECONDS}

    def _now(self) -> str:
        now = datetime.fromtimestamp(self.clock(), UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
