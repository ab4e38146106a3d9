"""Runs of the job `words` and retries of them, driven through the handlers from Plan to Finish.

A text that says "fail" fails with a ValueError, one that is not there with a FileNotFoundError; to mend is to put it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mapfold.runs.work import BatchFailed
from tasks import plan
from tests.unit.tasks.conftest import FakeLambdaContext, World

SOURCE = "s3://mapfold-data/manifests/texts.csv"


@dataclass
class Chain:
    """Texts by name, and the runs over them. `batch`: items of a batch."""

    world: World
    texts: dict[str, str] = field(default_factory=dict)
    batch: int = 3
    values: list[Any] | None = None
    """What the reader of a source of another job gives, where it is not the texts' objects."""

    def put(self, texts: Mapping[str, str]) -> Chain:
        """The texts and their manifest; one whose text is "missing" is not there."""
        self.texts = dict(texts)
        self.world.put_texts(texts)
        self.mend({})
        return self

    def mend(self, texts: Mapping[str, str]) -> None:
        """Put some of the texts anew."""
        self.texts |= texts
        for name, text in self.texts.items():
            where: Any = {"Bucket": "mapfold-data", "Key": f"texts/{name}"}
            if text == "missing":
                self.world.s3.delete_object(**where)
            else:
                self.world.s3.put_object(**where, Body=text.encode())

    def plan(self, run_id: str, retry: Any = None, *, source: Any = SOURCE) -> dict[str, Any]:
        """What Plan answers."""
        given = {"source": source, "params": {}} | ({} if retry is None else {"retry": retry})
        world = replace(self.world, run_id=run_id)
        event = {"run_id": run_id, "execution": world.execution, "input": given}
        return plan.handler(event, FakeLambdaContext())

    def run(self, run_id: str, retry: Any = None, *, source: Any = SOURCE) -> dict[str, Any]:
        """A run from Plan to Finish; what Finish answers, which is the execution's output."""
        planned = self.plan(run_id, retry, source=source)
        return self.finish(planned, *self.map(planned))

    def map(self, planned: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """What the map run's children put out, and the records of those that failed."""
        world = replace(self.world, run_id=planned["run_id"])
        outputs, failed = [], []
        shared = {name: planned[name] for name in ("run_id", "params", "source", "listed")}
        for items in self._batches(list(self._items(planned))):
            child = {"BatchInput": shared, "Items": items}
            try:
                outputs.append(world.work(child))
            except BatchFailed as error:
                record = {"Input": json.dumps(child), "Status": "FAILED", "Error": "BatchFailed", "Cause": str(error)}
                failed.append(record)
        return outputs, failed

    def finish(self, planned: Mapping[str, Any], outputs: list[Any], failed: list[Any]) -> dict[str, Any]:
        """What Finish answers, after Isolate and Fold."""
        world = replace(self.world, run_id=planned["run_id"])
        state = world.mapped(planned, outputs, failed=failed)
        return world.finish({**state, "fold": world.fold(state)})

    def failures(self, run_id: str) -> dict[int, dict[str, Any]]:
        """A run's failures.jsonl by index. An index that is there twice fails the test."""
        key = f"runs/{run_id}/failures.jsonl"
        if key not in self.world.run_keys():
            return {}
        lines = self.world.lines(key)
        found = {line["index"]: line for line in lines}
        assert len(found) == len(lines)
        return found

    def record(self, run_id: str) -> dict[str, Any]:
        """A run's record, as DynamoDB has it."""
        key = {"run_id": {"S": run_id}}
        return dict(self.world.dynamodb.get_item(TableName="mapfold-runs", Key=key).get("Item", {}))

    def _items(self, planned: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if planned["listed"]:
            yield from self.world.lines(planned["list"]["key"])
            return
        if self.values is not None:
            yield from ({"i": index, "v": value} for index, value in enumerate(self.values))
            return
        for index, name in enumerate(self.texts):
            yield {"i": index, "v": {"bucket": "mapfold-data", "key": f"texts/{name}"}}

    def _batches(self, items: list[Any]) -> Iterable[list[Any]]:
        return (items[first : first + self.batch] for first in range(0, len(items), self.batch))
