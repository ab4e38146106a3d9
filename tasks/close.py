"""Close: a step has failed for good; note it in the run's record.

Event: {"run_id", "execution", "failure": {"Error", "Cause"}}. Answer: {"Error", "Cause"} with the cause in words, which
the state machine then fails with. The job is not loaded: it may be what is broken.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from mapfold.runs.endings import readable_cause
from tasks._telemetry import count, observed
from tasks._worker import records, settings

logger = Logger(service="close")


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    job, run_id = settings().job, event["run_id"]
    logger.append_keys(job=job, run=run_id, execution=event["execution"])
    error = event["failure"].get("Error") or "Failed"
    cause = readable_cause(event["failure"].get("Cause"), error=error)
    facts = {"job": job, "execution": event["execution"], "error": error, "cause": cause}
    records().close(run_id, "FAILED", facts)
    count(job, RunsFailed=1)
    logger.error("run failed", extra={"error": error, "cause": cause})
    return {"Error": error, "Cause": cause}
