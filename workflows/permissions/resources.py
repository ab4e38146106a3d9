"""ARNs of what a role touches, and the statements that several roles share."""

from __future__ import annotations

from collections.abc import Iterable

from mapfold.access import is_arn, split_prefix
from mapfold.job import Job
from workflows.permissions.statement import Statement

STATES = "arn:${Partition}:states:${Region}:${Account}"
RUNS_TABLE = "arn:${Partition}:dynamodb:${Region}:${Account}:table/${RunsTable}"
RUNS_BUCKET = "arn:${Partition}:s3:::${RunsBucket}"
DATA_BUCKET = "arn:${Partition}:s3:::${DataBucket}"


def run_objects(*keys: str) -> tuple[str, ...]:
    """Objects of every run's folder, by their keys in it: a run's id does not tell its job."""
    return tuple(f"{RUNS_BUCKET}/runs/*/{key}" for key in keys)


def objects_under(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Objects under the prefixes that a job declares."""
    located = map(split_prefix, prefixes)
    return tuple(f"{_bucket(bucket)}/{key}*" for bucket, key in located)


def readable_objects(job: Job) -> tuple[str, ...]:
    """All objects that the job may read: the data bucket's, and those under its `reads`."""
    return tuple(dict.fromkeys((f"{DATA_BUCKET}/*", *objects_under(job.reads))))


def roles_with_context(job: Job) -> tuple[str, ...]:
    """The functions whose code is handed a Context: they may do what the job declares, and are in its network."""
    return ("work", "finish") if job.finish_takes_context else ("work",)


def secret_arn(secret: str, *, partition: str, region: str, account: str) -> str:
    """The ARN of a secret that a job declares: six characters of its own follow a name."""
    if is_arn(secret):
        return secret
    return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}-??????"


def listing(sid: str, bucket: str, prefixes: tuple[str, ...], because: str) -> Statement:
    """ListBucket, bounded to prefixes; a prefix of "*" bounds nothing and is left out."""
    conditions = {} if "*" in prefixes else {"StringLike": {"s3:prefix": prefixes}}
    return Statement(sid, ("s3:ListBucket",), (bucket,), because, conditions)


def listings_of_sources(job: Job, because: str) -> Iterable[Statement]:
    """A ListBucket for each bucket in which an `Objects()` source may lie."""
    yield listing("ListDataBucket", DATA_BUCKET, ("*",), because)
    by_bucket: dict[str, list[str]] = {}
    for bucket, key in map(split_prefix, job.reads):
        if bucket is not None:
            by_bucket.setdefault(bucket, []).append(f"{key}*")
    for number, (bucket, prefixes) in enumerate(by_bucket.items()):
        yield listing(f"ListDeclaredBucket{number}", _bucket(bucket), tuple(prefixes), because)


def logs() -> Statement:
    """A function's own log group."""
    return Statement(
        "WriteOwnLogs",
        ("logs:CreateLogStream", "logs:PutLogEvents"),
        ("arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroup}:*",),
        "Lambda writes what the function logs into its own log group, which exists before the function does.",
    )


def traces() -> Statement:
    """X-Ray, for a function."""
    return Statement(
        "SendTraces",
        ("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
        ("*",),
        "Traces go to X-Ray, which has no resources to narrow these actions to.",
    )


def key_use(*actions: str, service: str, because: str) -> Statement:
    """The stage's KMS key, through one service alone."""
    conditions = {"StringEquals": {"kms:ViaService": f"{service}.${{Region}}.amazonaws.com"}}
    return Statement(f"UseKeyThrough{service.upper()}", actions, ("${Key}",), because, conditions)


def _bucket(name: str | None) -> str:
    return DATA_BUCKET if name is None else f"arn:${{Partition}}:s3:::{name}"
