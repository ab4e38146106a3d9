"""Finish: write the result and the failures, judge the run, close its record.

Event: the state, {"plan", "isolate", "fold"}. Answer: the execution's output, as `mapfold.runs.finish.finish_run` gives it.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from mapfold.runs.finish import finish_run
from mapfold.runs.isolate import final_records
from tasks._telemetry import count, observed
from tasks._worker import records, worker

logger = Logger(service="finish")


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    w = worker()
    plan = event["plan"]
    partials = w.partials(plan["run_id"])
    logger.append_keys(job=w.job.name, run=plan["run_id"], execution=plan["execution"])
    final = final_records(w.s3, event["isolate"]["outcomes"])
    surroundings = w.context(plan["run_id"], plan["params"], context, logger=logger)
    output = finish_run(partials, final, event["fold"], surroundings, runs=records(), execution=plan["execution"])
    if plan.get("duplicates") is not None:
        output["duplicates"] = plan["duplicates"]
    succeeded = output["status"] == "SUCCEEDED"
    count(w.job.name, RunsSucceeded=int(succeeded), RunsFailed=int(not succeeded))
    logger.info("finished", extra={"status": output["status"], "items": output["items"]})
    return output
