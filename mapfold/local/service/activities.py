"""Activities, and the workers that ask for their tasks (service-api 3)."""

from __future__ import annotations

from typing import Any

from mapfold.local.arns import Arn, Kind, activity_arn, is_valid_name
from mapfold.local.service.context import Service
from mapfold.local.service.faults import Fault, invalid_name
from mapfold.local.service.pages import cut_page, read_token, with_token
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds
from mapfold.local.service.tags import MOST_TAGS, tags_of
from mapfold.local.store import ActivityRow

Answer = dict[str, Any]

MOST_ACTIVITIES = 10_000
"""Activities that an account may have (Step Functions service quotas)."""
DEFAULT_ENCRYPTION: dict[str, Any] = {"type": "AWS_OWNED_KEY"}


async def create_activity(service: Service, request: Request) -> Answer:
    """CreateActivity. One that is there is answered with; other tags are ignored, another encryption is refused."""
    name = request.text("name", least=1)
    request.done()
    if not is_valid_name(name):
        raise invalid_name(name)
    tags = tags_of(request)
    if len(tags) > MOST_TAGS:
        raise Fault("TooManyTags", f"Too many tags: at most {MOST_TAGS} are allowed, there would be {len(tags)}")
    encryption = request.members.get("encryptionConfiguration") or {}
    tasks, arn = service.store.tasks, activity_arn(name, region=service.region)
    row = tasks.activity(arn)
    if row is None:
        if len(tasks.activities()) >= MOST_ACTIVITIES:
            raise Fault("ActivityLimitExceeded", f"Activity Limit Exceeded: '{MOST_ACTIVITIES}'")
        row = ActivityRow(tasks.next_activity_id(), arn, name, service.clock(), encryption, tags)
        tasks.put_activity(row)
        await service.store.flush()
    elif (row.encryption or DEFAULT_ENCRYPTION) != (encryption or DEFAULT_ENCRYPTION):
        raise Fault("ActivityAlreadyExists", f"Activity Already Exists: '{arn}'")
    return {"activityArn": row.arn, "creationDate": seconds(row.created)}


async def describe_activity(service: Service, request: Request) -> Answer:
    """DescribeActivity."""
    row = _find(service, request.arn("activityArn", Kind.ACTIVITY))
    return {**_item(row), "encryptionConfiguration": dict(row.encryption or DEFAULT_ENCRYPTION)}


async def list_activities(service: Service, request: Request) -> Answer:
    """ListActivities, newest first."""
    size = request.page_size()
    token = request.text("nextToken", most=1024, needed=False)
    request.done()
    question = ["ListActivities"]
    before = read_token(token, question)
    rows = [row for row in service.store.tasks.activities() if before is None or row.id < before]
    shown, token = cut_page(rows, size, question, key=lambda row: row.id)
    return with_token({"activities": [_item(row) for row in shown]}, token)


async def delete_activity(service: Service, request: Request) -> Answer:
    """DeleteActivity: one that does not exist is no error. Tasks that were scheduled stay as they are."""
    arn = request.arn("activityArn", Kind.ACTIVITY)
    service.store.tasks.delete_activity(str(arn))
    await service.store.flush()
    return {}


async def get_activity_task(service: Service, request: Request) -> Answer:
    """GetActivityTask: waits up to a minute for a task; without one the answer is empty.

    The worker gets it when its start is committed: after a crash no other worker is given the same.
    """
    arn = request.arn("activityArn", Kind.ACTIVITY)
    worker = request.optional_text("workerName", most=80)
    request.done()
    _find(service, arn)
    if service.engine.activities.is_crowded(str(arn)):
        raise Fault("ActivityWorkerLimitExceeded", f"Activity Worker Limit Exceeded: '{arn}'")
    task = await service.engine.activities.poll(str(arn), worker)
    if task is None:
        return {}
    await service.store.flush()
    return {"taskToken": task.token, "input": task.input}


def _find(service: Service, arn: Arn) -> ActivityRow:
    row = service.store.tasks.activity(str(arn))
    if row is None:
        raise Fault("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    return row


def _item(row: ActivityRow) -> Answer:
    return {"activityArn": row.arn, "name": row.name, "creationDate": seconds(row.created)}
