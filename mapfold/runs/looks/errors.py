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

_CHECK = "Check bucket and key"
_RIGHTS = "Check bucket and key, and name the place in the job's `reads`"
_NEW_RUN = "Start a new run: that reads the object as it is now"
_FIXES = {
    "404": _CHECK,
    "NoSuchKey": _CHECK,
    "NoSuchBucket": _CHECK,
    "403": _RIGHTS,
    "AccessDenied": _RIGHTS,
    "NoSuchVersion": _NEW_RUN,
    "PreconditionFailed": _NEW_RUN,
    "412": _NEW_RUN,
}


class SourceError(Exception):
    """The run's source cannot be read. The message names the object, says why, and what helps."""


def refusal(error: Any) -> str:
    """What a ClientError of S3 means, with its code: `there is no such object (NoSuchKey)`."""
    code = error.response.get("Error", {}).get("Code", "")
    return f"{_REASONS.get(code, str(error))} ({code})"


def unreadable(uri: str, error: Any, *, hint: str = "") -> SourceError:
    """The error of a source that S3 does not give, with what helps: `hint`, or what its code suggests."""
    code = error.response.get("Error", {}).get("Code", "")
    fix = hint or _FIXES.get(code, "Run it again, and if that says the same, look at the object in S3")
    return SourceError(f"the source {uri} cannot be read: {refusal(error)}. {fix.removesuffix('.')}.")
