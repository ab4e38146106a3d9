"""What DynamoDB's requests do to items: the part of `effects.py` that knows tables and their keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from mapfold.local.aws_journal.effect import OPAQUE, PLAIN, Cells, Effect

_REGION = re.compile(r"Credential=[^/]*/\d+/([^/]*)/")
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,37}")
_OF_ITEMS = frozenset({"PutItem", "DeleteItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems"})
_SETTINGS = frozenset({"TagResource", "UntagResource", "UpdateTimeToLive", "UpdateContinuousBackups"})


class _Unknown(Exception):
    """Which items a request means cannot be told."""


@dataclass(slots=True)
class _Table:
    """`keys` are the names of its key attributes; `special`: what is put into it is seen elsewhere too (a stream)."""

    keys: tuple[str, ...]
    special: bool
    cells: set[int] = field(default_factory=set)


class Tables:
    """The tables that a journal makes, and the effects of requests to them."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._tables: dict[tuple[str, str], _Table] = {}

    def effect(self, environ: Mapping[str, Any], operation: str, body: bytes) -> Effect:
        """The effect of the next request."""
        found = _REGION.search(environ.get("HTTP_AUTHORIZATION", ""))
        try:
            request = orjson.loads(body)
            return self._effect("" if found is None else found.group(1), operation, request)
        except (_Unknown, ValueError, KeyError, TypeError, AttributeError):  # what it was sent is none of our checking
            return OPAQUE

    def distrust(self, operation: str) -> None:
        """Some request for `operation` failed in the middle: unless it was for items, no table is known any more."""
        if operation not in _OF_ITEMS:
            self._tables.clear()

    def _effect(self, region: str, operation: str, request: Mapping[str, Any]) -> Effect:
        match operation:
            case "PutItem":
                return self._write(region, [("Put", request)])
            case "DeleteItem":
                return self._write(region, [("Delete", request)])
            case "UpdateItem":
                effect = self._write(region, [("Update", request)])
                return replace(effect, updates=not self._table(region, request).special)
            case "BatchWriteItem":
                return self._write(region, _batch(request))
            case "TransactWriteItems":
                return self._write(region, [pair for item in request["TransactItems"] for pair in item.items()])
            case "CreateTable":
                keys = tuple(sorted(key["AttributeName"] for key in request["KeySchema"]))
                streams = bool((request.get("StreamSpecification") or {}).get("StreamEnabled"))
                self._tables[region, request["TableName"]] = _Table(keys, streams)
                return PLAIN
            case "DeleteTable":
                table = self._tables.pop((region, request["TableName"]))
                return PLAIN if table.special else Effect(replaces_also=tuple(table.cells))
            case "UpdateTable":
                if set(request) & {"StreamSpecification", "ReplicaUpdates"}:
                    self._table(region, request).special = True
                return PLAIN
        return PLAIN if operation in _SETTINGS else OPAQUE

    def _write(self, region: str, writes: list[tuple[str, Mapping[str, Any]]]) -> Effect:
        replaces, changes, reads = [], [], []
        deletes = True
        for kind, write in writes:
            table = self._table(region, write)
            cell = self._cell(region, write["TableName"], table, write["Item" if kind == "Put" else "Key"])
            table.cells.add(cell)
            if kind == "ConditionCheck":
                reads.append(cell)
            elif kind == "Update" or table.special:
                changes.append(cell)
            elif kind in ("Put", "Delete"):
                replaces.append(cell)
            else:
                raise _Unknown
            if write.get("ConditionExpression") or write.get("Expected"):
                reads.append(cell)
            deletes = deletes and kind == "Delete" and not table.special
        return Effect(replaces=tuple(replaces), changes=tuple(changes), reads=tuple(reads), deletes=deletes)

    def _table(self, region: str, request: Mapping[str, Any]) -> _Table:
        table = self._tables.get((region, request["TableName"]))
        if table is None:
            raise _Unknown  # made by CloudFormation, restored, named by its ARN, ...
        return table

    def _cell(self, region: str, name: str, table: _Table, attributes: Mapping[str, Any]) -> int:
        values = []
        for key in table.keys:
            ((kind, value),) = attributes[key].items()
            if kind == "N" and not _WHOLE_NUMBER.fullmatch(str(value)):
                raise _Unknown  # 1.0 and 1 are one key
            values.append((kind, str(value)))
        return self._cells.number(("item", region, name, *values))


def _batch(request: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    writes: list[tuple[str, Mapping[str, Any]]] = []
    for table, members in request["RequestItems"].items():
        for member in members:
            for kind, write in member.items():
                writes.append((kind.removesuffix("Request"), {**write, "TableName": table}))
    return writes
