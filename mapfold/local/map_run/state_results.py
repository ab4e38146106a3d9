"""Results that become the Map state's own output: an array in the order of the children, of at most 256 KiB."""

from __future__ import annotations

from mapfold.local.map_run.counters import Tally
from mapfold.local.map_run.encoding import decode
from mapfold.local.map_run.identity import MapRunIdentity
from mapfold.local.map_run.model import PAYLOAD_LIMIT_BYTES, Child, ChildResult, DataLimitError
from mapfold.local.map_run.records import ResultFormat
from mapfold.states.effects import TaskSucceeded


class StateResults:
    """Collects results. Once they are too large all children still run, as on AWS, but their results are dropped."""

    def __init__(
        self,
        identity: MapRunIdentity,
        *,
        state_name: str,
        child_type: str,
        transformation: str,
        items: Tally,
        executions: Tally,
    ) -> None:
        self._state_name = state_name
        self._format = ResultFormat(identity, child_type=child_type, transformation=transformation)
        self._items, self._executions = items, executions
        self._taken_items = self._taken_executions = 0
        self._texts: dict[int, bytes] = {}
        self._size = len("[]") - len(",")
        self._too_large = False

    def add(self, child: Child, result: ChildResult) -> None:
        """Take the result of a child that has ended."""
        self._taken_items += child.item_count
        self._taken_executions += 1
        if self._too_large:
            return
        values = self._format.values(child, result)
        if not values:
            return  # FLATTEN of an empty array
        text = b",".join(values)
        self._size += len(text) + 1
        if self._size > PAYLOAD_LIMIT_BYTES:
            self._too_large = True
            self._texts.clear()
        else:
            self._texts[child.index] = text

    def has(self, status: str, attempt: int) -> bool:
        """Whether the result of a child that ended before is here already: never, they are built from all rows."""
        return False

    def end(self) -> None:
        """The run has ended: only now its results count as written (seen on the service: 0 while it runs)."""
        self._items.results_written += self._taken_items
        self._executions.results_written += self._taken_executions

    def output(self) -> TaskSucceeded:
        """The Map's output. Raises `DataLimitError`."""
        if self._too_large:
            raise DataLimitError(
                f"The state/task '{self._state_name}' returned a result with a size exceeding "
                "the maximum number of bytes service limit."
            )
        text = b"[" + b",".join(self._texts[index] for index in sorted(self._texts)) + b"]"
        return TaskSucceeded(decode(text), text.decode())
