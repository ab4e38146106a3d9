"""Names and ARNs of map runs and children."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run import child_index, child_uuid, name_uuid
from tests.unit.map_run.fakes import IDENTITY, RUN_UUID

indexes = st.integers(0, 2**62 - 1)


@given(index=indexes)
def test_a_childs_uuid_leads_back_to_its_index(index: int) -> None:
    """No table of names is needed: the uuid is an invertible function of map run and index."""
    name = child_uuid(RUN_UUID, index)

    assert child_index(RUN_UUID, name) == index
    assert uuid.UUID(name).version == 3
    assert uuid.UUID(name).variant == uuid.RFC_4122


def test_neighbours_do_not_look_alike() -> None:
    """Consecutive children differ in their uuid's tail by a large odd factor, and all differ."""
    names = {child_uuid(RUN_UUID, index) for index in range(1000)}

    assert len(names) == 1000
    assert len({name[24:28] for name in names}) > 900


@pytest.mark.parametrize("name", ["", "x", child_uuid(name_uuid("another"), 1), child_uuid(RUN_UUID, 1)[:-1]])
def test_a_strangers_uuid_is_refused(name: str) -> None:
    """A name that this map run cannot have given raises ValueError."""
    with pytest.raises(ValueError, match="is not the name of a child"):
        child_index(RUN_UUID, name)


def test_arns_have_the_documented_form() -> None:
    """`execution:<SM>/<Label>:<uuid>`, `stateMachine:<SM>/<Label>`."""
    assert IDENTITY.child_machine_arn == "arn:aws:states:us-east-1:123456789012:stateMachine:flights/Days"
    assert IDENTITY.child_arn(7) == (
        f"arn:aws:states:us-east-1:123456789012:execution:flights/Days:{child_uuid(RUN_UUID, 7)}"
    )


def test_a_map_runs_uuid_depends_on_its_name_alone() -> None:
    """The same parts give the same uuid, in every process."""
    assert name_uuid("a", 1) == name_uuid("a", 1) != name_uuid("a1")
    assert uuid.UUID(name_uuid("a")).version == 3
