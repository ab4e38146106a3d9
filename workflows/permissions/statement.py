"""One statement of a role, and what becomes of it at a deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapfold.errors import UsageError

Json = Any
Conditions = Mapping[str, Mapping[str, str | tuple[str, ...]]]

_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Statement:
    """Actions that are allowed on resources, and why.

    sid: unique within its role, letters and digits. resources: ARNs in which `${…}` stands for what a deployment names;
    "*" only where AWS offers nothing narrower, and `because` then says so. because: one sentence for a person.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    because: str
    conditions: Conditions = field(default_factory=dict)

    def placeholders(self) -> set[str]:
        """The names in its `${…}`."""
        return {name for text in (*self.resources, *_texts(self.conditions)) for name in _PLACEHOLDER.findall(text)}

    def as_document(self) -> dict[str, Json]:
        """As it stands in an IAM policy."""
        document: dict[str, Json] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.conditions:
            document["Condition"] = {
                operator: {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
                for operator, keys in self.conditions.items()
            }
        return document


def resolve(statement: Statement, values: Mapping[str, str]) -> Statement:
    """The statement with `values` for its placeholders; they may be tokens of CDK. UsageError names all that is missing."""
    if missing := sorted(statement.placeholders() - values.keys()):
        raise UsageError(f"statement {statement.sid}: no value for {', '.join(missing)}")

    def filled(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: values[found[1]], text)

    conditions = {
        operator: {
            key: tuple(map(filled, value)) if isinstance(value, tuple) else filled(value) for key, value in keys.items()
        }
        for operator, keys in statement.conditions.items()
    }
    return Statement(
        statement.sid, statement.actions, tuple(map(filled, statement.resources)), statement.because, conditions
    )


def policy_document(statements: Iterable[Statement]) -> dict[str, Json]:
    """An IAM policy of these statements."""
    return {"Version": "2012-10-17", "Statement": [statement.as_document() for statement in statements]}


def _texts(conditions: Conditions) -> Iterable[str]:
    for keys in conditions.values():
        for value in keys.values():
            yield from (value,) if isinstance(value, str) else value
