"""Which actions `aws-sdk` integrations have, and what they answer with: those of botocore's own service models.

Step Functions names a service as the AWS SDK for Java does: the service's id without blanks, without `Amazon` or `AWS`
before it and `Service` behind it, all in lower case (`EventBridge` -> `eventbridge`, `CloudWatch Logs` ->
`cloudwatchlogs`, `SFN` -> `sfn`). An action is the operation with a small first letter. Nothing is read before an
`aws-sdk` integration is looked up: then the ids of all services once (0.1 s), and the model of that one.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import botocore

_ID = re.compile(rb'"serviceId"\s*:\s*"([^"]+)"')
_HEAD = 4_096
"""Bytes of a model that hold its metadata."""


def knows_action(service: str, action: str) -> bool:
    """Whether the service that Step Functions calls `service` has `action` (`dynamodb`, `putItem`)."""
    model = service_models().get(service)
    return model is not None and action in action_names(model)


@cache
def service_models() -> Mapping[str, Path]:
    """The newest model of each service, by the name that Step Functions gives it."""
    data = Path(botocore.__file__).parent / "data"
    models = {}
    for folder in sorted(data.iterdir()):
        versions = sorted(folder.glob("*/service-2.json.gz")) if folder.is_dir() else []
        if versions:
            models[integration_name(_service_id(versions[-1]) or folder.name)] = versions[-1]
    return models


@cache
def action_names(model: Path) -> frozenset[str]:
    """The actions of a service model, as Step Functions writes them."""
    return frozenset(_action(name) for name in _load(model)["operations"])


def result_shape(service: str, action: str) -> tuple[Mapping[str, Any], str] | None:
    """All shapes of the service, and the name of that which the action answers with; None where it has no answer."""
    path = service_models().get(service)
    model = {} if path is None else _load(path)
    for name, operation in model.get("operations", {}).items():
        if _action(name) == action:
            output = operation.get("output")
            return None if output is None else (model["shapes"], output["shape"])
    return None


def integration_name(service_id: str) -> str:
    """What Step Functions calls the service with this id: `Cost and Usage Report Service` is `costandusagereport`."""
    name = re.sub(r"[^A-Za-z0-9]", "", service_id)
    return re.sub(r"^(?:Amazon|AWS)|Service$", "", name).lower()


def _action(operation: str) -> str:
    return operation[0].lower() + operation[1:]


def _load(model: Path) -> Any:
    with gzip.open(model) as file:
        return json.load(file)


def _service_id(model: Path) -> str | None:
    with gzip.open(model) as file:
        match = _ID.search(file.read(_HEAD))
    return None if match is None else match[1].decode()
