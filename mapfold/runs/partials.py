"""Partials between functions: inside a state's payload while they are small, in S3 when they are not.

The author never sees the difference. In a payload a partial is its JSON value, or `{"$s3": key}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from mapfold.codec import Place, decode, encode
from mapfold.job import Job
from mapfold.runs.folder import RunFolder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INLINE_BYTES = 200_000
"""A larger partial goes to S3: a state's payload holds 262,144 bytes, and the rest of the state wants some of it."""


@dataclass(frozen=True, slots=True)
class Partials:
    """Packs and unpacks the partials of one run of `job`."""

    job: Job
    s3: S3Client
    folder: RunFolder

    def pack(self, partial: Any, *, function: str, stage: str, number: int) -> Any:
        """`partial` as it goes into a payload. `function` is named if it cannot; stage and number make its key."""
        return self.pack_and_measure(partial, function=function, stage=stage, number=number)[0]

    def pack_and_measure(self, partial: Any, *, function: str, stage: str, number: int) -> tuple[Any, int]:
        """What `pack` gives, and the bytes of the partial as JSON, wherever it lies."""
        value = encode(partial, Place(self.job.name, function), "partial")
        text = dumps(value)
        if len(text) <= INLINE_BYTES and not _is_reference(value):
            return value, len(text)
        # By its content: an attempt that was given up and is not dead yet must not write over that of its successor.
        key = self.folder.partial(stage, number, blake2b(text, digest_size=8).hexdigest())
        self.s3.put_object(Bucket=self.folder.bucket, Key=key, Body=text)
        return {"$s3": key}, len(text)

    def unpack(self, packed: Any) -> Any:
        """The partial as the job's functions want it: a dataclass where they are annotated with one."""
        if _is_reference(packed):
            packed = json.loads(self.s3.get_object(Bucket=self.folder.bucket, Key=packed["$s3"])["Body"].read())
        return decode(self.job.partial_type, packed, Place(self.job.name, "fold"), "partial")


def dumps(value: Any) -> bytes:
    """Compact ASCII JSON: as long as any encoder on the way makes it, so a length that fits here fits everywhere."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and "$s3" in value
