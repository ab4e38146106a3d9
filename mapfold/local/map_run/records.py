"""What a child leaves in the results: an execution record, its output, or the elements of its output.

Transformation NONE keeps records, COMPACT outputs, FLATTEN the elements of outputs that are arrays. A child that did
not succeed always leaves a record (Developer Guide: ResultWriter; the fields as consumers of its files know them).
"""

from __future__ import annotations

import time
from functools import lru_cache

from mapfold.local.map_run.encoding import decode, encode
from mapfold.local.map_run.identity import MapRunIdentity
from mapfold.local.map_run.model import Child, ChildResult
from mapfold.states.effects import Json


class ResultFormat:
    """Turns ended children into the values of a result: each a JSON text in UTF-8, without a line end inside."""

    def __init__(self, identity: MapRunIdentity, *, child_type: str, transformation: str) -> None:
        self._machine_arn = identity.child_machine_arn
        self._redrive_status = "REDRIVABLE_BY_MAP_RUN" if child_type == "EXPRESS" else "REDRIVABLE"
        self._transformation = transformation

    def values(self, child: Child, result: ChildResult) -> list[bytes]:
        """What the child adds: one value, or any number of them for FLATTEN."""
        if result.status != "SUCCEEDED":
            return [self._failure(child, result)]
        if self._transformation == "NONE":
            return [self._success(child, result)]
        text = _one_line(result.output_text or "null")
        if self._transformation == "FLATTEN" and text.startswith("["):
            return [encode(element) for element in decode(text)]
        return [text.encode()]

    def _success(self, child: Child, result: ChildResult) -> bytes:
        return encode(
            {
                "ExecutionArn": result.arn,
                "Input": child.input_text,
                "InputDetails": {"Included": True},
                "Name": result.name,
                "Output": result.output_text,
                "OutputDetails": {"Included": True},
                "RedriveCount": result.redrive_count,
                "RedriveStatus": "NOT_REDRIVABLE",
                "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
                "StartDate": iso_time(result.start),
                "StateMachineArn": self._machine_arn,
                "Status": "SUCCEEDED",
                "StopDate": iso_time(result.stop),
            }
        )

    def _failure(self, child: Child, result: ChildResult) -> bytes:
        """`Error` and `Cause` are left out where there is none; OutputDetails are there without an Output: both as on AWS."""
        record: dict[str, Json] = {}
        if result.cause is not None:
            record["Cause"] = result.cause
        if result.error is not None:
            record["Error"] = result.error
        record |= {
            "ExecutionArn": result.arn,
            "Input": child.input_text,
            "InputDetails": {"Included": True},
            "Name": result.name,
            "OutputDetails": {"Included": True},
            "RedriveCount": result.redrive_count,
            "RedriveStatus": self._redrive_status,
            "StartDate": iso_time(result.start),
            "StateMachineArn": self._machine_arn,
            "Status": result.status,
            "StopDate": iso_time(result.stop),
        }
        if result.not_redrivable is not None:
            record |= {"RedriveStatus": "NOT_REDRIVABLE", "RedriveStatusReason": result.not_redrivable}
        return encode(record)


def pending_record(input_text: str) -> bytes:
    """The record of a child that was never started."""
    return encode({"Input": input_text, "InputDetails": {"Included": True}, "Status": "PENDING"})


def iso_time(seconds: float) -> str:
    """Epoch seconds as `2026-11-22T10:00:00.123Z`."""
    milliseconds = round(seconds * 1000)
    return f"{_whole_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=64)
def _whole_second(second: int) -> str:
    """Children end thousands to a second: its text is made once, which saves 1.2 µs a date."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _one_line(text: str) -> str:
    return encode(decode(text)).decode() if "\n" in text or text[:1].isspace() else text
