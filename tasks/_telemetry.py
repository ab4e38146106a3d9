"""Logs, metrics and traces of every handler, by Powertools.

Every log line carries the job, the run's id and the execution; metrics are in the namespace Mapfold (or
POWERTOOLS_METRICS_NAMESPACE) by job; traces go to X-Ray unless POWERTOOLS_TRACE_DISABLED says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

__all__ = ["MetricUnit", "count", "measure", "metrics", "observed"]

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Mapfold"), service="mapfold")


def observed(logger: Logger) -> Callable[[Handler], Handler]:
    """Decorate a handler: its logs, its metrics (also when it fails), its trace."""

    def decorate(handler: Handler) -> Handler:
        logged: Handler = logger.inject_lambda_context(_traced(handler, logger.service), clear_state=True)

        @wraps(handler)
        def observe(event: dict[str, Any], context: Any) -> dict[str, Any]:
            try:
                return logged(event, context)
            except Exception:  # to log it; it is raised again
                logger.exception("failed")
                raise
            finally:
                if metrics.provider.metric_set:  # `log_metrics` warns of every invocation that has none
                    metrics.flush_metrics()

        return observe

    return decorate


def _traced(handler: Handler, service: str | None) -> Handler:
    """The handler with an X-Ray segment. Not even made where tracing is off: the SDK's import costs a cold start 150 ms."""
    if os.environ.get("POWERTOOLS_TRACE_DISABLED", "").lower() in ("1", "true", "t", "yes", "y", "on"):
        return handler
    traced: Handler = Tracer(service=service).capture_lambda_handler(handler, capture_response=False)
    return traced


def count(job: str, **numbers: int) -> None:
    """Add to metrics of the job: `count("flights", ItemsSucceeded=3)`."""
    metrics.add_dimension(name="job", value=job)
    for name, number in numbers.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def measure(name: str, value: float, unit: MetricUnit) -> None:
    """Add a measurement to the metrics of the job that `count` has named in this invocation."""
    metrics.add_metric(name=name, unit=unit, value=value)
