"""The services and actions that a Task can name, as botocore's own models describe them: none is listed here.

A model is read when a Task first needs it (up to half a second for the largest, so it is done in a thread) and kept.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mapfold.local.engine.integrations.naming import action_name, error_prefix

FOLDERS: Mapping[str, str] = {
    "applicationdiscovery": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costandusagereport": "cur",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "directory": "ds",
    "directoryservicedata": "ds-data",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearch": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuilding": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntimev2": "lexv2-runtime",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "pinpointsmsvoice": "sms-voice",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
}
"""Services whose name in a Resource is not the one that botocore has, less its hyphens."""


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
    """All services that botocore knows. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: dict[str, Service] = {}

    @cached_property
    def _loader(self) -> Any:
        from botocore.loaders import create_loader  # 60 ms; an embedded AWS without such Tasks does not need it

        return create_loader()

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """botocore's names by the ones that a Resource has."""
        others = set(self._loader.list_available_services("service-2")) - set(FOLDERS.values())
        return {**{name.replace("-", ""): name for name in others}, **FOLDERS}

    def known(self, sdk_name: str) -> Service | None:
        """The service of `aws-sdk:<sdk_name>`, if its model has been read already."""
        return self._services.get(sdk_name)

    def service(self, sdk_name: str) -> Service | None:
        """The service of `aws-sdk:<sdk_name>`; None where there is none. May read for half a second."""
        with self._lock:
            found = self._services.get(sdk_name)
            if found is None and sdk_name in self._names:
                found = self._services[sdk_name] = self._read(self._names[sdk_name])
            return found

    def _read(self, name: str) -> Service:
        from botocore.model import ServiceModel

        return Service(name, ServiceModel(self._loader.load_service_model(name, "service-2"), name))
