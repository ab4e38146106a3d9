"""Step Functions on the wire: what boto3, the AWS CLI and every SDK call.

`wire.py` has the protocol and the table of actions; each family of actions is one module (`state_machines`,
`starting`, `executions`, `history`, `map_runs`, `tags`); `request.py` checks members, `shapes.py` forms answers;
`engine_protocol.py` says what runs the executions.
"""

from mapfold.local.service.app import create_app
from mapfold.local.service.context import CheckDefinition, Service
from mapfold.local.service.engine_protocol import ChildNames, Engine, LiveExecution

__all__ = ["CheckDefinition", "ChildNames", "Engine", "LiveExecution", "Service", "create_app"]
