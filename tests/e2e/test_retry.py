"""Items fail, the code is mended, and they are tried again: by conditions, by a canary that fails, by one that passes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded import ROOT, EmbeddedAws, Ended, mapfold

pytestmark = pytest.mark.timeout(180)

NUMBERS = range(1, 21)
ROUND = {10, 20}


@dataclass(frozen=True, slots=True)
class Step:
    """A command that has ended, and its document."""

    ended: Ended
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """The commands, one after the other, and what was looked up at the end."""

    first: Step
    chosen: Step
    failing: Step
    passing: Step
    audited: Step
    shown: dict[str, Any]


@pytest.fixture(scope="module")
def story(shared_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Twenty numbers of which the code refuses twelve; the odd ones are mended first, the round ones later."""
    jobs = tmp_path_factory.mktemp("jobs")
    lines = "".join(json.dumps({"n": n}) + "\n" for n in NUMBERS)
    shared_aws.s3.put_object(Bucket="mapfold-data", Key="numbers.jsonl", Body=lines.encode())

    def step(*words: str) -> Step:
        ended = mapfold(*words, "--jobs", str(jobs), "--json", environment=shared_aws.environment)
        assert ended.stdout, ended.stderr
        return Step(ended, json.loads(ended.stdout))

    write_job(jobs, refused=("odd", "round"))
    first = step("run", "mended", "s3://mapfold-data/numbers.jsonl", "--name", "first")
    write_job(jobs, refused=("round",))
    chosen = step("retry", "first", "--where", "error=ValueError", "--where", "index=0-19", "--name", "chosen")
    failing = step("retry", "chosen", "--canary", "1", "--name", "early")
    write_job(jobs, refused=())
    passing = step("retry", "early-canary", "--canary", "1", "--name", "late")
    audited = step("audit", "late")
    shown = mapfold("show", "chosen", "--json", environment=shared_aws.environment)
    return Story(first, chosen, failing, passing, audited, json.loads(shown.stdout))


def write_job(folder: Path, *, refused: tuple[str, ...]) -> None:
    """The job `mended` as its author has it now."""
    text = (ROOT / "tests/e2e/jobs/mended.py").read_text()
    (folder / "mended.py").write_text(text.replace('("odd", "round")', repr(refused)))


def test_what_was_mended_succeeds_and_is_folded_into_the_result(story: Story) -> None:
    """Today's code runs over the failed items alone; what had succeeded is in the result once."""
    assert story.first.document["items"] == {"total": 20, "succeeded": 8, "failed": 12}
    assert story.chosen.ended.code == 0, story.chosen.ended.stderr
    assert story.chosen.document["items"] == {"total": 20, "succeeded": 18, "failed": 2}
    assert story.chosen.document["retried"] == {"items": 10, "succeeded": 10, "failed": 0}
    assert story.chosen.document["result"] == sum(NUMBERS) - sum(ROUND)


def test_a_canary_that_fails_ends_it_there(story: Story) -> None:
    """One item of the one signature was tried, and none of the rest; the signature and what to do are told."""
    document = story.failing.document

    assert story.failing.ended.code == 1
    assert document["run_id"] == "early-canary"
    assert document["retried"] == {"items": 1, "succeeded": 0, "failed": 1}
    assert [(each["text"], each["items"]) for each in document["still_failing"]] == [("KeyError: '…'", 1)]
    assert "retry early-canary --canary 1" in story.failing.ended.stderr


def test_a_canary_that_passes_is_followed_by_the_rest(story: Story) -> None:
    """The result is that of an undisturbed run, and the lineage tells how it came to be."""
    document = story.passing.document

    assert story.passing.ended.code == 0, story.passing.ended.stderr
    assert document["items"] == {"total": 20, "succeeded": 20, "failed": 0}
    assert document["result"] == sum(NUMBERS)
    assert document["lineage"] == ["first", "chosen", "early-canary", "late-canary"]
    assert document["canary"]["retried"] == {"items": 1, "succeeded": 1, "failed": 0}


def test_an_audit_of_the_newest_run_is_one_of_its_chain(story: Story) -> None:
    """Four retries, two of them canaries: each item is accounted for once, whichever run had it right."""
    found = story.audited.document

    assert story.audited.ended.code == 0, story.audited.ended.stderr
    assert (found["holds"], found["findings"]) == (True, [])
    assert found["runs"] == ["first", "chosen", "early-canary", "late-canary", "late"]
    assert found["items"] == {"manifest": 20, "succeeded": 20, "failed": 0, "not_reached": 0, "compared": 20}


def test_both_runs_stay_readable_and_know_each_other(story: Story) -> None:
    """What an earlier run says of itself does not change, but for the run that retried it."""
    assert (story.shown["retry_of"], story.shown["retried_by"]) == ("first", "early-canary")
    assert story.shown["items"]["failed"] == 2
