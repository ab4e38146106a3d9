"""Python imports this at its start in every process that finds it on PYTHONPATH: it notes each call of botocore.

A line of JSON a call, in a file a process beside this one: {"function", "service", "operation", "params"}. function: the
Lambda function that the process works for, or "" in the server. Of the params only names are kept, no contents.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import botocore.session

_FILE = Path(__file__).with_name(f"{os.getpid()}.jsonl")
_register_session = botocore.session.Session.__init__


def _name_of(value: Any) -> Any:
    """Texts are names; of `RequestItems` the tables are; bodies and items are of no interest."""
    if isinstance(value, dict):
        return list(value)
    return value if isinstance(value, str) and len(value) < 2_000 else None


def _note(**event: Any) -> None:
    model = event["model"]
    names = {name: kept for name, value in event["params"].items() if (kept := _name_of(value)) is not None}
    call = {
        "function": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        "service": model.service_model.service_name,
        "operation": model.name,
        "params": names,
    }
    file = os.open(_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, json.dumps(call).encode() + b"\n")  # in one piece: several threads call
    os.close(file)


def _session(self: botocore.session.Session, *arguments: Any, **options: Any) -> None:
    _register_session(self, *arguments, **options)
    self.register("before-parameter-build", _note)


botocore.session.Session.__init__ = _session  # type: ignore[method-assign]  # every client copies its session's handlers
