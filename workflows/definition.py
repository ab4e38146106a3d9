"""The state machine of a job: plan -> map -> isolate -> fold -> finish, and the failure path.

    Plan -> Listed? -> Map ---------.
               `-----> MapListed ---+-> Isolate -> Isolated? -- yes -> Fold -> Folded? -- yes -> Finish -> Tolerated? -> …
                                    |                  |                ^         |
                                    `- IsolatePieces <-'                `-- FoldGroups (too many partials for one Lambda)
    Tolerated? -- yes -> Succeeded
        `-------- no --> ToleratedFailureExceeded
    any error -> Close -> Failed

Map reads the items from the source; MapListed from the list that Plan wrote, where Step Functions cannot read the source
(then there is no Map) or only some of its items are to run. IsolatePieces runs the pieces of batches whose worker died.

From Plan on, the state is {"plan": …, "map": …, "isolate": …, "fold": …}: small, whatever the size of the run. The run's id
is the execution's name, so an execution that plain boto3 started with {"source": "s3://…"} is a run like any other.
"""

from __future__ import annotations

from typing import Any

from mapfold.job import Job
from mapfold.limits import (
    CRASH_RETRIES,
    LAMBDA_TIMEOUT_LIMIT_SECONDS,
    START_MARGIN_SECONDS,
    THROTTLED_DELAY_SECONDS,
    THROTTLED_RETRIES,
)

Json = Any

BATCH_BYTES = 200_000
"""A child's input: under 262,144 bytes with room for what the task's Parameters add around the batch."""

FOLD_GROUPS_AT_ONCE = 500
LISTED_LABEL, ISOLATE_LABEL, FOLD_LABEL = "Listed", "Isolate", "FoldGroups"


def map_labels(job: Job) -> tuple[str, ...]:
    """Labels of the definition's distributed Maps: that over the source has the job's name, and is seen by it in consoles.

    They are part of the ARNs of map runs and children.
    """
    native = (job.name,) if job.source.is_read_natively else ()
    return (*native, LISTED_LABEL, ISOLATE_LABEL, FOLD_LABEL)


def build_definition(job: Job) -> dict[str, Json]:
    """The definition, valid for AWS once its placeholders are replaced."""
    child_type, reason = job.child_type()
    definition: dict[str, Json] = {
        "Comment": f"Mapfold job {job.name}. Children are {child_type}: {reason}.",
        "StartAt": "Plan",
        "States": {
            **_plan_and_map(job, child_type),
            "Isolate": _isolate(),
            "Isolated?": _choice(
                {"Variable": "$.isolate.done", "BooleanEquals": True}, "Fold", default="IsolatePieces"
            ),
            "IsolatePieces": _isolate_pieces(job, child_type),
            "Fold": _fold(),
            "Folded?": _choice({"Variable": "$.fold.done", "BooleanEquals": True}, "Finish", default="FoldGroups"),
            "FoldGroups": _fold_groups(),
            "Finish": _finish(),
            "Tolerated?": _choice(
                {"Variable": "$.status", "StringEquals": "SUCCEEDED"}, "Succeeded", default="ToleratedFailureExceeded"
            ),
            "Succeeded": {"Type": "Succeed"},
            "ToleratedFailureExceeded": {"Type": "Fail", "ErrorPath": "$.error", "CausePath": "$.cause"},
            "Close": _close(),
            "Failed": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
        },
    }
    # States of your own go in here: docs/jobs.md tells how.
    return definition


def _plan_and_map(job: Job, child_type: str) -> dict[str, Json]:
    """Plan, and the Maps that may come after it."""
    listed = _map(job, child_type, label=LISTED_LABEL, reader=_lines_at("$.plan.list"), task="WorkListed")
    if not job.source.is_read_natively:
        return {"Plan": _plan("MapListed"), "MapListed": listed}
    return {
        "Plan": _plan("Listed?"),
        "Listed?": _choice({"Variable": "$.plan.listed", "BooleanEquals": True}, "MapListed", default="Map"),
        "Map": _map(job, child_type, label=job.name, reader=job.source.item_reader(), task="Work"),
        "MapListed": listed,
    }


def _plan(next_: str) -> dict[str, Json]:
    payload = {"run_id.$": "$$.Execution.Name", "execution.$": "$$.Execution.Id", "input.$": "$"}
    return {
        **_invoke("PlanFunction", {"Payload": payload}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        "ResultSelector": {"plan.$": "$.Payload"},
        "ResultPath": "$",
        "Catch": _catch_all(),
        "Next": next_,
    }


def _map(job: Job, child_type: str, *, label: str, reader: Json, task: str) -> dict[str, Json]:
    """The Map over the job's items. From a list, they are {"i", "v"} already."""
    from_list = {"i.$": "$$.Map.Item.Value.i", "v.$": "$$.Map.Item.Value.v"}
    from_source = {"i.$": "$$.Map.Item.Index", **job.source.value_selector()}
    stopped = {"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "ResultPath": "$.stopped", "Next": "Isolate"}
    return {
        "Type": "Map",
        "Label": label,
        "ItemReader": reader,
        "ItemSelector": from_list if label == LISTED_LABEL else from_source,
        "ItemBatcher": {
            "MaxItemsPerBatchPath": "$.plan.max_items_per_batch",
            "MaxInputBytesPerBatch": BATCH_BYTES,
            "BatchInput": _BATCH_INPUT,
        },
        "MaxConcurrencyPath": "$.plan.max_concurrency",
        "ToleratedFailurePercentagePath": "$.plan.tolerated_failure_percentage",
        "ToleratedFailureCountPath": "$.plan.tolerated_failure_count",
        "ItemProcessor": _processor(child_type, task, _work(job)),
        "ResultWriter": _result_writer("$.plan.map_prefix"),
        "ResultSelector": _MANIFEST,
        "ResultPath": "$.map",
        "Catch": [stopped, *_catch_all()],
        "Next": "Isolate",
    }


_BATCH_INPUT = {
    "run_id.$": "$.plan.run_id",
    "params.$": "$.plan.params",
    "source.$": "$.plan.source",
    "listed.$": "$.plan.listed",
}


def _work(job: Job) -> dict[str, Json]:
    payload = {"run.$": "$.BatchInput", "items.$": "$.Items", "execution.$": "$$.Execution.Id"}
    return {
        **_invoke("WorkFunction", {"Payload": payload}, timeout=job.timeout_seconds, crash_retries=0),
        "OutputPath": "$.Payload",
        "End": True,
    }


def _isolate() -> dict[str, Json]:
    fields = ("done", "round", "bucket", "key", "outcomes", "failed", "total")
    return {
        **_invoke("IsolateFunction", {"Payload.$": "$"}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        "ResultSelector": {f"{name}.$": f"$.Payload.{name}" for name in fields},
        "ResultPath": "$.isolate",
        "Catch": _catch_all(),
        "Next": "Isolated?",
    }


def _isolate_pieces(job: Job, child_type: str) -> dict[str, Json]:
    """Children as those of Map; of a piece that died, too, Isolate decides."""
    piece = {
        "BatchInput": _BATCH_INPUT,
        "Items.$": "$$.Map.Item.Value.items",
        "tries.$": "$$.Map.Item.Value.tries",
    }
    return {
        "Type": "Map",
        "Label": ISOLATE_LABEL,
        "ItemReader": _lines_at("$.isolate"),
        "ItemSelector": piece,
        "MaxConcurrencyPath": "$.plan.max_concurrency",
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": _processor(child_type, "WorkPiece", _work(job)),
        "ResultWriter": _result_writer("$.plan.isolate_prefix"),
        "ResultSelector": _MANIFEST,
        "ResultPath": "$.pieces",
        "Catch": _catch_all(),
        "Next": "Isolate",
    }


def _fold() -> dict[str, Json]:
    fields = ("done", "level", "partial", "items", "failed", "bucket", "key")
    return {
        **_invoke("FoldFunction", {"Payload.$": "$"}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        "ResultSelector": {f"{name}.$": f"$.Payload.{name}" for name in fields},
        "ResultPath": "$.fold",
        "Catch": _catch_all(),
        "Next": "Folded?",
    }


def _fold_groups() -> dict[str, Json]:
    group = {
        **_invoke("FoldFunction", {"Payload.$": "$"}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        "OutputPath": "$.Payload",
        "End": True,
    }
    return {
        "Type": "Map",
        "Label": FOLD_LABEL,
        "ItemReader": _lines_at("$.fold"),
        "ItemSelector": {"plan.$": "$.plan", "level.$": "$.fold.level", "group.$": "$$.Map.Item.Value"},
        "MaxConcurrency": FOLD_GROUPS_AT_ONCE,
        # STANDARD: a fold may take Lambda's 15 minutes, and there are few.
        "ItemProcessor": _processor("STANDARD", "FoldGroup", group),
        "ResultWriter": _result_writer("$.plan.fold_prefix"),
        "ResultSelector": _MANIFEST,
        "ResultPath": "$.groups",
        "Catch": _catch_all(),
        "Next": "Fold",
    }


def _finish() -> dict[str, Json]:
    return {
        **_invoke("FinishFunction", {"Payload.$": "$"}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        # The answer replaces the state only where the step succeeded: Close still finds `$.failure` otherwise.
        "OutputPath": "$.Payload",
        "Catch": _catch_all(),
        "Next": "Tolerated?",
    }


def _close() -> dict[str, Json]:
    payload = {"run_id.$": "$$.Execution.Name", "execution.$": "$$.Execution.Id", "failure.$": "$.failure"}
    return {
        **_invoke("CloseFunction", {"Payload": payload}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        "ResultSelector": {"Error.$": "$.Payload.Error", "Cause.$": "$.Payload.Cause"},
        "ResultPath": "$.failure",
        "Catch": _catch_all(next_="Failed", result_path="$.close_failure"),
        "Next": "Failed",
    }


def _invoke(
    function: str, payload: dict[str, Json], *, timeout: int, crash_retries: int = CRASH_RETRIES
) -> dict[str, Json]:
    """A Task that calls a function, with retries for what passes by itself."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": f"${{{function}}}", **payload},
        "TimeoutSeconds": timeout + START_MARGIN_SECONDS,
        "Retry": _retries(crash_retries),
    }


def _retries(crash_retries: int) -> list[dict[str, Json]]:
    """Throttling for a day, service errors many times, crashes and timeouts a few; errors of the code itself never.

    A batch that crashed is not tried again, it is split.
    """
    service = [
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
    ]
    crashes = ["Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"]
    backoff = {"BackoffRate": 2, "JitterStrategy": "FULL"}
    crashed = {
        "ErrorEquals": crashes,
        "IntervalSeconds": 2,
        "MaxAttempts": crash_retries,
        "MaxDelaySeconds": 10,
        **backoff,
    }
    return [
        {
            "ErrorEquals": ["Lambda.TooManyRequestsException"],
            "IntervalSeconds": 1,
            "MaxAttempts": THROTTLED_RETRIES,
            "MaxDelaySeconds": THROTTLED_DELAY_SECONDS,
            **backoff,
        },
        {"ErrorEquals": service, "IntervalSeconds": 1, "MaxAttempts": 10, "MaxDelaySeconds": 30, **backoff},
        *([crashed] if crash_retries else []),
    ]


def _catch_all(*, next_: str = "Close", result_path: str = "$.failure") -> list[dict[str, Json]]:
    """States.ALL stands alone in the last catcher, and does not cover States.DataLimitExceeded (AWS's guide)."""
    return [
        {"ErrorEquals": [error], "ResultPath": result_path, "Next": next_}
        for error in ("States.DataLimitExceeded", "States.ALL")
    ]


def _processor(child_type: str, name: str, task: dict[str, Json]) -> dict[str, Json]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": child_type}
    return {"ProcessorConfig": config, "StartAt": name, "States": {name: task}}


def _lines_at(path: str) -> dict[str, Json]:
    """An ItemReader of JSON Lines: the object that {"bucket", "key"} at `path` names."""
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket.$": f"{path}.bucket", "Key.$": f"{path}.key"},
    }


def _result_writer(prefix_path: str) -> dict[str, Json]:
    return {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "${RunsBucket}", "Prefix.$": prefix_path},
        "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
    }


_MANIFEST = {"bucket.$": "$.ResultWriterDetails.Bucket", "key.$": "$.ResultWriterDetails.Key"}


def _choice(rule: dict[str, Json], next_: str, *, default: str) -> dict[str, Json]:
    return {"Type": "Choice", "Choices": [{**rule, "Next": next_}], "Default": default}
