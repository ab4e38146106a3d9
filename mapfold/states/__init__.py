"""The Amazon States Language: parse, validate, evaluate. It knows no AWS, no I/O and no clock of its own.

`compile_machine` reads a definition once, reports all of its problems at once, and turns every expression in it into
a Python callable. A state then runs as a generator: it yields what it asks of the world (`effects`), is sent the
answer, and returns the `Transition` to take. Events go to the `Frame` that it was handed.

    definition -> definition.py (a node with its place and its problems)
               -> one module per kind of state, which compiles its fields with
                    data_flow.py     InputPath … OutputPath, Arguments, Output, Assign
                    json_path.py, queries.py, templates.py, intrinsic_calls.py, choice_rules.py
                    jsonata.py (expressions in states), over jsonata_language/ (the language itself)
                    recovery.py      Retry and Catch
               -> machine.py (Machine, Scope), after validate.py has looked at the whole
"""

import sys

from mapfold.states.effects import (
    BatcherSpec,
    CheckTask,
    Effect,
    EndScope,
    FailScope,
    FindActivity,
    Goto,
    Json,
    ReaderSpec,
    Resource,
    RunBranches,
    RunIterations,
    RunMap,
    RunTask,
    Sleep,
    StateError,
    TaskFailed,
    TaskSucceeded,
    Transition,
    WentOn,
    WriterSpec,
)
from mapfold.states.frame import NOT_TRUNCATED, PAYLOAD_LIMIT, Frame, History, encode, is_oversized
from mapfold.states.machine import Machine, Scope, State, compile_machine
from mapfold.states.timestamps import format_timestamp, parse_timestamp
from mapfold.states.variable_references import variable_references

# JSON nests up to 1,024 deep (orjson's limit), and a template takes some frames for each level.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))

__all__ = [
    "NOT_TRUNCATED",
    "PAYLOAD_LIMIT",
    "BatcherSpec",
    "CheckTask",
    "Effect",
    "EndScope",
    "FailScope",
    "FindActivity",
    "Frame",
    "Goto",
    "History",
    "Json",
    "Machine",
    "ReaderSpec",
    "Resource",
    "RunBranches",
    "RunIterations",
    "RunMap",
    "RunTask",
    "Scope",
    "Sleep",
    "State",
    "StateError",
    "TaskFailed",
    "TaskSucceeded",
    "Transition",
    "WentOn",
    "WriterSpec",
    "compile_machine",
    "encode",
    "format_timestamp",
    "is_oversized",
    "parse_timestamp",
    "variable_references",
]
