"""The distributed Map Run of the embedded Step Functions.

`MapRun` (controller.py) is what the engine drives. It reads items (readers/, stream.py), builds the inputs of
children (batcher.py), has the engine run them, counts (counters.py), judges (tolerance.py) and writes what became of
them (records.py, writer.py, state_results.py). After a crash and by a redrive it goes on from what the store has of it
(former.py, going_on.py).
"""

from mapfold.local.map_run.controller import MapRun, RunChild
from mapfold.local.map_run.counters import Counts, MapRunCounts
from mapfold.local.map_run.former import FormerRun, find_former, identity_text
from mapfold.local.map_run.identity import MapRunIdentity, child_index, child_uuid, head_of, name_uuid
from mapfold.local.map_run.model import (
    MAX_CONCURRENCY,
    PAYLOAD_LIMIT_BYTES,
    Child,
    ChildResult,
    ChildStatus,
    FormerLife,
    MapRunStatus,
    S3Client,
    S3Factory,
)
from mapfold.local.map_run.patient_s3 import PatientS3, patience_of
from mapfold.local.map_run.s3 import s3_factory
from mapfold.local.map_run.tolerance import Tolerance

__all__ = [
    "MAX_CONCURRENCY",
    "PAYLOAD_LIMIT_BYTES",
    "Child",
    "ChildResult",
    "ChildStatus",
    "Counts",
    "FormerLife",
    "FormerRun",
    "MapRun",
    "MapRunCounts",
    "MapRunIdentity",
    "MapRunStatus",
    "PatientS3",
    "RunChild",
    "S3Client",
    "S3Factory",
    "Tolerance",
    "child_index",
    "child_uuid",
    "find_former",
    "head_of",
    "identity_text",
    "name_uuid",
    "patience_of",
    "s3_factory",
]
