"""What an event source mapping is, and the document that Lambda shows for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mapfold.local.lambda_.functions import Scope

QUEUE_ARN = re.compile(r"arn:aws[a-zA-Z-]*:sqs:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_-]{1,75}(\.fifo)?)")
REPORT_BATCH_ITEM_FAILURES = "ReportBatchItemFailures"


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping as it is now. `function` is its name, or NAME:QUALIFIER; `batching_window_seconds` how long a batch may gather."""

    uuid: str
    queue_arn: str
    function: str
    last_modified: float
    batch_size: int = 10
    batching_window_seconds: int = 0
    enabled: bool = True
    reports_failures: bool = False

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self.queue_arn.rpartition(":")[2]

    @property
    def queue_account(self) -> str:
        """The account that the queue belongs to."""
        return self.queue_arn.split(":")[4]

    @property
    def is_fifo(self) -> bool:
        """Whether the queue keeps the order within a message group."""
        return self.queue_arn.endswith(".fifo")


def configuration(mapping: EventSourceMapping, scope: Scope, state: str) -> dict[str, Any]:
    """The EventSourceMappingConfiguration document of the Lambda API, as it is for SQS."""
    return {
        "UUID": mapping.uuid,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.batching_window_seconds,
        "EventSourceArn": mapping.queue_arn,
        "FunctionArn": scope.arn(mapping.function),
        "LastModified": mapping.last_modified,
        "State": state,
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": [REPORT_BATCH_ITEM_FAILURES] if mapping.reports_failures else [],
        "EventSourceMappingArn": (f"arn:aws:lambda:{scope.region}:{scope.account}:event-source-mapping:{mapping.uuid}"),
    }
