"""The items that TestState's mapItemReaderData stands for."""

from __future__ import annotations

import pytest

from mapfold.local.map_run.model import ItemReaderError
from mapfold.local.service.reader_data import read_items
from mapfold.states import Json
from mapfold.states.effects import ReaderSpec


def spec(pointer: str) -> ReaderSpec:
    return ReaderSpec("s3:getObject", {"InputType": "JSON", "ItemsPointer": pointer}, {})


@pytest.mark.parametrize(
    ("text", "pointer", "items"),
    [
        ('{"a": {"b": [1]}}', "/a/b", [1]),
        ('{"a~b": {"c/d": [1]}}', "/a~0b/c~1d", [1]),
        ('{"a": [[1], {"x": 2}]}', "/a/1", {"x": 2}),
        ("[[1], [2]]", "/1", [2]),
        ("[1, 2]", "/a", [1, 2]),
        ("[1, 2]", f"/{'1' * 5000}", [1, 2]),
    ],
)
def test_a_pointer_is_followed_as_the_map_s_reader_follows_it(text: str, pointer: str, items: Json) -> None:
    """With its escapes, and into arrays; an array in which it leads nowhere is what it leads to."""
    assert read_items(text, spec(pointer), None) == items


@pytest.mark.parametrize("pointer", ["/b", "/a/1", "/a/-", "/a/0/c"])
def test_a_pointer_to_nothing_is_what_a_reader_fails_with(pointer: str) -> None:
    """A document without what it points to has no items."""
    with pytest.raises(ItemReaderError, match="points to nothing"):
        read_items('{"a": [1]}', spec(pointer), None)
