"""Tags of state machines and activities: at most 50 each (API Reference: TagResource)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mapfold.local.arns import Kind
from mapfold.local.service.context import Service
from mapfold.local.service.faults import Fault, resource_missing
from mapfold.local.service.request import Request
from mapfold.local.store import ActivityRow, MachineRow

MOST_TAGS = 50


async def tag_resource(service: Service, request: Request) -> dict[str, Any]:
    """TagResource: adds tags, or gives known keys new values."""
    row = _tagged(service, request)
    return await _keep(service, row, {**row.tags, **tags_of(request)})


async def untag_resource(service: Service, request: Request) -> dict[str, Any]:
    """UntagResource: keys that are not there are no error."""
    row = _tagged(service, request)
    gone = request.members.get("tagKeys") or []
    return await _keep(service, row, {key: value for key, value in row.tags.items() if key not in gone})


async def list_tags_for_resource(service: Service, request: Request) -> dict[str, Any]:
    """ListTagsForResource."""
    row = _tagged(service, request)
    return {"tags": [{"key": key, "value": value} for key, value in row.tags.items()]}


def tags_of(request: Request) -> dict[str, str]:
    """The `tags` member as a dict."""
    tags = request.members.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise Fault("SerializationException", "tags: must be a list of objects with key and value")
    return {str(tag.get("key", "")): str(tag.get("value", "")) for tag in tags}


def _tagged(service: Service, request: Request) -> MachineRow | ActivityRow:
    arn = request.arn("resourceArn", Kind.STATE_MACHINE, Kind.ACTIVITY)
    tasks = service.store.tasks
    row = tasks.activity(str(arn)) if arn.kind is Kind.ACTIVITY else service.store.machine(str(arn))
    if row is None:
        raise resource_missing(str(arn))
    return row


async def _keep(service: Service, row: MachineRow | ActivityRow, tags: Mapping[str, str]) -> dict[str, Any]:
    if len(tags) > MOST_TAGS:
        raise Fault("TooManyTags", f"Too many tags: at most {MOST_TAGS} are allowed, there would be {len(tags)}")
    if isinstance(row, ActivityRow):
        service.store.tasks.put_activity(replace(row, tags=tags))
    else:
        service.store.put_machine(replace(row, tags=tags))
    await service.store.flush()
    return {}
