"""Which fields a state of each kind may have in each query language (states-language reference, field matrix)."""

from __future__ import annotations

from mapfold.states.definition import Language, Node

KINDS = ("Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map")

_COMMON = frozenset({"Type", "Comment", "QueryLanguage"})
_STEP = frozenset({"Next", "End"})
_RECOVERY = frozenset({"Retry", "Catch"})
_PATHS = frozenset({"InputPath", "OutputPath"})
_RESULT = frozenset({"ResultSelector", "ResultPath"})

_EITHER: dict[str, frozenset[str]] = {
    "Task": _STEP | _RECOVERY | {"Assign", "Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Wait": _STEP | {"Assign", "Seconds", "Timestamp"},
    "Pass": _STEP | {"Assign"},
    "Succeed": frozenset(),
    "Fail": frozenset({"Error", "Cause"}),
    "Choice": frozenset({"Assign", "Choices", "Default"}),
    "Parallel": _STEP | _RECOVERY | {"Assign", "Branches"},
    "Map": _STEP
    | _RECOVERY
    | {
        "Assign",
        "ItemProcessor",
        "Iterator",
        "ItemSelector",
        "ItemReader",
        "ItemBatcher",
        "ResultWriter",
        "Label",
        "MaxConcurrency",
        "ToleratedFailureCount",
        "ToleratedFailurePercentage",
    },
}
_JSONPATH: dict[str, frozenset[str]] = {
    "Task": _PATHS | _RESULT | {"Parameters", "TimeoutSecondsPath", "HeartbeatSecondsPath"},
    "Wait": _PATHS | {"SecondsPath", "TimestampPath"},
    "Pass": _PATHS | {"Result", "Parameters", "ResultPath"},
    "Succeed": _PATHS,
    "Fail": frozenset({"ErrorPath", "CausePath"}),
    "Choice": _PATHS,
    "Parallel": _PATHS | _RESULT | {"Parameters"},
    "Map": _PATHS
    | _RESULT
    | {
        "Parameters",
        "ItemsPath",
        "MaxConcurrencyPath",
        "ToleratedFailureCountPath",
        "ToleratedFailurePercentagePath",
    },
}
_JSONATA: dict[str, frozenset[str]] = {
    "Task": frozenset({"Arguments", "Output"}),
    "Wait": frozenset({"Output"}),
    "Pass": frozenset({"Output"}),
    "Succeed": frozenset({"Output"}),
    "Fail": frozenset(),
    "Choice": frozenset({"Output"}),
    "Parallel": frozenset({"Arguments", "Output"}),
    "Map": frozenset({"Items", "Output"}),
}


_REQUIRED = {"Task": "Resource", "Choice": "Choices", "Parallel": "Branches", "Map": "ItemProcessor"}


def check_fields(node: Node, kind: str) -> None:
    """Report fields that a state of this kind must have and has not; then those that it does not have in its language.

    Of any object the service tells what is missing before what is not supported.
    """
    if kind in _REQUIRED and not (kind == "Map" and node.has("Iterator")):
        node.require(_REQUIRED[kind])
    if _EITHER[kind] >= _STEP and node.fields.get("End", False) is False:
        node.require("Next")
    own, other = (_JSONATA, _JSONPATH) if node.language is Language.JSONATA else (_JSONPATH, _JSONATA)
    node.check_fields(_COMMON | _EITHER[kind] | own[kind], other[kind])


def compile_next(node: Node) -> str | None:
    """The state that follows; None for the end of the scope. Reports both of Next and End (`check_fields` neither)."""
    if node.boolean("End"):
        node.only_one_of("Next", "End")
    return node.string("Next") if node.has("Next") else None
