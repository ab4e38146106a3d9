"""What a function is, and the configuration document that Lambda shows for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mapfold.local.lambda_.errors import LambdaError, function_not_found, validation_failed

LATEST = "$LATEST"
LOCAL_BUCKET = "mapfold-local"
"""`Code={"S3Bucket": LOCAL_BUCKET, "S3Key": "/an/absolute/folder"}` runs that folder in place."""

_NAME = re.compile(r"[A-Za-z0-9-_]{1,64}")
_LONGEST_NAME = 64
_QUALIFIER = re.compile(r"\$LATEST|[A-Za-z0-9-_]{1,128}")
_ARN = re.compile(r"arn:(aws[a-zA-Z-]*):lambda:([a-z0-9-]+):(\d{12}):function:(.*)", re.DOTALL)
_PARTIAL_ARN = re.compile(r"(?:(\d{12}):)?(?:function:)?(.*)", re.DOTALL)
_REFERENCE_RULE = (
    r"satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?"
    r"(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A version of a layer that a function uses: its ARN, the folder that Lambda would put at /opt, its zip's bytes."""

    arn: str
    folder: Path
    code_size: int


@dataclass(frozen=True, slots=True)
class Function:
    """One function as it is now ($LATEST), or as it was when `version` was published.

    Every change makes a new value with a new `revision_id`. `folder` is where its workers run: the local folder itself,
    or where its zip was unpacked. `state` of a function that exists is always Active here: there is nothing to wait for.
    """

    name: str
    handler: str
    folder: Path
    runtime: str
    role: str
    code_sha256: str
    code_size: int
    last_modified: str
    revision_id: str
    description: str = ""
    timeout_seconds: int = 3
    memory_mb: int = 128
    environment: Mapping[str, str] | None = None
    in_place: bool = False
    version: str = LATEST
    layers: tuple[Layer, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    other: Mapping[str, Any] = field(default_factory=dict)
    """Members that change nothing here and are given back as they came, such as TracingConfig."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where functions live: their ARNs' region and account."""

    region: str
    account: str

    def arn(self, name: str, qualifier: str | None = None) -> str:
        """The function's ARN, qualified if a qualifier is given."""
        plain = f"arn:aws:lambda:{self.region}:{self.account}:function:{name}"
        return f"{plain}:{qualifier}" if qualifier else plain

    def resolve(self, reference: str, qualifier: str | None = None) -> tuple[str, str | None]:
        """Name and qualifier of a function's name, ARN or partial ARN.

        ValidationException for what is none of these, or names two different qualifiers;
        ResourceNotFoundException for one of another region or account.
        """
        rest = reference
        if match := _ARN.fullmatch(reference):
            rest = match[4]
            if match[2] != self.region:
                message = f"Functions from '{match[2]}' are not reachable in this region ('{self.region}')"
                raise LambdaError("ResourceNotFoundException", message, 404)
            if match[3] != self.account:
                raise function_not_found(reference)
        elif match := _PARTIAL_ARN.fullmatch(reference):
            rest = match[2]
            if match[1] not in (None, self.account):
                raise function_not_found(reference)
        name, _, own = rest.partition(":")
        if reference == name and len(name) > _LONGEST_NAME and _NAME.fullmatch(name[:_LONGEST_NAME]):
            rule = f"have length less than or equal to {_LONGEST_NAME}"
            raise validation_failed(reference, at="functionName", rule=rule)
        if not _NAME.fullmatch(name) or (":" in rest and not _QUALIFIER.fullmatch(own)):
            raise validation_failed(reference, at="functionName", rule=_REFERENCE_RULE)
        if own and qualifier and own != qualifier:
            message = "The derived qualifier from the function name does not match the specified qualifier."
            raise LambdaError("InvalidParameterValueException", message, 400)
        return name, own or qualifier or None


def configuration(function: Function, scope: Scope, qualifier: str | None = None) -> dict[str, Any]:
    """The FunctionConfiguration document of the Lambda API."""
    document: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": scope.arn(function.name, qualifier),
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code_size,
        "Description": function.description,
        "Timeout": function.timeout_seconds,
        "MemorySize": function.memory_mb,
        "LastModified": function.last_modified,
        "CodeSha256": function.code_sha256,
        "Version": function.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": function.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"},
    }
    if function.environment is not None:
        document["Environment"] = {"Variables": dict(function.environment)}
    if function.layers:
        document["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code_size} for layer in function.layers]
    return document | dict(function.other)


def listed(function: Function, scope: Scope, qualifier: str | None = None) -> dict[str, Any]:
    """The document as lists have it: without what GetFunction alone tells (Lambda API, ListFunctions)."""
    document = configuration(function, scope, qualifier)
    return {name: value for name, value in document.items() if name not in ("State", "LastUpdateStatus")}
