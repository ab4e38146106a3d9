"""From items to the inputs of children: ItemSelector for each item, then ItemBatcher.

Pulled, not pushed: a free slot asks for the next child, and only then is it built. No I/O and no waiting here: the
builder says when it is `starved` and is fed the next chunk. Each item is encoded once, and the texts are joined.

Where there is no ItemSelector and MaxItemsPerBatch is set, most of it is done where the reader runs (`encoding`): items
are encoded while they are in its core's cache, and one text is handed over in place of a thousand objects.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from mapfold.local.map_run.encoding import encode
from mapfold.local.map_run.model import (
    PAYLOAD_LIMIT_BYTES,
    Child,
    Chunk,
    Chunks,
    DataLimitError,
    EncodedChunk,
    ReadChunks,
)
from mapfold.states.effects import BatcherSpec, Json

Select = Callable[[int, Json, str | None, str], Json]

SLICE_ITEMS = 125
"""Items that are encoded in one call, where a reader has just made them: some 60 KB of small ones."""

STEP_ITEMS = 200
"""Items looked at in one call of `next_child`: selectors of some 20 µs then hold the event loop for 4 ms at most."""


class ChildBuilder:
    """Builds one child after the other from the chunks that it is fed.

    `source` is the source of every item whose chunk names none.
    """

    def __init__(self, *, select: Select | None, source: str, batcher: BatcherSpec | None) -> None:
        self._select = select
        self._whole_source = source
        self._source = source
        self._values: list[Json] = []
        self._keys: list[str] | None = None
        self._position = 0
        self._index = 0
        self._children = 0
        self._ended = False
        self._batch = None if batcher is None else _Batch(batcher)
        self._whole: EncodedChunk | None = None

    @property
    def starved(self) -> bool:
        """All items that it was fed are used; the next chunk, or `end`, is wanted."""
        return not self._ended and self._is_used_up

    @property
    def exhausted(self) -> bool:
        """There will be no more children."""
        return self._ended and self._is_used_up and not (self._batch and self._batch.count)

    @property
    def children(self) -> int:
        """How many children have been built."""
        return self._children

    def children_for(self, items: int) -> int:
        """How many children `items` more items will make at the least (more, where bytes are what fills a batch)."""
        return items if self._batch is None else -(-items // self._batch.max_items)

    def encoding(self, chunks: Chunks) -> ReadChunks:
        """What the reader's thread reads in place of `chunks`: encoded as whole batches, if nothing else is asked for."""
        if self._batch is None or self._select is not None or not self._batch.counts_items:
            return chunks
        return whole_batches(chunks, self._batch.max_items, self._batch)

    def feed(self, chunk: Chunk | EncodedChunk) -> None:
        """Take the next chunk. The builder has to be starved: one chunk at a time is what bounds the memory."""
        assert self.starved, "a builder is fed when it is starved"
        if isinstance(chunk, EncodedChunk):
            self._whole = chunk
            return
        self._values, self._keys, self._position = chunk.values, chunk.keys, 0
        self._source = chunk.source or self._whole_source

    def end(self) -> None:
        """There is no chunk left."""
        self._ended = True

    def next_child(self) -> Child | None:
        """The next child, or None: then it is starved, exhausted, or has looked at its share and wants to be asked again.

        Raises what the selector raises (`StateError`), and `DataLimitError` for an item that fits into no child. The
        item has been passed over then.
        """
        if self._batch is None:
            return self._single()
        return self._batched(self._batch)

    def _single(self) -> Child | None:
        if self._position >= len(self._values):
            return None
        item = self._next_item()
        if len(item) > PAYLOAD_LIMIT_BYTES:
            raise DataLimitError(
                f"The input of the child execution for item {self._index - 1} has {len(item)} bytes; "
                f"at most {PAYLOAD_LIMIT_BYTES} are allowed. Use ItemSelector to make it smaller."
            )
        return self._child(1, item.decode())

    def _batched(self, batch: _Batch) -> Child | None:
        if self._whole is not None:
            whole, self._whole = self._whole, None
            self._index += whole.count
            return self._child(whole.count, whole.input_text)
        for _ in range(min(STEP_ITEMS, len(self._values) - self._position)):
            item = self._next_item()
            if not batch.can_ever_hold(item):
                raise DataLimitError(
                    f"Item {self._index - 1} has {len(item)} bytes, which is too large for a batch; "
                    f"an input with one item may have {batch.max_bytes} bytes, of which "
                    f"{batch.empty_size} are used without it."
                )
            full = batch.add(item)
            if full is not None:
                return self._child(*full)
        if self._ended and self._position >= len(self._values) and batch.count:
            return self._child(*batch.take())
        return None

    @property
    def _is_used_up(self) -> bool:
        return self._whole is None and self._position >= len(self._values)

    def _next_item(self) -> bytes:
        position = self._position
        index = self._index
        value = self._values[position]
        key = None if self._keys is None else self._keys[position]
        self._position = position + 1
        self._index = index + 1
        if self._select is not None:
            value = self._select(index, value, key, self._source)
        elif key is not None:
            # So AWS hands on a member of an object where there is no ItemSelector (seen on the service).
            value = {"Key": key, "Value": value}
        return encode(value)

    def _child(self, count: int, text: str) -> Child:
        index = self._children
        self._children = index + 1
        return Child(index, count, text)


class _Batch:
    """The batch that is being filled: `{"BatchInput":…,"Items":[…]}`, within its limits at every moment."""

    __slots__ = ("_head", "_items", "_size", "count", "counts_items", "empty_size", "max_bytes", "max_items")

    def __init__(self, spec: BatcherSpec) -> None:
        shared = b"" if spec.batch_input is None else b'"BatchInput":' + encode(spec.batch_input) + b","
        self._head = b"{" + shared + b'"Items":['
        self._items: list[bytes] = []
        self.empty_size = len(self._head) + len(b"]}")
        self._size = self.empty_size
        self.count = 0
        self.max_bytes = min(spec.max_bytes or PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES)
        self.counts_items = spec.max_items is not None
        # No more items than bytes can fit anyway.
        self.max_items = spec.max_items or self.max_bytes

    def can_ever_hold(self, item: bytes) -> bool:
        return self.empty_size + len(item) <= self.max_bytes

    def add(self, item: bytes) -> tuple[int, str] | None:
        """Take an item. Gives the batch that has become full: with the item, or without it where it did not fit."""
        size = self._size + len(item) + (1 if self.count else 0)
        full = None
        if size > self.max_bytes:
            full = self.take()
            size = self._size + len(item)
        self._items.append(item)
        self.count += 1
        self._size = size
        if full is None and self.count >= self.max_items:
            return self.take()
        return full

    def take(self) -> tuple[int, str]:
        """The batch as it is: its number of items and its text. A new one begins."""
        count, text = self.count, self.input_of(self._items)
        self._items, self.count, self._size = [], 0, self.empty_size
        return count, text

    def fits(self, size: int) -> bool:
        """Whether items fit whose texts, with the commas between them, have `size` bytes. For any thread."""
        return self.empty_size + size <= self.max_bytes

    def input_of(self, texts: list[bytes]) -> str:
        """The child's whole input with items whose JSON is `texts`, each one item or several. For any thread."""
        return b"".join((self._head, b",".join(texts), b"]}")).decode()


def whole_batches(chunks: Chunks, count: int, batch: _Batch) -> ReadChunks:
    """The items of `chunks` as inputs of children, `count` items each.

    From the first batch on that would not fit, and from the first item on that is a member of an object or that orjson
    refuses (all would be escaped as that one is), items come as they are, to be encoded and counted one by one. Batches
    are the same either way: chunks are not, each time that a source is read.
    """
    gathered = _Gathered(batch)
    for chunk in chunks:
        at = 0
        while chunk.keys is None and at < chunk.count:
            part = chunk.values[at : at + min(SLICE_ITEMS, count - gathered.count)]
            if not gathered.add(part):
                break
            at += len(part)
            if gathered.count == count:
                yield gathered.take()
        else:
            if chunk.keys is None:
                continue
        if gathered.count:
            yield gathered.take().decoded()
        yield Chunk(chunk.values[at:], chunk.keys, chunk.source)
        yield from chunks
        return
    if gathered.count:
        yield gathered.take().decoded()


class _Gathered:
    """Items, encoded, on their way to one batch."""

    __slots__ = ("_batch", "_size", "_texts", "count")

    def __init__(self, batch: _Batch) -> None:
        self._batch = batch
        self._texts: list[bytes] = []
        self._size = 0
        self.count = 0

    def add(self, values: list[Json]) -> bool:
        """Take more items. False if they do not fit, or cannot be encoded at once; they are not taken then."""
        try:
            text = orjson.dumps(values)[1:-1]
        except TypeError:
            return False
        size = self._size + len(text) + (1 if self.count else 0)
        if not self._batch.fits(size):
            return False
        self._texts.append(text)
        self._size = size
        self.count += len(values)
        return True

    def take(self) -> EncodedChunk:
        """The items as they are; new ones are gathered from now on."""
        chunk = EncodedChunk(self._batch.input_of(self._texts), self.count)
        self._texts, self._size, self.count = [], 0, 0
        return chunk
