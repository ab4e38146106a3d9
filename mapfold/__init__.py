"""Run a Python function over everything an S3 manifest names, and fold the results into one answer.

All that the author of a job imports is here. Importing it is cheap and needs no extra: boto3 is first imported when a
job touches S3 or DynamoDB, Powertools when it logs.
"""

from mapfold.access import Network, Permission
from mapfold.context import Context
from mapfold.errors import JobError
from mapfold.job import Job
from mapfold.sources import CsvRows, JsonArray, JsonLines, Manifest, Objects, Source
from mapfold.splits import SplitError, Splits

__all__ = [
    "Context",
    "CsvRows",
    "Job",
    "JobError",
    "JsonArray",
    "JsonLines",
    "Manifest",
    "Network",
    "Objects",
    "Permission",
    "Source",
    "SplitError",
    "Splits",
]
