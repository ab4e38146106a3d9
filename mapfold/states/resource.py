"""The Resource of a Task: which ARNs there are, and what each asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mapfold.states import problems
from mapfold.states.definition import KnowsAction, Node
from mapfold.states.effects import Json, Resource
from mapfold.states.integration_names import PARAMETERS, SDK, SDK_PATTERNS, has_pattern

_PARTITION = r"arn:aws(?:-[a-z-]+)?"
_FUNCTION = re.compile(_PARTITION + r":lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(?::[\w$-]+)?")
_ACTIVITY = re.compile(_PARTITION + r":states:[a-z0-9-]+:\d{12}:activity:\S{1,80}")
_CONNECTION = re.compile(_PARTITION + r":events:[a-z0-9-]+:\d{12}:connection/\S+")
_ENDPOINT = re.compile(r"https?://[^\s/]+\S*")
_INTEGRATION = re.compile(
    _PARTITION + r":states:[a-z0-9-]*:(?:\d{12})?:"
    r"(?P<service>aws-sdk:[a-zA-Z0-9]+|[a-zA-Z0-9-]+):(?P<action>[a-zA-Z0-9]+)"
    r"(?:\.(?P<pattern>sync:2|sync|waitForTaskToken))?"
)


def parse_resource(arn: str) -> Resource | None:
    """The parts of a Task's Resource; None for what is no ARN of a function, an activity or an integration."""
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
    arn = node.string("Resource") if node.has("Resource") else None
    if arn is None:
        return None
    resource = parse_resource(arn)
    if resource is None or not is_integrated(resource, node.build.knows_action):
        node.problem(
            f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, "
            "or the resource is not available in this region.",
            "Resource",
        )
        return None
    if node.express:
        _check_express(node, resource)
    _check_parameters(node, resource)
    return resource


def is_integrated(resource: Resource, knows_action: KnowsAction | None) -> bool:
    """Whether Step Functions has the integration: the service, its action, and the pattern with it."""
    if resource.family != "task":
        return True
    if not resource.service.startswith(SDK):
        return has_pattern(resource.service, resource.action, resource.pattern)
    if resource.pattern not in SDK_PATTERNS:
        return False
    return knows_action is None or knows_action(resource.service.removeprefix(SDK), resource.action)


def _check_express(node: Node, resource: Resource) -> None:
    if resource.family == "activity":
        node.problem("Express state machine does not support Activity ARN", "Resource")
    elif resource.pattern.startswith("sync"):
        node.problem("Express state machine does not support '.sync' service integration", "Resource")
    elif resource.pattern:
        # The service's own message ends with this blank.
        node.problem("Express state machine does not support '.waitForTaskToken' service integration ", "Resource")


def _check_parameters(node: Node, resource: Resource) -> None:
    """Report members that an integration must have and has not, or does not know, where they are written."""
    field = "Arguments" if node.is_jsonata else "Parameters"
    written = node.fields.get(field)
    if resource.family != "task" or not isinstance(written, dict):
        return
    missing, unknown = _refused(node, resource, written)
    given = node.child(written, field)
    for name in missing:
        given.problem(problems.required_parameter(name))
    for name in unknown:
        given.problem(problems.unsupported_parameter(name))
    if (resource.service, resource.action) == ("http", "invoke"):
        _check_http(given)


def _refused(node: Node, resource: Resource, written: Mapping[str, Json]) -> tuple[Sequence[str], Sequence[str]]:
    """The members that are missing, and those that there are not. A path's are not said to be unknown before it runs."""
    look = node.build.refuses_parameters
    refused = None
    if look is not None:
        refused = look(resource.service, resource.action, written, has_paths=not node.is_jsonata)
    expected = PARAMETERS.get((resource.service, resource.action))
    if expected is None or (refused is not None and expected.known is None):
        return refused or ((), ())
    names = {_named(name, node) for name in written}
    known = written.keys() if expected.known is None else expected.known
    unknown = [name for name in written if name not in known and (node.is_jsonata or not name.endswith(".$"))]
    deeper = () if refused is None else [name for name in refused[1] if name not in unknown]
    return [name for name in expected.required if name not in names], [*unknown, *deeper]


def _check_http(given: Node) -> None:
    """Report where an HTTP Task leads, and by which connection, if it is written down and can be none."""
    if _is_other(given.fields.get("ApiEndpoint"), _ENDPOINT, given):
        given.problem(problems.invalid_parameter("ApiEndpoint"))
    for name in ("Authentication", "InvocationConfig"):
        config = given.fields.get(name)
        if isinstance(config, dict) and _is_other(config.get("ConnectionArn"), _CONNECTION, given):
            given.problem(problems.invalid_parameter("ConnectionArn"))


def _is_other(value: Json, form: re.Pattern[str], node: Node) -> bool:
    """Whether a value that is written down has another form."""
    if not isinstance(value, str) or (node.is_jsonata and value.startswith("{%")):
        return False
    return form.fullmatch(value) is None


def _named(name: str, node: Node) -> str:
    """The member that a field of the parameters stands for."""
    return name if node.is_jsonata else name.removesuffix(".$")
