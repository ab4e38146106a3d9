"""A request's members, checked as the service model says: types, lengths, ranges, enumerations.

All that is wrong is reported at once, in ValidationException's words. `Request` is made per call; the getters note
problems and return a harmless value, and `done` raises when there were any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mapfold.local.arns import Arn, ArnError, Kind, expect_arn
from mapfold.local.service.faults import Fault, invalid, invalid_arn

ARN_LENGTH = 2_000
PAYLOAD_BYTES = 262_144
DEFINITION_LENGTH = 1_048_576


class Request:
    """The JSON object that came with an action."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.members = members
        self._problems: list[str] = []
        self._path = ""

    def has(self, name: str) -> bool:
        """Whether the member was given (null counts as not given, as SDKs leave it out)."""
        return self.members.get(name) is not None

    def text(self, name: str, *, least: int = 0, most: int | None = None, needed: bool = True) -> str:
        """A string member; "" when it is missing and not needed."""
        value = self.members.get(name)
        if value is None:
            if needed:
                self._problem("null", name, "Member must not be null")
            return ""
        if not isinstance(value, str):
            raise _wrong_type(name, "a string", value)
        if len(value) < least:
            self._problem(value, name, f"Member must have length greater than or equal to {least}")
        if most is not None and len(value) > most:
            self._problem(value, name, f"Member must have length less than or equal to {most}")
        return value

    def optional_text(self, name: str, *, most: int | None = None) -> str | None:
        """A string member, or None when it is missing."""
        return self.text(name, most=most) if self.has(name) else None

    def choice(self, name: str, values: Sequence[str], default: str) -> str:
        """A member of an enumeration."""
        value = self.text(name, needed=False) or default
        if value and value not in values:
            self._problem(value, name, f"Member must satisfy enum value set: [{', '.join(values)}]")
        return value

    def whole(self, name: str, *, least: int, most: int | None = None) -> int | None:
        """An integer member, or None when it is missing."""
        value = self.members.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(name, "a whole number", value)
        self._range(name, value, least, most)
        return value

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """A number member, or None when it is missing."""
        value = self.members.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(name, "a number", value)
        self._range(name, value, least, most)
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean member."""
        value = self.members.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise _wrong_type(name, "true or false", value)
        return value

    def part(self, name: str) -> Request:
        """An object member, as a request whose problems are noted here; without members where it is missing."""
        value = self.members.get(name)
        if not isinstance(value, dict | None):
            raise _wrong_type(name, "an object", value)
        part = Request(value or {})
        part._problems, part._path = self._problems, f"{self._path}{name}."
        return part

    def arn(self, name: str, *kinds: Kind) -> Arn:
        """An ARN member of one of `kinds`. Checks everything asked for before it, too."""
        value = self.text(name, least=1, most=ARN_LENGTH)
        self.done()
        try:
            return expect_arn(value, *kinds)
        except ArnError as error:
            raise invalid_arn(error.reason) from error

    def page_size(self) -> int:
        """maxResults: 0 or missing means 100, at most 1,000."""
        return self.whole("maxResults", least=0, most=1000) or 100

    def refuse(self, value: object, name: str, rule: str) -> None:
        """Note that a member breaks a rule, for `done`."""
        self._problem(value, name, rule)

    def done(self) -> None:
        """Raise ValidationException if anything that was asked for is wrong."""
        if self._problems:
            raise invalid(self._problems)

    def _range(self, name: str, value: float, least: float, most: float | None) -> None:
        if value < least:
            self._problem(value, name, f"Member must have value greater than or equal to {least}")
        if most is not None and value > most:
            self._problem(value, name, f"Member must have value less than or equal to {most}")

    def _problem(self, value: object, name: str, rule: str) -> None:
        shown = "null" if value == "null" else f"'{str(value)[:1024]}'"
        self._problems.append(f"Value {shown} at '{self._path}{name}' failed to satisfy constraint: {rule}")


def _wrong_type(name: str, expected: str, value: object) -> Fault:
    return Fault("SerializationException", f"{name}: must be {expected}, not {type(value).__name__}")
