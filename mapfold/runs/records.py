"""The run's record: one item in the runs table, so that a run is found when Step Functions has forgotten it.

run_id (key), job, status RUNNING | SUCCEEDED | FAILED, execution (ARN), source (URI), params, started_at, stopped_at
(ISO 8601, UTC), plan, retry_of and lineage (of a retry: the runs that it stands on), retried_by, items {total, succeeded, failed}, result_uri, failures_uri, error, cause, expires_at (epoch seconds:
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


class RetriedBefore(Exception):
    """The failed items of the run were tried again by another one. The first retry wins."""

    def __init__(self, run_id: str, by: str) -> None:
        super().__init__(
            f"{run_id} was retried already, by {by}, on which the next retry can stand: retry that one (or the newest of its "
            'chain). To retry this one again, apart from it, say --again (in an execution\'s input, "again": true).'
        )
        self.run_id, self.by = run_id, by


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

    def mark_retried(self, run_id: str, *, by: str, again: bool = False) -> None:
        """Note that the run `by` tries the failed items of a run again. RetriedBefore if another one does, unless `again`.

        A run whose record has been deleted is nobody's to mark.
        """
        from botocore.exceptions import ClientError

        first = "" if again else " AND (attribute_not_exists(retried_by) OR retried_by = :by)"
        try:
            self.client.update_item(
                TableName=self.table,
                Key={"run_id": {"S": run_id}},
                UpdateExpression="SET retried_by = :by",
                ConditionExpression=f"attribute_exists(run_id){first}",
                ExpressionAttributeValues={":by": {"S": by}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise
            found: Any = error.response.get("Item")
            if found:
                raise RetriedBefore(run_id, found["retried_by"]["S"]) from error

    def release_retried(self, run_id: str, *, by: str) -> None:
        """Let a run be retried by another one than `by`, which has not come to its end."""
        from botocore.exceptions import ClientError

        try:
            self.client.update_item(
                TableName=self.table,
                Key={"run_id": {"S": run_id}},
                UpdateExpression="REMOVE retried_by",
                ConditionExpression="retried_by = :by",
                ExpressionAttributeValues={":by": {"S": by}},
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise

    def abandon(self, run_id: str, facts: Mapping[str, Any]) -> bool:
        """Note that a run has failed before it had a result: `close`, and a run that it retried can be retried again."""
        closed = self._close(run_id, "FAILED", facts)
        if closed is not None and "retry_of" in closed:
            self.release_retried(closed["retry_of"]["S"], by=run_id)
        return closed is not None

    def close(self, run_id: str, status: str, facts: Mapping[str, Any]) -> bool:
        """Note how a run has ended; `facts` name its execution.

        A run that has succeeded stays so, and a record of another execution, whose name this one took, is left alone:
        False if that was the case.
        """
        return self._close(run_id, status, facts) is not None

    def _close(self, run_id: str, status: str, facts: Mapping[str, Any]) -> dict[str, Any] | None:
        """The record's attributes, or None if it was left alone."""
        try:
            return self._update(
                run_id,
                {**facts, **self._expiry(), "status": status, "stopped_at": self._now()},
                condition="attribute_not_exists(run_id) OR "
                "(#execution = :execution AND (#status <> :succeeded OR :status = :succeeded))",
                also={":succeeded": {"S": "SUCCEEDED"}},
            )
        except RunExists:
            return None

    def _update(
        self,
        run_id: str,
        facts: Mapping[str, Any],
        *,
        condition: str,
        keep: Mapping[str, Any] | None = None,
        also: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Set `facts`; set those of `keep` that are not there yet. Gives the record's attributes."""
        from botocore.exceptions import ClientError

        keep = keep or {}
        sets = [f"#{name} = :{name}" for name in facts]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in keep]
        values = {f":{name}": attribute(value, name) for name, value in {**facts, **keep}.items()}
        try:
            answer = self.client.update_item(
                TableName=self.table,
                Key={"run_id": {"S": run_id}},
                UpdateExpression="SET " + ", ".join(sets),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in {**facts, **keep}},
                ExpressionAttributeValues={**values, **(also or {})},
                ReturnValues="ALL_NEW",
            )
            return dict(answer.get("Attributes", {}))
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
