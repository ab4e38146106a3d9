"""Watch: how long the oldest running run of each job has been running, as the metric OldestRunSeconds by job.

On a schedule; the event says nothing. A job of which nothing runs has 0, so that an alarm ends by itself.
"""

from __future__ import annotations

import os
import time
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from mapfold.client import AwsClient, oldest_running
from mapfold.errors import ServiceError
from tasks._client import client
from tasks._telemetry import observed

logger = Logger(service="watch")


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    return watch(client(context), now=time.time())


def watch(aws: AwsClient, *, now: float) -> dict[str, float]:
    """The seconds by job. A job that cannot be asked takes nothing from the others; its error is raised at the end."""
    ages: dict[str, float] = {}
    refused: ServiceError | None = None
    for machine in aws.state_machines():
        try:
            started, is_all = oldest_running(aws, machine)
        except ServiceError as error:
            logger.error("job cannot be asked", extra={"job": machine.job, "reason": str(error)})
            refused = error
            continue
        if not is_all:
            logger.warning("more runs are running than are looked at", extra={"job": machine.job})
        ages[machine.job] = 0.0 if started is None else max(0.0, round(now - started, 3))
        _emit(machine.job, ages[machine.job])
    if refused is not None:
        raise refused
    return ages


def _emit(job: str, seconds: float) -> None:
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Mapfold")
    dimensions = {"service": "mapfold", "job": job}
    with single_metric(
        name="OldestRunSeconds",
        unit=MetricUnit.Seconds,
        value=seconds,
        namespace=namespace,
        default_dimensions=dimensions,
    ):
        pass  # written as the block is left
