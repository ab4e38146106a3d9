"""A run's result for people: itself, or where its parts or shards are with the first few of their lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from mapfold.cli.present import columns, counted, result_lines
from mapfold.client.outcome import Outcome, split_uri

SHOWN_LINES = 5
SHOWN_FILES = 10
_HEAD_BYTES = 64 * 1024
_CHARACTERS = 120


class ReadsRanges(Protocol):
    """What the first lines take of `AwsClient`."""

    def object_range(self, bucket: str, key: str, *, start: int, length: int) -> tuple[bytes, int] | None: ...


def outcome_result_lines(ended: Outcome, aws: ReadsRanges) -> list[str]:
    """The result of a run that has ended; nothing where it has none."""
    if ended.result is None:
        return []
    if ended.result_kind == "parts":
        return _parts_lines(ended.result, aws)
    if ended.result_kind == "shards":
        return _shards_lines(ended.result, aws)
    return result_lines(ended.result)


def _parts_lines(result: Mapping[str, Any], aws: ReadsRanges) -> list[str]:
    parts = result["parts"]
    lines = [f"{counted(result['records'], 'record')} by key in {counted(len(parts), 'part')}"]
    if not parts:
        return lines
    folder = parts[0]["uri"].rpartition("/")[0]
    rows = [(part["uri"].rpartition("/")[2], part["records"], part["bytes"]) for part in parts[:SHOWN_FILES]]
    lines += [f"{folder}/", *(f"  {line}" for line in columns(("part", "records", "bytes"), rows))]
    if len(parts) > SHOWN_FILES:
        lines.append(f"  … {len(parts) - SHOWN_FILES:,} more")
    return [*lines, "", *_first_lines(parts[0]["uri"], result["records"], aws)]


def _shards_lines(result: Mapping[str, Any], aws: ReadsRanges) -> list[str]:
    values = f"{counted(result['lines'], 'value')} in the order of the source, in {counted(result['shards'], 'shard')}"
    lines = [values, f"index     {result['index']}"]
    # The second line of the index is the first shard: `mapfold.runs.shards` writes it so.
    index = _head(result["index"], aws)
    if not result["shards"] or len(index) < 2:
        return lines
    first = json.loads(index[1].rstrip(b","))
    return [*lines, "", *_first_lines(first["uri"], result["lines"], aws)]


def _first_lines(uri: str, total: int, aws: ReadsRanges) -> list[str]:
    found = [_shortened(line.decode(errors="replace")) for line in _head(uri, aws)[:SHOWN_LINES]]
    left = total - len(found)
    return [*found, f"… {left:,} more"] if left > 0 else found


def _head(uri: str, aws: ReadsRanges) -> list[bytes]:
    """The first lines of an object, the last perhaps cut off; none if it is not there any more."""
    bucket, key = split_uri(uri)
    found = aws.object_range(bucket, key, start=0, length=_HEAD_BYTES)
    return [line for line in found[0].split(b"\n") if line] if found is not None else []


def _shortened(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"
