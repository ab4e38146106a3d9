"""What a message of the start queue asks for: a run of a job, in words or by an upload.

In words it is {"job", "source", "params"?, "name"?}. An upload is the "Object Created" event of S3 that EventBridge
passes on, of an object under manifests/JOB/.

A message may come twice, and so may an event of one upload. The run's name is therefore made of what stays the same, so
that the second start finds the first one's run: of the message's id, or of the object's bucket, key and version. Where
the bucket has no versions, the sequencer stands for it: S3 gives each write of a key another one, while the ETag alone
would be the same for a file that is uploaded anew, which is meant to run again.

A run reads the object as it is when it starts, which may be a newer upload by then. So the source of an upload's run says
which version was meant, and Plan refuses another one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from mapfold.errors import UsageError
from tasks._api_models import StartRun, explain
from tasks._json_text import read_json

UPLOADS = "manifests/"
_KEY = re.compile(rf"{UPLOADS}(?P<job>[^/]+)/(?P<rest>.*)", re.DOTALL)
_NAME_LENGTH = 80
_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is asked for. `source` is as an execution's input gives it. is_chosen: somebody chose its name."""

    job: str
    source: Mapping[str, str]
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    is_chosen: bool = False


def read_message(body: str, *, message_id: str) -> Asked | None:
    """What a message asks for; None for an upload that is only a folder. UsageError says what is wrong with it."""
    document = _decoded(body)
    if isinstance(document, dict) and "detail-type" in document:
        return _of_upload(document)
    try:
        request = StartRun.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"the message cannot be carried out: {explain(map(dict, error.errors()))}") from error
    return Asked(
        job=request.job,
        source={"uri": request.source},
        name=request.name or f"{request.job}-{message_id}",
        params=request.params,
        is_chosen=request.name is not None,
    )


def upload_run_id(job: str, bucket: str, key: str, version: str) -> str:
    """The name of the run that an upload starts: `JOB-FILE-xxxxxxxxxxxx`, at most 80 characters."""
    digest = hashlib.sha256(json.dumps([bucket, key, version]).encode()).hexdigest()[:_DIGEST_LENGTH]
    room = _NAME_LENGTH - len(job) - _DIGEST_LENGTH - 2
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(key).stem)[: max(room, 0)].strip("-.")
    return "-".join(part for part in (job, stem, digest) if part)


def _decoded(body: str) -> Any:
    try:
        return read_json(body)
    except json.JSONDecodeError as error:
        raise UsageError(f"the message is no JSON: {error}") from error


def _of_upload(event: Mapping[str, Any]) -> Asked | None:
    kind = (event.get("source"), event["detail-type"])
    if kind != ("aws.s3", "Object Created"):
        raise UsageError(f"the event is {kind[1]!r} of {kind[0]!r}; only 'Object Created' of 'aws.s3' starts a run")
    try:
        bucket, uploaded = event["detail"]["bucket"]["name"], event["detail"]["object"]
        found = _KEY.fullmatch(key := uploaded["key"])
    except (KeyError, TypeError) as error:  # also of a key that is no text
        raise UsageError(f"the event names no object: its detail is {event.get('detail')!r}") from error
    if found is None:
        raise UsageError(f"s3://{bucket}/{key} does not lie under {UPLOADS}JOB/, so that it names no job")
    if not found["rest"] or found["rest"].endswith("/"):
        return None  # the console makes a folder as an empty object
    pinned = _pinned(uploaded)
    version = pinned.get("version") or f"{pinned.get('etag')} {uploaded.get('sequencer')}"
    name = upload_run_id(found["job"], bucket, key, version)
    return Asked(job=found["job"], source={"uri": f"s3://{bucket}/{key}", **pinned}, name=name)


def _pinned(uploaded: Mapping[str, Any]) -> dict[str, str]:
    """What tells this version of the object from others: its version, or where the bucket has none, its ETag."""
    version, etag = uploaded.get("version-id"), uploaded.get("etag") or uploaded.get("eTag")
    if version and version != "null":
        return {"version": str(version)}
    return {"etag": str(etag)} if etag else {}
