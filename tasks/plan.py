"""Plan: check the source, choose batch size and concurrency, open the run's record.

Event: {"run_id", "execution", "input": {"source", "params"?, "retry"?}}. Answer: `mapfold.runs.plan.Plan` as a dict.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger

from mapfold.runs.plan import PlanRequest, make_plan, parse_source
from tasks._telemetry import observed
from tasks._worker import records, worker

logger = Logger(service="plan")


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    w = worker()
    logger.append_keys(job=w.job.name, run=event["run_id"], execution=event["execution"])
    request = PlanRequest(
        run_id=event["run_id"],
        source=parse_source(w.job, event["input"].get("source")),
        params=event["input"].get("params") or {},
        execution=event["execution"],
        retry=event["input"].get("retry"),
    )
    plan = make_plan(
        w.job,
        request,
        s3=w.s3,
        records=records(),
        folder=w.folder(request.run_id),
        most_at_once=w.settings.most_at_once,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    if plan.duplicates and plan.duplicates["items"]:
        logger.warning("duplicates found", extra={"duplicates": plan.duplicates, "on_duplicate": w.job.on_duplicate})
    logger.info("planned", extra={"batch_items": plan.max_items_per_batch, "concurrency": plan.max_concurrency})
    return asdict(plan)
