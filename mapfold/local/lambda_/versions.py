"""Published versions of functions, and the aliases that point to them.

A version is a function's code and settings as they were when it was published. An alias names one version, or shares
its calls between two by weight (Lambda guide, "Manage Lambda function versions", "Create an alias").
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mapfold.local.lambda_.errors import (
    LambdaError,
    constraint_broken,
    function_not_found,
    invalid_parameter,
    stale_revision,
    validation_failed,
)
from mapfold.local.lambda_.functions import LATEST, Function, Scope
from mapfold.local.lambda_.times import now

if TYPE_CHECKING:
    from mapfold.local.lambda_.store import LambdaStore

_ALIAS = re.compile(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)")
_LONGEST_ALIAS = 128
_WEIGHT_RULES = (
    "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
    "Member must have value greater than or equal to 0.0, Member must not be null]"
)
_VERSION_RULES = (
    "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
    "Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, "
    "Member must not be null]"
)


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version. `weights` gives another version its share of the calls, 0 to 1."""

    function: str
    name: str
    version: str
    revision_id: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)

    def choose(self) -> str:
        """The version that takes the next call."""
        for version, share in self.weights.items():
            if random.random() < share:
                return version
        return self.version


class Versions:
    """All versions and aliases. Changes are made under the service's lock."""

    def __init__(self, scope: Scope, store: LambdaStore) -> None:
        self._scope = scope
        self._store = store
        self._versions: dict[str, dict[str, Function]] = {}
        self._last: dict[str, int] = {}
        self._aliases: dict[str, dict[str, Alias]] = {}

    async def load(self) -> None:
        """Read back what was published."""
        for function in await self._store.versions():
            self._versions.setdefault(function.name, {})[function.version] = function
        for alias in await self._store.aliases():
            self._aliases.setdefault(alias.function, {})[alias.name] = alias
        self._last = await self._store.last_versions()

    # --- versions ---------------------------------------------------------------------------------------------

    def of(self, name: str) -> list[Function]:
        """The versions of the function `name`, oldest first."""
        return sorted(self._versions.get(name, {}).values(), key=lambda function: int(function.version))

    def all(self) -> list[Function]:
        """All versions of all functions."""
        return [function for versions in self._versions.values() for function in versions.values()]

    def find(self, name: str, version: str) -> Function | None:
        """A version by its number."""
        return self._versions.get(name, {}).get(version)

    async def publish(
        self, latest: Function, *, description: str | None = None, code_sha256: str | None = None
    ) -> Function:
        """`latest` as a version; the last one again where nothing has changed since, as Lambda does."""
        if code_sha256 and code_sha256 != latest.code_sha256:
            raise invalid_parameter(
                f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST ({latest.code_sha256}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        versions = self._versions.setdefault(latest.name, {})
        last = self._last.get(latest.name, 0)
        former = versions.get(str(last))
        if former is not None and _content(former) == _content(latest):
            return former
        version = replace(
            latest,
            version=str(last + 1),
            description=latest.description if description is None else description,
            last_modified=now(),
            revision_id=str(uuid.uuid4()),
        )
        await self._store.put_version(version)
        self._last[latest.name] = last + 1
        versions[version.version] = version
        return version

    async def delete(self, version: Function) -> None:
        """Forget one version. ResourceConflictException while an alias points to it."""
        if aliases := self.aliases(version.name, version=version.version):
            names = ", ".join(alias.name for alias in aliases)
            message = f"Unable to delete version because the following aliases reference it: [{names}]"
            raise LambdaError("ResourceConflictException", message, 409)
        await self._store.delete_version(version.name, version.version)
        del self._versions[version.name][version.version]

    async def forget(self, name: str) -> None:
        """Forget all versions and aliases of a function that is deleted."""
        await self._store.delete_versions(name)
        self._versions.pop(name, None)
        self._aliases.pop(name, None)
        self._last.pop(name, None)

    # --- aliases ----------------------------------------------------------------------------------------------

    def aliases(self, name: str, *, version: str | None = None) -> list[Alias]:
        """A function's aliases by name; only those that point to `version`, where one is given."""
        found = self._aliases.get(name, {})
        aliases = [found[alias] for alias in sorted(found)]
        return [alias for alias in aliases if version is None or version in (alias.version, *alias.weights)]

    def find_alias(self, name: str, alias: str) -> Alias | None:
        """An alias by its name."""
        return self._aliases.get(name, {}).get(alias)

    def alias(self, name: str, alias: str) -> Alias:
        """An alias; ResourceNotFoundException if there is none."""
        found = self.find_alias(name, alias)
        if found is None:
            message = f"Cannot find alias arn: {self._scope.arn(name, alias)}"
            raise LambdaError("ResourceNotFoundException", message, 404)
        return found

    async def create_alias(self, name: str, document: Mapping[str, Any]) -> Alias:
        """CreateAlias's `document` made. ResourceConflictException if the name is taken."""
        alias = document.get("Name")
        if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
            raise validation_failed(alias, at="name", rule=f"satisfy regular expression pattern: {_ALIAS.pattern}")
        if len(alias) > _LONGEST_ALIAS:
            raise validation_failed(alias, at="name", rule=f"have length less than or equal to {_LONGEST_ALIAS}")
        if self.find_alias(name, alias) is not None:
            message = f"Alias already exists: {self._scope.arn(name, alias)}"
            raise LambdaError("ResourceConflictException", message, 409)
        return await self._put(Alias(name, alias, "", ""), document)

    async def update_alias(self, name: str, alias: str, document: Mapping[str, Any]) -> Alias:
        """UpdateAlias's `document` applied: what it does not mention stays."""
        found = self.find_alias(name, alias)
        if found is None:
            message = f"Alias not found: {self._scope.arn(name, alias)}"
            raise LambdaError("ResourceNotFoundException", message, 404)
        if document.get("RevisionId") not in (None, found.revision_id):
            raise stale_revision()
        return await self._put(found, document)

    async def delete_alias(self, name: str, alias: str) -> None:
        """Forget an alias. One that is not there is no error, as on AWS."""
        if self.find_alias(name, alias) is not None:
            await self._store.delete_alias(name, alias)
            del self._aliases[name][alias]

    def describe_alias(self, alias: Alias) -> dict[str, Any]:
        """The AliasConfiguration document of the Lambda API."""
        document: dict[str, Any] = {
            "AliasArn": self._scope.arn(alias.function, alias.name),
            "Name": alias.name,
            "FunctionVersion": alias.version,
            "Description": alias.description,
            "RevisionId": alias.revision_id,
        }
        if alias.weights:
            document["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
        return document

    async def _put(self, former: Alias, document: Mapping[str, Any]) -> Alias:
        version = str(document.get("FunctionVersion") or former.version)
        if version != LATEST and self.find(former.function, version) is None:
            if not version:
                raise validation_failed(None, at="functionVersion", rule="not be null")
            raise function_not_found(self._scope.arn(former.function, version))
        alias = replace(
            former,
            version=version,
            description=str(document.get("Description", former.description) or ""),
            weights=self._weights(former, version, document.get("RoutingConfig")),
            revision_id=str(uuid.uuid4()),
        )
        await self._store.put_alias(alias)
        self._aliases.setdefault(alias.function, {})[alias.name] = alias
        return alias

    def _weights(self, former: Alias, version: str, routing: object) -> Mapping[str, float]:
        if routing is None:
            return {other: share for other, share in former.weights.items() if other != version}
        weights = routing.get("AdditionalVersionWeights") if isinstance(routing, dict) else None
        if not isinstance(weights, dict):
            weights = {}
        if len(weights) > 1:
            raise invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
        for other, share in weights.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
                raise _unweighable(other, share, _WEIGHT_RULES)
            if not (other.isascii() and other.isdigit()):
                raise _unweighable(other, share, _VERSION_RULES)
            if version == LATEST:
                raise invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version")
            if other == version:
                raise invalid_parameter(
                    f"Invalid function version {other}. Function version {other} is already included in routing "
                    "configuration."
                )
            if self.find(former.function, other) is None:
                raise function_not_found(self._scope.arn(former.function, other))
        return {other: float(share) for other, share in weights.items()}


def _unweighable(version: str, share: object, rules: str) -> LambdaError:
    return constraint_broken(f"Value '{{{version}={share}}}' at 'routingConfig.additionalVersionWeights'", rules)


def _content(function: Function) -> Function:
    """What makes a version another one: code and settings."""
    return replace(function, version="", description="", last_modified="", revision_id="", tags={})
