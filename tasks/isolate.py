"""Isolate: look at what the map run before left, and split the batches whose worker died.

Event: the state, {"plan", "map" or "stopped", "isolate"?, "pieces"?}. Answer: `$.isolate`, as `mapfold.runs.isolate.isolate`
gives it. The job is not loaded: every run comes here, and nearly all have nothing to split.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from mapfold.runs.folder import RunFolder
from mapfold.runs.isolate import isolate
from tasks._telemetry import observed
from tasks._worker import s3, settings

logger = Logger(service="isolate")


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    plan = event["plan"]
    logger.append_keys(job=settings().job, run=plan["run_id"], execution=plan["execution"])
    answer = isolate(s3(), RunFolder(settings().runs_bucket, plan["run_id"]), event)
    logger.info("isolated" if answer["done"] else "split", extra={"round": answer["round"]})
    return answer
