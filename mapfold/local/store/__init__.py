"""Where state machines, executions, histories and map runs are kept: SQLite, one writer.

`store.py` is what the engine and the service call; `writer.py` the thread that commits in batches; `reads.py` the
queries; `schema.py` the tables; `recovery.py` what a crash leaves; `lock.py` keeps other processes out;
`publishing.py` has versions and aliases; `tasks.py` activities and open task tokens; `faults.py` says what is wrong with
a file.
"""

from mapfold.local.store.faults import StoreError, naming
from mapfold.local.store.lock import lock_data_directory
from mapfold.local.store.publishing import AliasRow, CreationRow, VersionRow
from mapfold.local.store.rows import (
    ChildFilter,
    ChildRow,
    ExecutionRow,
    MachineRow,
    MapRunRow,
    Page,
    Redrive,
    WireEvent,
)
from mapfold.local.store.store import Store, open_store
from mapfold.local.store.tasks import ActivityRow, KeptAnswer, TaskStore

__all__ = [
    "ActivityRow",
    "AliasRow",
    "ChildFilter",
    "ChildRow",
    "CreationRow",
    "ExecutionRow",
    "KeptAnswer",
    "MachineRow",
    "MapRunRow",
    "Page",
    "Redrive",
    "Store",
    "StoreError",
    "TaskStore",
    "VersionRow",
    "WireEvent",
    "lock_data_directory",
    "naming",
    "open_store",
]
