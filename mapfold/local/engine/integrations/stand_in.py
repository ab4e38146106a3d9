"""What a stand-in for a service says otherwise than AWS where a task's result or failure shows it, put right."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping

CONTENT_TYPES: Mapping[str, str] = {"events": "application/x-amz-json-1.1"}
"""By botocore's name of the service: the Content-Type of its answers, where the stand-in has another."""

REFUSALS: Mapping[tuple[str, str], tuple[re.Pattern[str], str | None]] = {
    ("iam", "NoSuchEntity"): (re.compile(r"Role (\S+) not found"), r"The role with name \1 cannot be found."),
    ("sns", "NotFound"): (re.compile("Endpoint does not exist"), "Topic does not exist"),
    ("ssm", "ParameterNotFound"): (re.compile(r"Parameter .* not found\."), None),
}
"""By service and code: what the stand-in says, and what AWS says (None: nothing)."""

STATUSES: Mapping[tuple[str, str], int] = {("secretsmanager", "ResourceNotFoundException"): 400}
"""By service and code: AWS's status, where the stand-in has another."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def aws_message(service: str, code: str, message: str | None) -> str | None:
    """What AWS says where the stand-in says `message`."""
    known = REFUSALS.get((service, code))
    if known is None or message is None or (match := known[0].fullmatch(message)) is None:
        return message
    return None if known[1] is None else match.expand(known[1])


def aws_request_id(service: str, given: str) -> str:
    """An id in the form of the service's: 52 capitals and digits of DynamoDB's, 16 of S3's, a UUID of all others'."""
    if _UUID.fullmatch(given):
        return given
    if service == "dynamodb":
        return given.upper()
    if service == "s3":
        return given[:16].upper()
    return str(uuid.UUID(bytes=hashlib.sha256(given.encode()).digest()[:16], version=4))
