"""JSONata, version 2.0.6, as the service runs it: parsed, compiled once, and evaluated within limits.

    text -> tokens.py -> parser.py -> shaping.py: the tree (nodes.py)
         -> compiler.py with operators.py, calls.py, and for paths paths.py, predicates.py, grouping.py, ordering.py,
            tuples.py: Python functions
         -> running.py (limits, environments, calls) with signatures.py, values.py, text.py, builtins/, regexes.py

It follows the reference implementation (jsonata-js 2.0.6) to the wording of its errors. It knows no states, no AWS and
no clock of its own.
"""

from mapfold.states.jsonata_language.builtins import BUILTINS
from mapfold.states.jsonata_language.compiler import Program, compile_program
from mapfold.states.jsonata_language.errors import (
    DEPTH_EXCEEDED,
    MEMORY_EXCEEDED,
    TIME_EXCEEDED,
    UNDEFINED,
    InternalFailure,
    JsonataError,
    LimitExceeded,
)
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.parser import parse as parse_tree
from mapfold.states.jsonata_language.running import MEMORY_LIMIT, Native, Run, is_function
from mapfold.states.jsonata_language.signatures import parse_signature
from mapfold.states.jsonata_language.text import number_text
from mapfold.states.jsonata_language.values import Sequence

__all__ = [
    "BUILTINS",
    "DEPTH_EXCEEDED",
    "MEMORY_EXCEEDED",
    "MEMORY_LIMIT",
    "TIME_EXCEEDED",
    "UNDEFINED",
    "InternalFailure",
    "JsonataError",
    "LimitExceeded",
    "Native",
    "Node",
    "Program",
    "Run",
    "Sequence",
    "compile_program",
    "is_function",
    "number_text",
    "parse_signature",
    "parse_tree",
]
