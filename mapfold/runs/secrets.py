"""The secrets that a job declares, read from Secrets Manager when they are first asked for.

A warm worker keeps them for five minutes: then one that was rotated is read anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

MAX_AGE_SECONDS = 300


class DeclaredSecrets(Mapping[str, str]):
    """Values by the name that the job declares. `ids`: declared name to the name or ARN on AWS."""

    def __init__(self, ids: Mapping[str, str], config: Any = None) -> None:
        self._ids = ids
        self._config = config

    def __getitem__(self, name: str) -> str:
        """The secret's text; bytes are taken for UTF-8. Powertools' GetParameterError if it cannot be read."""
        value = self._provider.get(self._ids[name], max_age=MAX_AGE_SECONDS)
        return value.decode() if isinstance(value, bytes) else str(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def _provider(self) -> Any:
        # Here: few jobs have secrets, and the import costs a cold start 9 ms.
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        return SecretsProvider(boto_config=self._config)
