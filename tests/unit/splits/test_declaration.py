"""What a job may declare of its splits: mistakes are errors at import."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold import JobError, Splits
from mapfold.errors import UsageError


class TestSplits:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"format": "avro"},
                r"Splits\(format='avro'\): there is no such kind. Use one of 'csv', 'jsonl', 'text', 'parquet'",
            ),
            (
                {"format": "csv", "objects": "all"},
                r"Splits\(objects='all'\): .* Use one of 'one', 'manifest', 'prefix'",
            ),
            ({"format": "csv", "split_bytes": 0}, "at least 1"),
            ({"format": "csv", "split_bytes": "1MB"}, "whole number of bytes"),
            ({"format": "csv", "delimiter": "||"}, "Use one ASCII character"),
            ({"format": "csv", "delimiter": ""}, "Use one ASCII character"),
            ({"format": "csv", "headers": ("a", "a")}, "Use different ones"),
            ({"format": "csv", "headers": "ab"}, "Use different ones"),
            ({"format": "csv", "compression": "zstd"}, 'Use "gzip" or leave it out'),
            ({"format": "csv", "encoding": "utf-16"}, "a newline cannot be found in it"),
            ({"format": "csv", "encoding": "shift_jis"}, "a newline cannot be found in it"),
            ({"format": "csv", "encoding": "klingon"}, "a newline cannot be found in it"),
            ({"format": "jsonl", "headers": ("a",)}, "it says nothing about jsonl. Leave it out: it is for csv"),
            ({"format": "parquet", "compression": "gzip"}, "it says nothing about parquet"),
            ({"format": "text", "columns": ("a",)}, "it is for parquet"),
        ],
    )
    def test_say_what_is_wrong_and_what_to_write(self, options: dict[str, Any], message: str) -> None:
        """The option, what was found, what is allowed."""
        with pytest.raises(JobError, match=message):
            Splits(**options)

    @pytest.mark.parametrize(
        ("encoding", "codec"), [("UTF8", "utf-8"), ("utf-8-sig", "utf-8"), ("latin1", "iso8859-1")]
    )
    def test_know_an_encoding_by_all_its_names(self, encoding: str, codec: str) -> None:
        """ASCII is UTF-8, and a byte order mark is skipped in any case."""
        assert Splits("csv", encoding=encoding).encoding == codec

    def test_of_a_prefix_may_be_a_whole_bucket(self) -> None:
        """Of one object there has to be a key."""
        source = Splits("csv", "prefix").parse_uri("s3://data/")

        assert source == {"uri": "s3://data/", "bucket": "data", "key": ""}
        with pytest.raises(UsageError, match="names no object"):
            Splits("csv").parse_uri("s3://data/")
