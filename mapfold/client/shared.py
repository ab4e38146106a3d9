"""What the jobs of the embedded AWS share, and what starts them: the API, the start queue, uploads.

- Functions `mapfold-api` and `mapfold-start` (tasks/api.py, tasks/start.py).
- The queue `mapfold-start`, which feeds the latter, and `mapfold-start-dead` for messages that cannot be carried out.
- For each job a rule of EventBridge, `mapfold-upload-JOB`: an object put under `manifests/JOB/` of the data bucket is a
  message in that queue. A job whose source is a listing has none: no single object is its manifest.

On AWS the same comes from `infra/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from mapfold.client.arns import MACHINE_PREFIX
from mapfold.client.deploy import (
    Change,
    Deploys,
    FunctionPlan,
    Step,
    local_variables,
)
from mapfold.client.deploy import functions as function_steps
from mapfold.client.target import DATA_BUCKET, RUNS_TABLE

API_FUNCTION = f"{MACHINE_PREFIX}api"
START_FUNCTION = f"{MACHINE_PREFIX}start"
START_QUEUE = f"{MACHINE_PREFIX}start"
DEAD_LETTER_QUEUE = f"{MACHINE_PREFIX}start-dead"
RECEIVE_AT_MOST = 5
_START_SECONDS = 30
_API_SECONDS = 29
_MEMORY_MB = 512
_KEPT_SECONDS = 14 * 24 * 3600
"""Of a dead letter: the longest that SQS has."""


class MakesTriggers(Protocol):
    """What a deployment takes of `Triggers`."""

    def ensure_queue(self, name: str, attributes: Mapping[str, str], *, visible_after: int = 0) -> str | None: ...
    def ensure_mapping(self, queue_arn: str, function: str) -> str | None: ...
    def ensure_notification(self, bucket: str, *, is_new: bool = False) -> None: ...
    def ensure_rule(self, name: str, pattern: str, *, queue_arn: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What there is once. `upload_jobs`: those that a manifest starts. `folder`: the functions' code."""

    functions: tuple[FunctionPlan, ...]
    folder: Path
    data_bucket: str
    upload_jobs: tuple[str, ...]


def plan_shared(
    *, jobs_folder: Path, upload_jobs: Sequence[str], runs_bucket: str, digest: str, data_bucket: str = DATA_BUCKET
) -> Shared:
    """What all jobs share, which runs in the folder that holds `jobs_folder`; `digest` is that of its code."""
    folder = jobs_folder.resolve().parent
    variables = {
        "MAPFOLD_MACHINE_PREFIX": MACHINE_PREFIX,
        "MAPFOLD_RUNS_BUCKET": runs_bucket,
        "MAPFOLD_RUNS_TABLE": RUNS_TABLE,
        "MAPFOLD_DATA_BUCKET": data_bucket,
    }
    return Shared(
        functions=tuple(
            FunctionPlan(
                name=name,
                handler=f"tasks.{service}.handler",
                timeout_seconds=seconds,
                memory_mb=_MEMORY_MB,
                environment={**variables, **local_variables(service, folder=folder, digest=digest)},
            )
            for name, service, seconds in (
                (API_FUNCTION, "api", _API_SECONDS),
                (START_FUNCTION, "start", _START_SECONDS),
            )
        ),
        folder=folder,
        data_bucket=data_bucket,
        upload_jobs=tuple(upload_jobs),
    )


def first_steps(shared: Shared, aws: Deploys, triggers: MakesTriggers) -> list[Step]:
    """What the others need: functions and queues. In any order."""
    return [*function_steps(shared.functions, shared.folder, aws), partial(_queues, aws, triggers)]


def next_steps(shared: Shared, aws: Deploys, triggers: MakesTriggers) -> list[Step]:
    """What connects functions and queues, when these and the jobs are there. In any order."""
    return [
        partial(_mapping, aws, triggers),
        *(partial(_rule, job, shared.data_bucket, aws, triggers) for job in shared.upload_jobs),
    ]


def last_steps(shared: Shared, aws: Deploys, triggers: MakesTriggers) -> list[Step]:
    """The data bucket, when all else is there: who finds it puts a manifest, and that has to start a run."""
    return [partial(_data_bucket, shared.data_bucket, aws, triggers)]


def upload_prefix(job: str) -> str:
    """Where in the data bucket a manifest is put that starts a run of the job."""
    return f"manifests/{job}/"


def upload_pattern(job: str, data_bucket: str) -> str:
    """The events that start a run of the job."""
    return json.dumps(
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [data_bucket]}, "object": {"key": [{"prefix": upload_prefix(job)}]}},
        }
    )


def _queues(aws: Deploys, triggers: MakesTriggers) -> Change | None:
    """The dead-letter queue first, for the other names it."""
    dead = triggers.ensure_queue(DEAD_LETTER_QUEUE, {"MessageRetentionPeriod": str(_KEPT_SECONDS)})
    policy = {"deadLetterTargetArn": _queue_arn(DEAD_LETTER_QUEUE, aws), "maxReceiveCount": RECEIVE_AT_MOST}
    attributes = {"VisibilityTimeout": str(6 * _START_SECONDS), "RedrivePolicy": json.dumps(policy)}
    start = triggers.ensure_queue(START_QUEUE, attributes, visible_after=_START_SECONDS)
    return _change(start or dead, "queue", START_QUEUE)


def _mapping(aws: Deploys, triggers: MakesTriggers) -> Change | None:
    action = triggers.ensure_mapping(_queue_arn(START_QUEUE, aws), START_FUNCTION)
    return _change(action, "event source mapping", START_FUNCTION)


def _data_bucket(bucket: str, aws: Deploys, triggers: MakesTriggers) -> Change | None:
    """It tells EventBridge at once: S3 takes the two in two calls, with nothing in between them."""
    created = aws.ensure_bucket(bucket)
    triggers.ensure_notification(bucket, is_new=created)
    return Change("created", "bucket", bucket) if created else None


def _rule(job: str, bucket: str, aws: Deploys, triggers: MakesTriggers) -> Change | None:
    name = f"{MACHINE_PREFIX}upload-{job}"
    action = triggers.ensure_rule(name, upload_pattern(job, bucket), queue_arn=_queue_arn(START_QUEUE, aws))
    return _change(action, "rule", name)


def _change(action: str | None, kind: str, name: str) -> Change | None:
    return None if action is None else Change(action, kind, name)


def _queue_arn(name: str, aws: Deploys) -> str:
    return f"arn:aws:sqs:{aws.region}:{aws.account}:{name}"
