"""ResultWriter: where a distributed Map's results go, and in which form."""

from __future__ import annotations

from dataclasses import dataclass

from mapfold.states import problems
from mapfold.states.definition import Node
from mapfold.states.effects import Json, StateError, WriterSpec
from mapfold.states.frame import Frame, encode
from mapfold.states.item_reader import compile_call_arguments
from mapfold.states.queries import Query

RESOURCE = "arn:aws:states:::s3:putObject"


@dataclass(frozen=True, slots=True)
class ResultWriter:
    """A ResultWriter, compiled. `arguments` None: it only formats the state's output."""

    arguments: Query | None
    output_type: str
    transformation: str

    def evaluate(self, inputs: Json, frame: Frame) -> WriterSpec:
        """The writer for one map run; States.Runtime where its arguments are not usable."""
        if self.arguments is None:
            return WriterSpec(None, "", self.output_type, self.transformation)
        arguments = self.arguments(inputs, frame)
        return WriterSpec(
            bucket=_text(arguments, "Bucket"),
            prefix=_text(arguments, "Prefix", default=""),
            output_type=self.output_type,
            transformation=self.transformation,
            expected_bucket_owner=arguments.get("ExpectedBucketOwner"),
        )


def _text(arguments: Json, name: str, *, default: str | None = None) -> str:
    value = arguments.get(name, default) if isinstance(arguments, dict) else None
    if not isinstance(value, str):
        raise StateError("States.Runtime", f"ResultWriter must have '{name}', a string: {encode(arguments)}")
    return value


def compile_writer(state: Node) -> ResultWriter | None:
    """The ResultWriter of the Map `state`, if it has one.

    Legal are WriterConfig alone, Resource with arguments, and all of them; an empty object is not.
    """
    node = state.object("ResultWriter") if state.has("ResultWriter") else None
    if node is None:
        return None
    name, other = ("Arguments", "Parameters") if node.is_jsonata else ("Parameters", "Arguments")
    exports = node.has("Resource", name)
    if exports:
        node.require("Resource", name)
    node.check_fields(("Resource", name, "WriterConfig"), (other,))
    if not node.fields:
        state.problem(problems.EMPTY, "ResultWriter")
    if exports:
        node.one_of("Resource", (RESOURCE,))
    config = (node.object("WriterConfig") if node.has("WriterConfig") else None) or node.child({}, "WriterConfig")
    if node.has("WriterConfig"):
        config.require("OutputType")
    config.check_fields(("OutputType", "Transformation"))
    return ResultWriter(
        arguments=compile_call_arguments(node, required=("Bucket",)) if exports else None,
        output_type=config.one_of("OutputType", ("JSON", "JSONL")) or "JSON",
        transformation=config.one_of("Transformation", ("NONE", "COMPACT", "FLATTEN"))
        or ("NONE" if exports else "COMPACT"),
    )
