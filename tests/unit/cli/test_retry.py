"""`mapfold retry`, `mapfold failures --by-signature` and `--where`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mapfold.client.values import Json, Lineage, Status
from mapfold.errors import UsageError
from mapfold.runs.selection import parse_selection
from tests.unit.cli.fakes import FakeFactory, Said, call
from tests.unit.client.fakes import EXECUTIONS, RUN, FakeAws, execution

FOLDER = "mapfold-runs"
FLIGHTS = EXECUTIONS + "mapfold-flights:"


@dataclass
class Retrying:
    """An AWS on which the run r1 ended with failed items, and where retries end as `works` says of each item.

    The state machine's part is played here: what a retry selects, and what it leaves for the next one.
    """

    works: Callable[[int], bool]
    factory: FakeFactory = field(default_factory=FakeFactory)

    def __post_init__(self) -> None:
        self.aws = self.factory.aws
        self.aws.on_poll = self._finish
        lines = [
            *({"item": f"i{n}", "index": n, "error": "ValueError", "message": f"row {n}"} for n in range(3)),
            *({"item": f"i{n}", "index": n, "error": "KeyError", "message": "'x'"} for n in range(3, 5)),
        ]
        given = {"run_id": "r1", "job": "flights", "source": {"uri": "s3://b/k"}, "params": {}}
        self.aws.has(execution(RUN, Status.FAILED, given=given, error="Mapfold.ToleratedFailureExceeded"))
        self._leave("r1", lines)

    def call(self, *words: str) -> Said:
        return call(self.factory, "retry", *words)

    def started(self) -> dict[str, Json]:
        """`retry` of the input of every run that was started, by its name."""
        runs = {run.name: json.loads(run.input or "{}") for run in self.aws.executions_.values()}
        return {name: given["retry"] for name, given in runs.items() if "retry" in given}

    def _leave(self, run: str, lines: list[dict[str, Any]]) -> None:
        items = {"total": 9, "succeeded": 9 - len(lines), "failed": len(lines)}
        last = {"run_id": run, "job": "flights", "items": items, "partial": 1}
        self.aws.objects[FOLDER, f"runs/{run}/last.json"] = json.dumps(last)
        self.aws.objects[FOLDER, f"runs/{run}/failures.jsonl"] = "".join(json.dumps(line) + "\n" for line in lines)

    def _finish(self, aws: FakeAws) -> None:
        for run in list(aws.executions_.values()):
            if run.status is Status.RUNNING:
                aws.executions_[run.arn] = self._ended(run.name, json.loads(run.input or "{}").get("retry", {}))

    def _ended(self, name: str, retry: dict[str, Any]) -> Any:
        run = self.aws.executions_[FLIGHTS + name]
        if "uri" in retry:
            report: Json = {"items": {"total": 2, "succeeded": 2, "failed": 0}, "result": 2}
            return replace(run, status=Status.SUCCEEDED, output=json.dumps(report), stopped=103.0)
        before = [
            json.loads(line) for line in self.aws.objects[FOLDER, f"runs/{retry['of']}/failures.jsonl"].splitlines()
        ]
        wanted = parse_selection(retry.get("where", []), take=retry.get("take"))
        tried = [line["index"] for line in wanted.select([_Line(**line) for line in before])] if before else []
        again = [line for line in before if line["index"] in tried and not self.works(line["index"])]
        self._leave(name, [*again, *(line for line in before if line["index"] not in tried)])
        left = len(again) + len(before) - len(tried)
        report = {
            "items": {"total": 9, "succeeded": 9 - left, "failed": left},
            "result": 9 - left,
            "result_uri": f"s3://{FOLDER}/runs/{name}/result.json",
            "lineage": ["r1"] if retry["of"] == "r1" else ["r1", retry["of"]],
            "retried": {"items": len(tried), "succeeded": len(tried) - len(again), "failed": len(again)},
        }
        return replace(run, status=Status.SUCCEEDED, output=json.dumps(report), stopped=103.0)


@dataclass(frozen=True)
class _Line:
    item: Json
    index: int
    error: str
    message: str

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def all_work(index: int) -> bool:
    return True


def test_the_failed_items_are_tried_again_and_the_result_is_that_of_all() -> None:
    """With today's code on the embedded AWS, and exit code 0 if the run then succeeded."""
    retrying = Retrying(all_work)

    said = retrying.call("r1", "--where", "error=ValueError", "--name", "r2")

    assert said.code == 0
    assert retrying.started() == {"r2": {"of": "r1", "where": ["error=ValueError"]}}
    assert "9 items: 7 succeeded, 2 failed" in said.out
    assert "tried again 3: 3 succeeded, 0 failed again" in said.out
    assert "retry of  r1, where error=ValueError" in said.err
    assert retrying.aws.functions


def test_json_tells_what_the_run_stands_on() -> None:
    """Beside what `mapfold run --json` prints."""
    document = json.loads(Retrying(all_work).call("r1", "--name", "r2", "--json").out)

    assert (document["run_id"], document["retry_of"], document["lineage"]) == ("r2", "r1", ["r1"])
    assert document["retried"] == {"items": 5, "succeeded": 5, "failed": 0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("r1", "--where", "error=TypeError"), "selected by error=TypeError"),
        (("r1", "--where", "eror=x"), "'eror=x'"),
        (("r1", "--job", "words"), "a run of job 'flights'"),
        (("r1", "--param", "a=b"), "params of the run that it retries"),
        (("r3",), "there is no run 'r3'"),
        (("s3://b/f.jsonl",), "--job JOB"),
        (("s3://b/f.jsonl", "--job", "flights", "--canary", "1"), "--canary and --again are for a run"),
        (("s3://b/f.jsonl", "--job", "flights"), "no object s3://b/f.jsonl"),
        (("r1", "--canary", "1", "--name", "n" * 80), "can't be the name of a run"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_started(words: tuple[str, ...], says: str) -> None:
    """Exit code 2."""
    retrying = Retrying(all_work)

    said = retrying.call(*words)

    assert said.code == 2
    assert isinstance(said.error, UsageError)
    assert says in str(said.error)
    assert retrying.started() == {}


def test_a_run_that_was_retried_is_refused_unless_again_is_said() -> None:
    """The newest run of its chain is named."""
    retrying = Retrying(all_work)
    retrying.aws.lineages_["r1"] = Lineage(retried_by="r7")

    assert "newest run of its chain is r7" in str(retrying.call("r1").error)
    assert retrying.call("r1", "--again", "--name", "r2").code == 0
    assert retrying.started() == {"r2": {"of": "r1", "again": True}}


class TestCanary:
    def test_if_it_passes_the_rest_follows_on_top_of_it(self) -> None:
        """One item of each of two signatures, then the other three; the last document is that of the whole."""
        retrying = Retrying(all_work)

        said = retrying.call("r1", "--canary", "1", "--name", "r2", "--json")

        document = json.loads(said.out)
        assert said.code == 0
        assert retrying.started() == {"r2-canary": {"of": "r1", "take": 1}, "r2": {"of": "r2-canary"}}
        assert document["items"] == {"total": 9, "succeeded": 9, "failed": 0}
        assert document["lineage"] == ["r1", "r2-canary"]
        assert document["canary"]["run_id"] == "r2-canary"
        assert document["canary"]["retried"] == {"items": 2, "succeeded": 2, "failed": 0}

    def test_if_it_fails_the_rest_is_not_tried_and_the_signature_is_told(self) -> None:
        """With the command for the rest, which takes up where the canary ended. Exit code 1."""
        retrying = Retrying(lambda index: index < 3)

        said = retrying.call("r1", "--canary", "1", "--where", "index=0-9", "--name", "r2")

        assert said.code == 1
        assert list(retrying.started()) == ["r2-canary"]
        assert "KeyError: '…'" in said.err
        assert "ValueError" not in said.err.partition("Still failing")[2]
        assert "retry r2-canary --where index=0-9 --canary 1" in said.err

    def test_its_document_tells_what_still_fails(self) -> None:
        """With an example of each signature."""
        said = Retrying(lambda index: index < 3).call("r1", "--canary", "2", "--name", "r2", "--json")

        document = json.loads(said.out)
        assert document["run_id"] == document["canary"]["run_id"] == "r2-canary"
        assert [(each["items"], each["example"]["index"]) for each in document["still_failing"]] == [(2, 3)]

    def test_where_it_has_tried_all_there_is_no_second_run(self) -> None:
        """Its result is the whole one already."""
        retrying = Retrying(all_work)

        said = retrying.call("r1", "--canary", "3", "--name", "r2")

        assert said.code == 0
        assert list(retrying.started()) == ["r2-canary"]
        assert "9 items: 9 succeeded, 0 failed" in said.out

    def test_ctrl_c_stops_it_and_starts_nothing_more(self) -> None:
        """Exit code 130."""
        retrying = Retrying(all_work)

        def interrupt(aws: FakeAws) -> None:
            if any(run.status is Status.RUNNING for run in aws.executions_.values()):
                raise KeyboardInterrupt

        retrying.aws.on_poll = interrupt
        said = retrying.call("r1", "--canary", "1", "--name", "r2")

        assert said.code == 130
        assert retrying.aws.executions_[FLIGHTS + "r2-canary"].status is Status.ABORTED
        assert list(retrying.started()) == ["r2-canary"]

    def test_one_that_ends_before_it_could_tell_is_told_as_it_ended(self) -> None:
        """Such as by an error of Plan."""
        retrying = Retrying(all_work)

        def crash(aws: FakeAws) -> None:
            for run in list(aws.executions_.values()):
                if run.status is Status.RUNNING:
                    aws.executions_[run.arn] = replace(
                        run, status=Status.FAILED, error="RetryError", cause="no", stopped=103.0
                    )

        retrying.aws.on_poll = crash
        said = retrying.call("r1", "--canary", "1", "--name", "r2")

        assert said.code == 1
        assert "r2-canary ended FAILED: RetryError: no" in said.err


def test_a_list_from_outside_is_a_run_of_the_job_that_is_named() -> None:
    """A folder of a ResultWriter is its manifest."""
    retrying = Retrying(all_work)
    retrying.aws.objects["b", "results/u/manifest.json"] = "{}"

    said = retrying.call("s3://b/results/", "--job", "flights", "--name", "r2", "--where", "index=0")

    assert said.code == 0
    assert retrying.started() == {"r2": {"uri": "s3://b/results/u/manifest.json", "where": ["index=0"]}}


class TestFailures:
    def test_they_are_counted_by_signature(self) -> None:
        """Most frequent first, each with its id and an example."""
        said = call(Retrying(all_work).factory, "failures", "r1", "--by-signature")

        first, example, second, _ = said.out.splitlines()
        assert first.endswith("3 items  ValueError: row #")
        assert example.strip() == "such as 0: i0"
        assert second.endswith("2 items  KeyError: '…'")

    def test_json_has_the_counts_and_what_is_beyond_them(self) -> None:
        """All items are in one or the other."""
        document = json.loads(call(Retrying(all_work).factory, "failures", "r1", "--by-signature", "--json").out)

        assert [each["items"] for each in document["signatures"]] == [3, 2]
        assert (document["items"], document["others"]) == (5, 0)
        assert document["signatures"][1]["example"] == {"item": "i3", "index": 3, "message": "'x'"}

    def test_conditions_select_them(self) -> None:
        """As `mapfold retry` takes them."""
        factory = Retrying(all_work).factory

        said = call(factory, "failures", "r1", "--where", "error=KeyError", "--json")
        none = call(factory, "failures", "r1", "--where", "error=TypeError")

        assert [failure["index"] for failure in json.loads(said.out)["failures"]] == [3, 4]
        assert "no failed item of r1 is selected by error=TypeError" in none.err


def test_a_run_is_shown_with_what_it_stands_on_and_what_stands_on_it() -> None:
    """Alone and in the list."""
    factory = Retrying(all_work).factory
    factory.aws.lineages_["r1"] = Lineage(("r-1", "r0"), retried_by="r2")

    shown, listed = call(factory, "show", "r1"), call(factory, "runs")

    assert "retry of  r0 ← r-1" in shown.out
    assert "retried by r2" in shown.out
    assert "retry of" in listed.out
    assert "r0" in listed.out
