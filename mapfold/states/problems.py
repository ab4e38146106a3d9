"""What is said about a wrong definition: the codes of ValidateStateMachineDefinition, and the words of the service.

The texts are those that CreateStateMachine was seen to give; where none was seen, the text follows their manner.
"""

from __future__ import annotations

from collections.abc import Sequence

SCHEMA = "SCHEMA_VALIDATION_FAILED"
NOT_JSON = "INVALID_JSON_DESCRIPTION"
NO_DESCRIPTION = "MISSING_DESCRIPTION"
TOO_DEEP = "TOO_DEEPLY_NESTED"
NO_END = "MISSING_END_STATE"
NO_TARGET = "MISSING_TRANSITION_TARGET"
STATE_NAME = "INVALID_STATE_NAME"
STATE_TWICE = "DUPLICATE_STATE_NAME"
LABEL = "INVALID_LABEL_NAME"
LABEL_TWICE = "DUPLICATE_LABEL_NAME"
JSONATA = "INVALID_JSONATA_EXPRESSION"
JSONATA_MISUSE = "UNSUPPORTED_JSONATA_EXPRESSION"

JSON_OBJECT = "Definition must be a valid JSON object"
NO_TEXT = "Received a null or empty workflow input."
NESTED = "The states are too deeply nested."
EMPTY = "Value cannot be empty"
NO_JSON_PATH = "Value must be a valid JSONPath."
NO_TIMESTAMP = "String does not match RFC3339 timestamp"


def unsupported(name: str) -> str:
    """A field that the object which holds it does not have."""
    return f"Field '{name}' is not supported"


def wrong_language(name: str, own: str, other: str) -> str:
    """A field of the `other` query language, where the language is `own`."""
    return f"The QueryLanguage is set to '{own}', but field '{name}' is only supported for the '{other}' QueryLanguage"


def required(names: Sequence[str]) -> str:
    """Fields that an object must have."""
    return f"These fields are required: {_listed(names)}"


def required_parameter(name: str) -> str:
    """A member that the parameters of an integration, or Credentials, must have."""
    return f"The field '{name}' is required but was missing"


def invalid_parameter(name: str) -> str:
    """A member of an integration's parameters that is written down and cannot be right."""
    return f"The value for the '{name}' field is not valid"


def unsupported_parameter(name: str) -> str:
    """A member that the parameters of an integration may not have."""
    return f'The field "{name}" is not supported by Step Functions'


def only_one_of(names: Sequence[str]) -> str:
    """Fields that exclude each other."""
    return f"There should only be one of the following fields: {_listed(names)}"


def one_of_values(name: str, allowed: Sequence[str]) -> str:
    """A field with a closed set of values."""
    return f"The field '{name}' should have one of these values: {_listed(allowed)}"


def expected(type_: str) -> str:
    """A value of the wrong JSON type."""
    return f"Expected value of type {type_}"


def minimum(least: float) -> str:
    """A number that is too small; `0.0` for a field that takes fractions, `0` for one that does not."""
    return f"Minimum value is {least}"


def maximum(most: float) -> str:
    """A number that is too large."""
    return f"Maximum value is {most}"


def no_reference_path(reason: str) -> str:
    """What is no reference path, and why, if the service says so."""
    return f"Value is not a Reference Path{reason and f': {reason}'}"


def no_path_or_call(name: str) -> str:
    """A field that is evaluated and holds neither a path nor a call of an intrinsic function."""
    return f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"
