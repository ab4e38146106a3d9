"""Work: one batch of items to one partial.

Event: {"run": {"run_id", "params", "source", "listed"}, "items": [{"i", "v"}, …], "execution"}.
Answer: {"partial", "items", "failed", "failures"?}.
"""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger

from mapfold.context import Context
from mapfold.job import Job
from mapfold.runs.work import Batch, BatchFailed, run_batch
from tasks._telemetry import MetricUnit, count, measure, observed
from tasks._worker import worker

logger = Logger(service="work")

_SET_UP: dict[Job, Any] = {}
"""What @job.setup returned, in this warm worker. One that raised is tried again with the next batch."""


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    w = worker()
    run, execution = event["run"], event["execution"]
    logger.append_keys(job=w.job.name, run=run["run_id"], execution=execution)
    batch = Batch(run["run_id"], run["source"], event["items"], execution, listed=bool(run.get("listed")))
    surroundings = w.context(batch.run_id, run["params"], context, logger=logger)
    surroundings.setup = set_up(w.job, surroundings)
    began = time.perf_counter()
    try:
        done = run_batch(w.job, batch, surroundings, s3=w.s3, folder=w.folder(batch.run_id))
    except BatchFailed as error:
        count(w.job.name, ItemsFailed=error.items, BatchesFailed=1)
        raise
    output, failed = done.output, done.output["failed"]
    count(w.job.name, ItemsSucceeded=output["items"] - failed, ItemsFailed=failed)
    measure("BatchSeconds", time.perf_counter() - began, MetricUnit.Seconds)
    measure("PartialBytes", done.partial_bytes, MetricUnit.Bytes)
    logger.info("batch done", extra={"items": output["items"], "failed": failed})
    return output


def set_up(job: Job, context: Context) -> Any:
    """What the job's setup returned, which is called once in a warm worker; None if the job has none."""
    if job.setup_function is not None and job not in _SET_UP:
        _SET_UP[job] = job.setup_function(context)
    return _SET_UP.get(job)
