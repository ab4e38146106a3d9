"""What is wrong with a run's source."""

from __future__ import annotations

from typing import Any

_REASONS = {
    "404": "there is no such object",
    "NoSuchKey": "there is no such object",
    "NoSuchBucket": "there is no such bucket",
    "NoSuchVersion": "that version of it was deleted",
    "PreconditionFailed": "it has been overwritten since",
    "412": "it has been overwritten since",
    "403": "access is denied, or there is no such object",
    "AccessDenied": "access is denied, or there is no such object",
}


class SourceError(Exception):
    """The run's source cannot be read. The message names the object, says why, and what helps."""


def refusal(error: Any) -> str:
    """What a ClientError of S3 means, with its code: `there is no such object (NoSuchKey)`."""
    code = error.response.get("Error", {}).get("Code", "")
    return f"{_REASONS.get(code, str(error))} ({code})"
