"""Sources from outside: an inventory report, members of a JSON object, a manifest that names objects twice."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded import ROOT, EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(180)

BUCKET = "mapfold-data"
JOBS = "tests/e2e/source_jobs"
FILES = 60
"""Of Python's standard library; the two that are the same come among the first."""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job as it is bundled, but with an example of fewer files."""
    folder = tmp_path_factory.mktemp("jobs")
    module = (ROOT / "jobs" / "object_catalog.py").read_text()
    fewer, changed = re.subn(r"^MOST_FILES = \d+$", f"MOST_FILES = {FILES}", module, flags=re.MULTILINE)
    assert changed == 1
    (folder / "object_catalog.py").write_text(fewer)
    return folder


@pytest.fixture(scope="module")
def catalog(shared_aws: EmbeddedAws, jobs: Path) -> dict[str, Any]:
    """`mapfold run object-catalog --json` over the example that the job brings."""
    arguments = ("run", "object-catalog", "--jobs", str(jobs), "--json")
    ended = mapfold(*arguments, environment=shared_aws.environment)
    assert ended.code == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


@pytest.fixture(scope="module")
def texts(shared_aws: EmbeddedAws, catalog: dict[str, Any]) -> dict[str, bytes]:
    """The objects of the example by their URIs, as they lie in S3."""
    s3 = shared_aws.s3
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="texts/python/")
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    return {f"s3://{BUCKET}/{key}": s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def facts(text: bytes) -> dict[str, Any]:
    """Counted in another way than the job does."""
    return {
        "bytes": len(text),
        "lines": len(text.removesuffix(b"\n").split(b"\n")) if text else 0,
        "words": len(text.split()),
        "sha256": hashlib.sha256(text).hexdigest(),
    }


def test_the_catalog_of_an_inventory_is_what_its_objects_hold(catalog: dict[str, Any], texts: dict[str, bytes]) -> None:
    """Dozens of real files: totals, the largest, and the contents that are there more than once."""
    by_content = defaultdict(list)
    for uri, text in texts.items():
        by_content[hashlib.sha256(text).hexdigest()].append(uri)
    repeated = {content: uris for content, uris in by_content.items() if len(uris) > 1}
    largest = sorted(texts, key=lambda uri: (-len(texts[uri]), uri))[:10]

    result = catalog["result"]

    assert catalog["items"] == {"total": len(texts), "succeeded": len(texts), "failed": 0}
    assert catalog["duplicates"] == {"items": 0, "first": []}
    assert len(texts) == FILES
    assert repeated, "there is no content to find twice"
    for name in ("bytes", "lines", "words"):
        assert result[name] == sum(facts(text)[name] for text in texts.values())
    assert (result["objects"], result["contents"]) == (len(texts), len(by_content))
    assert result["largest"] == {uri: {"bytes": len(texts[uri])} for uri in largest}
    assert {each["sha256"]: each["uris"] for each in result["repeated"]} == {
        content: sorted(uris)[:5] for content, uris in repeated.items()
    }


def test_the_table_has_an_item_for_each_object(
    catalog: dict[str, Any], texts: dict[str, bytes], shared_aws: EmbeddedAws
) -> None:
    """With what the result was added up from."""
    pages = shared_aws.dynamodb.get_paginator("scan").paginate(TableName="object-catalog")

    kept = {item["uri"]["S"]: item for page in pages for item in page["Items"]}

    assert catalog["status"] == "SUCCEEDED"
    assert {
        uri: {**{name: int(item[name]["N"]) for name in ("bytes", "lines", "words")}, "sha256": item["sha256"]["S"]}
        for uri, item in kept.items()
    } == {uri: facts(text) for uri, text in texts.items()}


def put(aws: EmbeddedAws, key: str, body: bytes) -> str:
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def run(aws: EmbeddedAws, job: str, source: str, *options: str) -> Ended:
    return mapfold("run", job, source, "--jobs", JOBS, *options, environment=aws.environment)


def test_members_of_a_json_object_are_items(shared_aws: EmbeddedAws) -> None:
    """Key and value, from a document that is packed; an array in its place is told before anything runs."""
    source = put(shared_aws, "prices.json.gz", gzip.compress(b'{"prices": {"tea": 2, "milk": [1, 2]}}'))

    ended = run(shared_aws, "pairs", source, "--json")

    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout)["result"] == {"tea": 2, "milk": [1, 2]}


def test_each_object_runs_once_if_the_job_says_so(shared_aws: EmbeddedAws) -> None:
    """The run is over a list then, and tells of the duplicates."""
    for name in ("a", "bb", "cc c"):
        put(shared_aws, f"unique/{name}", name.encode())
    lines = "".join(f"{BUCKET},unique/{name}\n" for name in ("a", "bb", "cc+c", "cc%20c", "a"))
    source = put(shared_aws, "unique.csv.gz", gzip.compress(lines.encode()))

    ended = run(shared_aws, "unique", source, "--name", "unique-1")
    shown = mapfold("show", "unique-1", "--json", environment=shared_aws.environment)

    assert ended.code == 0, ended.stderr
    assert "3 items: 3 succeeded, 0 failed" in ended.stdout
    assert "2 duplicate items name objects that earlier items name" in ended.stdout
    assert f"  s3://{BUCKET}/unique/cc c: items 2, 3" in ended.stdout
    document = json.loads(shown.stdout)
    assert (document["result"], document["duplicates"]["items"]) == (7, 2)


def test_bad_input_is_told_with_the_object_and_what_helps(shared_aws: EmbeddedAws) -> None:
    """On stderr, by a run that ends with 1 before an item ran."""
    source = put(shared_aws, "half.csv.gz", gzip.compress(b"mapfold-data,unique/a\n" * 50)[:-12])

    ended = run(shared_aws, "unique", source)

    assert ended.code == 1
    assert f"{source} is a gzip file that ends in the middle. Upload it again, whole." in ended.stderr
