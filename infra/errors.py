"""What the command of `infra` raises, beside what `mapfold.errors` has.

MapfoldError
├── ConfigurationError   stages.toml, tables.json or a job asks for what cannot be deployed   exit 2
└── ToolError            Node or the CDK command is not there, or AWS is not ready for it      exit 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapfold.errors import MapfoldError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where (`infra/stages.toml, dev.api.burst`), what was found, what to write instead."""

    at: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.at}: {self.found}. {self.fix}."


class ConfigurationError(MapfoldError):
    """What was asked for cannot be deployed. `findings` holds all that is wrong."""

    exit_code = 2

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class ToolError(MapfoldError):
    """Something outside that a deployment needs is missing: the message says what to type."""
