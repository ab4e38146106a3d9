"""The state machine of a job: plan -> map -> fold -> finish, and the failure path.

    Plan -> Map -> Fold -> Folded? -- yes -> Finish -> Tolerated? -- yes -> Succeeded
                    ^         |                            `-- no -> ToleratedFailureExceeded
                    `- FoldGroups (while there are too many partials for one Lambda)
    any error -> Close -> Failed

From Plan on, the state is {"plan": …, "map": …, "fold": …}: small, whatever the size of the run. The run's id is the
execution's name, so an execution that plain boto3 started with {"source": "s3://…"} is a run like any other.
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

FUNCTION_PLACEHOLDERS = ("PlanFunction", "WorkFunction", "FoldFunction", "FinishFunction", "CloseFunction")
PLACEHOLDERS = (*FUNCTION_PLACEHOLDERS, "RunsBucket")
"""What a deployment puts in for `${…}`: ARNs of functions, and the name of the runs bucket."""

BATCH_BYTES = 200_000
"""A child's input: under 262,144 bytes with room for what the task's Parameters add around the batch."""

FOLD_GROUPS_AT_ONCE = 500
FOLD_LABEL = "FoldGroups"


def map_labels(job: Job) -> tuple[str, str]:
    """Labels of the definition's distributed Maps: that over the items has the job's name, and is seen by it in consoles.

    They are part of the ARNs of map runs and children.
    """
    return job.name, FOLD_LABEL


def build_definition(job: Job) -> dict[str, Json]:
    """The definition, valid for AWS once its placeholders are replaced."""
    child_type, reason = job.child_type()
    return {
        "Comment": f"Mapfold job {job.name}. Children are {child_type}: {reason}.",
        "StartAt": "Plan",
        "States": {
            "Plan": _plan(),
            "Map": _map(job, child_type),
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


def _plan() -> dict[str, Json]:
    payload = {"run_id.$": "$$.Execution.Name", "execution.$": "$$.Execution.Id", "input.$": "$"}
    return {
        **_invoke("PlanFunction", {"Payload": payload}, timeout=LAMBDA_TIMEOUT_LIMIT_SECONDS),
        "ResultSelector": {"plan.$": "$.Payload"},
        "ResultPath": "$",
        "Catch": _catch_all(),
        "Next": "Map",
    }


def _map(job: Job, child_type: str) -> dict[str, Json]:
    batch_input = {"run_id.$": "$.plan.run_id", "params.$": "$.plan.params", "source.$": "$.plan.source"}
    stopped = {"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "ResultPath": "$.stopped", "Next": "Fold"}
    return {
        "Type": "Map",
        "Label": job.name,
        "ItemReader": job.source.item_reader(),
        "ItemSelector": {"i.$": "$$.Map.Item.Index", **job.source.value_selector()},
        "ItemBatcher": {
            "MaxItemsPerBatchPath": "$.plan.max_items_per_batch",
            "MaxInputBytesPerBatch": BATCH_BYTES,
            "BatchInput": batch_input,
        },
        "MaxConcurrencyPath": "$.plan.max_concurrency",
        "ToleratedFailurePercentagePath": "$.plan.tolerated_failure_percentage",
        "ToleratedFailureCountPath": "$.plan.tolerated_failure_count",
        "ItemProcessor": _processor(child_type, "Work", _work(job)),
        "ResultWriter": _result_writer("$.plan.map_prefix"),
        "ResultSelector": _MANIFEST,
        "ResultPath": "$.map",
        "Catch": [stopped, *_catch_all()],
        "Next": "Fold",
    }


def _work(job: Job) -> dict[str, Json]:
    # `$$.State` whole: RetryCount is in it only where there was a retry, and a path to nothing is an error.
    state = {"execution.$": "$$.Execution.Id", "state.$": "$$.State"}
    payload = {"run.$": "$.BatchInput", "items.$": "$.Items", **state}
    return {
        **_invoke("WorkFunction", {"Payload": payload}, timeout=job.timeout_seconds),
        "OutputPath": "$.Payload",
        "End": True,
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
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket.$": "$.fold.bucket", "Key.$": "$.fold.key"},
        },
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


def _invoke(function: str, payload: dict[str, Json], *, timeout: int) -> dict[str, Json]:
    """A Task that calls a function, with retries for what passes by itself."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": f"${{{function}}}", **payload},
        "TimeoutSeconds": timeout + START_MARGIN_SECONDS,
        "Retry": _retries(),
    }


def _retries() -> list[dict[str, Json]]:
    """Throttling for a day, service errors many times, crashes and timeouts a few; errors of the code itself never."""
    service = [
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
    ]
    crashes = ["Sandbox.Timedout", "Runtime.ExitError", "Lambda.Unknown"]
    backoff = {"BackoffRate": 2, "JitterStrategy": "FULL"}
    return [
        {
            "ErrorEquals": ["Lambda.TooManyRequestsException"],
            "IntervalSeconds": 1,
            "MaxAttempts": THROTTLED_RETRIES,
            "MaxDelaySeconds": THROTTLED_DELAY_SECONDS,
            **backoff,
        },
        {"ErrorEquals": service, "IntervalSeconds": 1, "MaxAttempts": 10, "MaxDelaySeconds": 30, **backoff},
        {"ErrorEquals": crashes, "IntervalSeconds": 2, "MaxAttempts": CRASH_RETRIES, "MaxDelaySeconds": 10, **backoff},
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


def _result_writer(prefix_path: str) -> dict[str, Json]:
    return {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "${RunsBucket}", "Prefix.$": prefix_path},
        "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
    }


_MANIFEST = {"bucket.$": "$.ResultWriterDetails.Bucket", "key.$": "$.ResultWriterDetails.Key"}


def _choice(rule: dict[str, Json], next_: str, *, default: str) -> dict[str, Json]:
    return {"Type": "Choice", "Choices": [{**rule, "Next": next_}], "Default": default}
