"""The job object-catalog, function by function."""

from __future__ import annotations

import gzip
import hashlib
from functools import reduce
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs.object_catalog import MANIFEST, add, library_texts, measure, part, report
from mapfold import Inventory


@given(st.lists(st.text(st.sampled_from("ab \n\t\r"), min_size=1, max_size=5).map(str.encode), max_size=8))
def test_a_stream_measures_as_the_whole(blocks: list[bytes]) -> None:
    """Wherever it is cut: in a word, between CR and LF, behind the last line's end."""
    text = b"".join(blocks)

    measured = measure(blocks)

    assert measured == {
        "bytes": len(text),
        "lines": text.count(b"\n") + (text[-1:] not in (b"", b"\n")),
        "words": len(text.split()),
        "sha256": hashlib.sha256(text).hexdigest(),
    }


def one(uri: str, content: str, size: int) -> dict[str, Any]:
    """The partial of one object."""
    totals = {"objects": 1, "bytes": size, "lines": 2, "words": 3}
    return {**totals, "largest": [[size, uri]], "contents": {content: [size, 1, [uri]]}}


def test_the_order_of_folding_does_not_matter() -> None:
    """Totals, largest and contents are the same, whichever two are added first."""
    objects = [("s3://b/3", "x", 5), ("s3://b/1", "x", 5), ("s3://b/2", "y", 9), ("s3://b/4", "x", 5)]

    reports = [report(reduce(add, [one(*each) for each in order])) for order in permutations(objects)]

    assert all(made == reports[0] for made in reports)
    assert reports[0]["repeated"] == [
        {
            "sha256": "x",
            "objects": 3,
            "bytes": 5,
            "repeated_bytes": 10,
            "uris": ["s3://b/1", "s3://b/3", "s3://b/4"],
        }
    ]
    assert list(reports[0]["largest"]) == ["s3://b/2", "s3://b/1", "s3://b/3", "s3://b/4"]


def test_a_part_is_gzipped_csv_with_every_field_in_quotes() -> None:
    """As S3 Inventory writes it, and the same each time."""
    rows = [{"Bucket": "b", "Key": "a%2Cb", "Size": "3"}]

    assert gzip.decompress(part(rows)) == b'"b","a%2Cb","3"\n'
    assert part(rows) == part(rows)


def test_the_example_takes_text_files_that_every_python_brings(tmp_path: Any) -> None:
    """Of the library and its packages, no installed ones, none that is large."""
    for path, size in (("a.py", 3), ("json/x.txt", 3), ("site-packages/b.py", 3), ("c.py", 300_000), ("d.so", 3)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * size)

    assert library_texts(tmp_path) == {"a.py": b"xxx", "json/x.txt": b"xxx"}


def test_its_source_is_an_inventorys_manifest() -> None:
    """The URI that the example gives is one that the source takes."""
    assert Inventory().parse_uri(MANIFEST)["key"].endswith("/manifest.json")
