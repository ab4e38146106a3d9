"""What of an event is execution data: left out of histories and logs where it is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAYLOADS = frozenset({"assignedVariables", "input", "output", "parameters"})
FLAGS = frozenset({"assignedVariablesDetails", "inputDetails", "outputDetails"})
"""What says whether a payload is whole."""


def without_payloads(details: Mapping[str, Any]) -> dict[str, Any]:
    """A history event's details without execution data; flags, errors and causes stay."""
    return {name: value for name, value in details.items() if name not in PAYLOADS}


def without_data(details: Mapping[str, Any]) -> dict[str, Any]:
    """A log line's details without execution data, and without its flags; errors and causes stay.

    Lines of the service's own logs have neither: `{"name": "Intake"}` of TaskStateEntered, `{}` of ExecutionSucceeded.
    """
    return {name: value for name, value in details.items() if name not in PAYLOADS | FLAGS}
