"""ItemSelector and ItemBatcher: from items to the inputs of children."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run.batcher import ChildBuilder
from mapfold.local.map_run.encoding import encode
from mapfold.local.map_run.model import PAYLOAD_LIMIT_BYTES, Child, Chunk, DataLimitError, EncodedChunk
from mapfold.local.map_run.stream import ItemStream
from mapfold.states.effects import BatcherSpec, Json, StateError

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=5), scalars, max_size=2)


def build(chunks: list[Chunk], batcher: BatcherSpec | None, select: Callable[..., Json] | None = None) -> list[Child]:
    """All children that come of `chunks`."""
    builder = ChildBuilder(select=select, source="STATE_DATA", batcher=batcher)
    waiting = list(builder.encoding(iter(chunks)))
    children = []
    while not builder.exhausted:
        child = builder.next_child()
        if child is not None:
            children.append(child)
        elif builder.starved and waiting:
            builder.feed(waiting.pop(0))
        elif builder.starved:
            builder.end()
    return children


def items_of(children: list[Child]) -> list[Json]:
    return [item for child in children for item in json.loads(child.input_text)["Items"]]


class TestBatching:
    def test_a_batch_is_filled_from_as_many_chunks_as_it_takes(self) -> None:
        """Chunks end where the reader's blocks do, batches where they are full; only the last one is short."""
        chunks = [Chunk(list(range(start, start + 7))) for start in range(0, 70, 7)]

        children = build(chunks, BatcherSpec(20, None))

        assert [child.item_count for child in children] == [20, 20, 20, 10]
        assert items_of(children) == list(range(70))

    def test_few_items_wait_in_memory_for_a_batch_that_they_hardly_fill(self) -> None:
        """
        Items that are so large that a chunk holds one of them are not gathered until there are as many as
        MaxItemsPerBatch: a batch has as many as fit into 262,144 bytes.
        """
        chunks = [Chunk(["x" * 100_000]) for _ in range(30)]

        children = build(chunks, BatcherSpec(1_000, None))

        assert [child.item_count for child in children] == [2] * 15

    def test_members_of_an_object_may_follow_items_of_an_array(self) -> None:
        """Files that are read one after the other may hold the one or the other."""
        chunks = [Chunk([1, 2, 3]), Chunk([4, 5], keys=["a", "b"]), Chunk([6])]

        children = build(chunks, BatcherSpec(4, None))

        assert items_of(children) == [1, 2, 3, {"Key": "a", "Value": 4}, {"Key": "b", "Value": 5}, 6]

    @given(
        chunks=st.lists(st.lists(values, min_size=1, max_size=12), max_size=4),
        max_items=st.none() | st.integers(1, 12),
        max_bytes=st.none() | st.integers(500, 1_500),
        batch_input=st.none() | st.dictionaries(st.text(max_size=3), scalars, max_size=2),
        selecting=st.booleans(),
    )
    def test_no_item_is_lost_or_doubled_and_batches_are_as_full_as_the_limits_allow(
        self,
        chunks: list[list[Json]],
        max_items: int | None,
        max_bytes: int | None,
        batch_input: Json,
        selecting: bool,
    ) -> None:
        """
        Batches hold all items in their order, never more than MaxItemsPerBatch, and never more than
        MaxInputBytesPerBatch bytes of the whole input's UTF-8, whether a selector is applied or not. A batch ends only
        where one of the limits would not let the next item in.
        """
        spec = BatcherSpec(max_items or (None if max_bytes else 5), max_bytes, batch_input)
        select = (lambda index, value, key, source: value) if selecting else None
        limit = max_bytes or PAYLOAD_LIMIT_BYTES

        children = build([Chunk(items) for items in chunks], spec, select)

        assert items_of(children) == [item for items in chunks for item in items]
        assert [child.index for child in children] == list(range(len(children)))
        for child in children:
            text = json.loads(child.input_text)
            assert list(text) == (["Items"] if batch_input is None else ["BatchInput", "Items"])
            assert len(text["Items"]) == child.item_count > 0
            assert child.item_count <= (spec.max_items or child.item_count)
            assert len(child.input_text.encode()) <= limit
            assert text.get("BatchInput") == batch_input
        for child, following in pairwise(children):
            next_item = encode(json.loads(following.input_text)["Items"][0])
            is_full = child.item_count == spec.max_items
            assert is_full or len(child.input_text.encode()) + len(b",") + len(next_item) > limit

    @given(
        items=st.lists(values, max_size=40),
        cuts=st.lists(st.integers(0, 40), max_size=8),
        max_items=st.none() | st.integers(1, 9),
        max_bytes=st.none() | st.integers(500, 700),
    )
    def test_children_do_not_depend_on_how_the_items_were_chunked(
        self, items: list[Json], cuts: list[int], max_items: int | None, max_bytes: int | None
    ) -> None:
        """Chunks follow the blocks of a connection, which are not the same each time; children are, to the byte."""
        places = [0, *sorted(min(cut, len(items)) for cut in cuts), len(items)]
        chunks = [Chunk(items[start:end]) for start, end in pairwise(places)]
        spec = BatcherSpec(max_items or (None if max_bytes else 5), max_bytes)

        assert build(chunks, spec) == build([Chunk(items)], spec)

    @given(chunks=st.lists(st.dictionaries(st.text(max_size=3), scalars, max_size=9), max_size=3))
    def test_members_of_objects_are_batched_with_their_keys(self, chunks: list[dict[str, Json]]) -> None:
        """Key and value stay together, over all chunks."""
        children = build([Chunk(list(part.values()), list(part)) for part in chunks], BatcherSpec(4, None))

        expected = [{"Key": key, "Value": value} for part in chunks for key, value in part.items()]
        assert items_of(children) == expected

    @given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=60), limit=st.integers(100, 300))
    def test_a_batch_by_bytes_is_as_full_as_it_can_be(self, sizes: list[int], limit: int) -> None:
        """With only MaxInputBytesPerBatch given, bytes are what is counted, not characters."""
        texts = ["é" * (size // 2) for size in sizes]

        children = build([Chunk(texts)], BatcherSpec(None, limit))

        assert items_of(children) == texts
        for child, following in pairwise(children):
            next_item = json.dumps(json.loads(following.input_text)["Items"][0], ensure_ascii=False).encode()
            assert len(child.input_text.encode()) <= limit
            assert len(child.input_text.encode()) + len(next_item) + 1 > limit

    def test_1130_items_by_100_make_12_children(self) -> None:
        """The Developer Guide's example: the last child has the 30 that are left."""
        chunks = [Chunk(list(range(1000))), Chunk(list(range(1000, 1130)))]

        children = build(chunks, BatcherSpec(100, None))

        assert [child.item_count for child in children] == [100] * 11 + [30]

    def test_a_batch_is_capped_at_256_kib_where_only_items_are_limited(self) -> None:
        """MaxItemsPerBatch alone still leaves every input within a payload."""
        children = build([Chunk(["x" * 100_000] * 7)], BatcherSpec(1000, None))

        assert [child.item_count for child in children] == [2, 2, 2, 1]

    def test_the_input_is_batch_input_and_items(self) -> None:
        """Exactly `{"BatchInput":…,"Items":[…]}`, BatchInput first, and absent when it is not defined."""
        with_it = build([Chunk([1, 2])], BatcherSpec(2, None, {"a": "b"}))
        without = build([Chunk([1, 2])], BatcherSpec(2, None))

        assert with_it[0].input_text == '{"BatchInput":{"a":"b"},"Items":[1,2]}'
        assert without[0].input_text == '{"Items":[1,2]}'

    @pytest.mark.parametrize("max_items", [2, 3])
    def test_the_last_byte_counts(self, max_items: int) -> None:
        """An input of exactly MaxInputBytesPerBatch is allowed, whether items or bytes fill it; one more is not."""
        exact = len('{"BatchInput":"é","Items":["ab","cd"]}'.encode())

        fitting = build([Chunk(["ab", "cd"] * 2)], BatcherSpec(max_items, exact, "é"))
        too_large = build([Chunk(["ab", "cd"] * 2)], BatcherSpec(max_items, exact - 1, "é"))

        assert [child.item_count for child in fitting] == [2, 2]
        assert [len(child.input_text.encode()) for child in fitting] == [exact, exact]
        assert [child.item_count for child in too_large] == [1, 1, 1, 1]

    def test_an_item_that_fits_into_no_batch_is_an_error_that_names_it(self) -> None:
        """An item over MaxInputBytesPerBatch by itself can be in no child."""
        with pytest.raises(DataLimitError, match=r"Item 1 has 102 bytes, .* may have 50 bytes"):
            build([Chunk(["a", "x" * 100])], BatcherSpec(None, 50))


class TestSingleItems:
    def test_a_childs_input_is_the_items_json(self) -> None:
        """Without an ItemBatcher nothing is wrapped around an item."""
        children = build([Chunk([{"a": 1}, "é", None])], None)

        assert [child.input_text for child in children] == ['{"a":1}', '"é"', "null"]

    def test_the_selector_sees_index_value_key_and_source(self) -> None:
        """The index counts over all chunks; the key is None but for the members of an object."""
        seen: list[tuple[Any, ...]] = []

        def select(*arguments: Any) -> Json:
            seen.append(arguments)
            return arguments[0]

        children = build([Chunk(["a", "b"]), Chunk(["c"], ["k"])], None, select)

        assert seen == [(0, "a", None, "STATE_DATA"), (1, "b", None, "STATE_DATA"), (2, "c", "k", "STATE_DATA")]
        assert [child.input_text for child in children] == ["0", "1", "2"]

    def test_items_have_the_source_of_their_chunk(self) -> None:
        """A reader of many objects names each; where a chunk names none, it is the reader's own."""
        chunks = [Chunk([1]), Chunk([2, 3], None, "S3://b/k"), Chunk([4])]

        children = build(chunks, BatcherSpec(3, None), lambda index, value, key, source: [value, source])

        assert items_of(children) == [[1, "STATE_DATA"], [2, "S3://b/k"], [3, "S3://b/k"], [4, "STATE_DATA"]]

    def test_the_selectors_error_passes(self) -> None:
        """A StateError is the map run's failure, with the error's own name."""

        def select(*_: Any) -> Json:
            raise StateError("States.Runtime", "no such field")

        with pytest.raises(StateError, match="no such field"):
            build([Chunk([1])], None, select)

    def test_an_input_over_256_kib_is_an_error(self) -> None:
        """Items of up to 8 MB may be read, but the selected input has to fit a payload."""
        with pytest.raises(DataLimitError, match="child execution for item 0 has 300002 bytes"):
            build([Chunk(["x" * 300_000])], None)

    def test_a_member_of_an_object_is_its_key_and_value_without_a_selector(self) -> None:
        """AWS's default for members of an object is unconfirmed; this is ours."""
        children = build([Chunk([1], ["a"])], None)

        assert children[0].input_text == '{"Key":"a","Value":1}'


class TestWholeBatches:
    def test_items_are_encoded_by_the_reader_as_whole_batches(self) -> None:
        """However the reader's chunks lie: what is left at the end comes as it is."""
        chunks = [Chunk(list(range(start, start + 7))) for start in range(0, 49, 7)]

        found = read(chunks, BatcherSpec(20, None))

        assert [chunk.count for chunk in found] == [20, 20, 9]
        assert [type(chunk) for chunk in found] == [EncodedChunk, EncodedChunk, Chunk]
        assert found[0] == EncodedChunk(encode({"Items": list(range(20))}).decode(), 20)
        assert found[2] == Chunk(list(range(40, 49)))

    def test_an_array_that_does_not_fit_ends_the_encoding(self) -> None:
        """From there on batches begin and end where bytes are full: no item is lost, and none gathered for long."""
        chunks = [Chunk(["x" * 100] * 10), Chunk(["y"])]

        found = read(chunks, BatcherSpec(20, 500))

        assert found == [Chunk(["x" * 100] * 10), Chunk(["y"])]

    @pytest.mark.parametrize("odd", [2**70, "\ud800"])
    def test_an_item_that_orjson_refuses_ends_the_encoding(self, odd: Json) -> None:
        """It is encoded by itself then, so that the others' texts do not depend on it."""
        chunks = [Chunk([1, 2]), Chunk([3, odd]), Chunk([4])]

        found = read(chunks, BatcherSpec(3, None))

        assert [item for chunk in found for item in decoded(chunk).values] == [1, 2, 3, odd, 4]
        assert isinstance(found[-1], Chunk)

    async def test_max_items_cuts_an_encoded_batch(self) -> None:
        """MaxItems counts items, wherever a batch ends."""
        chunks = iter([EncodedChunk('{"Items":[1,2,3]}', 3), EncodedChunk('{"Items":[4,5,6]}', 3)])
        stream = ItemStream(lambda: chunks, max_items=5, threaded=False)

        found = [stream.take(), stream.take(), stream.take()]

        assert found == [EncodedChunk('{"Items":[1,2,3]}', 3), Chunk([4, 5]), None]
        assert stream.items_read == 5


def read(chunks: list[Chunk], batcher: BatcherSpec) -> list[Chunk | EncodedChunk]:
    """What the event loop gets of `chunks`."""
    return list(ChildBuilder(select=None, source="STATE_DATA", batcher=batcher).encoding(iter(chunks)))


def decoded(chunk: Chunk | EncodedChunk) -> Chunk:
    return chunk.decoded() if isinstance(chunk, EncodedChunk) else chunk
