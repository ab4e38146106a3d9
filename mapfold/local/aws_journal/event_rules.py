"""Which objects' events some rule of EventBridge may want, as far as the journal says.

A put of an object that surely matches no rule sends nothing, and is no more than a put. A rule counts from when it was
made, for ever: to forget one would take knowing that no other has its pattern. What is not understood matches anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_MAKES_NO_RULE = frozenset(
    {
        *("PutTargets", "RemoveTargets", "DeleteRule", "EnableRule", "DisableRule", "PutEvents", "PutPermission"),
        *("RemovePermission", "TagResource", "UntagResource", "CreateEventBus", "DeleteEventBus"),
    }
)


class EventRules:
    """The patterns of all rules that there were."""

    def __init__(self) -> None:
        self._patterns: dict[str, Mapping[str, Any]] = {}
        self._any = False

    def note(self, operation: str, body: bytes) -> None:
        """A request to EventBridge."""
        if operation == "PutRule":
            self._put(body)
        elif operation not in _MAKES_NO_RULE:
            self.distrust()

    def distrust(self) -> None:
        """Somebody may have made any rule."""
        self._any = True

    def may_match(self, bucket: str, key: str) -> bool:
        """Whether what happens to this object may concern anybody."""
        return self._any or any(may_match(pattern, bucket, key) for pattern in self._patterns.values())

    def _put(self, body: bytes) -> None:
        try:
            text = orjson.loads(body).get("EventPattern")
            pattern = orjson.loads(text) if text else None
        except (orjson.JSONDecodeError, AttributeError):
            self.distrust()
            return
        if pattern is None:  # a schedule, which moto matches with every event
            self.distrust()
        elif isinstance(pattern, dict):
            self._patterns[text] = pattern
        else:
            self.distrust()


def may_match(pattern: Mapping[str, Any], bucket: str, key: str) -> bool:
    """Whether an event of S3 about this object may match; False only where the source, bucket or key surely does not."""
    return (
        _may_be(pattern, ("source",), "aws.s3")
        and _may_be(pattern, ("detail", "bucket", "name"), bucket)
        and _may_be(pattern, ("detail", "object", "key"), key)
    )


def _may_be(pattern: Any, path: Sequence[str], value: str) -> bool:
    for name in path:
        if not isinstance(pattern, dict):
            return True
        pattern = pattern.get(name)
    return not isinstance(pattern, list) or any(_may_take(filter_, value) for filter_ in pattern)


def _may_take(filter_: Any, value: str) -> bool:
    if isinstance(filter_, str):
        return filter_ == value
    if isinstance(filter_, dict) and isinstance(filter_.get("prefix"), str) and len(filter_) == 1:
        return value.startswith(filter_["prefix"])
    return True
