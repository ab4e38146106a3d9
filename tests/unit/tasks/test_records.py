"""Records of runs: when DynamoDB is to delete them."""

from __future__ import annotations

import pytest

from mapfold.runs.records import Records
from mapfold.runs.settings import Settings
from tests.unit.tasks.conftest import World

DAY = 86_400
FACTS = {"execution": "arn"}
REQUIRED = {"MAPFOLD_JOB": "words", "MAPFOLD_RUNS_BUCKET": "b", "MAPFOLD_RUNS_TABLE": "t"}


def test_a_record_outlives_its_folder_by_two_weeks(world: World) -> None:
    """Each write puts it off, so that it counts from the run's end."""
    now = 1_000.0
    records = Records(world.dynamodb, "mapfold-runs", lambda: now, run_days=30)

    records.open(world.run_id, FACTS)
    opened = world.record()["expires_at"]
    now += 5 * DAY
    records.close(world.run_id, "SUCCEEDED", FACTS)

    assert (int(opened), int(world.record()["expires_at"])) == (1_000 + 44 * DAY, 1_000 + 49 * DAY)


def test_where_folders_are_kept_records_are(world: World) -> None:
    """On the embedded AWS, which deletes nothing."""
    Records(world.dynamodb, "mapfold-runs", lambda: 0.0).open(world.run_id, FACTS)

    assert "expires_at" not in world.record()


@pytest.mark.parametrize(("given", "days"), [({"MAPFOLD_RUN_DAYS": "30"}, 30), ({}, None)])
def test_the_environment_says_how_long_folders_are_kept(given: dict[str, str], days: int | None) -> None:
    """Or it says nothing."""
    assert Settings.from_environment({**REQUIRED, **given}).run_days == days
