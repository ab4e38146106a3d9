"""The failed items of a run."""

from __future__ import annotations

import json

import pytest

from mapfold.client import BadToken, failure_entries, failures
from mapfold.client.values import Execution, Json, Status
from mapfold.errors import ServiceError
from tests.unit.client.fakes import EXECUTIONS, MAP_RUN, ROUND, RUN, FakeAws, execution, map_run

CHILD = EXECUTIONS + "mapfold-flights/flights:c1"
LINE = {"item": {"key": "a"}, "index": 7, "error": "ValueError", "message": "no", "traceback": "Traceback …"}


def died(child: Json, **objects: str) -> FakeAws:
    """A run that died in the map, with one child whose whole batch failed."""
    cause = json.dumps({"errorMessage": "boom", "errorType": "KeyError", "stackTrace": ["  File …\n"]})
    return FakeAws(
        map_runs_={MAP_RUN: map_run(status=Status.FAILED)},
        children_={MAP_RUN: [execution(CHILD, Status.FAILED, given=child, error="KeyError", cause=cause)]},
        objects={("mapfold-runs", f"runs/r1/failed/{name}.jsonl"): text for name, text in objects.items()},
    )


def test_the_failures_of_a_finished_run_are_those_that_it_wrote() -> None:
    """One line of `failures.jsonl` is one failure."""
    aws = FakeAws(objects={("mapfold-runs", "runs/r1/failures.jsonl"): json.dumps(LINE) + "\n"})

    (failure,) = failures(aws, execution(RUN, Status.FAILED))

    assert failure.as_document() == LINE


def test_a_run_that_succeeded_without_the_file_has_no_failures() -> None:
    """A batch's first attempt noted an item and crashed, the second had it right: what the first wrote is no failure."""
    aws = died({"Items": []}, **{"000000000000-000000000007-aa": json.dumps(LINE)})
    aws.children_.clear()

    assert list(failures(aws, execution(RUN, Status.SUCCEEDED))) == []


def test_a_file_that_is_lost_is_not_a_run_without_failures() -> None:
    """The embedded S3 was killed before it kept the run's folder; the run's report still tells of the file."""
    uri = "s3://mapfold-runs/runs/r1/failures.jsonl"

    with pytest.raises(ServiceError, match=f"items of r1 failed, and {uri}, which lists them, is not there"):
        list(failures(FakeAws(), execution(RUN, output={"failures_uri": uri})))


def test_a_run_that_died_has_what_its_batches_left() -> None:
    """A batch of which some items failed wrote a file of them, named by its items."""
    aws = died({"Items": []}, **{"000000000000-000000000007-aa": json.dumps(LINE)})
    aws.children_.clear()

    assert [failure.index for failure in failures(aws, execution(RUN, Status.FAILED))] == [7]


def test_an_item_that_two_attempts_noted_is_told_once() -> None:
    """The batch of items 4 to 8 noted one and died; its second half noted that again, and another."""
    first, second = json.dumps(LINE), json.dumps({**LINE, "index": 8})
    files = {"000000000004-000000000008-aa": first, "000000000007-000000000008-bb": f"{first}\n{second}"}
    aws = died({"Items": []}, **files, **{"000000000009-000000000012-aa": json.dumps({**LINE, "index": 9})})
    aws.children_.clear()

    assert [failure.index for failure in failures(aws, execution(RUN, Status.FAILED))] == [7, 8, 9]


def test_each_item_of_a_batch_that_failed_as_a_whole_has_failed() -> None:
    """With the child's error, and the message and traceback out of the Lambda's error payload."""
    aws = died({"BatchInput": {}, "Items": [{"i": 3, "v": "a"}, {"i": 4, "v": "b"}]})

    found = list(failures(aws, execution(RUN, Status.FAILED)))

    assert [(failure.index, failure.item) for failure in found] == [(3, "a"), (4, "b")]
    assert (found[0].error, found[0].message, found[0].traceback) == ("KeyError", "boom", "  File …\n")
    assert found[0].execution == CHILD


def test_a_batch_that_wrote_its_own_file_is_not_told_twice() -> None:
    """A batch whose every item failed writes the file and fails as a whole."""
    aws = died({"Items": [{"i": 7, "v": "a"}]}, **{"000000000007-000000000008-aa": json.dumps(LINE)})

    assert len(list(failures(aws, execution(RUN, Status.FAILED)))) == 1


def test_a_child_of_which_nothing_is_left_to_tell_is_a_place_all_the_same() -> None:
    """It cost two calls: a page that is out of time goes on behind it, or many of them would never be passed."""
    aws = died({"Items": [{"i": 7, "v": "a"}]}, **{"000000000007-000000000008-aa": json.dumps(LINE)})
    run = execution(RUN, Status.FAILED)

    *_, (nothing, behind) = failure_entries(aws, run)
    aws.described.clear()

    assert nothing is None
    assert list(failure_entries(aws, run, behind)) == []
    assert aws.described == []


def test_a_batch_that_crashed_behind_its_file_tells_of_the_others_too() -> None:
    """Its first attempt noted one item and died: the file has that one, the child's error is the others'."""
    aws = died(
        {"Items": [{"i": 7, "v": "a"}, {"i": 8, "v": "b"}]}, **{"000000000007-000000000008-aa": json.dumps(LINE)}
    )

    found = list(failures(aws, execution(RUN, Status.FAILED)))

    assert [(failure.index, failure.error) for failure in found] == [(7, "ValueError"), (8, "KeyError")]


def test_a_child_without_a_batch_is_one_failure() -> None:
    """Its input is the item; a timeout without an error is called as Step Functions calls it."""
    aws = died({"key": "a"})
    aws.children_[MAP_RUN] = [execution(CHILD, Status.TIMED_OUT, given={"key": "a"})]

    (failure,) = failures(aws, execution(RUN, Status.FAILED))

    assert (failure.item, failure.error) == ({"key": "a"}, "States.Timeout")


class TestIsolation:
    """A batch of two died; the first round ran its halves, of which one died again, alone."""

    def isolating(self) -> FakeAws:
        def dead(arn: str, given: Json) -> Execution:
            cause = '{"errorMessage": "exit status 3"}'
            return execution(arn, Status.FAILED, given=given, error="Runtime.ExitError", cause=cause)

        items = [{"i": 7, "v": "a"}, {"i": 8, "v": "b"}]
        aws = FakeAws(map_runs_={MAP_RUN: map_run(), ROUND: map_run(ROUND, started=101.0)})
        aws.children_[MAP_RUN] = [dead(CHILD, {"Items": items})]
        aws.children_[ROUND] = [dead(f"{CHILD}-2", {"Items": items[:1], "tries": 0})]
        return aws

    def test_items_whose_batch_was_split_are_told_by_its_pieces(self) -> None:
        """Of the item that is not in the last round's failures, nothing is told: it succeeded there."""
        (failure,) = failures(self.isolating(), execution(RUN, Status.FAILED))

        assert (failure.index, failure.error) == (7, "Runtime.ExitError")
        assert failure.message == "its worker died once, alone with this item: exit status 3"

    def test_while_it_runs_what_may_go_on_is_no_failure(self) -> None:
        """The next round may have it succeed."""
        assert list(failures(self.isolating(), execution(RUN, Status.RUNNING))) == []

    def test_the_list_goes_on_behind_any_place(self) -> None:
        """A place knows its map run."""
        aws, run = self.isolating(), execution(RUN, Status.FAILED)
        entries = list(failure_entries(aws, run))

        for number, (_, behind) in enumerate(entries, 1):
            assert list(failure_entries(aws, run, behind)) == entries[number:]


class TestPositions:
    def positions(self, aws: FakeAws) -> list[Json]:
        """The position behind each failure of a run that died."""
        return [behind for _, behind in failure_entries(aws, execution(RUN, Status.FAILED))]

    def test_the_list_goes_on_behind_any_of_its_failures(self) -> None:
        """In failures.jsonl, in the files of batches, and among children that failed as a whole."""
        lines = "".join(json.dumps({**LINE, "index": index}) + "\n" for index in (7, 8))
        whole = FakeAws(objects={("mapfold-runs", "runs/r1/failures.jsonl"): lines})
        parts = died(
            {"Items": [{"i": 3, "v": "a"}, {"i": 4, "v": "b"}]}, **{"000000000007": lines, "000000000009": lines}
        )

        for aws in (whole, parts):
            run = execution(RUN, Status.FAILED)
            found = list(failures(aws, run))
            for number, position in enumerate(self.positions(aws), start=1):
                behind = [] if position is None else [f for f, _ in failure_entries(aws, run, position)]
                assert behind == found[number:]

    def test_a_line_that_is_longer_than_a_range_is_read_whole(self) -> None:
        """Ranges grow until a line ends."""
        long = json.dumps({**LINE, "message": "ä" * 400_000})
        aws = FakeAws(objects={("mapfold-runs", "runs/r1/failures.jsonl"): f"{long}\n{json.dumps(LINE)}"})

        assert [len(failure.message) for failure in failures(aws, execution(RUN))] == [400_000, 2]

    @pytest.mark.parametrize(
        "position",
        [
            ["file", 3],
            ["file", -1],
            ["part", "runs/r2/failed/000000000000.jsonl", 0],
            ["part", "runs/r1/failed/../../r2/x", -5],
            ["child", 0, "SUCCEEDED", None, 0, 0],
            ["child", 0, "FAILED", None, -1, 0],
            "x",
            {},
        ],
    )
    def test_a_position_that_is_none_is_refused(self, position: Json) -> None:
        """Above all one that is in another run's folder."""
        aws = FakeAws(objects={("mapfold-runs", "runs/r1/failures.jsonl"): json.dumps(LINE)})

        with pytest.raises(BadToken):
            list(failure_entries(aws, execution(RUN), position))
