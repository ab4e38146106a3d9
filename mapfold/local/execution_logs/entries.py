"""Which events go into a log, and what a line says (guide: Log levels, Using CloudWatch Logs; history-events 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.execution_data import without_data

Event = Mapping[str, Any]
Tell = Callable[[Event], None]
"""Hears of every event of one execution, in order, as GetExecutionHistory would send it."""

FATAL = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"})
_FAILURES = ("Aborted", "Failed", "TimedOut")

PAYLOAD_BYTES = 248 * 1024
"""What of an escaped input or output is kept in a line (guide: CloudWatch Logs payloads)."""
LINE_BYTES = 256 * 1024
"""Lines that have no more than this need not be looked at for long payloads (CloudWatch Logs quotas)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the events of a machine's executions are logged. `level`: ALL, ERROR or FATAL."""

    log_group: str
    machine: str
    level: str
    with_data: bool

    def takes(self, type_: str) -> bool:
        """Whether an event of this type is logged."""
        if self.level == "ALL":
            return True
        if self.level == "FATAL":
            return type_ in FATAL
        return type_.endswith(_FAILURES) or type_ == "FailStateEntered"


def destination_of(machine: str, options: Mapping[str, Any]) -> Destination | None:
    """Where a machine with these configurations logs; None if it does not. They were checked when it was made."""
    logging = options.get("loggingConfiguration") or {}
    level = logging.get("level") or "OFF"
    destinations = logging.get("destinations") or []
    if level == "OFF" or not destinations:
        return None
    arn: str = destinations[0]["cloudWatchLogsLogGroup"]["logGroupArn"]
    return Destination(arn.split(":")[6], machine, level, bool(logging.get("includeExecutionData")))


def line_of(event: Event, *, execution_arn: str, redrive_count: int, with_data: bool) -> str:
    """The line of one event. Numbers are texts in it, and the details have no name."""
    details: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    if not with_data:
        details = without_data(details)
    entry = {  # in the order of the service's lines
        "details": details,
        "redrive_count": str(redrive_count),
        "id": str(event["id"]),
        "type": event["type"],
        "previous_event_id": str(event["previousEventId"]),
        "event_timestamp": str(milliseconds(event)),
        "execution_arn": execution_arn,
    }
    line = orjson.dumps(entry)
    if len(line) > LINE_BYTES:
        line = orjson.dumps({**entry, "details": _cut(details)})
    return line.decode()


PAYLOADS = {"input": "inputDetails", "output": "outputDetails", "parameters": None}
"""The long texts in details, and what says whether they are whole."""


def milliseconds(event: Event) -> int:
    """When an event happened, in epoch milliseconds."""
    return round(float(event["timestamp"]) * 1000)


def _cut(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details whose payloads have at most `PAYLOAD_BYTES` as they are escaped; cut ones say so."""
    found = dict(details)
    for name, flag in PAYLOADS.items():
        text = found.get(name)
        if not isinstance(text, str) or len(orjson.dumps(text)) <= PAYLOAD_BYTES:
            continue
        found[name] = _head(text)
        if flag is not None:
            found[flag] = {"truncated": True}
    return found


def _head(text: str) -> str:
    """The longest head of a text that is within `PAYLOAD_BYTES` when it is escaped."""
    low, high = 0, min(len(text), PAYLOAD_BYTES)
    while low < high:
        middle = (low + high + 1) // 2
        if len(orjson.dumps(text[:middle])) <= PAYLOAD_BYTES:
            low = middle
        else:
            high = middle - 1
    return text[:low]
