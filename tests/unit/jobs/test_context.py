"""Storage and tables, as a job's functions use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from mapfold import Context
from mapfold.storage import Storage
from mapfold.tables import Table, TableBusy, attribute
from tests.e2e.embedded import session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[3]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = session().client("s3")
        client.create_bucket(Bucket="mapfold-data")
        yield client


@pytest.fixture
def context(s3: S3Client) -> Context:
    return Context(storage=Storage(s3))


@dataclass
class Named:
    bucket: str
    key: str


class TestStorage:
    @pytest.mark.parametrize(
        "where", [{"bucket": "mapfold-data", "key": "a"}, "s3://mapfold-data/a", "a", Named("mapfold-data", "a")]
    )
    def test_an_object_is_named_in_four_ways(self, context: Context, where: Any) -> None:
        """An item, an URI, a key in the data bucket, a dataclass."""
        context.storage.put("a", "text")

        assert context.storage.get(where) == b"text"

    def test_lines_and_rows_are_read_as_they_arrive(self, context: Context) -> None:
        """Quoted fields may hold line ends; lines have lost theirs."""
        context.storage.put("rows.csv", 'a,b\n1,"x\ny"\n\n2,z\n')
        context.storage.put("lines.txt", "one\r\ntwo\nthree")

        assert list(context.storage.rows("rows.csv")) == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "z"}]
        assert list(context.storage.lines("lines.txt")) == ["one", "two", "three"]

    def test_a_large_object_is_streamed_whole(self, context: Context) -> None:
        """Over many reads of the body."""
        context.storage.put("big", "line of text\n" * 100_000)

        assert sum(1 for _ in context.storage.lines("big")) == 100_000
        with context.storage.stream("big") as file:
            assert file.read(4) == b"line"

    def test_a_broken_row_is_named_by_its_line(self, context: Context) -> None:
        """And by its object: it ends up in failures.jsonl."""
        context.storage.put("rows.csv", "a,b\n1,2\n3\n")

        with pytest.raises(ValueError, match=r"s3://mapfold-data/rows\.csv, line 3: 1 fields, the header has 2"):
            list(context.storage.rows("rows.csv"))

    def test_an_item_with_a_version_is_read_in_that_version(self, context: Context, s3: S3Client) -> None:
        """As a manifest or an inventory names it; one that is not there is told with its version."""
        s3.put_bucket_versioning(Bucket="mapfold-data", VersioningConfiguration={"Status": "Enabled"})
        item = {"bucket": "mapfold-data", "key": "v.txt"}
        old = s3.put_object(Bucket=item["bucket"], Key=item["key"], Body=b"old")["VersionId"]
        s3.put_object(Bucket="mapfold-data", Key="v.txt", Body=b"new")

        assert context.storage.text({**item, "version": old}) == "old"
        assert context.storage.text(item) == "new"
        with pytest.raises(FileNotFoundError, match=r"s3://mapfold-data/v\.txt\?versionId=none does not exist"):
            context.storage.text({**item, "version": "none"})

    def test_a_missing_object_is_named(self, context: Context) -> None:
        """S3's own message names no key."""
        with pytest.raises(FileNotFoundError, match=r"s3://mapfold-data/none does not exist \(NoSuchKey\)"):
            context.storage.get("none")

    def test_what_names_no_object_is_told(self, context: Context) -> None:
        """Before S3 is asked."""
        with pytest.raises(ValueError, match="names no object"):
            context.storage.get({"Key": "a"})


class FakeDynamoDB:
    """Writes at most `takes` items a call and leaves the others undone; keeps what it wrote."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.written: list[Any] = []
        self.sizes: list[int] = []

    def batch_write_item(self, *, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
        (name, requests), *_ = RequestItems.items()
        self.sizes.append(len(requests))
        self.written += requests[: self.takes]
        left = requests[self.takes :]
        return {"UnprocessedItems": {name: left} if left else {}}


class TestTable:
    def table(self, dynamodb: Any, **given: Any) -> Table:
        return Table(dynamodb, "flights", keys=("id",), jitter=lambda: 1.0, **given)

    def test_what_is_left_unprocessed_is_sent_again_later_and_later(self) -> None:
        """With pauses that double, each drawn between nothing and that."""
        dynamodb, pauses = FakeDynamoDB(takes=10), list[float]()

        written = self.table(dynamodb, sleep=pauses.append).write({"id": str(n)} for n in range(30))

        assert written == 30
        assert len(dynamodb.written) == 30
        assert dynamodb.sizes == [25, 15, 5, 5]
        assert pauses == [0.05, 0.1]

    def test_it_gives_up_before_the_time_does(self) -> None:
        """With an error that names the table and what is missing, not with a timeout."""
        table = self.table(FakeDynamoDB(takes=0), sleep=lambda _: None, seconds_left=lambda: 1.2)

        with pytest.raises(TableBusy, match="table flights: 3 items still unwritten as the time runs out"):
            table.write([{"id": str(n)} for n in range(3)])

    def test_it_gives_up_after_a_quarter_of_an_hour_where_nothing_else_ends_it(self) -> None:
        """A job's example runs outside Lambda, where time has no end: it must not wait for ever."""
        pauses: list[float] = []
        table = self.table(FakeDynamoDB(takes=0), sleep=pauses.append)

        with pytest.raises(TableBusy, match="1 items still unwritten"):
            table.write([{"id": "a"}])

        assert sum(pauses) <= 900

    def test_of_two_items_with_one_key_the_later_wins(self) -> None:
        """BatchWriteItem refuses the same key twice in a call."""
        dynamodb = FakeDynamoDB(takes=25)

        self.table(dynamodb).write([{"id": "a", "n": 1}, {"id": "a", "n": 2}])

        assert [request["PutRequest"]["Item"]["n"] for request in dynamodb.written] == [{"N": "2"}]

    def test_an_item_without_its_key_is_told(self) -> None:
        """With the item."""
        with pytest.raises(ValueError, match=r"an item for table flights has no id: \{'n': 1\}"):
            self.table(FakeDynamoDB(25)).write([{"n": 1}])

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0.1, {"N": "0.1"}),
            (1e-7, {"N": "0.0000001"}),
            (True, {"BOOL": True}),
            (None, {"NULL": True}),
            ([1, "a"], {"L": [{"N": "1"}, {"S": "a"}]}),
            ({"a": 1}, {"M": {"a": {"N": "1"}}}),
        ],
    )
    def test_values_become_attributes(self, value: Any, expected: dict[str, Any]) -> None:
        """Floats by their shortest text, which DynamoDB's 38 digits hold."""
        assert attribute(value, "x") == expected

    def test_a_value_that_dynamodb_has_not_is_named(self) -> None:
        """By its path."""
        with pytest.raises(ValueError, match=r"flights\.a\[0\] is nan"):
            self.table(FakeDynamoDB(25)).write([{"id": "1", "a": [float("nan")]}])


class TestContext:
    def test_a_table_that_is_not_declared_is_told(self) -> None:
        """With those that are: what is not declared does not exist on AWS."""
        context = Context(job="flights", tables={"daily": ("id",)})

        with pytest.raises(KeyError, match=r"declares no table 'weekly' \(it has: daily\)"):
            context.table("weekly")

    def test_a_table_may_have_another_name_on_aws(self) -> None:
        """Two stages of one job do not share a table."""
        dynamodb: Any = FakeDynamoDB(25)
        context = Context(tables={"daily": ("id",)}, table_names={"daily": "prod-daily"}, dynamodb=dynamodb)

        assert context.table("daily").name == "prod-daily"

    def test_a_test_may_say_which_item_it_is(self) -> None:
        """Without that there is one all the same, so that a map function that uses it can be called as it stands."""
        assert Context(item_id="s3://b/m.csv?etag=1#7").item_id == "s3://b/m.csv?etag=1#7"
        assert Context().item_id == "test#0"

    def test_outside_of_the_map_function_there_is_no_item(self) -> None:
        """A finish function that asks for it is told, rather than given the last one or an empty text."""
        with pytest.raises(LookupError, match="Only the map function has one"):
            _ = Context(item_id=None).item_id

    def test_a_context_of_a_test_has_all_the_time(self) -> None:
        """Nothing has to be given."""
        assert Context().seconds_left() > 10**9
        assert Context().params == {}


def test_the_public_api_needs_no_extra_and_no_boto3() -> None:
    """A job is declared without what only the embedded AWS, the command line, or a call needs."""
    program = """
import sys
for name in ("orjson", "moto", "click", "rich", "starlette", "uvicorn", "jsonata", "awslambdaric", "boto3",
             "botocore", "aws_lambda_powertools"):
    sys.modules[name] = None
import mapfold
job = mapfold.Job("x", source=mapfold.Manifest())
mapfold.Context(job="x")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


class TestSecrets:
    def test_a_declared_secret_is_given(self) -> None:
        """A test hands in values; on Lambda they come from Secrets Manager."""
        context = Context(job="orders", secrets={"orders/db": "open sesame"})

        assert context.secret("orders/db") == "open sesame"

    def test_a_secret_that_is_not_declared_is_refused(self) -> None:
        """Its function could not read it on AWS."""
        context = Context(job="orders", secrets={"orders/db": "open sesame"})

        with pytest.raises(KeyError, match=r"declares no secret 'other' \(it has: orders/db\)\. Add it to Network\("):
            context.secret("other")


class TestParams:
    def test_one_that_was_not_given_names_those_that_were(self) -> None:
        """A slip of the pen on the command line is seen then. It is a KeyError as that of any dict."""
        context = Context(job="orders", params={"yaer": "3"})

        with pytest.raises(KeyError) as failed:
            context.params["year"]

        assert failed.value.args == ("year",)
        assert failed.value.__notes__ == ["The run was given the parameters: yaer"]
        assert context.params.get("year") is None
