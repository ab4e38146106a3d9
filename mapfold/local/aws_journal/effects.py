"""What a change does to single things, its cells: an S3 object, a multipart upload, a DynamoDB item.

A cell is a number. `Effect` says which cells a request replaces whatever they were, which it changes, and which it only
needs to have been there. From these `liveness.py` works out whose effect is gone. Everything that is not surely known
here counts as one that may have read all there is, so that what came before it stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from mapfold.local.aws_journal.changes import action_of
from mapfold.local.aws_journal.dynamodb_effects import Tables
from mapfold.local.aws_journal.effect import OPAQUE, PLAIN, Cells, Effect
from mapfold.local.aws_journal.event_rules import EventRules
from mapfold.local.aws_journal.records import Record

LoadBody = Callable[[Record], bytes]

_SCOPE = re.compile(r"Credential=[^/]*/\d+/[^/]*/([^/]+)/aws4_request")
_SEVERAL_ACCOUNTS = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "CreateAccount"})
_ACCOUNT = "RoleArn=arn:aws:iam::123456789012:"
"""Of a role in the account that everybody is in."""

_PATH_STYLE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)

_APART = frozenset({"sqs", "sns", "sts", "iam", "ssm", "secretsmanager", "kms", "kinesis", "monitoring"})
"""Services whose requests look at no object and at no item."""

_SETTINGS = frozenset(
    {
        *("tagging", "cors", "policy", "acl", "lifecycle", "publicAccessBlock", "encryption", "ownershipControls"),
        *("website", "accelerate", "requestPayment"),
    }
)
"""Subresources of a bucket that leave a later PUT of an object what it is: all that it needs is in it."""

_SPECIAL_SETTINGS = frozenset({"versioning", "notification", "logging", "object-lock", "replication"})
"""Those that make more of it: a version, a message, a line of a log."""


class Effects:
    """Tells the effects of a journal's requests, one after the other."""

    def __init__(self, load_body: LoadBody) -> None:
        self._load_body = load_body
        self._cells = Cells()
        self._tables = Tables(self._cells)
        self._rules = EventRules()
        self._outbox = self._cells.new()
        """What was sent because of a change to an object. Nothing takes its place."""
        self._plain_buckets: set[str] = set()
        self._telling_buckets: set[str] = set()
        self._other_buckets: set[str] = set()
        self._others_make_buckets = False
        self._uploads: dict[str, int] = {}
        self._unclaimed: dict[tuple[str, str], list[int]] = {}
        self._several_accounts = False

    def of(self, record: Record, *, failed: bool = False) -> Effect:
        """The effect of the next one. One that `failed` may have done all of it, a part, or nothing."""
        try:
            if not failed:
                return self._of(record)
            self._distrust(record)
        except ValueError:  # a URL that is none
            self._do_not_know()
        return OPAQUE

    def _of(self, record: Record) -> Effect:
        environ = record.environ
        if environ.get("PATH_INFO") == "/moto-api/reset":
            return Effect(forgets_all=True)
        operation = action_of(environ, record.body)
        if "HTTP_X_MOTO_ACCOUNT_ID" in environ or (
            operation in _SEVERAL_ACCOUNTS and _ACCOUNT not in unquote(record.body.decode("latin-1"))
        ):
            self._several_accounts = True  # one name may then mean two tables
        if self._several_accounts:
            return OPAQUE
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", "") or _presigned_scope(environ))
        service = scope.group(1) if scope else ""
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_2012"):
            return self._tables.effect(environ, operation, self._load_body(record))
        if service in _APART:
            return PLAIN
        if service == "s3" and not operation and _PATH_STYLE.fullmatch(environ.get("HTTP_HOST", "")):
            return self._s3(record)
        if service == "events":
            self._rules.note(operation, self._load_body(record))
            return PLAIN  # no target of a rule is an object or an item
        self._do_not_know()  # CloudFormation makes buckets, and rules
        return OPAQUE

    def _do_not_know(self) -> None:
        self._others_make_buckets = True
        self._rules.distrust()

    def _distrust(self, record: Record) -> None:
        """Whatever this request would have made of buckets and tables is not known any more."""
        if record.environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_2012"):
            self._tables.distrust(action_of(record.environ, record.body))
            return
        bucket, key, _ = _parsed(record.environ)
        if not key:
            self._plain_buckets.discard(bucket)
            self._other_buckets.add(bucket)
            self._do_not_know()

    # --- S3 -----------------------------------------------------------------------------------------------

    def _s3(self, record: Record) -> Effect:
        bucket, key, query = _parsed(record.environ)
        if key:
            return self._object(record.environ, bucket, key, query)
        return self._bucket(record, bucket, query)

    def _bucket(self, record: Record, bucket: str, query: Mapping[str, Any]) -> Effect:
        method = record.environ["REQUEST_METHOD"]
        if method == "POST" and set(query) == {"delete"}:
            return self._delete_objects(record, bucket)
        if method == "PUT" and not query:
            self._made(bucket, plain="HTTP_X_AMZ_BUCKET_OBJECT_LOCK_ENABLED" not in record.environ)
            return PLAIN
        if method == "PUT" and query and set(query) <= _SETTINGS:
            return PLAIN
        if method == "PUT" and set(query) == {"notification"} and _tells_event_bridge_only(self._load_body(record)):
            self._telling_buckets.add(bucket)
            return PLAIN
        self._plain_buckets.discard(bucket)
        if method == "DELETE" and not query:
            self._other_buckets.discard(bucket)
            return PLAIN
        self._other_buckets.add(bucket)  # it has versions, notifications, a log, ...
        is_known = set(query) <= _SETTINGS | _SPECIAL_SETTINGS
        return PLAIN if method in ("PUT", "DELETE") and is_known else OPAQUE

    def _made(self, bucket: str, *, plain: bool) -> None:
        """A bucket that is there already may be made again, and stays what it is."""
        if plain and bucket not in self._other_buckets and not self._others_make_buckets:
            self._plain_buckets.add(bucket)
        elif bucket not in self._plain_buckets:
            self._other_buckets.add(bucket)

    def _delete_objects(self, record: Record, bucket: str) -> Effect:
        try:
            root = ElementTree.fromstring(self._load_body(record))
        except ElementTree.ParseError:
            return OPAQUE
        keys, versions = [], False
        for element in root.iter():
            name = element.tag.rpartition("}")[2]
            versions = versions or name == "VersionId"
            if name == "Key":
                keys.append(element.text or "")
        if versions:
            return OPAQUE
        return self._replacing(bucket, keys, deletes=True)

    def _object(self, environ: Mapping[str, Any], bucket: str, key: str, query: Mapping[str, list[str]]) -> Effect:
        method, names = environ["REQUEST_METHOD"], set(query)
        cell = self._object_cell(bucket, key)
        if names & {"uploadId", "uploads"}:
            return self._upload(environ, bucket, key, query)
        if names and not (method in ("PUT", "DELETE") and names <= {"tagging", "acl"}):
            return OPAQUE
        if names:
            return Effect(changes=(cell, *self._sent(bucket, [key])))
        if method == "PUT":
            return self._replacing(bucket, [key], reads=(*self._sources(environ), *_conditions(environ, cell)))
        if method == "DELETE":
            return self._replacing(bucket, [key], reads=_conditions(environ, cell), deletes=True)
        return OPAQUE

    def _upload(self, environ: Mapping[str, Any], bucket: str, key: str, query: Mapping[str, list[str]]) -> Effect:
        """A multipart upload's steps. Its id is known from the first step that names it."""
        method = environ["REQUEST_METHOD"]
        if method == "POST" and set(query) == {"uploads"}:
            cell = self._cells.new()
            self._unclaimed.setdefault((bucket, key), []).append(cell)
            return Effect(replaces=(cell,))
        if not set(query) <= {"uploadId", "partNumber"}:
            return OPAQUE
        upload = self._upload_cell(bucket, key, query["uploadId"][0])
        if upload is None:
            return OPAQUE
        if method == "PUT":
            return Effect(changes=(upload,), reads=self._sources(environ))
        if method == "DELETE":
            return Effect(replaces=(upload,), deletes=True, surely=True)
        if method == "POST":
            cell = self._object_cell(bucket, key)
            conditions, sent = _conditions(environ, cell), self._sent(bucket, [key])
            if bucket in self._plain_buckets and not sent:
                return Effect(replaces=(cell,), reads=conditions, consumes=(upload,))
            return Effect(changes=(cell, *sent), reads=conditions, consumes=(upload,))
        return OPAQUE

    def _upload_cell(self, bucket: str, key: str, upload_id: str) -> int | None:
        if upload_id not in self._uploads:
            unclaimed = self._unclaimed.get((bucket, key), [])
            if len(unclaimed) != 1:
                return None  # two were begun at once, and nothing says which of them this one is
            self._uploads[upload_id] = unclaimed.pop()
        return self._uploads[upload_id]

    def _replacing(
        self, bucket: str, keys: Sequence[str], *, reads: tuple[int, ...] = (), deletes: bool = False
    ) -> Effect:
        cells, sent = tuple(self._object_cell(bucket, key) for key in keys), self._sent(bucket, keys)
        if sent or bucket not in self._plain_buckets:
            return Effect(changes=(*cells, *sent), reads=reads)
        return Effect(replaces=cells, reads=reads, deletes=deletes)

    def _sent(self, bucket: str, keys: Sequence[str]) -> tuple[int, ...]:
        """The cell of what is sent, if something may be."""
        if bucket in self._telling_buckets and any(self._rules.may_match(bucket, key) for key in keys):
            return (self._outbox,)
        return ()

    def _sources(self, environ: Mapping[str, Any]) -> tuple[int, ...]:
        source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
        if source is None:
            return ()
        bucket, _, key = unquote(urlsplit(source).path).lstrip("/").partition("/")
        return (self._object_cell(bucket, key),)

    def _object_cell(self, bucket: str, key: str) -> int:
        return self._cells.number(("object", bucket, key))


def _tells_event_bridge_only(body: bytes) -> bool:
    """Whether this NotificationConfiguration names no queue, topic or function."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return False
    return all(element.tag.rpartition("}")[2] == "EventBridgeConfiguration" for element in root)


def _conditions(environ: Mapping[str, Any], cell: int) -> tuple[int, ...]:
    return (cell,) if "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ else ()


def _parsed(environ: Mapping[str, Any]) -> tuple[str, str, dict[str, list[str]]]:
    """Bucket, key, and what of the query says what S3 is asked for."""
    bucket, _, key = unquote(_raw_path(environ)).lstrip("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    asked = {name: values for name, values in query.items() if name != "x-id" and not name.startswith("X-Amz-")}
    return bucket, key, asked


def _raw_path(environ: Mapping[str, Any]) -> str:
    """The path before it was decoded, as moto takes it."""
    raw: str = environ.get("RAW_URI") or environ.get("PATH_INFO", "")
    if "://" in raw.split("?")[0]:
        return urlsplit(raw).path
    return raw.split("?", 1)[0]


def _presigned_scope(environ: Mapping[str, Any]) -> str:
    credential = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
    return f"Credential={credential}"
