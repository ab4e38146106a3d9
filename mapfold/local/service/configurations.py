"""The configurations of a state machine: logging, tracing, encryption; their defaults and what AWS refuses.

Of the texts, `Log Group ARN must be provided with '*' qualifier.` and `Must specify exactly one Log Destination.` are
AWS's; those of tracing, of encryption and of a log group that is not there are unconfirmed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mapfold.local.service.context import Service
from mapfold.local.service.faults import Fault
from mapfold.local.service.request import Request

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
    "tracingConfiguration": {"enabled": False},
    "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
}
REUSE_SECONDS = 300
"""How long a data key of a customer's key is used, where nothing is said (guide: Encryption at rest)."""

LOG_GROUP = re.compile(r"arn:aws[a-z-]*:logs:[^:]*:[^:]*:log-group:(?P<name>[^:]+)(?P<rest>.*)")


def configurations_of(request: Request) -> dict[str, Any]:
    """The configurations that a request gives, as they were given."""
    return {name: request.members[name] for name in DEFAULTS if request.has(name)}


def filled_in(configurations: Mapping[str, Any]) -> dict[str, Any]:
    """All three configurations with AWS's defaults, as DescribeStateMachine shows them."""
    found = {
        name: {**defaults, **{key: value for key, value in configurations.get(name, {}).items() if value is not None}}
        for name, defaults in DEFAULTS.items()
    }
    logging, encryption = found["loggingConfiguration"], found["encryptionConfiguration"]
    if not logging.get("destinations"):
        logging.pop("destinations", None)
    if encryption["type"] == "CUSTOMER_MANAGED_KMS_KEY":
        encryption.setdefault("kmsDataKeyReusePeriodSeconds", REUSE_SECONDS)
    return found


async def check_configurations(service: Service, configurations: Mapping[str, Any]) -> None:
    """Raise what AWS raises for a configuration that cannot be: the service model's rules have been checked."""
    if "loggingConfiguration" in configurations:
        await _check_logging(service, configurations["loggingConfiguration"])
    if configurations.get("tracingConfiguration", {"enabled": False}).get("enabled") is None:
        raise Fault("InvalidTracingConfiguration", "Invalid Tracing Configuration: enabled must be true or false")
    if "encryptionConfiguration" in configurations:
        _check_encryption(configurations["encryptionConfiguration"])


async def _check_logging(service: Service, logging: Mapping[str, Any]) -> None:
    destinations = logging.get("destinations") or []
    if len(destinations) > 1 or (not destinations and (logging.get("level") or "OFF") != "OFF"):
        raise _invalid_logging("Must specify exactly one Log Destination.")
    for destination in destinations:
        name = log_group_of(destination)
        if name is None:
            raise _invalid_logging("Log Group ARN must be provided with '*' qualifier.")
        if service.log_group_exists is not None and not await service.log_group_exists(name):
            raise _invalid_logging("Log Destination not found.")


def log_group_of(destination: Mapping[str, Any]) -> str | None:
    """The name of the log group that a destination has; None if its ARN is none, or does not end in `:*`."""
    arn = (destination.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn") or ""
    match = LOG_GROUP.fullmatch(arn)
    return match["name"] if match is not None and match["rest"] == ":*" else None


def _check_encryption(encryption: Mapping[str, Any]) -> None:
    customer = encryption["type"] == "CUSTOMER_MANAGED_KMS_KEY"
    if customer and encryption.get("kmsKeyId") is None:
        raise _invalid_encryption("kmsKeyId must be specified when type is CUSTOMER_MANAGED_KMS_KEY")
    if not customer and any(encryption.get(name) is not None for name in ("kmsKeyId", "kmsDataKeyReusePeriodSeconds")):
        raise _invalid_encryption(
            "kmsKeyId and kmsDataKeyReusePeriodSeconds must not be specified when type is AWS_OWNED_KEY"
        )


def _invalid_logging(reason: str) -> Fault:
    return Fault("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {reason}")


def _invalid_encryption(reason: str) -> Fault:
    return Fault("InvalidEncryptionConfiguration", f"Invalid Encryption Configuration: {reason}")
