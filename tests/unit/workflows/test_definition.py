"""A job's state machine: valid for AWS, the same for every engine, and rendered without going stale."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapfold import CsvRows, Job, Manifest, Objects
from mapfold.errors import UsageError
from mapfold.sources import Source
from workflows import PLACEHOLDERS, build_definition, render, substitute
from workflows.__main__ import main

JOBS = Path(__file__).parents[2] / "fixtures" / "jobs"
VALUES = {name: f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in PLACEHOLDERS}


def job(source: Source | None = None, **limits: Any) -> Job:
    return Job("words", source=source or Manifest(), **limits)


def scopes(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine and every processor in it."""
    yield definition
    for state in definition["States"].values():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"])


def every_state(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for scope in scopes(definition):
        yield from scope["States"].items()


def targets(state: dict[str, Any]) -> Iterator[str]:
    yield from (rule["Next"] for rule in [state, *state.get("Choices", ()), *state.get("Catch", ())] if "Next" in rule)
    if "Default" in state:
        yield state["Default"]


class TestShape:
    def test_every_state_is_reached_and_every_target_exists(self) -> None:
        """CreateStateMachine refuses a dangling Next and an unreachable state."""
        for scope in scopes(build_definition(job())):
            reached = {scope["StartAt"]} | {name for state in scope["States"].values() for name in targets(state)}

            assert reached == set(scope["States"])

    def test_state_names_are_unique(self) -> None:
        """Also across processors: a name is looked up in histories."""
        names = [name for name, _ in every_state(build_definition(job()))]

        assert len(names) == len(set(names))

    def test_every_task_has_a_timeout_and_backs_off_with_jitter(self) -> None:
        """Without TimeoutSeconds a Task waits three years; without jitter, retries come in waves."""
        tasks = [state for _, state in every_state(build_definition(job())) if state["Type"] == "Task"]

        assert len(tasks) == 9
        for task in tasks:
            assert task["TimeoutSeconds"] > 0
            assert all(rule["JitterStrategy"] == "FULL" and "MaxDelaySeconds" in rule for rule in task["Retry"])
            assert task["Retry"][0]["ErrorEquals"] == ["Lambda.TooManyRequestsException"]

    def test_throttling_alone_fails_nothing_for_a_day(self) -> None:
        """A run waits for another of the same job that has all that is reserved. Waits are 0 to the full delay each."""
        rule = build_definition(job())["States"]["Map"]["ItemProcessor"]["States"]["Work"]["Retry"][0]

        longest = [
            min(rule["IntervalSeconds"] * rule["BackoffRate"] ** min(retry, 30), rule["MaxDelaySeconds"])
            for retry in range(rule["MaxAttempts"])
        ]
        deviation = math.sqrt(sum(seconds**2 / 12 for seconds in longest))
        assert sum(longest) / 2 - 6 * deviation > 24 * 3600

    def test_retries_never_fill_a_childs_history(self) -> None:
        """A STANDARD execution fails at 25,000 events; a fifth of them is left for a redrive, which goes on with them."""
        for name, task in every_state(build_definition(job())):
            if task["Type"] == "Task":
                tries = 1 + sum(rule["MaxAttempts"] for rule in task["Retry"])

                assert 4 * tries + len(["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]) < 21_000, name

    def test_catchers_name_the_limit_that_all_does_not_cover(self) -> None:
        """States.ALL stands alone in the last catcher, States.DataLimitExceeded before it."""
        catching = [state["Catch"] for _, state in every_state(build_definition(job())) if "Catch" in state]

        assert len(catching) == 9
        for catchers in catching:
            assert [rule["ErrorEquals"] for rule in catchers][-2:] == [["States.DataLimitExceeded"], ["States.ALL"]]

    def test_a_batch_leaves_room_for_what_the_task_adds(self) -> None:
        """Parameters wrap the batch, and the wrapped input must be under 256 KiB too."""
        batcher = build_definition(job())["States"]["Map"]["ItemBatcher"]

        assert batcher["MaxInputBytesPerBatch"] <= 220_000
        assert batcher["MaxItemsPerBatchPath"] == "$.plan.max_items_per_batch"

    def test_a_source_that_only_plan_can_list_has_no_map_of_its_own(self) -> None:
        """Then Plan leads to MapListed at once."""

        class Unreadable(Source):
            is_read_natively = False

        states = build_definition(job(Unreadable()))["States"]

        assert "Map" not in states
        assert states["Plan"]["Next"] == "MapListed"
        assert {state["Label"] for state in states.values() if "Label" in state} == {"Listed", "Isolate", "FoldGroups"}

    def test_batches_and_pieces_are_handed_to_work_alike(self) -> None:
        """Work need not know which of them it has; crashes of batches are not tried again."""
        states = build_definition(job())["States"]
        tasks = [states[name]["ItemProcessor"]["States"] for name in ("Map", "MapListed", "IsolatePieces")]
        (one,), (listed,), (piece,) = (list(each.values()) for each in tasks)

        assert one == listed == piece
        assert "Runtime.ExitError" not in str(one["Retry"] + piece["Retry"])

    def test_results_are_written_as_lines(self) -> None:
        """Fold reads byte ranges of them, which a JSON array has none of."""
        writer = build_definition(job())["States"]["Map"]["ResultWriter"]

        assert writer["WriterConfig"] == {"OutputType": "JSONL", "Transformation": "COMPACT"}
        assert writer["Parameters"] == {"Bucket": "${RunsBucket}", "Prefix.$": "$.plan.map_prefix"}


class TestOfTheJob:
    @pytest.mark.parametrize(
        ("source", "resource", "config"),
        [
            (Manifest(), "getObject", {"CSVHeaders": ["bucket", "key"], "CSVHeaderLocation": "GIVEN"}),
            (CsvRows(delimiter="|"), "getObject", {"CSVDelimiter": "PIPE", "CSVHeaderLocation": "FIRST_ROW"}),
            (Objects(), "listObjectsV2", {}),
        ],
    )
    def test_the_reader_is_the_sources(self, source: Source, resource: str, config: dict[str, Any]) -> None:
        """Step Functions reads the items itself, by the job's source."""
        reader = build_definition(job(source))["States"]["Map"]["ItemReader"]

        assert reader["Resource"] == f"arn:aws:states:::s3:{resource}"
        assert config.items() <= reader.get("ReaderConfig", {}).items()

    @pytest.mark.parametrize(("timeout", "child_type"), [(60, "EXPRESS"), (300, "STANDARD")])
    def test_children_are_what_the_timeout_allows(self, timeout: int, child_type: str) -> None:
        """The comment says which and why."""
        definition = build_definition(job(timeout_seconds=timeout))

        processor = definition["States"]["Map"]["ItemProcessor"]
        assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": child_type}
        assert f"Children are {child_type}: " in definition["Comment"]
        assert processor["States"]["Work"]["TimeoutSeconds"] > timeout


class TestSubstitute:
    def test_all_placeholders_are_replaced_and_the_definition_is_kept(self) -> None:
        """As CloudFormation does with DefinitionSubstitutions."""
        definition = build_definition(job())

        replaced = substitute(definition, VALUES)

        assert "${" not in json.dumps(replaced)
        assert replaced["States"]["Plan"]["Parameters"]["FunctionName"] == VALUES["PlanFunction"]
        assert definition == build_definition(job())

    def test_what_is_missing_is_named_together(self) -> None:
        """Not one after the other."""
        values = {name: value for name, value in VALUES.items() if name not in ("CloseFunction", "RunsBucket")}

        with pytest.raises(UsageError, match="no value for CloseFunction, RunsBucket"):
            substitute(build_definition(job()), values)


class TestRender:
    def test_files_are_written_once_and_then_fresh(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file of a job that is gone goes too."""
        (tmp_path / "gone.asl.json").write_text("{}")
        options = ["--jobs", str(JOBS), "--out", str(tmp_path)]

        assert main(["--check", *options]) == 1
        assert main(options) == 0
        assert main(["--check", *options]) == 0

        assert [path.name for path in tmp_path.iterdir()] == ["words.asl.json"]
        assert json.loads((tmp_path / "words.asl.json").read_text())["StartAt"] == "Plan"
        assert "words.asl.json is stale. Run `make definitions`." in capsys.readouterr().err

    def test_text_is_stable(self) -> None:
        """Two builds give the same bytes, ending with a newline."""
        assert render(build_definition(job())) == render(build_definition(job()))
        assert render(build_definition(job())).endswith("}\n")
