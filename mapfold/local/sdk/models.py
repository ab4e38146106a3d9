"""Which services and actions the AWS SDKs have: those of botocore's own models, none is listed here.

Step Functions names a service as the AWS SDK for Java does: the service's id without blanks, without `Amazon` or `AWS`
before it and `Service` behind it, all in lower case (`EventBridge` -> `eventbridge`, `CloudWatch Logs` ->
`cloudwatchlogs`, `SFN` -> `sfn`). Nothing is read before a service is asked for: then the ids of all once (0.1 s), and the
model of that one (up to half a second for the largest). So these functions are to be called in a thread.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from mapfold.local.sdk.naming import action_name

_ID = re.compile(rb'"serviceId"\s*:\s*"([^"]+)"')
_HEAD = 4_096
"""Bytes of a model that hold its metadata."""
_KEPT_INPUTS = 256
"""Actions whose inputs are kept."""
_PARTS = ("member", "value")
"""Where the shapes of a list and of a map have those of what is in them. Keys are texts."""


def knows_action(service: str, action: str) -> bool:
    """Whether the service that Step Functions calls `service` has `action` (`dynamodb`, `putItem`)."""
    model = service_models().get(service)
    return model is not None and action in _action_names(model)


@lru_cache(maxsize=_KEPT_INPUTS)
def input_shape(service: str, action: str) -> tuple[Mapping[str, Any], str | None] | None:
    """The shapes that what the action takes is made of, and the name of the outermost (None: it takes nothing).

    None where there is no such action. Kept, without the rest of the model: states in turn call actions of services in
    turn, and a model takes 15 to 60 ms to read.
    """
    path = service_models().get(service)
    model = {} if path is None else _load(path)
    for name, operation in model.get("operations", {}).items():
        if action_name(name) == action:
            given = operation.get("input")
            return ({}, None) if given is None else (_reached(model["shapes"], given["shape"]), given["shape"])
    return None


def _reached(shapes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Those of `shapes` that the one called `name` is made of."""
    found: dict[str, Any] = {}
    names = [name]
    while names:
        name = names.pop()
        if name not in found:
            shape = found[name] = _without_words(shapes[name])
            inner = (*shape.get("members", {}).values(), *(shape[part] for part in _PARTS if part in shape))
            names.extend(reference["shape"] for reference in inner)
    return found


def _without_words(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A shape, or what a member says of it, without its documentation: nine tenths of a model."""
    return {
        key: {name: _without_words(member) for name, member in value.items()} if key == "members" else value
        for key, value in shape.items()
        if key != "documentation"
    }


def result_shape(service: str, action: str) -> tuple[Mapping[str, Any], str] | None:
    """All shapes of the service, and the name of that which the action answers with; None where it has no answer."""
    path = service_models().get(service)
    model = {} if path is None else _load(path)
    for name, operation in model.get("operations", {}).items():
        if action_name(name) == action:
            output = operation.get("output")
            return None if output is None else (model["shapes"], output["shape"])
    return None


@cache
def service_models() -> Mapping[str, Path]:
    """The newest model of each service, by the name that Step Functions gives it."""
    import botocore

    data = Path(botocore.__file__).parent / "data"
    models = {}
    for folder in sorted(data.iterdir()):
        versions = sorted(folder.glob("*/service-2.json.gz")) if folder.is_dir() else []
        if versions:
            models[service_name(_service_id(versions[-1]) or folder.name)] = versions[-1]
    return models


def service_name(service_id: str) -> str:
    """What Step Functions calls the service with this id: `Cost and Usage Report Service` is `costandusagereport`."""
    name = re.sub(r"[^A-Za-z0-9]", "", service_id)
    return re.sub(r"^(?:Amazon|AWS)|Service$", "", name).lower()


@cache
def _action_names(model: Path) -> frozenset[str]:
    return frozenset(map(action_name, _load(model)["operations"]))


def _load(model: Path) -> Any:
    """The model, with the members that botocore adds to it (`SourceRegion` of copies of snapshots)."""
    with gzip.open(model) as file:
        loaded = json.load(file)
    extras = model.with_name("service-2.sdk-extras.json")
    if extras.exists():
        for name, shape in json.loads(extras.read_bytes())["merge"].get("shapes", {}).items():
            loaded["shapes"][name].get("members", {}).update(shape.get("members", {}))
    return loaded


def _service_id(model: Path) -> str | None:
    with gzip.open(model) as file:
        match = _ID.search(file.read(_HEAD))
    return None if match is None else match[1].decode()
