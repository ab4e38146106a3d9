"""A definition as text, and with its placeholders replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mapfold.errors import UsageError

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def render(definition: Mapping[str, Any]) -> str:
    """JSON with an indent of two and a newline at the end: what editors and Workflow Studio write."""
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def substitute(definition: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A copy with every `${Name}` replaced, as CDK's DefinitionSubstitutions do. UsageError names what is missing."""
    missing = sorted({name for name in _PLACEHOLDER.findall(json.dumps(definition)) if name not in values})
    if missing:
        raise UsageError(f"the definition has no value for {', '.join(missing)}.")
    replaced: dict[str, Any] = _replace(definition, values)
    return replaced


def _replace(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, Mapping):
        return {name: _replace(member, values) for name, member in value.items()}
    if isinstance(value, list):
        return [_replace(member, values) for member in value]
    return value
