"""How `aws-sdk:` and optimized integrations write what they take and give: two generations of the SDK for Java."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mapfold.local.sdk.naming import optimized_member, sdk_member
from mapfold.states.effects import Json

AS_THE_API_HAS_THEM = frozenset({"AttributeValue"})
"""Shapes whose members are taken by the API's own names too: DynamoDB's `BOOL` beside `Bool`."""


@dataclass(frozen=True)
class Style:
    """`member` names a member of the API; `time` and `blob` write the values that JSON has no form for."""

    member: Callable[[str], str]
    time: Callable[[datetime], Json]
    blob: Callable[[bytes], Json]
    _members: dict[tuple[str, tuple[str, ...]], Mapping[str, str]] = field(default_factory=dict, compare=False)

    def members(self, shape: Any) -> Mapping[str, str]:
        """The API's members of a structure by the names that Step Functions gives them."""
        key = (shape.name, tuple(shape.members))
        found = self._members.get(key)
        if found is None:
            found = {self.member(name): name for name in shape.members}
            if shape.name in AS_THE_API_HAS_THEM:
                found = {**{name: name for name in shape.members}, **found}
            self._members[key] = found
        return found


def iso_time(moment: datetime) -> str:
    """UTC in ISO 8601, with the digits of the second in groups of three, and none where they are zero."""
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    digits = f"{moment.microsecond:06d}"
    digits = digits.removesuffix("000").removesuffix("000")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{digits}Z"


def epoch_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, as the older SDK's dates are written."""
    return round(moment.timestamp() * 1000)


def text_of(data: bytes) -> str:
    """The UTF-8 text of bytes; what is none is replaced."""
    return data.decode(errors="replace")


def base64_of(data: bytes) -> str:
    """Base64, as the older SDK writes binary."""
    return base64.b64encode(data).decode()


SDK = Style(member=sdk_member, time=iso_time, blob=text_of)
"""`aws-sdk:` integrations."""

OPTIMIZED = Style(member=optimized_member, time=epoch_milliseconds, blob=base64_of)
"""Optimized integrations."""
