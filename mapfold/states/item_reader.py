"""ItemReader: where a distributed Map's items come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mapfold.states.amounts import Amount, Check, compile_amount
from mapfold.states.definition import Node
from mapfold.states.effects import Json, ReaderSpec, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.queries import Query
from mapfold.states.reader_config import check_config

RESOURCES = {"arn:aws:states:::s3:getObject": "s3:getObject", "arn:aws:states:::s3:listObjectsV2": "s3:listObjectsV2"}
_REQUIRED = {"arn:aws:states:::s3:getObject": ("Bucket", "Key"), "arn:aws:states:::s3:listObjectsV2": ("Bucket",)}

MOST_ITEMS = 100_000_000
"""The largest MaxItems that AWS takes in a definition."""


@dataclass(frozen=True, slots=True)
class ItemReader:
    """An ItemReader, compiled. `config` has no MaxItems in it: that is `max_items`."""

    resource: str
    config: Mapping[str, Json]
    arguments: Query
    max_items: Amount

    def evaluate(self, inputs: Json, frame: Frame) -> ReaderSpec:
        """The reader for one map run; States.Runtime where its arguments are not usable."""
        arguments = self.arguments(inputs, frame)
        for name in _REQUIRED[f"arn:aws:states:::{self.resource}"]:
            if not isinstance(arguments, dict) or not isinstance(arguments.get(name), str):
                raise StateError("States.Runtime", f"ItemReader must have '{name}', a string: {encode(arguments)}")
        return ReaderSpec(self.resource, self.config, arguments)


def compile_reader(state: Node) -> ItemReader | None:
    """The ItemReader of the Map `state`, if it has one."""
    node = state.object("ItemReader") if state.has("ItemReader") else None
    if node is None:
        return None
    name = "Arguments" if node.is_jsonata else "Parameters"
    node.require("Resource", name)
    _check_fields(node)
    resource = node.one_of("Resource", tuple(RESOURCES))
    config = node.object("ReaderConfig") if node.has("ReaderConfig") else node.child({}, "ReaderConfig")
    config = config or node.child({}, "ReaderConfig")
    check_config(config, RESOURCES.get(resource or "", ""))
    _check_version(node, name, config)
    return ItemReader(
        resource=RESOURCES.get(resource or "", ""),
        config={key: value for key, value in config.fields.items() if not key.startswith("MaxItems")},
        arguments=compile_call_arguments(node, required=_REQUIRED.get(resource or "", ())),
        # Only what is written down has to be in these bounds: what comes at run time is judged where it is read.
        max_items=compile_amount(config, "MaxItems", least=0, most=MOST_ITEMS, check=_check_max_items(node)),
    )


def _check_max_items(node: Node) -> Check:
    """A path to a negative number fails the map run; an expression for one is a failed expression (seen on the service).

    That the words are the same is unconfirmed.
    """
    return lambda value: "field MaxItems must be positive" if node.is_jsonata and value < 0 else None


def compile_call_arguments(node: Node, *, required: tuple[str, ...]) -> Query:
    """The Parameters or Arguments of an ItemReader or ResultWriter, which must have the `required` members."""
    name = "Arguments" if node.is_jsonata else "Parameters"
    literal = node.has(name) and not node.holds_expression(name)
    call = node.object(name) if literal else None
    for member in required:
        if call is not None and not call.has(f"{member}.$"):
            call.require_parameter(member)
    if literal and call is None:
        return lambda data, frame: {}  # the problem has been reported
    if not node.is_jsonata:
        return node.template("Parameters") or (lambda data, frame: {})
    evaluate = node.json("Arguments")
    return (lambda data, frame: {}) if evaluate is None else (lambda data, frame: evaluate(data, None, frame))


def _check_fields(node: Node) -> None:
    own, other = ("Arguments", "Parameters") if node.is_jsonata else ("Parameters", "Arguments")
    node.check_fields(("Resource", "ReaderConfig", own), (other,))


def _check_version(node: Node, name: str, config: Node) -> None:
    """Parquet is read in pieces, for which AWS takes no VersionId. That of a manifest is another matter."""
    call = node.fields.get(name)
    if config.fields.get("InputType") != "PARQUET" or config.has("ManifestType") or not isinstance(call, dict):
        return
    for member in ("VersionId", "VersionId.$"):
        if member in call:
            node.problem("'VersionId' is not supported when 'InputType' is 'PARQUET'", name, member)
