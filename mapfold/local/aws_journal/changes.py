"""Which requests change something, decided from the request alone. Where it is in doubt, one does."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

_READS = ("Describe", "Get", "List", "Scan", "Query", "BatchGet", "TransactGet", "Search")
_CHANGES_NAMED_LIKE_READS = frozenset({"GetId"})
"""Cognito's GetId makes an identity."""

_COMPUTE_ONLY = frozenset(
    {
        *("Decrypt", "Encrypt", "ReEncrypt", "GenerateRandom", "Sign", "Verify", "GenerateMac", "VerifyMac"),
        *("GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair"),
        *("GenerateDataKeyPairWithoutPlaintext", "FilterLogEvents", "LookupEvents", "ValidateTemplate"),
        *("SimulatePrincipalPolicy", "SimulateCustomPolicy", "DecodeAuthorizationMessage"),
    }
)
"""Reads by other names: asked for often, they would only make the journal long."""

_MADE_IN_PARTS = frozenset({"CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet", "ExecuteTransaction"})
_PASSED_THROUGH = ("/moto-api/recorder/", "/latest/meta-data/", "/latest/api/")  # the latter two: of EC2's instances
_LONGEST_FORM = 1 << 20


class Kind(StrEnum):
    """What becomes of a request."""

    READ = "read"
    CHANGE = "change"
    PASS = "pass"
    """It may call this process again, so it must not hold others up; what it changes comes as requests of its own."""


def kind_of(environ: Mapping[str, Any], body: bytes) -> Kind:
    """The kind of a request with this beginning of a body (the whole of it where it is a form)."""
    path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "GET")
    if path.startswith(_PASSED_THROUGH) or "/execute-api/" in environ.get("HTTP_AUTHORIZATION", ""):
        return Kind.PASS
    if method == "POST" and path.startswith("/2015-03-31/functions/") and path.endswith("/invocations"):
        return Kind.CHANGE if _is_s3(environ) else Kind.PASS
    if method in ("GET", "HEAD", "OPTIONS"):
        action = action_of(environ, b"")  # the Query protocol may put a change into a URL
        return Kind.CHANGE if action and not _is_read(action) else Kind.READ
    if action := action_of(environ, body):
        return Kind.READ if _is_read(action) else Kind.CHANGE
    if method == "POST" and "select-type" in parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True):
        return Kind.READ  # SelectObjectContent
    return Kind.CHANGE


def action_of(environ: Mapping[str, Any], body: bytes) -> str:
    """The operation that a JSON or Query request names; "" for REST, where method and path say it."""
    if _is_s3(environ):
        return ""  # what looks like one may be an object
    target: str = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rpartition(".")[2]
    method = environ.get("REQUEST_METHOD")
    if method not in ("GET", "POST"):
        return ""
    content_type: str = environ.get("CONTENT_TYPE", "")
    form = method == "POST" and content_type.startswith("application/x-www-form-urlencoded")
    text = body.decode("latin-1") if form and len(body) <= _LONGEST_FORM else ""
    query: str = environ.get("QUERY_STRING", "")
    for source in (text, query):
        if "Action=" in source:
            return parse_qs(source).get("Action", [""])[0]
    return ""


def is_made_in_parts(action: str) -> bool:
    """Whether moto may have made a part of what it then refuses: it does the members of a batch one after the other."""
    return action.startswith("Batch") or action.endswith("Batch") or action in _MADE_IN_PARTS


def _is_read(action: str) -> bool:
    if action in _COMPUTE_ONLY:
        return True
    return action.startswith(_READS) and action not in _CHANGES_NAMED_LIKE_READS


def _is_s3(environ: Mapping[str, Any]) -> bool:
    return "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
