"""The embedded Lambda: functions that are real processes running AWS's own runtime interface client.

How its parts play together, from the outside in:

- `service.py`    `LambdaService`: what the engine calls (`invoke`) and the server mounts (`routes`).
- `api.py`        Lambda's REST API on top of it, as boto3's `lambda` client speaks it.
- `functions.py`  what a function is; `store.py` keeps them in SQLite; `code.py` unpacks their zips.
- `versions.py`   published versions and aliases; `layers.py` folders that functions share; `published_api.py` their API.
- `concurrency.py` how many calls of a function may be under way at once.
- `fleet.py`      who gets a worker: a FIFO of calls per function, a bound that follows the cores.
- `workers.py`    one warm worker: its process, its connection, its life cycle (`lifecycle.py`), its deadline.
- `event_sources/` queues whose messages functions are invoked with.
- `runtime_api.py` the Lambda Runtime API that `awslambdaric` in the worker speaks.
- `logs.py`       what workers print, kept for each invocation.
"""

from mapfold.local.lambda_.errors import LambdaError
from mapfold.local.lambda_.fleet import default_max_workers
from mapfold.local.lambda_.invocations import Invocation
from mapfold.local.lambda_.service import LambdaService

__all__ = ["Invocation", "LambdaError", "LambdaService", "default_max_workers"]
