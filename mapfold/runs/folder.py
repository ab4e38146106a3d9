"""The keys of a run's folder in S3: `runs/<run_id>/…`. All are deterministic, so a retry overwrites."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of one run lies in the runs bucket."""

    bucket: str
    run_id: str

    @property
    def prefix(self) -> str:
        """`runs/<run_id>`."""
        return f"runs/{self.run_id}"

    @property
    def items(self) -> str:
        """The items that Plan listed, where the ItemReader does not read the source itself: {"i", "v"} a line."""
        return f"{self.prefix}/items.jsonl"

    @property
    def map_prefix(self) -> str:
        """Where the ResultWriter of the map over the items writes, Map or MapListed."""
        return f"{self.prefix}/map"

    @property
    def isolate_prefix(self) -> str:
        """Where the ResultWriter of IsolatePieces writes, a folder a round.

        Not under `map_prefix`, where the manifest of a map that was stopped is looked for.
        """
        return f"{self.prefix}/isolate"

    def pieces(self, round_: int) -> str:
        """The pieces of batches that round `round_` of the isolation runs: {"items", "tries"} a line."""
        return f"{self.isolate_prefix}/pieces-{round_}.jsonl"

    @property
    def fold_prefix(self) -> str:
        """Where the ResultWriter of FoldGroups writes, a folder a map run."""
        return f"{self.prefix}/fold"

    def groups(self, level: int) -> str:
        """The groups that level `level` of the fold is to merge, one a line."""
        return f"{self.prefix}/fold/groups-{level}.jsonl"

    def partial(self, stage: str, number: int, digest: str = "") -> str:
        """A partial that is too large for a state's payload. `stage` is `map`, `group-<level>` or `folded-<level>`.

        digest: of its content. With it, two attempts at one batch that made different ones never write over each other.
        """
        return f"{self.prefix}/partials/{stage}/{number:012}{digest and '-'}{digest}.json"

    def folded_so_far(self, level: int) -> str:
        """What Fold had merged at this level when its time ran low, as one output."""
        return f"{self.prefix}/fold/so-far-{level}.jsonl"

    def inputs(self, level: int) -> str:
        """The objects that the groups of level `level` read, a line each, where results are in parts or shards."""
        return f"{self.prefix}/fold/inputs-{level}.jsonl"

    def grouped(self, first_index: int, last_index: int) -> str:
        """The records by key of the batch of these items: its half, tried again after a crash, has another key."""
        return f"{self.prefix}/groups/map/{first_index:012}-{last_index:012}.txt"

    def grouped_level(self, level: int, number: int) -> str:
        """The records by key of group `number` of level `level` of the fold."""
        return f"{self.prefix}/groups/level-{level}/{number:06}.txt"

    def values(self, first_index: int, last_index: int) -> str:
        """The items' values of the batch of these items."""
        return f"{self.prefix}/values/{first_index:012}-{last_index:012}.jsonl"

    def part(self, number: int) -> str:
        """A part of a result by key."""
        return f"{self.prefix}/result/part-{number:05}.jsonl"

    def shard(self, number: int) -> str:
        """A shard of a result in the order of the source."""
        return f"{self.prefix}/result/shard-{number:05}.jsonl"

    @property
    def index(self) -> str:
        """The parts or the shards of the result, with what each holds."""
        return f"{self.prefix}/result/index.json"

    def ranges(self, first_index: int, digest: str) -> str:
        """The ranges of a batch's items, where they are many. Batches with the same digest have the same items."""
        return f"{self.prefix}/partials/map/ranges-{first_index:012}-{digest}.json"

    def failed(self, first_index: int, last_index: int, digest: str = "") -> str:
        """The failed items of the batch of these items. digest: of the list, where it is not all of them.

        Any attempt at a batch that lists all of its items lists the same ones. Of the others each has a key of its own, so an
        attempt that was given up and is still alive writes over nothing that another one's output names.
        """
        return f"{self.failed_prefix(first_index)}{last_index:012}{digest and '-'}{digest}.jsonl"

    def failed_prefix(self, first_index: int) -> str:
        """Under it lie the failed items of every batch that starts with item `first_index`."""
        return f"{self.prefix}/failed/{first_index:012}-"

    @property
    def failed_lists_prefix(self) -> str:
        """Under it lie the lists of `failed` keys that the batches' outputs name."""
        return f"{self.prefix}/fold/failed-"

    def failed_list(self, stage: str, number: int) -> str:
        """The `failed` keys that the outputs of one fold name, one a line; stage and number as of its partial."""
        return f"{self.failed_lists_prefix}{stage}-{number:06}.txt"

    @property
    def result(self) -> str:
        """The result, whole."""
        return f"{self.prefix}/result.json"

    @property
    def failures(self) -> str:
        """Every failed item, one a line."""
        return f"{self.prefix}/failures.jsonl"

    @property
    def last(self) -> str:
        """What the run's result was made of: a retry folds on top of it."""
        return f"{self.prefix}/last.json"

    def uri(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{key}"
