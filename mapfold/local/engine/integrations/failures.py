"""How a refused call shows in a Task: its error's name and cause (service-api 6), in two generations' words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapfold.local.engine.integrations.calls import ClientFault, ServiceError
from mapfold.local.engine.integrations.catalog import Service
from mapfold.local.sdk.causes import refused, refused_by_s3
from mapfold.local.sdk.naming import exception_name, optimized_exception_name
from mapfold.states.effects import TaskFailed

WITHOUT_BODY: Mapping[tuple[str, str], str] = {
    ("s3", "HeadBucket"): "NoSuchBucket",
    ("s3", "HeadObject"): "NoSuchKey",
}
"""What a 404 without a body is taken for, as the SDK for Java does."""


@dataclass(frozen=True, slots=True)
class OptimizedErrors:
    """How an optimized integration's errors are written: `<prefix>.<Exception>`, `(Service: <label>; …)`.

    `base` is the exception of codes that the service's model does not have.
    """

    prefix: str
    label: str
    base: str


def sdk_failure(service: Service, operation: str, error: ServiceError | ClientFault) -> TaskFailed:
    """The failure of an `aws-sdk:` task."""
    prefix = service.prefix
    if isinstance(error, ClientFault):
        return TaskFailed(f"{prefix}.SdkClientException", unable_to_execute(error))
    shape = _shape_of(service.model, operation, error)
    name = f"{prefix}Exception" if shape is None else exception_name(shape)
    message, status, request_id = _message(error), error.status, error.request_id
    if service.name == "s3":
        cause = refused_by_s3(message, status=status, request_id=request_id, extended_id=error.extended_id)
    else:
        cause = refused(message, service=prefix, status=status, ids=request_id)
    return TaskFailed(f"{prefix}.{name}", cause)


def optimized_failure(
    service: Service, operation: str, errors: OptimizedErrors, error: ServiceError | ClientFault
) -> TaskFailed:
    """The failure of a task of an optimized integration."""
    if isinstance(error, ClientFault):
        return TaskFailed(f"{errors.prefix}.SdkClientException", unable_to_execute(error))
    shape = _shape_of(service.model, operation, error)
    name = errors.base if shape is None else optimized_exception_name(shape)
    cause = (
        f"{_message(error)} (Service: {errors.label}; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {error.request_id}; Proxy: null)"
    )
    return TaskFailed(f"{errors.prefix}.{name}", cause)


def unable_to_execute(error: ClientFault) -> str:
    """The cause where no answer came."""
    return f"Unable to execute HTTP request: {error.message}"


def _message(error: ServiceError) -> str:
    if error.message is None or error.code.isdigit():
        return "null"  # a HEAD has no body, and Java writes that so
    return error.message


def _shape_of(model: Any, operation: str, error: ServiceError) -> str | None:
    """The name of the error's shape in the service's model; None for codes that it does not have."""
    code = WITHOUT_BODY.get((model.service_name, operation), error.code) if error.code == "404" else error.code
    for shape in model.error_shapes:
        if code in (shape.name, shape.error_code) or (error.newer_code is not None and error.newer_code == shape.name):
            return str(shape.name)
    return None
