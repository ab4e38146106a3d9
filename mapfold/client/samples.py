"""Real partials of a run, as its batches left them in S3: a bounded sample, spread over the whole run.

They are read from the ResultWriters' files. Where these are large, a window is read at each of SAMPLES places; where the
partials themselves lie in S3, as many are read as are BYTES together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from mapfold.client.laws import Pool
from mapfold.client.target import Target
from mapfold.job import Job
from mapfold.runs.folder import RunFolder
from mapfold.runs.outcome import ResultFile

SAMPLES = 64
BYTES = 32 * 1024 * 1024
OBJECTS = 24
"""Batches whose records by key are looked at."""

_WHOLE_BYTES = 4 * 1024 * 1024
_WINDOW_BYTES = 640 * 1024
"""A line is the output of an execution: 262,144 bytes at most, so a window has one whole."""

_HEAD_BYTES = 256 * 1024
"""Of each batch's records: those of the first hash slots, which are the same in all of them."""


class ReadsSamples(Protocol):
    """What sampling takes of `AwsClient`."""

    target: Target

    def object_size(self, bucket: str, key: str) -> int | None: ...
    def object_text(self, bucket: str, key: str) -> str: ...
    def object_lines(self, bucket: str, key: str) -> Iterator[bytes] | None: ...
    def object_range(self, bucket: str, key: str, *, start: int, length: int) -> tuple[bytes, int] | None: ...
    def object_keys(self, bucket: str, prefix: str, *, after: str = "") -> Iterator[str]: ...


def sample_pools(aws: ReadsSamples, job: Job, run_id: str) -> list[Pool]:
    """Partials of a run that may be folded with one another; with @job.group_by, records of one key, a pool each."""
    folder = RunFolder(aws.target.runs_bucket, run_id)
    partials = (output["partial"] for output in _outputs(aws, folder) if output["items"] > output["failed"])
    if job.result_kind == "parts":
        return _of_one_key(aws, folder, list(partials))
    return [_read(aws, folder, partials)]


def _read(aws: ReadsSamples, folder: RunFolder, partials: Iterator[Any]) -> list[str]:
    texts: list[str] = []
    held = 0
    for partial in partials:
        if isinstance(partial, Mapping) and partial.keys() == {"$s3"}:
            size = aws.object_size(folder.bucket, partial["$s3"])
            if size is None or (len(texts) > 2 and held + size > BYTES):
                continue
            texts.append(aws.object_text(folder.bucket, partial["$s3"]))
        else:
            texts.append(json.dumps(partial, separators=(",", ":")))
        held += len(texts[-1])
    return texts


def _of_one_key(aws: ReadsSamples, folder: RunFolder, partials: Sequence[Mapping[str, Any]]) -> list[Pool]:
    """The records of the first slots of some batches, by their keys; those of which there are two at least."""
    by_key: dict[str, list[str]] = {}
    written = [partial for partial in partials if partial["key"] is not None]
    for partial in _spread(written, OBJECTS):
        length = min(_HEAD_BYTES, partial["bytes"])
        found = aws.object_range(folder.bucket, partial["key"], start=0, length=length)
        lines = found[0].split(b"\n") if found is not None else []
        for line in lines[: -1 if length < partial["bytes"] else None]:
            if line:
                _, key, text = line.decode().split("\t", 2)
                by_key.setdefault(key, []).append(text)
    return [texts for texts in by_key.values() if len(texts) > 1]


def _outputs(aws: ReadsSamples, folder: RunFolder) -> Iterator[Mapping[str, Any]]:
    """Outputs of batches from all over the run."""
    files = list(_result_files(aws, folder))
    total = sum(file.size for file in files)
    if total <= _WHOLE_BYTES:
        lines = [line for file in files for line in aws.object_lines(file.bucket, file.key) or () if line.strip()]
        yield from map(json.loads, _spread(lines, SAMPLES))
        return
    seen: set[tuple[str, int]] = set()
    for number in range(SAMPLES):
        found = _line_behind(aws, files, total * number // SAMPLES)
        if found is not None and found[0] not in seen:
            seen.add(found[0])
            yield json.loads(found[1])


def _line_behind(aws: ReadsSamples, files: Sequence[ResultFile], place: int) -> tuple[tuple[str, int], bytes] | None:
    """The first whole line behind a place in all files together, with where it begins; None at the end of a file."""
    for file in files:
        if place < file.size:
            break
        place -= file.size
    else:
        return None
    start = max(0, place - 1)
    found = aws.object_range(file.bucket, file.key, start=start, length=_WINDOW_BYTES)
    if found is None:
        return None
    window = found[0]
    begin = window.find(b"\n") + 1 if place else 0
    end = window.find(b"\n", begin)
    if (place and not begin) or end < 0:
        return None
    return (file.key, start + begin), window[begin:end]


def _result_files(aws: ReadsSamples, folder: RunFolder) -> Iterator[ResultFile]:
    """The files of succeeded children of every map run over items: the first, and those of pieces of batches."""
    for prefix in (folder.map_prefix, folder.isolate_prefix):
        for key in aws.object_keys(folder.bucket, f"{prefix}/"):
            if key.endswith("/manifest.json"):
                manifest = json.loads(aws.object_text(folder.bucket, key))
                for file in manifest["ResultFiles"].get("SUCCEEDED", ()):
                    yield ResultFile(folder.bucket, file["Key"], int(file["Size"]))


def _spread(values: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the values, evenly spread."""
    if len(values) <= count:
        return list(values)
    return [values[len(values) * place // count] for place in range(count)]
