"""Results that are files: by key and in the order of the source, from the command line to the lines in S3."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.e2e.embedded import EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(120)

JOBS = "tests/fixtures/results"


def run(aws: EmbeddedAws, job: str, texts: list[str], *options: str) -> Ended:
    body = "".join(json.dumps(text) + "\n" for text in texts)
    aws.s3.put_object(Bucket="mapfold-data", Key=f"{job}.jsonl", Body=body.encode())
    source = f"s3://mapfold-data/{job}.jsonl"
    return mapfold("run", job, source, "--jobs", JOBS, *options, environment=aws.environment)


def read(aws: EmbeddedAws, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def lines(aws: EmbeddedAws, uri: str) -> list[Any]:
    return [json.loads(line) for line in read(aws, uri).splitlines()]


def test_a_run_by_key_leaves_parts_and_its_fold_can_be_checked(shared_aws: EmbeddedAws) -> None:
    """Several batches have the same keys; `mapfold check` finds their records and tries the fold on them."""
    texts = [f"to be or not {n % 3}" for n in range(12)]

    ended = run(shared_aws, "by-word", texts)
    checked = mapfold("check", "by-word", "--jobs", JOBS, "--json", environment=shared_aws.environment)

    assert ended.code == 0, ended.stderr
    assert "7 records by key in 1 part" in ended.stdout
    assert '{"key":"0","value":{"word":"0","times":4}}' in ended.stdout
    uri = next(line.split()[1] for line in ended.stdout.splitlines() if line.startswith("result "))
    result = json.loads(read(shared_aws, uri))
    found = [line for part in result["parts"] for line in lines(shared_aws, part["uri"])]
    assert {line["key"]: line["value"]["times"] for line in found} == Counter(" ".join(texts).split())
    document = json.loads(checked.stdout)
    assert (checked.code, document["holds"], document["partials"]) == (0, True, 21)


def test_values_stand_in_the_order_of_the_source_though_a_batch_was_split(shared_aws: EmbeddedAws) -> None:
    """Item 5 kills its worker: its batch is cut, and the pieces end long after the batches behind it."""
    texts = ["x" * n for n in range(1, 15)]
    texts[5] = "exit"

    ended = run(shared_aws, "lengths", texts, "--json")

    document = json.loads(ended.stdout)
    assert ended.code == 0, ended.stderr
    assert document["items"] == {"total": 14, "succeeded": 13, "failed": 1}
    assert document["result_kind"] == "shards"
    index = json.loads(read(shared_aws, document["result"]["index"]))
    found = [line for shard in index["shards"] for line in lines(shared_aws, shard["uri"])]
    assert [line["index"] for line in found] == [n for n in range(14) if n != 5]
    assert [line["value"]["length"] for line in found] == [n + 1 for n in range(14) if n != 5]
