"""The input of an execution: any JSON text of at most 256 KiB, kept as it was sent (service-api 3)."""

from __future__ import annotations

import orjson

from mapfold.local.json_faults import name_fault
from mapfold.local.service.faults import Fault
from mapfold.local.service.request import PAYLOAD_BYTES


def check_input(text: str) -> None:
    """Raise InvalidExecutionInput if `text` is no JSON value, ValidationException if it is too long."""
    if len(text) > PAYLOAD_BYTES or len(text.encode("utf-8", "surrogatepass")) > PAYLOAD_BYTES:
        raise Fault(
            "ValidationException",
            "1 validation error detected: Value at 'input' failed to satisfy constraint: "
            f"Member must have length less than or equal to {PAYLOAD_BYTES}",
        )
    if not text.strip():
        raise _invalid("Invalid execution input.")
    try:
        orjson.loads(text)
    except ValueError as error:
        raise _invalid(name_fault(text)) from error


def _invalid(reason: str) -> Fault:
    return Fault("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{reason}'")
