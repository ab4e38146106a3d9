"""The services that Tasks call, each with botocore's model of it.

A model is read when a Task first needs it (up to half a second for the largest, so it is done in a thread) and kept.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mapfold.local.sdk.models import service_models
from mapfold.local.sdk.naming import action_name, error_prefix


class Service:
    """One service: `name` is botocore's, `prefix` what its `aws-sdk:` errors begin with."""

    def __init__(self, name: str, model: Any) -> None:
        self.name = name
        self.model = model
        self.prefix = error_prefix(str(model.service_id))

    @cached_property
    def _operations(self) -> Mapping[str, str]:
        return {action_name(operation): operation for operation in self.model.operation_names}

    def operation(self, action: str) -> Any | None:
        """botocore's model of the operation that a Resource calls `action` (putItem), or None."""
        name = self._operations.get(action)
        return None if name is None else self.model.operation_model(name)


class Catalog:
    """The services that Tasks call, each with its model. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: dict[str, Service] = {}

    @cached_property
    def _loader(self) -> Any:
        from botocore.loaders import create_loader  # 60 ms; an embedded AWS without such Tasks does not need it

        return create_loader()

    def known(self, sdk_name: str) -> Service | None:
        """The service of `aws-sdk:<sdk_name>`, if its model has been read already. Never waits."""
        return self._services.get(sdk_name)

    def service(self, sdk_name: str) -> Service | None:
        """The service of `aws-sdk:<sdk_name>`; None where there is none.

        May read for half a second, or wait while a thread does; not for a service that is `known`.
        """
        found = self._services.get(sdk_name)
        if found is not None:
            return found
        with self._lock:
            found = self._services.get(sdk_name)
            model = service_models().get(sdk_name)
            if found is None and model is not None:
                found = self._services[sdk_name] = self._read(model.parents[1].name)
            return found

    def _read(self, name: str) -> Service:
        from botocore.model import ServiceModel

        return Service(name, ServiceModel(self._loader.load_service_model(name, "service-2"), name))
