"""The roles of one job: its six functions and its state machine."""

from __future__ import annotations

from collections.abc import Iterator

from mapfold.job import Job
from workflows.permissions.machine_role import machine_statements
from workflows.permissions.resources import (
    RUNS_BUCKET,
    RUNS_TABLE,
    key_use,
    listing,
    listings_of_sources,
    logs,
    objects_under,
    readable_objects,
    roles_with_context,
    run_objects,
    traces,
)
from workflows.permissions.statement import Statement


def job_permissions(job: Job, *, with_key: bool = False) -> dict[str, tuple[Statement, ...]]:
    """Every statement of the job's roles, by role: plan, work, isolate, fold, finish, close, state-machine.

    with_key: the buckets are encrypted with the stage's own KMS key.
    """
    roles = {
        "plan": [*_plan(job), *_key(with_key, writes=True)],
        "work": [*_work(job), *_key(with_key, writes=True)],
        "isolate": [*_isolate(), *_key(with_key, writes=True)],
        "fold": [*_fold(job), *_key(with_key, writes=True)],
        "finish": [*_finish(job), *_key(with_key, writes=True)],
        "close": [*_close()],
    }
    for role, statements in roles.items():
        if role in roles_with_context(job):
            statements += _declared(job)
        statements += (logs(), traces())
    return {
        **{role: tuple(statements) for role, statements in roles.items()},
        "state-machine": tuple(machine_statements(job, with_key=with_key)),
    }


def _plan(job: Job) -> Iterator[Statement]:
    if job.source.key_name == "Prefix":
        yield from listings_of_sources(job, "Plan counts the objects that the source lists, to choose batches.")
    if job.source.reads_objects:
        why = "Plan looks at the size and the head of the source, to choose batches, and for duplicates at all of it."
        yield Statement("ReadSource", ("s3:GetObject",), readable_objects(job), why)
    yield Statement(
        "ReadFailedItems",
        ("s3:GetObject",),
        (*run_objects("last.json", "failures.jsonl"), *readable_objects(job)),
        "A retry reads the failed items of a run that has ended, or of a list from elsewhere, and what they stand on.",
    )
    yield listing(
        "FindRun",
        RUNS_BUCKET,
        ("runs/*/last.json", "runs/*/failures.jsonl", "runs/*/"),
        "A retry looks whether the run has come to its end, and whether there is one at all.",
    )
    yield Statement(
        "WriteList",
        ("s3:PutObject",),
        run_objects("items.jsonl"),
        "Plan lists the items itself where Step Functions cannot read them from the source.",
    )
    yield Statement(
        "GiveUpUpload",
        ("s3:AbortMultipartUpload",),
        run_objects("items.jsonl"),
        "A long list is uploaded in parts; where that fails, the parts are not left behind.",
    )
    yield _record("Plan opens the run's record, notes what it decided, and whom a retry retries.")


def _work(job: Job) -> Iterator[Statement]:
    yield Statement(
        "WriteFailedItems",
        ("s3:PutObject",),
        run_objects("failed/*"),
        "A batch keeps its failed items apart.",
    )
    yield Statement(
        "SpillPartial",
        ("s3:PutObject",),
        run_objects("partials/map/*"),
        "A partial that is too large for a state's payload lies in the run's folder.",
    )
    if job.result_kind != "value":
        kept = run_objects({"parts": "groups/map/*", "shards": "values/*"}[job.result_kind])
        yield Statement(
            "WriteResults", ("s3:PutObject",), kept, "A batch writes its records or values, for Fold to read."
        )
        yield Statement(
            "GiveUpUpload",
            ("s3:AbortMultipartUpload",),
            kept,
            "Many records or values are uploaded in parts; where that fails, the parts are not left behind.",
        )


def _isolate() -> Iterator[Statement]:
    yield Statement(
        "ReadOutcome",
        ("s3:GetObject",),
        run_objects("map/*", "isolate/*"),
        "Isolate reads what the map runs say of children that failed.",
    )
    yield listing(
        "FindManifest",
        RUNS_BUCKET,
        ("runs/*/map/",),
        "A Map state that stopped early does not say where its manifest is, so it is looked for.",
    )
    yield Statement(
        "WritePieces",
        ("s3:PutObject",),
        run_objects("isolate/pieces-*"),
        "Isolate writes the pieces of batches whose worker died, which are run next.",
    )
    yield Statement(
        "GiveUpUpload",
        ("s3:AbortMultipartUpload",),
        run_objects("isolate/pieces-*"),
        "Many pieces are uploaded in parts; where that fails, the parts are not left behind.",
    )


def _fold(job: Job) -> Iterator[Statement]:
    if job.result_kind == "value":
        reads: tuple[str, ...] = ("partials/map/*", "partials/group-*")
        keeps: tuple[str, ...] = ("partials/group-*", "partials/folded-*")
        uploads: tuple[str, ...] = ("fold/so-far-*",)
    else:
        reads = {"parts": ("groups/*", "result/*"), "shards": ("values/*", "result/*")}[job.result_kind]
        keeps = ()
        uploads = ("fold/inputs-*", *(("groups/level-*",) if job.result_kind == "parts" else ()), "result/*")
    yield Statement(
        "ReadPartials",
        ("s3:GetObject",),
        run_objects("map/*", "isolate/*", "fold/*", *reads),
        "Fold reads what the map runs wrote, and what was too large for a payload.",
    )
    yield Statement(
        "WritePartials",
        ("s3:PutObject",),
        run_objects("fold/groups-*", "fold/failed-*", *keeps, *uploads),
        "Fold writes the groups to fold first, the names of the lists of failed items, and what is large.",
    )
    yield Statement(
        "GiveUpUpload",
        ("s3:AbortMultipartUpload",),
        run_objects("fold/groups-*", "fold/failed-*", *uploads),
        "A long file is uploaded in parts; where that fails, the parts are not left behind.",
    )


def _finish(job: Job) -> Iterator[Statement]:
    index = {"value": (), "parts": ("result/index.json",), "shards": ()}[job.result_kind]
    yield Statement(
        "ReadOutcome",
        ("s3:GetObject",),
        run_objects("map/*", "isolate/*", "fold/failed-*", "failed/*", "partials/folded-*", *index),
        "Finish reads the last partial, the failed items, and what the map run says of children that failed.",
    )
    yield listing(
        "FindFailedItems",
        RUNS_BUCKET,
        ("runs/*/fold/failed-", "runs/*/failed/*"),
        "Finish looks for the lists of failed items.",
    )
    yield Statement(
        "WriteResult",
        ("s3:PutObject",),
        run_objects("result.json", "failures.jsonl", "last.json", "partials/last/*"),
        "Finish writes the result and the failed items.",
    )
    yield Statement(
        "GiveUpUpload",
        ("s3:AbortMultipartUpload",),
        run_objects("failures.jsonl"),
        "Many failed items are uploaded in parts; where that fails, the parts are not left behind.",
    )
    yield Statement(
        "ReadRunBefore",
        ("s3:GetObject",),
        run_objects("last.json", "items.jsonl", "failures.jsonl", "partials/last/*"),
        "Finish of a retry folds what it found onto what the run before it had, and lists the failed items not tried again.",
    )
    yield listing(
        "FindRunBefore",
        RUNS_BUCKET,
        ("runs/*/last.json",),
        "Finish of a retry looks for what the run before it has left.",
    )
    yield _record("Finish closes the run's record.")


def _close() -> Iterator[Statement]:
    yield _record("Close notes in the run's record how the run failed, and gives back the run that it retried.")


def _record(because: str) -> Statement:
    return Statement("KeepRecord", ("dynamodb:UpdateItem",), (RUNS_TABLE,), because)


def _declared(job: Job) -> Iterator[Statement]:
    """What the job's own code may do, where it is handed a Context."""
    why = "The job's code reads its items: in the data bucket, and where the job says `reads`."
    yield Statement("ReadItems", ("s3:GetObject",), readable_objects(job), why)
    if job.source.has_versions:
        why = "Items name versions of objects, and the job's code reads those."
        yield Statement("ReadVersions", ("s3:GetObjectVersion",), readable_objects(job), why)
    if job.writes:
        why = "The job's code writes objects where the job says `writes`."
        yield Statement("WriteObjects", ("s3:PutObject",), objects_under(job.writes), why)
    if job.tables:
        arns = tuple(f"arn:${{Partition}}:dynamodb:${{Region}}:${{Account}}:table/${{Table.{t}}}" for t in job.tables)
        why = "The job's code writes items into the tables that the job declares."
        yield Statement("WriteTables", ("dynamodb:BatchWriteItem",), arns, why)
    if job.secrets:
        arns = tuple(f"${{Secret.{secret}}}" for secret in job.secrets)
        why = "The job's code reads the secrets that the job declares, and no others."
        yield Statement("ReadSecrets", ("secretsmanager:GetSecretValue",), arns, why)
    for number, permission in enumerate(job.permissions):
        said = f"The job says: {permission.because.strip().rstrip('.')}."
        yield Statement(f"Declared{number}", permission.actions, permission.resources, said)
    yield from _network(job)


def _network(job: Job) -> Iterator[Statement]:
    """What Lambda needs of a function's role to put it into a VPC (Lambda's guide, "Required IAM permissions")."""
    if job.network is None:
        return
    ec2 = "arn:${Partition}:ec2:${Region}:${Account}"
    interfaces = f"{ec2}:network-interface/*"
    subnets = tuple(f"{ec2}:subnet/{subnet}" for subnet in job.network.subnets)
    groups = tuple(f"{ec2}:security-group/{group}" for group in job.network.security_groups)
    yield Statement(
        "JoinNetwork",
        ("ec2:CreateNetworkInterface",),
        (interfaces, *subnets, *groups),
        "Lambda makes network interfaces in the job's subnets and security groups, and in no others.",
    )
    yield Statement(
        "KeepNetworkInterfaces",
        ("ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
        (interfaces,),
        "Lambda gives those interfaces their addresses; their ids are not known before.",
    )
    yield Statement(
        "RemoveNetworkInterfaces",
        ("ec2:DeleteNetworkInterface",),
        (f"{ec2}:*/*",),
        "Lambda removes those interfaces; its guide asks for all resource ids of the account here, where none is known "
        "before, and the action itself takes nothing but network interfaces.",
    )
    yield Statement(
        "LookAtNetwork",
        ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
        ("*",),
        "Lambda looks at subnets and interfaces, and EC2 narrows no Describe action to resources.",
    )


def _key(with_key: bool, *, writes: bool) -> Iterator[Statement]:
    if not with_key:
        return
    if writes:
        why = "Objects are encrypted with the stage's key, which S3 uses in the function's name to read and write them."
        yield key_use("kms:Decrypt", "kms:GenerateDataKey", service="s3", because=why)
    else:
        why = "Objects are encrypted with the stage's key, which S3 uses in the function's name to read them."
        yield key_use("kms:Decrypt", service="s3", because=why)
