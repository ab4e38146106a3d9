"""ExpectedBucketOwner, which moto takes and does not look at: all buckets are the one local account's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapfold.local.arns import ACCOUNT
from mapfold.local.aws_journal.refusals import refusal
from mapfold.local.aws_journal.requests import Answer

_HEADERS = ("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER", "HTTP_X_AMZ_SOURCE_EXPECTED_BUCKET_OWNER")


def owner_refusal(environ: Mapping[str, Any]) -> Answer | None:
    """S3's answer to a request whose bucket, or the one that it copies from, should be somebody else's; or None."""
    if all(environ.get(header, ACCOUNT) == ACCOUNT for header in _HEADERS):
        return None
    answer = refusal(environ, "403 Forbidden", "AccessDenied", "Access Denied")
    if environ.get("REQUEST_METHOD") == "HEAD":
        return Answer(answer.status, answer.headers, [])
    return answer
