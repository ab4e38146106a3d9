"""The documents that CreateEventSourceMapping and UpdateEventSourceMapping send, parsed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mapfold.local.lambda_.errors import invalid_parameter, validation_failed
from mapfold.local.lambda_.event_sources.mapping import QUEUE_ARN, REPORT_BATCH_ITEM_FAILURES, EventSourceMapping
from mapfold.local.lambda_.functions import Scope

_KNOWN = frozenset(
    {
        *("EventSourceArn", "FunctionName", "Enabled", "BatchSize", "MaximumBatchingWindowInSeconds"),
        *("FunctionResponseTypes", "UUID"),
    }
)
_MOST_WITHOUT_WINDOW = 10
_SOURCES_OF_AWS = ("sqs", "kinesis", "dynamodb", "kafka", "mq", "rds")
"""The services in the ARNs of what AWS's mappings read, by the Lambda guide."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that a request gives; None for what it does not mention."""

    function: str | None
    batch_size: int | None
    batching_window_seconds: int | None
    enabled: bool | None
    reports_failures: bool | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Settings:
        """Those of a request's document. InvalidParameterValueException for a member that SQS here does not have."""
        if others := sorted(name for name in document.keys() - _KNOWN if document[name] not in (None, {}, [])):
            raise invalid_parameter(
                f"The embedded Lambda has no {', '.join(others)} for event source mappings. Leave it out: there are "
                "BatchSize, MaximumBatchingWindowInSeconds, Enabled and FunctionResponseTypes."
            )
        return cls(
            function=_text(document, "FunctionName"),
            batch_size=_number(document, "BatchSize", 1, 10_000),
            batching_window_seconds=_number(document, "MaximumBatchingWindowInSeconds", 0, 300),
            enabled=_flag(document, "Enabled"),
            reports_failures=_response_types(document),
        )

    def applied_to(self, mapping: EventSourceMapping, *, function: str | None, now: float) -> EventSourceMapping:
        """`mapping` with what these settings give, checked as a whole. `function`: the name of the one they name."""
        given = {
            "function": function,
            "batch_size": self.batch_size,
            "batching_window_seconds": self.batching_window_seconds,
            "enabled": self.enabled,
            "reports_failures": self.reports_failures,
        }
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        changed = replace(mapping, **changes, last_modified=now)
        _check(changed)
        return changed


def queue_arn(document: Mapping[str, Any], scope: Scope) -> str:
    """The queue that CreateEventSourceMapping names: one in the function's own region."""
    arn = document.get("EventSourceArn")
    if not arn:
        raise invalid_parameter("Unrecognized event source.")
    match = QUEUE_ARN.fullmatch(str(arn))
    if match is None and _service_of(str(arn)) not in (*_SOURCES_OF_AWS, ""):
        raise invalid_parameter(f"Unrecognized event source. Unsupported source arn : {arn}")
    if match is None:
        raise invalid_parameter(
            f"EventSourceArn '{arn}' is not the ARN of a queue, as arn:aws:sqs:{scope.region}:{scope.account}:NAME is. "
            "The embedded Lambda polls queues of SQS, nothing else."
        )
    if match[1] != scope.region:
        raise invalid_parameter(f"The event source and the function must be in one region; '{arn}' is in {match[1]}.")
    return str(arn)


def _service_of(arn: str) -> str:
    parts = arn.split(":")
    return parts[2] if len(parts) > 5 and parts[0] == "arn" else ""


def _check(mapping: EventSourceMapping) -> None:
    if mapping.is_fifo and mapping.batching_window_seconds:
        raise invalid_parameter("Batching window is not supported for FIFO queues")
    if mapping.is_fifo and mapping.batch_size > _MOST_WITHOUT_WINDOW:
        raise invalid_parameter(f"A batch of a FIFO queue has at most {_MOST_WITHOUT_WINDOW} messages")
    if mapping.batch_size > _MOST_WITHOUT_WINDOW and not mapping.batching_window_seconds:
        raise invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )


def _text(document: Mapping[str, Any], member: str) -> str | None:
    value = document.get(member)
    return None if value is None else str(value)


def _number(document: Mapping[str, Any], member: str, least: int, most: int) -> int | None:
    value = document.get(member)
    at = member[0].lower() + member[1:]
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise validation_failed(value, at=at, rule=f"have value greater than or equal to {least}")
    if value > most:
        raise validation_failed(value, at=at, rule=f"have value less than or equal to {most}")
    return value


def _flag(document: Mapping[str, Any], member: str) -> bool | None:
    value = document.get(member)
    if value is not None and not isinstance(value, bool):
        raise validation_failed(value, at=member[0].lower() + member[1:], rule="be true or false")
    return value


def _response_types(document: Mapping[str, Any]) -> bool | None:
    value = document.get("FunctionResponseTypes")
    if value is None:
        return None
    if not isinstance(value, list) or any(name != REPORT_BATCH_ITEM_FAILURES for name in value):
        rule = f"satisfy constraint: [Member must satisfy enum value set: [{REPORT_BATCH_ITEM_FAILURES}]]"
        raise validation_failed(value, at="functionResponseTypes", rule=rule)
    return bool(value)
