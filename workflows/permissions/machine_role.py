"""The role of a job's state machine: its reader and writer, its functions, its own map runs."""

from __future__ import annotations

from collections.abc import Iterator

from mapfold.job import Job
from workflows.definition import map_labels
from workflows.permissions.resources import STATES, key_use, listings_of_sources, readable_objects, run_objects
from workflows.permissions.statement import Statement
from workflows.placeholders import FUNCTION_PLACEHOLDERS


def machine_statements(job: Job, *, with_key: bool) -> Iterator[Statement]:
    """Every statement of the state machine's role."""
    functions = tuple(f"${{{name}}}" for name in FUNCTION_PLACEHOLDERS)
    why = "The state machine calls the job's six functions, and no others."
    yield Statement("CallFunctions", ("lambda:InvokeFunction",), functions, why)
    yield from _reader(job)
    yield Statement(
        "WriteResults",
        ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"),
        run_objects("map/*", "isolate/*", "fold/*"),
        "The ResultWriters write what children gave, in parts; IsolatePieces and FoldGroups read what is to be run there.",
    )
    why = "MapListed reads the items that Plan listed."
    yield Statement("ReadList", ("s3:GetObject",), run_objects("items.jsonl"), why)
    yield from _map_runs(job)
    if with_key:
        why = "Objects are encrypted with the stage's key, which S3 uses in the state machine's name."
        yield key_use("kms:Decrypt", "kms:GenerateDataKey", service="s3", because=why)
    yield from _seen()


def _reader(job: Job) -> Iterator[Statement]:
    if not job.source.is_read_natively:
        return
    if job.source.key_name == "Prefix":
        yield from listings_of_sources(job, "The ItemReader lists the objects of the source.")
    if job.source.reads_objects:
        yield Statement("ReadSource", ("s3:GetObject",), readable_objects(job), "The ItemReader reads the source.")


def _map_runs(job: Job) -> Iterator[Statement]:
    """Distributed Map's own actions (Step Functions' guide, "IAM policies for using Distributed Map states")."""
    machine = f"${{MachinePrefix}}{job.name}"
    children = tuple(f"{STATES}:execution:{machine}/{label}:*" for label in map_labels(job))
    yield Statement(
        "StartChildren",
        ("states:StartExecution",),
        (f"{STATES}:stateMachine:{machine}",),
        "A map run starts its child executions as executions of this state machine.",
    )
    yield Statement(
        "FollowAndStopChildren",
        ("states:DescribeExecution", "states:StopExecution"),
        (f"{STATES}:execution:{machine}:*", *children),
        "A map run follows its child executions, and stops them when it is stopped.",
    )
    yield Statement(
        "RedriveChildren",
        ("states:RedriveExecution",),
        children,
        "A redrive of the run starts those child executions again that did not succeed.",
    )


def _seen() -> Iterator[Statement]:
    yield Statement(
        "DeliverLogs",
        (
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ),
        ("*",),
        "Step Functions sets up the delivery of the execution's log, for which CloudWatch Logs knows no resources.",
    )
    yield Statement(
        "SendTraces",
        ("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
        ("*",),
        "Step Functions sends traces to X-Ray, which has no resources to narrow these actions to.",
    )
