"""The words of the SDK for Java 2 for a call that was refused."""

from __future__ import annotations

import base64
import secrets


def refused_by_s3(message: str, *, status: int, request_id: str, extended_id: str | None) -> str:
    """The cause of a call that S3 refused. S3 always has an extended id: where its stand-in has none, one is made up."""
    extended = extended_id or base64.b64encode(secrets.token_bytes(56)).decode()
    return refused(message, service="S3", status=status, ids=f"{request_id}, Extended Request ID: {extended}")


def refused(message: str, *, service: str, status: int, ids: str) -> str:
    """The cause of a call that `service` refused: no call that was refused is tried again."""
    return f"{message} (Service: {service}, Status Code: {status}, Request ID: {ids}) (SDK Attempt Count: 1)"
