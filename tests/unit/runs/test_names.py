"""The names in manifests and inventory reports, row by row."""

from __future__ import annotations

import gzip
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold import Inventory, Manifest
from mapfold.local.map_run.readers import open_reader
from mapfold.runs.looks import SourceError
from mapfold.runs.looks.inventory import read_report
from mapfold.runs.names import Names, shown_name
from mapfold.states.effects import ReaderSpec
from tests.unit.map_run import fakes
from tests.unit.runs.fake_s3 import fake_s3, put_report, source


def names(body: str | bytes, declared: Manifest | None = None, *, key: str = "m.csv", **s3: Any) -> list[str]:
    """All names in a manifest."""
    store = fake_s3(**s3)
    uri = store.put(key, body)
    found = Names.of_manifest(store, declared or Manifest(), source(uri), etag="")
    return [name for chunk in found.chunks() for name in chunk]


class TestManifest:
    def test_keys_are_decoded_so_that_one_object_has_one_name(self) -> None:
        """However it is written."""
        assert names('b,a%20b\nb,a+b\n"b","a b"\nb,a\\ b\n') == ["b,a b"] * 4

    @pytest.mark.parametrize("key", ["m.csv", "m.csv.gz", "m.csv.zst"])
    def test_it_is_unpacked_by_its_name(self, key: str) -> None:
        """As Step Functions does; gzip may have several members."""
        plain = b"\xef\xbb\xbfb,one\n\nb,two"
        packed = {
            "m.csv": plain,
            "m.csv.gz": gzip.compress(plain[:8]) + gzip.compress(plain[8:]),
            "m.csv.zst": pa.compress(plain, codec="zstd", asbytes=True),
        }

        assert names(packed[key], key=key) == ["b,one", "b,two"]

    def test_versions_tell_items_apart(self) -> None:
        """And a line without one is the current version."""
        declared = Manifest(versions=True)

        found = names("b,k,v1\nb,k,v2\nb,k\n", declared)

        assert found == ["b,v1,k", "b,v2,k", "b,,k"]
        assert [shown_name(declared, name) for name in found] == [
            "s3://b/k?versionId=v1",
            "s3://b/k?versionId=v2",
            "s3://b/k",
        ]

    def test_a_connection_that_breaks_is_taken_up_where_it_was(self) -> None:
        """No byte is lost or read twice."""
        assert names("b,one\nb,two\nb,three\n", broken=[7, 0, 3]) == ["b,one", "b,two", "b,three"]

    def test_a_connection_that_always_breaks_is_given_up(self) -> None:
        """With the object and the byte."""
        with pytest.raises(SourceError, match=r"s3://b/m\.csv cannot be read from byte 2 on: connection reset"):
            names("b,one\n", broken=[2, 0, 0, 0, 0, 0])

    def test_another_object_under_the_key_is_not_mixed_in(self) -> None:
        """The passes are over the object that Plan saw."""
        s3 = fake_s3({"m.csv": "b,k\n"})

        with pytest.raises(SourceError, match="PreconditionFailed"):
            list(Names.of_manifest(s3, Manifest(), source("s3://b/m.csv"), etag="other").chunks())

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("b,k\n" * 99_999 + "\nb\n", r"m\.csv, line 100001: 'b' names no object: field 2"),
            ('"b","k"\n\n"b"\n', r"m\.csv, line 3: 'b' names no object: field 2"),
            ("b,a%20b\nb,c,d\n", r"m\.csv, line 2: 'b,c,d' has 3 fields"),
            (b"b,k\nb,\xff\n", r"m\.csv, line 2: byte 0xff is not UTF-8"),
            (
                '"b","' + "k" * 200_000 + "\n",
                r"m\.csv, near line 1: a key of 200,001 characters, .* Is a quote opened and never closed\?",
            ),
        ],
    )
    def test_a_line_that_names_nothing_is_told_wherever_it_is(self, body: str | bytes, said: str) -> None:
        """With file, line and field: the head alone would not show it."""
        with pytest.raises(SourceError, match=said):
            names(body)

    def test_a_gzip_that_is_cut_off_is_told(self) -> None:
        """Also far behind its head."""
        packed = gzip.compress("".join(f"b,{n * n}\n" for n in range(99_999)).encode())

        with pytest.raises(SourceError, match=r"s3://b/m\.csv\.gz is a gzip file that ends in the middle"):
            names(packed[:-100], key="m.csv.gz")


class TestReport:
    def test_all_parts_are_read_in_their_order(self) -> None:
        """As the ItemReader does."""
        s3 = fake_s3()
        uri = put_report(s3, ['"b","one+1","1"\n', '"b","two","2"\n"b","three","3"\n'])
        report = read_report(s3, source(uri), versions=False)

        found = Names.of_report(s3, Inventory(), report)

        assert [*found.chunks()] == [["b,one 1"], ["b,two", "b,three"]]
        assert [item["size"] for item in found.items()] == [1, 2, 3]

    def test_a_row_that_is_short_is_told_with_its_part(self) -> None:
        """And its line."""
        s3 = fake_s3()
        report = read_report(s3, source(put_report(s3, ['"b","one","1"\n', '"b","two","2"\n"b"\n'])), versions=False)

        with pytest.raises(SourceError, match=r"s3://b/inv/data/1\.csv\.gz, line 2: a row of 1 fields, .* 3 columns"):
            list(Names.of_report(s3, Inventory(), report).chunks())


FIELDS = st.text(st.sampled_from('ab"\\,\n %+2Bü'), min_size=1, max_size=6)


@given(
    st.lists(st.tuples(st.sampled_from(["b", "c"]), FIELDS, st.booleans()), max_size=30),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=150, deadline=None)
def test_names_and_items_are_those_of_the_item_reader(rows: list[tuple[str, str, bool]], end: str) -> None:
    """Row for row: a place here is an index there, whatever is quoted, and wherever a line ends inside quotes."""
    lines = []
    for bucket, field, blank in rows:
        quoted = field.replace("\\", "\\\\").replace('"', '""')
        lines.append(f'{bucket},"{quoted}"' if set(field) & set('",\\\n') else f"{bucket},{field}")
        lines += [""] * blank
    body = end.join(lines).encode()
    spec = ReaderSpec("s3:getObject", Manifest().reader_config(), {"Bucket": "b", "Key": "m.csv"})
    read = [value for chunk in open_reader(fakes.FakeS3({("b", "m.csv"): body}), spec) for value in chunk.values]
    s3 = fake_s3({"m.csv": body})
    ours = Names.of_manifest(s3, Manifest(), source("s3://b/m.csv"), etag="")

    expected = [Manifest().item(raw, {}) for raw in read]

    assert list(ours.items()) == expected
    assert [name for chunk in ours.chunks() for name in chunk] == [f"{i['bucket']},{i['key']}" for i in expected]
