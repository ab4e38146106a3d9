"""Fold: the outputs of many children to one result, or to groups that are folded first.

Event of the state Fold: the state itself, {"plan", "isolate", "groups"?, "fold"?}; answer as `done_answer` and `split_answer`
of `mapfold.runs.outputs` give it. Event of a child of FoldGroups: {"plan", "level", "group"}; answer {"partial", "items",
"failed", "rest"?}. Which module folds, the job's kind of result says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from mapfold.context import Context
from mapfold.runs.fold import fold_groups, fold_or_split
from mapfold.runs.outcome import MapOutcome, read_outcomes
from mapfold.runs.outputs import Group
from mapfold.runs.partials import Partials
from mapfold.runs.parts import Parts, fold_part_group, fold_parts_or_split
from mapfold.runs.shards import Shards, fold_shard_group, fold_shards_or_split
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
    surroundings = w.context(plan["run_id"], plan["params"], context, logger=logger)
    if "group" in event:
        output = _fold_group(partials, event["group"], surroundings, level=event["level"])
        logger.info("group folded", extra={"group": event["group"]["number"], "items": output["items"]})
        return output
    outcome = read_outcomes(w.s3, [event["groups"]] if "groups" in event else event["isolate"]["outcomes"])
    level = event.get("fold", {}).get("level", 0)
    answer = _fold(partials, outcome, surroundings, level=level, previous=plan.get("previous"))
    logger.info("folded" if answer["done"] else "split", extra={"level": answer["level"], "items": answer["items"]})
    return answer


def _fold(
    partials: Partials, outcome: MapOutcome, context: Context, *, level: int, previous: str | None
) -> dict[str, Any]:
    """The state Fold. `previous`: of a retry the key of the `result/index.json` of the run that it is of."""
    job, s3, folder = partials.job, partials.s3, partials.folder
    match job.result_kind:
        case "value":
            return fold_or_split(partials, outcome, level=level, seconds_left=context.seconds_left)
        case "parts":
            parts = Parts(job, s3, folder, seconds_left=context.seconds_left)
            return fold_parts_or_split(parts, outcome, level=level, previous=previous)
        case "shards":
            return fold_shards_or_split(Shards(s3, folder), outcome, level=level, previous=previous)


def _fold_group(partials: Partials, group: Mapping[str, Any], context: Context, *, level: int) -> dict[str, Any]:
    """A child of FoldGroups."""
    job, s3, folder = partials.job, partials.s3, partials.folder
    match job.result_kind:
        case "value":
            stage, piece = f"group-{level}", Group(**group)
            left = context.seconds_left
            folded = fold_groups(partials, [piece], stage=stage, number=piece.number, seconds_left=left)
            return folded.as_output()
        case "parts":
            return fold_part_group(Parts(job, s3, folder, seconds_left=context.seconds_left), group, level=level)
        case "shards":
            return fold_shard_group(Shards(s3, folder), group)
