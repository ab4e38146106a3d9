"""Fold: many partials to one, or to groups that are folded first.

Event of the state Fold: the state itself, {"plan", "isolate", "groups"?, "fold"?}; answer as `fold_or_split` gives it.
Event of a child of FoldGroups: {"plan", "level", "group"}; answer {"partial", "items", "failed"}.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from mapfold.runs.fold import Group, fold_groups, fold_or_split
from mapfold.runs.outcome import read_outcomes
from tasks._telemetry import observed
from tasks._worker import worker

logger = Logger(service="fold")


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    w = worker()
    plan = event["plan"]
    partials = w.partials(plan["run_id"])
    logger.append_keys(job=w.job.name, run=plan["run_id"], execution=plan["execution"])
    if "group" in event:
        group = Group(**event["group"])
        folded = fold_groups(partials, [group], stage=f"group-{event['level']}", number=group.number)
        logger.info("group folded", extra={"group": group.number, "items": folded.items})
        return folded.as_output()
    outcome = read_outcomes(w.s3, [event["groups"]] if "groups" in event else event["isolate"]["outcomes"])
    answer = fold_or_split(partials, outcome, level=event.get("fold", {}).get("level", 0))
    logger.info("folded" if answer["done"] else "split", extra={"level": answer["level"], "items": answer["items"]})
    return answer
