"""The bundled job busiest-routes, without any AWS."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from jobs import busiest_routes
from mapfold import Context, Splits
from mapfold.storage import Storage
from tests.unit.splits.fakes import KEY, FakeS3, pieces

HEADER = "origin,dest,arr_delay\n"
FLIGHTS = ["JFK,LAX,15", "JFK,LAX,NA", "EWR,ORD,-3", "JFK,LAX,14", "LGA,ATL,NA", "EWR,ORD,120"]


def partials(split_bytes: int) -> list[Any]:
    """One for each split of the flights."""
    s3: Any = FakeS3({KEY: (HEADER + "\n".join(FLIGHTS)).encode()})
    context = Context(storage=Storage(s3))
    return [busiest_routes.count(piece.split, context) for piece in pieces(s3, Splits("csv", split_bytes=split_bytes))]


class TestReport:
    @pytest.mark.parametrize("split_bytes", [22, 30, 1_000])
    def test_does_not_depend_on_where_the_file_is_cut(self, split_bytes: int) -> None:
        """Sums are whole numbers, and are divided at the end."""
        report = busiest_routes.report(reduce(busiest_routes.add, reversed(partials(split_bytes))))

        assert report["flights"] == 6
        assert list(report["routes"]) == ["JFK-LAX", "EWR-ORD", "LGA-ATL"]
        assert report["routes"]["JFK-LAX"] == {
            "flights": 3,
            "arrived": 2,
            "arr_delay_minutes": 29,
            "late": 1,
            "late_share": 0.5,
            "mean_arr_delay_minutes": 14.5,
        }

    def test_a_route_on_which_nobody_arrived_has_no_share(self) -> None:
        """Nothing is divided by zero."""
        report = busiest_routes.report(reduce(busiest_routes.add, partials(1_000)))

        assert report["routes"]["LGA-ATL"]["late_share"] is None
        assert report["routes"]["LGA-ATL"]["mean_arr_delay_minutes"] is None
