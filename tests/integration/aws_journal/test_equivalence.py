"""What is done again comes to the same (rules: `mapfold/local/aws_journal/`), with moto in this process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mapfold.local._moto_process import create_application
from mapfold.local.aws_journal.bodies import Bodies
from mapfold.local.aws_journal.compaction import MOST_UPDATES, survey
from mapfold.local.aws_journal.kept_moto import open_kept
from mapfold.local.aws_journal.records import Record
from tests.integration.aws_journal.moto_in_process import kept_moto, state, tell, upload_id
from tests.unit.aws_journal.builders import (
    batch_put,
    create_table,
    delete_item,
    dynamodb,
    put_item,
    record,
    s3,
    update_item,
)

KEYS = st.sampled_from(["a", "b/c"])
ITEMS = st.sampled_from(["1", "2", "3"])
BUCKETS = st.sampled_from(["plain", "versioned"])
VALUES = st.text("xyz", max_size=3)
IF_ABSENT = {"ConditionExpression": "attribute_not_exists(k)"}
TAGS = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"


def put_request(key: str | int) -> dict[str, Any]:
    """A member of a batch. A number is refused, when those before it have been put."""
    return {"PutRequest": {"Item": {"k": {"S": key} if isinstance(key, str) else {"N": str(key)}}}}


def delete_objects(bucket: str, keys: list[str]) -> Record:
    body = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return s3("POST", f"/{bucket}", "delete", f"<Delete>{body}</Delete>".encode())


def copy(source: str, target: str, from_key: str, to_key: str) -> Record:
    return s3("PUT", f"/{target}/{to_key}", HTTP_X_AMZ_COPY_SOURCE=f"/{source}/{from_key}")


def transact(put: str, update: str, delete: str) -> Record:
    """One of each, when they are three items."""
    return dynamodb(
        "TransactWriteItems",
        TransactItems=[
            {"Put": {"TableName": "t", "Item": {"k": {"S": put}, "v": {"S": "t"}}}},
            {
                "Update": {
                    "TableName": "t",
                    "Key": {"k": {"S": update}},
                    "UpdateExpression": "SET u = :u",
                    "ExpressionAttributeValues": {":u": {"S": "u"}},
                }
            },
            {"Delete": {"TableName": "t", "Key": {"k": {"S": delete}}}},
        ],
    )


CHANGES = st.one_of(
    st.builds(lambda b, k, v: s3("PUT", f"/{b}/{k}", body=v.encode()), BUCKETS, KEYS, VALUES),
    st.builds(lambda b, k: s3("PUT", f"/{b}/{k}", HTTP_IF_NONE_MATCH="*"), BUCKETS, KEYS),
    st.builds(lambda b, k: s3("DELETE", f"/{b}/{k}"), BUCKETS, KEYS),
    st.builds(delete_objects, BUCKETS, st.lists(KEYS, min_size=1, unique=True)),
    st.builds(copy, BUCKETS, BUCKETS, KEYS, KEYS),
    st.builds(lambda b, k: s3("PUT", f"/{b}/{k}", "tagging", TAGS), BUCKETS, KEYS),
    st.builds(lambda b, k: s3("PUT", f"/{b}/{k}", HTTP_X_AMZ_COPY_SOURCE="moto fails at it"), BUCKETS, KEYS),
    st.builds(lambda k: dynamodb("BatchWriteItem", RequestItems={"t": [put_request(k), put_request(1)]}), ITEMS),
    st.builds(lambda b: s3("PUT", f"/{b}"), BUCKETS),
    st.builds(lambda b: s3("DELETE", f"/{b}"), BUCKETS),
    st.builds(lambda k, n, end: ("upload", k, n, end), KEYS, st.integers(1, 2), st.booleans()),
    st.builds(put_item, ITEMS, VALUES),
    st.builds(lambda k: put_item(k, "new", **IF_ABSENT), ITEMS),
    st.builds(update_item, ITEMS),
    st.builds(delete_item, ITEMS),
    st.builds(lambda keys, v: batch_put(*keys, value=v), st.lists(ITEMS, min_size=1, unique=True), VALUES),
    st.builds(lambda three: transact(*three), st.permutations(["1", "2", "3"])),
    st.just(dynamodb("DeleteTable", TableName="t")),
    st.just(create_table()),
    st.builds(lambda: dynamodb("CreateBackup", TableName="t", BackupName="backup")),
)


def make(application: Any, change: Any) -> None:
    """Some changes are refused: the journal must know that too."""
    if isinstance(change, Record):
        with suppress(ValueError):  # moto's own
            tell(application, change).content()
        return
    _, key, parts, complete = change
    begun = tell(application, s3("POST", f"/plain/{key}", "uploads"))
    if begun.code != 200:
        return
    upload = upload_id(begun)
    listed = ""
    for number in range(1, parts + 1):
        body = b"p" * (5 << 20) if number < parts else b"end"
        part = tell(application, s3("PUT", f"/plain/{key}", f"uploadId={upload}&partNumber={number}", body))
        etag = dict(part.headers)["ETag"]
        listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
    if complete:
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        assert tell(application, s3("POST", f"/plain/{key}", f"uploadId={upload}", body)).code == 200
    else:
        tell(application, s3("DELETE", f"/plain/{key}", f"uploadId={upload}"))


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])  # to shrink takes minutes
@given(changes=st.lists(CHANGES, max_size=14))
def test_without_what_is_not_needed_the_state_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Any]
) -> None:
    """
    Objects with their versions, bodies, tags and dates, uploads and items: at the next start, which leaves out what is
    not needed, and after the journal has been written anew without it.
    """
    folder = tmp_path_factory.mktemp("aws")
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    first = [s3("PUT", "/plain"), s3("PUT", "/versioned"), s3("PUT", "/versioned", "versioning", enabled)]
    said: list[str] = []
    with kept_moto(folder) as kept:
        for change in (*first, create_table(), *changes):
            make(kept.application, change)
        before = state(kept.application)

    with kept_moto(folder, said) as kept:
        again = state(kept.application)
        kept.compact(survey(folder / "journal", Bodies(folder / "bodies")))
    with kept_moto(folder, said) as kept:
        compacted = state(kept.application)
    left = survey(folder / "journal", Bodies(folder / "bodies"))

    assert again == before
    assert compacted == before
    assert all(place.needed for place in left.places)
    assert [line for line in said if "did not come back" in line] == []


def test_an_item_that_is_updated_often_is_one_put_in_the_end(tmp_path: Path) -> None:
    """A counter's journal does not grow with the count; one that has a stream keeps each update."""
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}
    with kept_moto(tmp_path) as kept:
        make(kept.application, create_table())
        make(kept.application, dynamodb("CreateTable", **{**orjson.loads(create_table("s").body), **stream}))
        for _ in range(MOST_UPDATES + 1):
            make(kept.application, update_item("1"))
            make(kept.application, update_item("2", table="s"))
        make(kept.application, update_item("3"))
        before = state(kept.application)

    with kept_moto(tmp_path):
        pass
    left = survey(tmp_path / "journal", Bodies(tmp_path / "bodies"))
    with kept_moto(tmp_path) as kept:
        after = state(kept.application)

    assert left.needed == len(["t", "s", "put of 1", "update of 3"]) + MOST_UPDATES + 1
    assert after == before


def test_what_moto_failed_at_or_refused_half_way_comes_to_the_same(tmp_path: Path) -> None:
    """
    What a request that fails would have replaced is still there, and so is the part of a refused batch that was made.
    """
    half = dynamodb("BatchWriteItem", RequestItems={"t": [put_request("2"), put_request(2)]})
    with kept_moto(tmp_path) as kept:
        for change in (create_table(), put_item("1", "before"), s3("PUT", "/plain"), s3("PUT", "/plain/a", body=b"a")):
            make(kept.application, change)
        with pytest.raises(ValueError, match="unpack"):
            tell(kept.application, s3("PUT", "/plain/a", HTTP_X_AMZ_COPY_SOURCE="no-bucket"))
        with pytest.raises(AttributeError):
            tell(kept.application, dynamodb("PutItem", TableName="t", Item={"k": {"S": "1"}, "v": "no type"}))
        refused = tell(kept.application, half)
        refused.close()
        before = state(kept.application)

    with kept_moto(tmp_path) as kept:
        after = state(kept.application)

    assert refused.code == 400
    assert len(before["table t"]) == 2
    assert after == before


def test_what_a_kill_left_of_a_compaction_does_no_harm(tmp_path: Path) -> None:
    """Half of a new journal beside the old one, or the body of a record that is in the new one no more."""
    with kept_moto(tmp_path) as kept:
        make(kept.application, s3("PUT", "/plain"))
        make(kept.application, s3("PUT", "/plain/a", body=b"a"))
        before = state(kept.application)
    (tmp_path / "journal.partial").write_bytes((tmp_path / "journal").read_bytes()[:-1])
    (tmp_path / "bodies" / "dropped").write_bytes(b"before")

    with kept_moto(tmp_path) as kept:
        after = state(kept.application)
        kept.compact(survey(tmp_path / "journal", Bodies(tmp_path / "bodies")))

    assert after == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bodies", "journal"]


def test_nobody_else_can_look_into_the_folder(tmp_path: Path) -> None:
    """Secrets are in it, whatever the folder was before."""
    folder = tmp_path / "aws"
    folder.mkdir(mode=0o755)

    with kept_moto(folder):
        pass

    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_journal_that_is_not_done_again_whole_is_left_as_it_is(tmp_path: Path) -> None:
    """Here the table is another one's already: nothing is concluded from what moto has then."""
    with kept_moto(tmp_path) as kept:
        make(kept.application, create_table())
        for _ in range(MOST_UPDATES + 1):
            make(kept.application, update_item("1"))
        for n in range(100):
            make(kept.application, put_item("2", "x" * 1000 + str(n)))
    journal = (tmp_path / "journal").read_bytes()
    said: list[str] = []

    application = create_application()
    tell(application, record("POST", "/moto-api/reset")).content()
    tell(application, create_table(range_key="r")).content()
    open_kept(application, tmp_path, said.append).close()

    assert (tmp_path / "journal").read_bytes() == journal
    assert any("did not come back" in line for line in said)


@pytest.mark.parametrize(("now", "told"), [([0, 3, 3, 4], [1, 2]), ([0, 3, 3, 6, 6], [1, 2]), ([0, 1, 2], [])])
def test_who_waits_long_hears_how_far_it_is_and_in_the_end_that_all_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: list[float], told: list[int]
) -> None:
    """The last line names as many changes as there are. Where it is soon over there is none."""
    with kept_moto(tmp_path) as kept:
        make(kept.application, create_table())
        make(kept.application, put_item("1"))
    clock = iter(now)
    monkeypatch.setattr("mapfold.local.aws_journal.replay.time", SimpleNamespace(monotonic=lambda: next(clock)))
    said: list[str] = []

    with kept_moto(tmp_path, said):
        pass

    assert [line.rpartition(": ")[2] for line in said] == [f"{done} of 2 changes" for done in told]
