"""Declaring a job: what is right, and what each mistake is told."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold import Context, CsvRows, Job, JobError, Manifest, Network

NETWORK = Network("vpc-01234567", ("subnet-01234567",), ("sg-01234567",), connections=80)


def declared(**limits: Any) -> Job:
    """A job that is complete."""
    job = Job("words", source=Manifest(), **limits)
    job.map(lambda_free_map)
    job.fold(lambda_free_fold)
    return job


def lambda_free_map(item: Any, context: Context) -> dict[str, int]:
    return {"n": 1}


def lambda_free_fold(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {"n": a["n"] + b["n"]}


class TestDeclaration:
    def test_decorated_functions_stay_plain(self) -> None:
        """A test calls them as they stand."""
        job = Job("words", source=Manifest())

        assert job.map(lambda_free_map) is lambda_free_map
        assert job.map_function is lambda_free_map

    def test_a_job_without_finish_setup_and_example_is_whole(self) -> None:
        """Only a map is asked for, and here it has a fold."""
        job = declared()

        job.check()

        assert (job.setup_function, job.finish_function, job.example_function) == (None, None, None)

    def test_types_come_from_the_annotations(self) -> None:
        """A partial is what the fold takes; the item is what the map takes."""
        job = declared()

        assert job.partial_type == dict[str, int]
        assert job.item_type is Any

    @pytest.mark.parametrize("name", ["Words", "a_b", "", "-a", "x" * 41, 7])
    def test_a_bad_name_is_refused(self, name: Any) -> None:
        """Names become those of functions and state machines."""
        with pytest.raises(JobError, match=r"jobs/test_job\.py:\d+, job .*: its name is not allowed\. Use at most 40"):
            Job(name, source=Manifest())

    @pytest.mark.parametrize(
        ("limits", "told"),
        [
            ({"timeout_seconds": 901}, "timeout_seconds is 901. Use a whole number from 1 to 900"),
            ({"timeout_seconds": None}, "timeout_seconds is None"),
            ({"memory_mb": 64}, "memory_mb is 64. Use a whole number from 128 to 10,240"),
            ({"batch_items": 0}, "batch_items is 0"),
            ({"batch_items": True}, "batch_items is True"),
            ({"concurrency": 10_001}, "concurrency is 10001. Use a whole number from 1 to 10,000"),
            ({"tolerated_failure_percentage": 101}, "tolerated_failure_percentage is 101. Use a number from 0 to 100"),
            ({"tolerated_failure_count": -1}, "tolerated_failure_count is -1"),
            ({"children": "fast"}, 'children is \'fast\'. Use "auto", "standard" or "express"'),
            ({"children": "express", "timeout_seconds": 600}, "whose limit is 5 minutes, and timeout_seconds 600"),
            ({"tables": {"t": ("id",)}}, "the table name 't' is not allowed"),
            ({"tables": {"table": "id"}}, "the keys of table 'table' are 'id'"),
            ({"source": "s3://b/k"}, "its source is 's3://b/k'. Use Manifest(), CsvRows()"),
        ],
    )
    def test_a_bad_limit_is_refused(self, limits: dict[str, Any], told: str) -> None:
        """The message names the field, what was found, and what is allowed."""
        with pytest.raises(JobError) as raised:
            Job("words", **{"source": Manifest(), **limits})

        assert told in str(raised.value)

    def test_two_folds_are_refused(self) -> None:
        """Both are named."""
        job = declared()

        def other(a: Any, b: Any) -> Any: ...

        with pytest.raises(JobError, match=r"two functions are its @job\.fold: lambda_free_fold and other\. Keep one"):
            job.fold(other)

    def test_parameters_that_do_not_fit_are_refused(self) -> None:
        """The message shows the signature and the one that will be called."""
        job = Job("words", source=Manifest())

        with pytest.raises(JobError, match=r"lonely\(item\)\. Write it as lonely\(item, context\)"):

            @job.map
            def lonely(item: Any) -> Any: ...

        @job.finish
        def optional(partial: Any, context: Any = None) -> Any: ...

    def test_coroutines_are_refused(self) -> None:
        """Nobody would await them."""
        job = Job("words", source=Manifest())

        with pytest.raises(JobError, match="is async or a generator"):

            @job.map
            async def later(item: Any, context: Any) -> Any: ...

    def test_a_job_without_a_map_is_told_when_it_is_complete(self) -> None:
        """Only the end of the module shows it, so `check` says it."""
        with pytest.raises(JobError, match=r"it has no @job\.map\. Put @job\.map on a function such as day\("):
            Job("words", source=Manifest()).check()


class TestResultKind:
    """What a run gives follows from the functions that a job has."""

    def test_a_job_with_a_fold_gives_one_value(self) -> None:
        """The last partial, or what finish makes of it."""
        assert declared().result_kind == "value"

    def test_a_job_without_a_fold_gives_its_items_values_in_order(self) -> None:
        """Nothing is to be merged."""
        job = Job("words", source=Manifest())
        job.map(lambda_free_map)

        job.check()

        assert job.result_kind == "shards"
        assert job.partial_type == dict[str, int]

    def test_a_job_with_a_group_by_gives_parts_of_records(self) -> None:
        """The type of a record is that of the fold, or a member's of what the map returns."""
        job = Job("words", source=Manifest())

        @job.map
        def records(item: Any, context: Any) -> list[dict[str, int]]:
            raise NotImplementedError

        @job.fold
        def add(a, b): ...  # type: ignore[no-untyped-def]

        @job.group_by
        def key(record) -> str:  # type: ignore[no-untyped-def]
            raise NotImplementedError

        job.check()

        assert job.result_kind == "parts"
        assert job.partial_type == dict[str, int]

    @pytest.mark.parametrize(
        ("roles", "told"),
        [
            (
                ("map", "group_by"),
                "it has a @job.group_by and no @job.fold. Put @job.fold on a function that merges two",
            ),
            (("map", "fold", "group_by", "finish"), "and a @job.group_by, whose result is in many parts. Remove"),
            (
                ("map", "finish"),
                "it has a @job.finish and no @job.fold, so there is no partial to finish. Put @job.fold",
            ),
        ],
    )
    def test_functions_that_do_not_go_together_are_refused(self, roles: tuple[str, ...], told: str) -> None:
        """When the module is complete: the message says which, and what to do."""
        job = Job("words", source=Manifest())
        functions: dict[str, Any] = {
            "map": lambda_free_map,
            "fold": lambda_free_fold,
            "group_by": lambda_free_key,
            "finish": lambda_free_key,
        }
        for role in roles:
            getattr(job, role)(functions[role])

        with pytest.raises(JobError) as raised:
            job.check()

        assert told in str(raised.value)


def lambda_free_key(record: Any) -> str:
    return str(record)


class TestChildType:
    @pytest.mark.parametrize(
        ("timeout", "children", "expected"),
        [
            (60, "auto", "EXPRESS"),
            (260, "auto", "EXPRESS"),
            (261, "auto", "STANDARD"),
            (900, "auto", "STANDARD"),
            (60, "standard", "STANDARD"),
            (290, "express", "EXPRESS"),
        ],
    )
    def test_express_where_a_batch_fits_into_five_minutes(self, timeout: int, children: Any, expected: str) -> None:
        """A batch of 260 + 10 s and 30 s of waits are exactly 300 s; one that dies is not tried again but split."""
        chosen, reason = declared(timeout_seconds=timeout, children=children).child_type()

        assert chosen == expected
        assert reason

    @pytest.mark.parametrize("bound", [{"reserved_concurrency": 80}, {"network": NETWORK}])
    def test_standard_where_runs_share_a_bound(self, bound: dict[str, Any]) -> None:
        """A child waits for one of another run, and an EXPRESS one would be ended after five minutes of it."""
        chosen, reason = declared(**bound).child_type()

        assert chosen == "STANDARD"
        assert reason.startswith("all runs together have 80 at once, and one that waits")

    def test_a_job_may_say_express_all_the_same(self) -> None:
        """Where its runs never overlap, say, EXPRESS children start ten times as fast."""
        assert declared(reserved_concurrency=80, children="express").child_type()[0] == "EXPRESS"


class TestTolerance:
    @pytest.mark.parametrize(
        ("limits", "failed", "tolerated"),
        [
            ({}, 0, True),
            ({}, 1, False),
            ({"tolerated_failure_percentage": 5}, 5, True),
            ({"tolerated_failure_percentage": 5}, 6, False),
            ({"tolerated_failure_count": 3}, 3, True),
            ({"tolerated_failure_count": 3}, 4, False),
            ({"tolerated_failure_count": 3, "tolerated_failure_percentage": 50}, 4, False),
            ({"tolerated_failure_count": 30, "tolerated_failure_percentage": 5}, 6, False),
        ],
    )
    def test_either_limit_exceeded_fails(self, limits: dict[str, Any], failed: int, tolerated: bool) -> None:
        """As for a Map state; a limit that is not given does not bite, and with none no failure is tolerated."""
        assert declared(**limits).tolerates(failed=failed, total=100) is tolerated


def test_a_csv_delimiter_that_aws_cannot_split_at_is_refused() -> None:
    """ItemReader knows five."""
    with pytest.raises(JobError, match=r"CsvRows\(delimiter='#'\): Step Functions cannot split at it\. Use one of"):
        CsvRows(delimiter="#")
