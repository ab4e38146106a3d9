"""Executions' events in CloudWatch Logs, as a state machine's loggingConfiguration asks for them.

`entries.py` says which events a level has and what a line looks like; `delivery.py` takes lines to the log group, off the
event loop. A machine without logging costs nothing: its executions have logs that tell nobody.
"""

from mapfold.local.execution_logs.delivery import LogDelivery, LogsClient
from mapfold.local.execution_logs.entries import Destination, Tell, destination_of, line_of

__all__ = ["Destination", "LogDelivery", "LogsClient", "Tell", "destination_of", "line_of"]
