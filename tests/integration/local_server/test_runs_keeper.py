"""The mirror of the runs' bucket and table, against a real moto (rules: `mapfold/local/runs_keeper.py`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.endpoints import Endpoints
from mapfold.local.moto import MotoServer, open_moto
from mapfold.local.runs_keeper import RUNS, RunsKeeper, file_name


@pytest.fixture
async def moto(tmp_path: Path) -> AsyncIterator[MotoServer]:
    async with open_moto(port=0, data=tmp_path) as server:
        yield server


@pytest.fixture
def clients(moto: MotoServer) -> Any:
    endpoints = Endpoints.of(service="http://127.0.0.1:1", aws=moto.endpoint, environment={})
    s3, dynamodb = endpoints.s3(), endpoints.dynamodb()
    yield s3, dynamodb
    s3.close()
    dynamodb.close()


def empty(s3: Any) -> None:
    """A moto that has just been started."""
    for item in s3.list_objects_v2(Bucket=RUNS).get("Contents", ()):
        s3.delete_object(Bucket=RUNS, Key=item["Key"])
    s3.delete_bucket(Bucket=RUNS)


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=RUNS)["Contents"]]


async def test_objects_of_any_name_come_back(clients: Any, tmp_path: Path) -> None:
    """Also those that a file system would not take, or would take for something outside the folder."""
    s3, _ = clients
    names = ["runs/one/result.json", "a", "a/b", "../../etc/passwd", "dir//x", "dir/", ".hidden", "ü ?", "x" * 300]
    s3.create_bucket(Bucket=RUNS)
    for name in names:
        s3.put_object(Bucket=RUNS, Key=name, Body=name.encode())
    RunsKeeper(tmp_path, s3=s3, dynamodb=None).save()
    empty(s3)

    counts = RunsKeeper(tmp_path, s3=s3, dynamodb=None).restore()

    assert counts == (len(names), 0)
    assert keys(s3) == sorted(names)
    assert {s3.get_object(Bucket=RUNS, Key=name)["Body"].read().decode() for name in names} == set(names)


async def test_a_key_that_is_a_folder_of_another_does_not_take_its_place(clients: Any, tmp_path: Path) -> None:
    """Whichever of the two is written first: both are copied at once, and the larger one takes longer."""
    s3, _ = clients
    s3.create_bucket(Bucket=RUNS)
    sizes = {f"{n}{end}": 8 << 20 if end == "" else 1 for n in range(4) for end in ("", "/under")}
    for name, size in sizes.items():
        s3.put_object(Bucket=RUNS, Key=name, Body=b"x" * size)

    assert RunsKeeper(tmp_path, s3=s3, dynamodb=None).save() == (len(sizes), 0)


async def test_runs_come_back_in_any_region_and_under_any_profile(
    moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who works in Ireland has AWS_REGION set. S3 wants a bucket's region to be named there, and not in us-east-1."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    environment = {"AWS_REGION": "eu-west-1"}
    endpoints = Endpoints.of(service="http://127.0.0.1:1", aws=moto.endpoint, environment=environment)
    with closing(endpoints.s3()) as s3:
        s3.create_bucket(Bucket=RUNS, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket=RUNS, Key="runs/one/result.json", Body=b"1")
        RunsKeeper(tmp_path, s3=s3, dynamodb=None).save()
        empty(s3)

        assert RunsKeeper(tmp_path, s3=s3, dynamodb=None).restore() == (1, 0)


async def test_only_new_and_changed_objects_are_copied(clients: Any, tmp_path: Path) -> None:
    """An unchanged file is not written again; one whose object was deleted goes."""
    s3, _ = clients
    s3.create_bucket(Bucket=RUNS)
    for name in ("same", "changed", "deleted"):
        s3.put_object(Bucket=RUNS, Key=name, Body=b"old")
    keeper = RunsKeeper(tmp_path, s3=s3, dynamodb=None)
    keeper.save()
    folder = tmp_path / "s3" / RUNS
    (folder / "same").write_bytes(b"not touched")
    s3.put_object(Bucket=RUNS, Key="changed", Body=b"new")
    s3.delete_object(Bucket=RUNS, Key="deleted")

    keeper.save()

    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {"same": b"not touched", "changed": b"new"}


async def test_the_runs_table_comes_back(clients: Any, tmp_path: Path) -> None:
    """Its keys and its items, binary values too."""
    _, dynamodb = clients
    dynamodb.create_table(
        TableName=RUNS,
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"run_id": {"S": "one"}, "n": {"N": "42"}, "raw": {"B": b"\x00\xff"}, "more": {"M": {"x": {"BS": [b"y"]}}}}
    dynamodb.put_item(TableName=RUNS, Item=item)
    RunsKeeper(tmp_path, s3=None, dynamodb=dynamodb).save()
    dynamodb.delete_table(TableName=RUNS)

    RunsKeeper(tmp_path, s3=None, dynamodb=dynamodb).restore()

    assert dynamodb.get_item(TableName=RUNS, Key={"run_id": {"S": "one"}})["Item"] == item


async def test_nothing_kept_makes_nothing(clients: Any, tmp_path: Path) -> None:
    """A first session: no bucket, no table, no files."""
    s3, dynamodb = clients
    keeper = RunsKeeper(tmp_path, s3=s3, dynamodb=dynamodb)

    assert keeper.restore() == (0, 0)
    assert keeper.save() == (0, 0)
    assert s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("key", ["..", "a/../b", "/a", "a//b", "a/", "nul\x00", ".partial", "a/" + "b" * 200])
def test_a_dangerous_key_is_not_a_file_name(key: str) -> None:
    """It becomes a digest in a folder of its own."""
    assert file_name(key).startswith(".keys/")
