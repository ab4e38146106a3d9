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


def knows_action(service: str, action: str) -> bool:
    """Whether the service that Step Functions calls `service` has `action` (`dynamodb`, `putItem`)."""
    model = service_models().get(service)
    return model is not None and action in _action_names(model)


def input_shape(service: str, action: str) -> tuple[Mapping[str, Any], str | None] | None:
    """All shapes of the service, and the name of that which the action takes (None: it takes nothing).

    None where there is no such action.
    """
    path = service_models().get(service)
    model = {} if path is None else _load(path)
    for name, operation in model.get("operations", {}).items():
        if action_name(name) == action:
            given = operation.get("input")
            return model["shapes"], None if given is None else given["shape"]
    return None


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


@lru_cache(maxsize=1)
def _load(model: Path) -> Any:
    with gzip.open(model) as file:
        return json.load(file)


def _service_id(model: Path) -> str | None:
    with gzip.open(model) as file:
        match = _ID.search(file.read(_HEAD))
    return None if match is None else match[1].decode()
