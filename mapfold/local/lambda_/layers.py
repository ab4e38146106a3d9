"""Layers: folders that Lambda would unpack at /opt, one over the other, and the published versions that hold them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapfold.local.lambda_.code import place_code
from mapfold.local.lambda_.errors import LambdaError, elements_invalid, invalid_parameter, validation_failed
from mapfold.local.lambda_.functions import Function, Layer, Scope
from mapfold.local.lambda_.times import now

if TYPE_CHECKING:
    from mapfold.local.lambda_.store import LambdaStore

MAX_LAYERS = 5
"""Layers of one function (Lambda quotas)."""

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,140}")
_ARN_RULES = (
    "Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, "
    r"Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:"
    r"[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:"
    r"[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null"
)


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """A published version: where its content lies, and what PublishLayerVersion said of it."""

    name: str
    number: int
    folder: Path
    code_sha256: str
    code_size: int
    created: str
    description: str = ""
    license: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()


class Layers:
    """The layers of an account. `folder` is where their zips are unpacked; a local folder is used in place."""

    def __init__(
        self, *, scope: Scope, store: LambdaStore, folder: Path, s3: Callable[[], Any] | None, changes: asyncio.Lock
    ) -> None:
        self._scope = scope
        self._store = store
        self._folder = folder
        self._s3 = s3
        self._changes = changes
        self._versions: dict[tuple[str, int], LayerVersion] = {}
        self._last: dict[str, int] = {}

    async def load(self) -> None:
        """Read back what was published."""
        self._versions = {(layer.name, layer.number): layer for layer in await self._store.layers()}
        self._last = await self._store.last_layers()

    async def publish(self, name: str, document: Mapping[str, Any]) -> LayerVersion:
        """A new version of the layer `name`; `document` is PublishLayerVersion's. Numbers are never used again."""
        if not _NAME.fullmatch(name):
            raise validation_failed(name, at="layerName", rule=f"satisfy regular expression pattern: {_NAME.pattern}")
        content = document.get("Content")
        if not isinstance(content, dict):
            raise validation_failed(None, at="content", rule="not be null")
        async with self._changes:
            code = await asyncio.to_thread(place_code, content, folder=self._folder / name, s3=self._s3)
            layer = LayerVersion(
                name=name,
                number=self._last.get(name, 0) + 1,
                folder=code.folder,
                code_sha256=code.sha256,
                code_size=code.size,
                created=now(),
                description=str(document.get("Description") or ""),
                license=str(document.get("LicenseInfo") or ""),
                runtimes=tuple(map(str, document.get("CompatibleRuntimes") or ())),
                architectures=tuple(map(str, document.get("CompatibleArchitectures") or ())),
            )
            await self._store.put_layer(layer)
            self._versions[name, layer.number] = layer
            self._last[name] = layer.number
        return layer

    async def delete(self, name: str, number: int) -> None:
        """Forget a version; functions that use it go on, as on AWS. One that is not there is no error."""
        async with self._changes:
            if self._versions.pop((name, number), None) is not None:
                await self._store.delete_layer(name, number)

    def version(self, name: str, number: int) -> LayerVersion:
        """The version; ResourceNotFoundException if there is none."""
        layer = self._versions.get((name, number))
        if layer is None:
            message = "The resource you requested does not exist."
            raise LambdaError("ResourceNotFoundException", message, 404)
        return layer

    def versions(self, name: str) -> list[LayerVersion]:
        """The versions of the layer `name`, newest first."""
        found = [layer for (owner, _), layer in self._versions.items() if owner == name]
        return sorted(found, key=lambda layer: -layer.number)

    def newest(self) -> list[LayerVersion]:
        """The newest version of each layer, by name."""
        names = sorted({name for name, _ in self._versions})
        return [self.versions(name)[0] for name in names]

    def by_arn(self, arn: str) -> LayerVersion:
        """The version with this ARN; ResourceNotFoundException if there is none."""
        name, number = self._parts(arn)
        return self.version(name, number)

    def arn(self, layer: LayerVersion) -> str:
        """The ARN of the layer, without a version."""
        return f"arn:aws:lambda:{self._scope.region}:{self._scope.account}:layer:{layer.name}"

    def resolve(self, arns: Sequence[Any]) -> tuple[Layer, ...]:
        """What a function's `Layers` name, in their order. InvalidParameterValueException for what is not there."""
        if len(arns) > MAX_LAYERS:
            raise invalid_parameter(f"Cannot reference more than {MAX_LAYERS} layers.")
        found: dict[str, str] = {}
        layers = []
        for arn in map(str, arns):
            name, number = self._parts(arn)
            if name in found:
                raise invalid_parameter(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. "
                    f"{found[name]} and {arn} are versions of the same layer."
                )
            found[name] = arn
            version = self._versions.get((name, number))
            if version is None:
                raise invalid_parameter(f"Layer version {arn} does not exist.")
            layers.append(Layer(arn, version.folder, version.code_size))
        return tuple(layers)

    def remove_stale(self, functions: Sequence[Function]) -> None:
        """Remove unpacked zips that neither a version nor a function uses any more. At start-up."""
        used = {layer.folder for layer in self._versions.values()}
        used |= {layer.folder for function in functions for layer in function.layers}
        for folder in self._folder.glob("*/*"):
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def _parts(self, arn: str) -> tuple[str, int]:
        prefix = f"arn:aws:lambda:{self._scope.region}:{self._scope.account}:layer:"
        name, _, number = arn.removeprefix(prefix).partition(":")
        if not arn.startswith(prefix) or not _NAME.fullmatch(name) or not re.fullmatch(r"\d{1,9}", number):
            raise elements_invalid([arn], at="layers", rules=_ARN_RULES)
        return name, int(number)


def layer_paths(layers: Sequence[Layer], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that let a worker find what its layers hold, before what `environment` has in them.

    Lambda unpacks layers at /opt in their order, so that a later one's file replaces an earlier one's: here the later
    one's folder comes first. (Lambda guide, "Packaging layer content": python, python/lib/python3.x/site-packages,
    bin, lib.)
    """
    if not layers:
        return {}
    packages = Path("python", "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    folders = [layer.folder for layer in reversed(layers)]
    places = {
        "PYTHONPATH": [*(folder / packages for folder in folders), *(folder / "python" for folder in folders)],
        "PATH": [folder / "bin" for folder in folders],
        "LD_LIBRARY_PATH": [folder / "lib" for folder in folders],
    }
    return {
        name: os.pathsep.join([*map(str, paths), *([environment[name]] if environment.get(name) else [])])
        for name, paths in places.items()
    }
