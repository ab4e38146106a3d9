"""A job for tests that does whatever a job's code may do: S3, tables, secrets, another service, a retry after a crash."""

from __future__ import annotations

import os

from mapfold import Context, Job, Manifest, Network, Permission

SECRET = "orders/database"
TOPIC = "arn:aws:sns:us-east-1:123456789012:everything"

job = Job(
    "everything",
    source=Manifest(),
    tables={"everything-seen": ("key",), "everything-done": ("run",)},
    batch_items=2,
    tolerated_failure_percentage=50,
    reads=("s3://elsewhere/in/",),
    writes=("s3://elsewhere/out/", "exports/"),
    permissions=(
        Permission(
            ("sns:Publish",), ("arn:${Partition}:sns:${Region}:${Account}:everything",), "It tells of each item"
        ),
    ),
    network=Network(
        vpc="vpc-01234567",
        subnets=("subnet-01234567",),
        security_groups=("sg-01234567",),
        secrets=(SECRET,),
        connections=6,
        connections_per_worker=3,
    ),
)


@job.map
def look(item: dict[str, str], context: Context) -> str:
    """The text of one object. One that says `fail` fails; one that says `crash` ends its worker, the first time."""
    text = context.storage.text(item)
    if text == "fail":
        raise ValueError("it says fail")
    if text == "crash":
        crash_once(context)
    do_everything(item["key"].rpartition("/")[2], context)
    return text


@job.fold
def add(one: str, other: str) -> str:
    """The longer of both."""
    return max(one, other, key=len)


@job.finish
def finish(text: str, context: Context) -> int:
    """Does what a map function may do."""
    context.storage.text("texts/ok")
    context.storage.text("s3://elsewhere/in/elsewhere.txt")
    do_everything(context.run_id, context)
    return len(text)


def do_everything(name: str, context: Context) -> None:
    """All that the job declares, once."""
    import boto3

    assert context.secret(SECRET) == "open sesame"
    context.table("everything-seen").write([{"key": name}])
    context.table("everything-done").write([{"run": context.run_id}])
    context.storage.put(f"exports/{name}", "done")
    context.storage.put(f"s3://elsewhere/out/{name}", "done")
    boto3.client("sns").publish(TopicArn=TOPIC, Message=name)


def crash_once(context: Context) -> None:
    """End this process, unless one before has: then its batch succeeds."""
    try:
        context.storage.get("exports/crashed")
    except FileNotFoundError:
        context.storage.put("exports/crashed", "once")
        os._exit(7)
