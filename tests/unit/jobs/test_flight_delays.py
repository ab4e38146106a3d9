"""The job flight-delays, function by function: they are plain functions, called here as such."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from jobs import flight_delays
from jobs.flight_delays import add, count, count_day, flights_of_2013, report, split_by_day
from mapfold import Context
from mapfold.storage import Storage

HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour\n"
)


class FakeS3:
    """S3 as a dict of (bucket, key) to bytes."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.puts: list[str] = []

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        self.objects[Bucket, Key] = Body
        self.puts.append(Key)


class FakeDynamoDB:
    """DynamoDB as a list of what was put."""

    def __init__(self) -> None:
        self.items: list[dict[str, dict[str, str]]] = []

    def batch_write_item(self, *, RequestItems: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        for request in RequestItems["flight-delays-daily"]:
            self.items.append(request["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    return FakeDynamoDB()


@pytest.fixture
def context(s3: FakeS3, dynamodb: FakeDynamoDB) -> Context:
    return Context(storage=Storage(cast(Any, s3)), dynamodb=cast(Any, dynamodb), tables=flight_delays.job.tables)


def flight(carrier: str = "UA", dep_time: str = "517", arr_delay: str = "11", distance: int = 1400) -> dict[str, str]:
    return {"carrier": carrier, "dep_time": dep_time, "arr_delay": arr_delay, "distance": str(distance)}


def line(day: str, carrier: str, arr_delay: str) -> str:
    year, month, of_month = day.split("-")
    start = f"{year},{int(month)},{int(of_month)},517,515,2,830,819"
    return f"{start},{arr_delay},{carrier},1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"


class TestCount:
    def test_a_flight_that_arrived_counts_with_its_delay_and_distance(self) -> None:
        """A negative delay is one too: it arrived before its time."""
        assert count([flight(arr_delay="-5"), flight(arr_delay="11")]) == {
            "UA": {
                "flights": 2,
                "cancelled": 0,
                "arrived": 2,
                "arr_delay_minutes": 6,
                "late": 0,
                "distance_miles": 2800,
            }
        }

    @pytest.mark.parametrize(("delay", "late"), [("14", 0), ("15", 1), ("16", 1)])
    def test_late_begins_at_fifteen_minutes(self, delay: str, late: int) -> None:
        """The rule of the US DOT: 15 minutes or more."""
        assert count([flight(arr_delay=delay)])["UA"]["late"] == late

    @pytest.mark.parametrize("unknown", ["NA", ""])
    def test_a_flight_without_a_departure_time_was_cancelled(self, unknown: str) -> None:
        """It is still a flight, and its distance counts; it did not arrive."""
        assert count([flight(dep_time=unknown, arr_delay=unknown)]) == {
            "UA": {
                "flights": 1,
                "cancelled": 1,
                "arrived": 0,
                "arr_delay_minutes": 0,
                "late": 0,
                "distance_miles": 1400,
            }
        }

    def test_a_flight_that_was_diverted_is_neither_cancelled_nor_arrived(self) -> None:
        """It departed, and its arrival delay is not known."""
        sums = count([flight(arr_delay="NA")])["UA"]

        assert (sums["flights"], sums["cancelled"], sums["arrived"]) == (1, 0, 0)

    def test_a_garbled_number_is_an_error(self) -> None:
        """A broken file fails its item; nothing is guessed."""
        with pytest.raises(ValueError, match="eleven"):
            count([flight(arr_delay="eleven")])


class TestCountDay:
    def test_each_carriers_day_is_kept_in_the_table(self, context: Context, s3: FakeS3, dynamodb: FakeDynamoDB) -> None:
        """One DynamoDB item per carrier, with the day that the object is named for."""
        rows = [line("2013-01-01", "UA", "11"), line("2013-01-01", "AA", "33"), line("2013-01-01", "UA", "20")]
        s3.objects["mapfold-data", "flights/2013-01-01.csv"] = (HEADER + "".join(rows)).encode()

        partial = count_day({"bucket": "mapfold-data", "key": "flights/2013-01-01.csv"}, context)

        assert {carrier: sums["flights"] for carrier, sums in partial.items()} == {"UA": 2, "AA": 1}
        kept = [(item["carrier"]["S"], item["day"]["S"], item["arr_delay_minutes"]["N"]) for item in dynamodb.items]
        assert kept == [("UA", "2013-01-01", "31"), ("AA", "2013-01-01", "33")]


class TestAdd:
    def test_a_carrier_of_one_side_only_is_kept(self) -> None:
        """Not every carrier flies every day."""
        total = add(count([flight("UA")]), count([flight("AA"), flight("UA")]))

        assert {carrier: sums["flights"] for carrier, sums in total.items()} == {"AA": 1, "UA": 2}

    def test_the_order_does_not_matter(self) -> None:
        """A fold is associative and commutative: partials come as they are ready."""
        one, two, three = (
            count([flight("UA")]),
            count([flight("AA", arr_delay="NA")]),
            count([flight("UA", "NA", "NA")]),
        )

        assert add(add(one, two), three) == add(one, add(two, three)) == add(add(three, one), two)


class TestReport:
    def test_shares_are_of_the_flights_that_arrived(self) -> None:
        """Cancelled flights are neither late nor in time."""
        result = report(count([flight(arr_delay="30"), flight(arr_delay="-10"), flight(dep_time="NA", arr_delay="NA")]))

        assert result["flights"] == 3
        assert result["carriers"]["UA"]["late_share"] == 0.5
        assert result["carriers"]["UA"]["mean_arr_delay_minutes"] == 10.0

    def test_a_carrier_none_of_whose_flights_arrived_has_no_shares(self) -> None:
        """None, not zero: nothing is known."""
        sums = report(count([flight(arr_delay="NA")]))["carriers"]["UA"]

        assert (sums["late_share"], sums["mean_arr_delay_minutes"]) == (None, None)


class TestExample:
    def test_the_file_is_cut_by_day_each_with_the_header(self, tmp_path: Any) -> None:
        """The file's months do not come in order; the days do, once cut."""
        flights = tmp_path / "flights.csv"
        flights.write_text(HEADER + line("2013-10-01", "UA", "1") + line("2013-01-02", "AA", "2"))

        days = split_by_day(flights)

        assert list(days) == ["flights/2013-01-02.csv", "flights/2013-10-01.csv"]
        assert days["flights/2013-01-02.csv"].decode() == HEADER + line("2013-01-02", "AA", "2")

    def test_a_missing_file_says_how_to_fetch_it(self, tmp_path: Any) -> None:
        """Whoever runs `mapfold` without `make` learns what is missing."""
        with pytest.raises(FileNotFoundError, match="make data"):
            split_by_day(tmp_path / "flights.csv")

    def test_the_manifest_is_written_last(self, context: Context, s3: FakeS3) -> None:
        """Where the manifest lies, all days do: a run that was interrupted puts them anew."""
        flight_delays.put_days(context, {"flights/2013-01-01.csv": b"a", "flights/2013-01-02.csv": b"b"})

        assert s3.puts[-1] == "manifests/flights-2013.csv"
        assert s3.objects["mapfold-data", "manifests/flights-2013.csv"] == (
            b"mapfold-data,flights/2013-01-01.csv\nmapfold-data,flights/2013-01-02.csv\n"
        )

    def test_what_is_there_is_not_put_again(self, context: Context, s3: FakeS3) -> None:
        """A second run on a running embedded AWS starts at once."""
        s3.objects["mapfold-data", "manifests/flights-2013.csv"] = b"mapfold-data,flights/2013-01-01.csv\n"

        source = flights_of_2013(context)

        assert source == "s3://mapfold-data/manifests/flights-2013.csv"
        assert s3.puts == []
