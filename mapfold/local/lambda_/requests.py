"""The documents that CreateFunction and UpdateFunctionConfiguration send, parsed and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mapfold.local.lambda_.errors import (
    LambdaError,
    constraint_broken,
    elements_invalid,
    invalid_parameter,
    validation_failed,
    wrong_type,
)
from mapfold.local.lambda_.functions import Function, Layer

_RESERVED = {
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}  # fmt: skip
_MAX_ENVIRONMENT_BYTES = 4096
_VARIABLE = re.compile(r"[a-zA-Z]([a-zA-Z0-9_])+")
_HANDLER = re.compile(r"[^\s]+")
_RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")
_ARCHITECTURES = ("x86_64", "arm64")
_ROLE = re.compile(r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_PASSED_THROUGH = (
    "TracingConfig",
    "EphemeralStorage",
    "Architectures",
    "LoggingConfig",
    "DeadLetterConfig",
    "VpcConfig",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings a request gives; None for what it does not mention."""

    name: str
    handler: str | None
    runtime: str | None
    role: str | None
    description: str | None
    timeout_seconds: int | None
    memory_mb: int | None
    environment: Mapping[str, str] | None
    tags: Mapping[str, str] | None
    layers: tuple[str, ...] | None
    other: Mapping[str, Any]

    @classmethod
    def of_new(cls, document: Mapping[str, Any]) -> Settings:
        """CreateFunction's: name, role, and for a zip also handler and runtime are required."""
        if document.get("PackageType", "Zip") != "Zip":
            raise invalid_parameter("The embedded Lambda runs functions from a zip or a folder, not from an image.")
        for member in ("FunctionName", "Role"):
            if not document.get(member):
                raise validation_failed(None, at=member[0].lower() + member[1:], rule="not be null")
        if document.get("Handler") is None or document.get("Runtime") is None:
            raise invalid_parameter(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        return cls.of_update({"Timeout": 3, "MemorySize": 128, **document})

    @classmethod
    def of_update(cls, document: Mapping[str, Any]) -> Settings:
        """UpdateFunctionConfiguration's: all are optional."""
        return cls(
            name=str(document.get("FunctionName", "")),
            handler=_matching(document, "Handler", _HANDLER, 128),
            runtime=_runtime(document),
            role=_matching(document, "Role", _ROLE),
            description=_text(document, "Description", 256),
            timeout_seconds=_number(document, "Timeout", 1, 900),
            memory_mb=_number(document, "MemorySize", 128, 10_240),
            environment=_environment(document),
            tags=document.get("Tags"),
            layers=_layers(document),
            other=_passed_through(document),
        )

    def applied_to(self, function: Function, layers: tuple[Layer, ...]) -> Function:
        """`function` with what these settings give; `layers` are those that `self.layers` names, if it does."""
        given = {
            "handler": self.handler,
            "runtime": self.runtime,
            "role": self.role,
            "description": self.description,
            "timeout_seconds": self.timeout_seconds,
            "memory_mb": self.memory_mb,
            "environment": self.environment,
            "tags": self.tags,
            "layers": None if self.layers is None else layers,
        }
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(function, **changes, other={**function.other, **self.other})


def _passed_through(document: Mapping[str, Any]) -> dict[str, Any]:
    architectures = document.get("Architectures") or []
    if not isinstance(architectures, list):
        raise wrong_type("Architectures must be a list of names")
    if any(name not in _ARCHITECTURES for name in architectures):
        rules = f"Member must satisfy enum value set: [{', '.join(_ARCHITECTURES)}], Member must not be null"
        raise elements_invalid(architectures, at="architectures", rules=rules)
    return {member: document[member] for member in _PASSED_THROUGH if document.get(member)}


def _matching(
    document: Mapping[str, Any], member: str, pattern: re.Pattern[str], longest: int | None = None
) -> str | None:
    value = document.get(member)
    if value is None:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise validation_failed(value, at=_camel(member), rule=f"satisfy regular expression pattern: {pattern.pattern}")
    return value if longest is None else _text(document, member, longest)


def _runtime(document: Mapping[str, Any]) -> str | None:
    """Any Python there ever was on Lambda: what runs it here is the server's own interpreter."""
    value = document.get("Runtime")
    if value is None:
        return None
    if not re.fullmatch(r"python\d\.\d+", str(value)):
        raise invalid_parameter(
            f"Value {value} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(_RUNTIMES)}] or be a valid ARN"
        )
    return str(value)


def _text(document: Mapping[str, Any], member: str, longest: int) -> str | None:
    value = document.get(member)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise validation_failed(value, at=_camel(member), rule=f"have length less than or equal to {longest}")
    return value


def _number(document: Mapping[str, Any], member: str, least: int, most: int) -> int | None:
    value = document.get(member)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise validation_failed(value, at=_camel(member), rule=f"have value greater than or equal to {least}")
    if value > most:
        raise validation_failed(value, at=_camel(member), rule=f"have value less than or equal to {most}")
    return value


def _environment(document: Mapping[str, Any]) -> Mapping[str, str] | None:
    environment = document.get("Environment")
    if environment is None:
        return None
    variables = (environment.get("Variables") or {}) if isinstance(environment, dict) else None
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise wrong_type("Environment must have Variables, an object of texts")
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            rule = f"Map keys must satisfy constraint: [Member must satisfy regular expression pattern: {_VARIABLE.pattern}]"
            raise constraint_broken("Value at 'environment.variables'", rule)
    if reserved := sorted(_RESERVED & variables.keys()):
        raise invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used "
            f"in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode("utf-8", "surrogatepass")) > _MAX_ENVIRONMENT_BYTES:
        raise invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the {_MAX_ENVIRONMENT_BYTES // 1024}KB limit. String measured: {measured}"
        )
    return dict(variables)


def _layers(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    layers = document.get("Layers")
    if layers is None:
        return None
    if not isinstance(layers, list):
        raise wrong_type("Layers must be a list of ARNs")
    return tuple(map(str, layers))


def _camel(member: str) -> str:
    return member[0].lower() + member[1:]


def parsed_body(body: bytes) -> dict[str, Any]:
    """A request's JSON object. SerializationException if it is none."""
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise LambdaError("SerializationException", f"Could not parse request body into json: {error}", 400) from error
    if not isinstance(document, dict):
        raise LambdaError("SerializationException", "Start of structure or map found where not expected.", 400)
    return document
