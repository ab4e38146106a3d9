"""The names that Step Functions gives to services, members and errors: those of the AWS SDKs for Java.

The developer guide says that `aws-sdk:` parameters are PascalCase; which letters that makes of `DBClusterIdentifier`
(`DbClusterIdentifier`) is decided by the SDK for Java 2, whose accessors Step Functions calls. Its rules are here. The
optimized integrations are older: they have the members of the API's own model, with a capital first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

_JAVA_KEYWORDS = frozenset(
    [
        "abstract",
        "assert",
        "boolean",
        "break",
        "byte",
        "case",
        "catch",
        "char",
        "class",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extends",
        "final",
        "finally",
        "float",
        "for",
        "goto",
        "if",
        "implements",
        "import",
        "instanceof",
        "int",
        "interface",
        "long",
        "native",
        "new",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "short",
        "static",
        "strictfp",
        "super",
        "switch",
        "synchronized",
        "this",
        "throw",
        "throws",
        "transient",
        "try",
        "void",
        "volatile",
        "while",
        "true",
        "false",
        "null",
    ]
)
_OBJECT_METHODS = frozenset(
    ("clone", "equals", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait")
)

PREFIX_EXCEPTIONS: Mapping[str, str] = {"MemoryDB": "MemoryDB"}
"""By service id: where the guide's table of exception prefixes has another than the rule makes."""

MEMBER_EXCEPTIONS: Mapping[str, str] = {"NULL": "Nul"}
"""Members that the SDK for Java has renamed: `null` is no name in Java."""


def words(text: str) -> list[str]:
    """The words of a name, however they are set apart: `DynamoDB` has two, `SESv2` too, `EC2` one."""
    text = re.sub(r"[^A-Za-z0-9]+", " ", text)
    text = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", text)
    text = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", " ", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", text)
    text = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", text)
    return text.split()


def pascal_case(text: str) -> str:
    """The words of `text` in one, each with a capital and no other: `DynamoDb`, `AcmPca`."""
    return "".join(word.capitalize() for word in words(text))


@cache
def error_prefix(service_id: str) -> str:
    """What the errors of an `aws-sdk:` service begin with (`DynamoDb`, `Sfn`, `CloudWatchLogs`)."""
    if service_id in PREFIX_EXCEPTIONS:
        return PREFIX_EXCEPTIONS[service_id]
    name = pascal_case(service_id).removeprefix("Amazon").removeprefix("Aws")
    return name.removesuffix("Service")


@cache
def exception_name(shape: str) -> str:
    """The exception that the SDK for Java 2 makes of an error's shape: `NoSuchKeyException`, `DbInstanceNotFoundException`."""
    name = pascal_case(shape.removesuffix("Fault"))
    return name if name.endswith("Exception") else f"{name}Exception"


@cache
def optimized_exception_name(shape: str) -> str:
    """The exception that the older SDK makes of it: the shape's name, which always ends with Exception."""
    return shape if shape.endswith("Exception") else f"{shape}Exception"


@cache
def action_name(operation: str) -> str:
    """How a Resource names an operation of the API: `describeDBClusters`, `listObjectsV2`."""
    return _uncapitalized(operation)


@cache
def sdk_member(name: str) -> str:
    """How `aws-sdk:` parameters and results name a member of the API: `StateMachineArn`, `DbClusters`, `ETag`."""
    if name in MEMBER_EXCEPTIONS:
        return MEMBER_EXCEPTIONS[name]
    accessor = _uncapitalized(name)
    if accessor in _JAVA_KEYWORDS or accessor in _OBJECT_METHODS:
        accessor += "Value"
    return accessor[0].upper() + accessor[1:]


@cache
def optimized_member(name: str) -> str:
    """How optimized integrations name it: as the API does, with a capital first."""
    return name[0].upper() + name[1:]


def _uncapitalized(name: str) -> str:
    """All capitals that it begins with are made small, but for the one that begins its next word: `dbClusters`, `arn`."""
    end = 1
    while end < len(name) and name[end].isupper() and not (end + 1 < len(name) and name[end + 1].islower()):
        end += 1
    return name[:end].lower() + name[end:]
