"""A counter that is incremented a million times is one item: its updates can be told in one put."""

from __future__ import annotations

import io
from typing import Any

import orjson

from mapfold.local.aws_journal.records import Record
from mapfold.local.aws_journal.requests import Application, ask, for_moto

_TARGET = "HTTP_X_AMZ_TARGET"


def put_instead(application: Application, update: Record) -> Record | None:
    """The request that makes the item of an UpdateItem what it is now, or deletes it; None if that cannot be told."""
    request = orjson.loads(update.body)
    which: dict[str, Any] = {"TableName": request["TableName"], "Key": request["Key"]}
    body = orjson.dumps({**which, "ConsistentRead": True})
    environ = {**update.environ, _TARGET: update.environ[_TARGET].replace("UpdateItem", "GetItem")}
    answer = ask(application, for_moto(environ, io.BytesIO(body), len(body)))
    content = answer.content()
    if answer.code != 200:
        return None
    item = orjson.loads(content).get("Item")
    operation, fields = ("DeleteItem", which) if item is None else ("PutItem", {**which, "Item": item})
    if item is not None:
        del fields["Key"]
    target = update.environ[_TARGET].replace("UpdateItem", operation)
    return Record({**update.environ, _TARGET: target}, orjson.dumps(fields), update.seed, update.moment)
