"""Items out of the state's own input: the elements of an array, or the members of an object."""

from __future__ import annotations

from mapfold.local.map_run.model import Chunk, Chunks, MapRunError
from mapfold.states.effects import Json

CHUNK_ITEMS = 1_000


def read_state_input(items: Json) -> Chunks:
    """The items in their order. Raises `MapRunError` (States.Runtime) for anything but an array or an object."""
    if isinstance(items, list):
        return (Chunk(items[at : at + CHUNK_ITEMS]) for at in range(0, len(items), CHUNK_ITEMS))
    if isinstance(items, dict):
        keys, values = list(items), list(items.values())
        return (
            Chunk(values[at : at + CHUNK_ITEMS], keys[at : at + CHUNK_ITEMS]) for at in range(0, len(keys), CHUNK_ITEMS)
        )
    raise MapRunError('Reference path "$" must point to array.')
