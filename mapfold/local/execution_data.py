"""What of an event is execution data: left out of histories and logs where it is not asked for.

What says whether a text is whole goes with the text: lines of the service's own logs without execution data have neither
(`{"name": "Intake"}` of TaskStateEntered, `{}` of ExecutionSucceeded). A history without it is taken to be the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXECUTION_DATA = frozenset(
    (
        "assignedVariables",
        "assignedVariablesDetails",
        "input",
        "inputDetails",
        "output",
        "outputDetails",
        "parameters",
    )
)


def without_data(details: Mapping[str, Any]) -> dict[str, Any]:
    """An event's details without execution data; errors and causes stay."""
    return {name: value for name, value in details.items() if name not in EXECUTION_DATA}
