"""Event source mappings: queues of SQS whose messages functions are invoked with.

- `mapping.py`   what a mapping is, and the document that Lambda shows for it; `requests.py` what a request asks for.
- `mappings.py`  `EventSourceMappings`: all of them, kept in the Lambda store, each with its poller; `api.py` its REST API.
- `poller.py`    one mapping's task: receive, invoke, delete what succeeded. `queue.py` asks SQS, in threads of its own.
- `event.py`     the event that a function gets, and what its answer says about each message.
"""

from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.event_sources.mappings import EventSourceMappings

__all__ = ["EventSourceMapping", "EventSourceMappings"]
