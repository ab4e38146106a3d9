"""The Resource of a Task: which ARNs there are, and what each asks for."""

from __future__ import annotations

import re

from mapfold.states.definition import Node
from mapfold.states.effects import Resource

_PARTITION = r"arn:aws(?:-[a-z-]+)?"
_FUNCTION = re.compile(_PARTITION + r":lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(?::[\w$-]+)?")
_ACTIVITY = re.compile(_PARTITION + r":states:[a-z0-9-]+:\d{12}:activity:\S{1,80}")
_INTEGRATION = re.compile(
    _PARTITION + r":states:[a-z0-9-]*:(?:\d{12})?:"
    r"(?P<service>aws-sdk:[a-zA-Z0-9]+|[a-zA-Z0-9-]+):(?P<action>[a-zA-Z0-9]+)"
    r"(?:\.(?P<pattern>sync:2|sync|waitForTaskToken))?"
)


def parse_resource(arn: str) -> Resource | None:
    """The parts of a Task's Resource; None for what the service does not know."""
    if _FUNCTION.fullmatch(arn):
        return Resource(arn, "lambda", "lambda", "", "")
    if _ACTIVITY.fullmatch(arn):
        return Resource(arn, "activity", "activity", arn.rsplit(":", 1)[1], "")
    match = _INTEGRATION.fullmatch(arn)
    if match is None or match["service"] == "activity":
        return None
    return Resource(arn, "task", match["service"], match["action"], match["pattern"] or "")


def compile_resource(node: Node) -> Resource | None:
    """The Resource of the Task `node`, which an Express machine may restrict."""
    if not node.require("Resource"):
        return None
    arn = node.string("Resource")
    if arn is None:
        return None
    resource = parse_resource(arn)
    if resource is None:
        node.problem(
            f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, "
            "or the resource is not available in this region.",
            "Resource",
        )
        return None
    if node.express:
        _check_express(node, resource)
    return resource


def _check_express(node: Node, resource: Resource) -> None:
    if resource.family == "activity":
        node.problem("Express state machine does not support Activity ARN", "Resource")
    elif resource.pattern.startswith("sync"):
        node.problem("Express state machine does not support '.sync' service integration", "Resource")
    elif resource.pattern:
        # The service's own message ends with this blank.
        node.problem("Express state machine does not support '.waitForTaskToken' service integration ", "Resource")
