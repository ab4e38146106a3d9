"""A distributed Map's data flow from end to end: ItemReader, MaxItems, ItemSelector, ItemBatcher, children."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.engine.world import World, distributed_map, pass_

LISTING = "arn:aws:states:::s3:listObjectsV2"
OBJECT = "arn:aws:states:::s3:getObject"
FLATTEN = {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"}


@pytest.fixture
def parts(world: World) -> World:
    """A world whose bucket `b` has two objects of three and two rows, and a manifest that names both."""
    world.s3.objects["b", "in/1"] = b"10\n11\n12\n"
    world.s3.objects["b", "in/2"] = b"20\n21\n"
    world.s3.objects["b", "manifest.csv"] = b"s3://b/in/1\ns3://b/in/2\n"
    return world


async def test_flattened_objects_are_selected_and_batched(parts: World) -> None:
    """
    MaxItems cuts the whole stream, the selector sees each item's index and object beside the Map's input, and the
    child's input is exactly BatchInput and Items.
    """
    fields: dict[str, Any] = {
        "ItemReader": {
            "Resource": LISTING,
            "ReaderConfig": FLATTEN | {"MaxItemsPath": "$.most"},
            "Parameters": {"Bucket.$": "$.bucket", "Prefix": "in/"},
        },
        "ItemSelector": {
            "i.$": "$$.Map.Item.Index",
            "v.$": "$$.Map.Item.Value",
            "from.$": "$$.Map.Item.Source",
            "tag.$": "$.tag",
        },
        "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"tag.$": "$.tag"}},
    }

    ended = await parts.run({"M": distributed_map({"P": pass_()}, **fields)}, {"most": 4, "bucket": "b", "tag": "t"})

    items = [
        {"i": index, "v": value, "from": f"S3://b/in/{part}", "tag": "t"}
        for index, (value, part) in enumerate([(10, 1), (11, 1), (12, 1), (20, 2)])
    ]
    assert ended.output == [
        {"BatchInput": {"tag": "t"}, "Items": items[:2]},
        {"BatchInput": {"tag": "t"}, "Items": items[2:]},
    ]


async def test_the_same_in_jsonata(parts: World) -> None:
    """With Arguments, and expressions instead of paths."""
    fields: dict[str, Any] = {
        "QueryLanguage": "JSONata",
        "ItemReader": {
            "Resource": OBJECT,
            "ReaderConfig": {
                "InputType": "JSONL",
                "ManifestType": "ATHENA_DATA",
                "MaxItems": "{% $states.input.most %}",
            },
            "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "manifest.csv"},
        },
        "ItemSelector": "{% [$states.context.Map.Item.Source, $states.context.Map.Item.Value] %}",
        "ItemBatcher": {"MaxItemsPerBatch": "{% $states.input.most - 2 %}", "BatchInput": "{% $states.input.bucket %}"},
    }

    ended = await parts.run({"M": distributed_map({"P": pass_()}, **fields)}, {"most": 4, "bucket": "b"})

    assert ended.output == [
        {"BatchInput": "b", "Items": [["S3://b/in/1", 10], ["S3://b/in/1", 11]]},
        {"BatchInput": "b", "Items": [["S3://b/in/1", 12], ["S3://b/in/2", 20]]},
    ]


async def test_an_inventorys_rows_are_items(world: World) -> None:
    """The file that a row came from is its source; without a selector the row is the child's input."""
    manifest = {
        "destinationBucket": "arn:aws:s3:::reports",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [{"key": "1.csv"}, {"key": "2.csv"}],
    }
    world.s3.objects["b", "manifest.json"] = json.dumps(manifest).encode()
    world.s3.objects["reports", "1.csv"] = b'"photos","a%20b.jpg"\n'
    world.s3.objects["reports", "2.csv"] = b'"photos","c.jpg"\n'
    reader = {
        "Resource": OBJECT,
        "ReaderConfig": {"ManifestType": "S3_INVENTORY"},
        "Parameters": {"Bucket": "b", "Key": "manifest.json"},
    }

    ended = await world.run({"M": distributed_map({"P": pass_()}, ItemReader=reader)})

    assert ended.output == [{"Bucket": "photos", "Key": "a%20b.jpg"}, {"Bucket": "photos", "Key": "c.jpg"}]


async def test_a_negative_max_items_path_fails_the_map_run(parts: World) -> None:
    """As a failure of the reader, in AWS's words, after MapRunStarted. (An expression's is a failed expression.)"""
    reader = {"Resource": LISTING, "ReaderConfig": {"MaxItemsPath": "$.n"}, "Parameters": {"Bucket": "b"}}

    ended = await parts.run({"M": distributed_map({"P": pass_()}, ItemReader=reader)}, {"n": -1})

    assert ended.types[2:] == ["MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed", "ExecutionFailed"]
    failure = {"error": "States.ItemReaderFailed", "cause": "field MaxItems must be positive"}
    assert ended.details("MapRunFailed") == ended.details("ExecutionFailed") == failure


@pytest.mark.parametrize("most", [0, 5, 100_000_001])
async def test_a_max_items_of_nothing_or_too_much_is_no_limit(parts: World, most: int) -> None:
    """0 stands for none, and one past the hundred million that are read at most is not an error."""
    reader = {
        "Resource": LISTING,
        "ReaderConfig": FLATTEN | {"MaxItemsPath": "$"},
        "Parameters": {"Bucket": "b", "Prefix": "in/"},
    }

    ended = await parts.run({"M": distributed_map({"P": pass_()}, ItemReader=reader)}, most)

    assert ended.output == [10, 11, 12, 20, 21]


async def test_a_max_items_path_that_finds_no_number_fails_before_the_map_run(parts: World) -> None:
    """States.Runtime; there is no MapRunStarted, and no MapStateFailed."""
    reader = {"Resource": LISTING, "ReaderConfig": {"MaxItemsPath": "$.MaxItems"}, "Parameters": {"Bucket": "b"}}

    ended = await parts.run({"M": distributed_map({"P": pass_()}, ItemReader=reader)}, {"MaxItems": 1.5})

    assert ended.types == ["ExecutionStarted", "MapStateEntered", "MapStateStarted", "ExecutionFailed"]
    assert (ended.row.cause or "").endswith(
        'The MaxItemsPath field refers to value "1.5" which is not a valid integer: $.MaxItems'
    )


async def test_an_item_too_large_for_a_child_fails_the_map_run(world: World) -> None:
    """States.DataLimitExceeded, naming the item; a selector that makes it smaller lets it through."""
    world.s3.objects["b", "k"] = b'{"n": 1}\n' + json.dumps({"n": 2, "text": "x" * 300_000}).encode()
    fields: dict[str, Any] = {
        "ItemReader": {
            "Resource": OBJECT,
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": "b", "Key": "k"},
        },
        "ItemBatcher": {"MaxItemsPerBatch": 5},
    }
    selector = {"n.$": "$$.Map.Item.Value.n"}

    whole = await world.run({"M": distributed_map({"P": pass_()}, **fields)})
    selected = await world.run({"M": distributed_map({"P": pass_()}, **fields, ItemSelector=selector)})

    assert whole.details("MapRunFailed")["error"] == "States.DataLimitExceeded"
    assert whole.details("MapRunFailed")["cause"].startswith("Item 1 has 300017 bytes, which is too large for a batch")
    assert selected.output == [{"Items": [{"n": 1}, {"n": 2}]}]
