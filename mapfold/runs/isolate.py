"""Isolate: an item that kills its worker takes its batch with it; the batch is split until that item stands alone.

    Map -> Isolate -> Isolated? -- yes -> Fold
              ^           `-- no -> IsolatePieces --.
              `------------------------------------'

Each round looks at the children of the map run before it that failed, and writes what of them goes on (`pieces.pieces_of`)
as a file that IsolatePieces reads: halves of batches that died, of which the one without the bad item succeeds. So k bad
items in a batch of B cost about 2·k·log2(B) calls, and all other items succeed.

With `stop_early` the Map state stops a run when failed items are too many, and there a batch that died counts whole, though
one item of it may be bad. So a map that was stopped goes on here with what it had not run, as long as the items that have
truly failed are tolerated; once they are not, nothing goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.limits import MAX_ITEMS
from mapfold.runs.folder import RunFolder
from mapfold.runs.objects import LineWriter, read_lines
from mapfold.runs.outcome import MapOutcome, find_manifest, read_outcome, records
from mapfold.runs.pieces import child_of, pieces_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Json = Any


def isolate(s3: S3Client, folder: RunFolder, state: Mapping[str, Json]) -> dict[str, Json]:
    """Look at the map run that has just ended, and write the pieces that are run next.

    `state` is the execution's: {"plan", "map" or "stopped", "isolate"?, "pieces"?}. Gives what becomes `$.isolate`: {"done",
    "round", "bucket", "key" (of the pieces; null if done), "outcomes" (of every map run so far, {"bucket", "key"} of its
    manifest and whether it was "stopped"), "failed" and "total" (items, see `_is_exceeded`)}.
    """
    before = state.get("isolate") or {"round": 0, "outcomes": [], "failed": 0, "total": None}
    written = _written(s3, folder, state)
    outcome = read_outcome(s3, written["bucket"], written["key"])
    answer = {
        "done": True,
        "round": before["round"],
        "bucket": None,
        "key": None,
        "outcomes": [*before["outcomes"], written],
        "failed": before["failed"],
        "total": before["total"],
    }
    stopped = bool(written["stopped"])
    if not outcome.failed and not (stopped and outcome.pending):
        return answer
    if _is_exceeded(s3, outcome, answer, state["plan"], stopped=stopped):
        return answer
    key = folder.pieces(before["round"] + 1)
    with LineWriter(s3, folder.bucket, key) as writer:
        for record in _records(s3, outcome):
            for piece in pieces_of(record, stopped=stopped):
                writer.write(piece.line())
    if not writer.lines:
        return answer
    return {**answer, "done": False, "round": before["round"] + 1, "bucket": folder.bucket, "key": key}


def final_records(s3: S3Client, outcomes: list[Mapping[str, Json]]) -> Iterator[Mapping[str, Json]]:
    """The records of children that have not succeeded and are not run again. `outcomes`: those of `$.isolate`, when done.

    Of every map run but the last the pieces were run; what the last one left is final as it is.
    """
    for position, written in enumerate(outcomes, 1):
        outcome, is_last = read_outcome(s3, written["bucket"], written["key"]), position == len(outcomes)
        for record in _records(s3, outcome):
            if is_last or not pieces_of(record, stopped=bool(written["stopped"])):
                yield record


def _written(s3: S3Client, folder: RunFolder, state: Mapping[str, Json]) -> dict[str, Json]:
    """The manifest of the map run that has just ended. A Map state that was stopped does not say where its own is."""
    if "isolate" in state:
        return {**state["pieces"], "stopped": False}
    if "map" in state:
        return {**state["map"], "stopped": False}
    return {**find_manifest(s3, folder.bucket, folder.map_prefix), "stopped": True}


def _records(s3: S3Client, outcome: MapOutcome) -> Iterator[Mapping[str, Json]]:
    yield from records(s3, outcome.failed)
    yield from records(s3, outcome.pending)


def _is_exceeded(
    s3: S3Client, outcome: MapOutcome, answer: dict[str, Json], plan: Mapping[str, Json], *, stopped: bool
) -> bool:
    """Whether the run is to stop: what the Map state tolerates is exceeded by items of batches that failed for good.

    Without `stop_early` the Map state tolerates all. Otherwise these items are counted round by round in `failed`; `total`
    is that of the run, counted once and only where a percentage of it is tolerated. From the second round on, each piece
    that died counts too: a batch that it is a part of had died before, so at least one item of it is bad. Otherwise a job
    all of whose items end their worker would come to its last rounds before the first of them has failed for good.
    """
    percentage, count = plan["tolerated_failure_percentage"], plan["tolerated_failure_count"]
    if percentage >= 100 and count >= MAX_ITEMS:
        return False
    suspects = 0
    for record in records(s3, outcome.failed):
        if not pieces_of(record, stopped=stopped):
            answer["failed"] += _items(record)
        elif answer["round"] >= _SURE_ROUND:
            suspects += 1
    failed = answer["failed"] + suspects
    if failed > count:
        return True
    if percentage >= 100:
        return False
    if answer["total"] is None:
        answer["total"] = count_items(s3, outcome)
    return bool(failed * 100 > percentage * answer["total"])


_SURE_ROUND = 2
"""The first round has, beside halves of what died, batches that the stopped map had not begun; this one has halves only."""


def count_items(s3: S3Client, outcome: MapOutcome) -> int:
    """The items of a map run, whatever became of them."""
    succeeded: Iterator[int] = (
        json.loads(line)["items"] for file in outcome.succeeded for line in read_lines(s3, file.bucket, file.key)
    )
    return sum(succeeded) + sum(map(_items, _records(s3, outcome)))


def _items(record: Mapping[str, Json]) -> int:
    return len(child_of(record).get("Items") or ())
