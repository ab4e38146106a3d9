"""Tags of state machines and activities: at most 50 each (API Reference: TagResource; Tagging in Step Functions)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mapfold.local.arns import Arn, Kind
from mapfold.local.service.context import Service
from mapfold.local.service.deleting import settle
from mapfold.local.service.faults import Fault, resource_missing
from mapfold.local.service.request import Request

MOST_TAGS = 50

_CHARACTERS = re.compile(r"[\w\s.:/=+\-@]*")  # Unicode letters, digits, white space and _ . : / = + - @


async def tag_resource(service: Service, request: Request) -> dict[str, Any]:
    """TagResource: adds tags, or gives known keys new values."""
    arn = _tagged(request)
    return await _keep(service, arn, {**_tags(service, arn), **tags_of(request)})


async def untag_resource(service: Service, request: Request) -> dict[str, Any]:
    """UntagResource: keys that are not there are no error."""
    arn = _tagged(request)
    gone = request.members["tagKeys"]
    return await _keep(service, arn, {key: value for key, value in _tags(service, arn).items() if key not in gone})


async def list_tags_for_resource(service: Service, request: Request) -> dict[str, Any]:
    """ListTagsForResource."""
    tags = _tags(service, _tagged(request))
    return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}


def tags_of(request: Request) -> dict[str, str]:
    """The `tags` member as a dict. TooManyTags, or ValidationException in unconfirmed words."""
    tags = {tag.get("key"): tag.get("value") or "" for tag in request.members.get("tags") or []}
    for key, value in tags.items():
        if key is None:
            raise Fault("ValidationException", "Tag key must not be null")
        if key.lower().startswith("aws:"):
            raise Fault("ValidationException", f"Tag keys that start with 'aws:' are reserved for AWS: '{key}'")
        for text in (key, value):
            if _CHARACTERS.fullmatch(text) is None:
                raise Fault(
                    "ValidationException",
                    "Tags may only contain Unicode letters, digits, white space, or these symbols: "
                    f"_ . : / = + - @. Found: '{text}'",
                )
    _check_count(tags)
    return tags


def _check_count(tags: Mapping[str, str], arn: str = "") -> None:
    if len(tags) > MOST_TAGS:
        message = f"Too many tags: at most {MOST_TAGS} are allowed, there would be {len(tags)}"
        raise Fault("TooManyTags", message, resourceName=arn) if arn else Fault("TooManyTags", message)


def _tagged(request: Request) -> Arn:
    return request.arn("resourceArn", Kind.STATE_MACHINE, Kind.ACTIVITY)


def _tags(service: Service, arn: Arn) -> Mapping[str, str]:
    """The tags of what an ARN stands for. ResourceNotFound: versions, aliases and labels have none."""
    settle(service)
    row = service.store.tasks.activity(str(arn)) if arn.kind is Kind.ACTIVITY else service.store.machine(str(arn))
    if row is None:
        raise resource_missing(str(arn))
    tags: Mapping[str, str] = row.tags
    return tags


async def _keep(service: Service, arn: Arn, tags: Mapping[str, str]) -> dict[str, Any]:
    _check_count(tags, str(arn))
    if arn.kind is Kind.ACTIVITY:
        activity = service.store.tasks.activity(str(arn))
        assert activity is not None  # `_tags` has found it
        service.store.tasks.put_activity(replace(activity, tags=tags))
    else:
        row = service.store.machine(str(arn))
        assert row is not None  # `_tags` has found it
        service.store.put_machine(replace(row, tags=tags))
    await service.store.flush()
    return {}
