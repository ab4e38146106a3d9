"""What `mapfold run` and `mapfold show` print of results that are files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from mapfold.cli.results import outcome_result_lines
from mapfold.client.outcome import Items, Outcome
from mapfold.client.values import Status
from tests.unit.client.fakes import RUN, FakeAws

FOLDER = "s3://mapfold-runs/runs/r1/result"


def ended(kind: str | None, result: Any) -> Outcome:
    done = Outcome("r1", RUN, Status.SUCCEEDED, Items(1, 1, 0), 1.0, result=result)
    return replace(done, result_kind=kind)


def put(aws: FakeAws, name: str, *lines: str) -> str:
    aws.objects["mapfold-runs", f"runs/r1/result/{name}"] = "".join(f"{line}\n" for line in lines)
    return f"{FOLDER}/{name}"


def test_parts_are_listed_with_the_first_lines_of_the_first() -> None:
    """How many there are, where they lie, and what a line looks like."""
    aws = FakeAws()
    put(aws, "part-00000.jsonl", *(json.dumps({"key": f"k{n}", "value": n}) for n in range(8)))
    parts = [{"uri": f"{FOLDER}/part-{n:05}.jsonl", "records": 1000, "bytes": 16000} for n in range(12)]

    lines = outcome_result_lines(ended("parts", {"parts": parts, "records": 12_000}), aws)

    assert lines[:4] == [
        "12,000 records by key in 12 parts",
        f"{FOLDER}/",
        "  part              records   bytes",
        "  part-00000.jsonl    1,000  16,000",
    ]
    assert lines[13:16] == ["  … 2 more", "", '{"key": "k0", "value": 0}']
    assert lines[-1] == "… 11,995 more"


def test_shards_are_counted_with_the_first_lines_of_the_first() -> None:
    """The index says where all of them are."""
    aws = FakeAws()
    uri = put(aws, "shard-00000.jsonl", '{"index":0,"value":1}', '{"index":2,"value":3}')
    index = put(aws, "index.json", '{"kind":"shards","shards":[', json.dumps({"shard": 0, "uri": uri}), "]}")

    lines = outcome_result_lines(ended("shards", {"index": index, "shards": 1, "lines": 2, "bytes": 44}), aws)

    assert lines == [
        "2 values in the order of the source, in 1 shard",
        f"index     {FOLDER}/index.json",
        "",
        '{"index":0,"value":1}',
        '{"index":2,"value":3}',
    ]


def test_files_that_are_gone_are_not_shown() -> None:
    """A run's folder may have been removed."""
    result = {"index": f"{FOLDER}/index.json", "shards": 1, "lines": 2, "bytes": 44}

    assert len(outcome_result_lines(ended("shards", result), FakeAws())) == 2


def test_a_result_that_is_itself_is_shown_as_it_is() -> None:
    """Also one that looks like a list of parts."""
    lines = outcome_result_lines(ended(None, {"parts": 3, "records": 4}), FakeAws())

    assert [line.split() for line in lines] == [["parts", "3"], ["records", "4"]]
