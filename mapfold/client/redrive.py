"""Redrive a run: let it go on from where it ended.

Step Functions runs the states again that have no Exited event: the Map of a run that was stopped or timed out, of which
only children that did not succeed run again. A job's state machine catches its own errors, closes the run's record and
ends in a Fail state; then only that one would run again, and end the run as before. Such a run is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Protocol

from mapfold.client.errors import NotRedrivable
from mapfold.client.values import Event, Execution, Status


class RedrivesRuns(Protocol):
    """What redriving takes of `AwsClient`."""

    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]: ...
    def redrive_execution(self, arn: str) -> datetime: ...
    def reopen_record(self, execution_arn: str) -> bool: ...


def check_redrivable(aws: RedrivesRuns, execution: Execution) -> None:
    """Raise `NotRedrivable` if the run has not ended, succeeded, may not be redriven, or ended in a Fail state."""
    name = execution.name
    if not execution.status.is_terminal:
        raise NotRedrivable(name, f"it has not ended: it is {execution.status}")
    if execution.status is Status.SUCCEEDED:
        raise NotRedrivable(
            name, "it succeeded. Items of it that failed were tolerated; `mapfold retry` tries them again"
        )
    if execution.redrive_status == "NOT_REDRIVABLE":
        raise NotRedrivable(name, execution.not_redrivable_because or "the service says so")
    state = _fail_state(aws, execution)
    if state is not None:
        raise NotRedrivable(
            name,
            f"it went all its way to its end in the Fail state {state!r}, and all that would run again is that state. "
            "Mend what failed; then `mapfold retry` tries the failed items again, or start a new run",
        )


def redrive(aws: RedrivesRuns, execution: Execution) -> None:
    """Let a run go on, and open its record again if a stop had closed it."""
    aws.redrive_execution(execution.arn)
    aws.reopen_record(execution.arn)


def _fail_state(aws: RedrivesRuns, execution: Execution) -> str | None:
    """The name of the Fail state that ended the execution, if one did: then its last two events say so."""
    newest = list(islice(aws.events(execution.arn, newest_first=True, page=2), 2))
    if [event.type for event in newest] != ["ExecutionFailed", "FailStateEntered"]:
        return None
    return str(newest[1].details.get("name", ""))
