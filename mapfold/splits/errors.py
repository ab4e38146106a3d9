"""What is wrong with an object that is to be read in pieces, and where."""

from __future__ import annotations

from dataclasses import dataclass


class SplitError(Exception):
    """An object cannot be cut or read. The message names it, the byte where that is known, and the way out."""

    def __init__(self, problem: str, *, at: str, fix: str) -> None:
        super().__init__(f"{at}: {problem}. {fix}.")
        self.problem, self.at, self.fix = problem, at, fix


class DamagedMember(SplitError):
    """Bytes that look like a gzip member and cannot be inflated to its checksum."""


@dataclass(frozen=True, slots=True)
class Place:
    """What byte positions count in: an object, or what one of its gzip members holds (`member` is where that begins)."""

    uri: str
    member: int | None = None

    def at(self, byte: int) -> str:
        """A byte of it, in words."""
        if self.member is None:
            return f"{self.uri}, byte {byte:,}"
        return f"{self.uri}, byte {byte:,} of what the gzip member at byte {self.member:,} holds"

    def error(self, byte: int, problem: str, fix: str) -> SplitError:
        """What is wrong at a byte of it."""
        return SplitError(problem, at=self.at(byte), fix=fix)
