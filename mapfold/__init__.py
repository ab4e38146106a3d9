"""Run a Python function over everything an S3 manifest names, and fold the results into one answer.

All that the author of a job imports is here. Importing it is cheap and needs no extra: boto3 is first imported when a
job touches S3 or DynamoDB, Powertools when it logs.
"""

from mapfold.access import Network, Permission
from mapfold.context import Context
from mapfold.errors import JobError
from mapfold.job import Job
from mapfold.sources import (
    AthenaResult,
    CsvRows,
    Inventory,
    JsonArray,
    JsonLines,
    JsonPairs,
    Manifest,
    ObjectRows,
    Objects,
    ParquetRows,
    Source,
)

__all__ = [
    "AthenaResult",
    "Context",
    "CsvRows",
    "Inventory",
    "Job",
    "JobError",
    "JsonArray",
    "JsonLines",
    "JsonPairs",
    "Manifest",
    "Network",
    "ObjectRows",
    "Objects",
    "ParquetRows",
    "Permission",
    "Source",
]
