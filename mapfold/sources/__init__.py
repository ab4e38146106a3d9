"""Where a job's items come from: everything that Distributed Map reads natively, each declared in one line.

    objects.py   items that name objects: Manifest, Inventory, Objects
    rows.py      the rows, lines or elements of one object: CsvRows, JsonLines, JsonArray, JsonPairs, ParquetRows
    many.py      the rows of many objects as one stream: AthenaResult, ObjectRows
    source.py    what every source can do

A source does no I/O. Plan looks at what a run's SOURCE names (`mapfold.runs.looks`).
"""

from mapfold.sources.many import AthenaResult, ObjectRows
from mapfold.sources.objects import Inventory, Manifest, Objects
from mapfold.sources.rows import CsvRows, JsonArray, JsonLines, JsonPairs, ParquetRows
from mapfold.sources.source import Delimiter, Source

__all__ = [
    "AthenaResult",
    "CsvRows",
    "Delimiter",
    "Inventory",
    "JsonArray",
    "JsonLines",
    "JsonPairs",
    "Manifest",
    "ObjectRows",
    "Objects",
    "ParquetRows",
    "Source",
]
