"""Whether an answer is what the SDKs' model of Step Functions says: members, types, required ones, enumerations."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import botocore.session


def call(url: str, action: str, members: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and document that an action answers with, as they are on the wire."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        headers = {"X-Amz-Target": f"AWSStepFunctions.{action}", "Content-Type": "application/x-amz-json-1.0"}
        connection.request("POST", "/", json.dumps(members), headers)
        answer = connection.getresponse()
        document: dict[str, Any] = json.loads(answer.read())
        return answer.status, document
    finally:
        connection.close()


def misfits(action: str, answer: Mapping[str, Any]) -> list[str]:
    """What in an answer the model does not allow; empty if all is well."""
    shape = _model().operation_model(action).output_shape
    return [] if shape is None else list(_misfits(shape, answer, action))


@cache
def _model() -> Any:
    return botocore.session.Session().get_service_model("stepfunctions")


def _misfits(shape: Any, value: Any, at: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            yield from (f"{at}.{name}: is missing" for name in shape.required_members if name not in value)
            yield from (f"{at}.{name}: is not in the model" for name in value if name not in shape.members)
            for name, member in shape.members.items():
                if name in value:
                    yield from _misfits(member, value[name], f"{at}.{name}")
        case "list":
            for index, entry in enumerate(value):
                yield from _misfits(shape.member, entry, f"{at}[{index}]")
        case "map":
            for key, entry in value.items():
                yield from _misfits(shape.value, entry, f"{at}.{key}")
        case "string":
            if not isinstance(value, str) or (shape.enum and value not in shape.enum):
                yield f"{at}: {value!r} is no {shape.name}"
        case "timestamp":
            if isinstance(value, bool) or not isinstance(value, int | float) or round(value, 3) != value:
                yield f"{at}: {value!r} is no epoch seconds with whole milliseconds"
        case "integer" | "long":
            if isinstance(value, bool) or not isinstance(value, int):
                yield f"{at}: {value!r} is no whole number"
        case "float" | "double":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{at}: {value!r} is no number"
        case "boolean":
            if not isinstance(value, bool):
                yield f"{at}: {value!r} is no boolean"
        case other:
            raise AssertionError(f"{at}: a {other}: nothing of Step Functions is that")
