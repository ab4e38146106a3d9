"""A map run is redriven on one real `mapfold local`, and everything that the API tells of it, through boto3."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.integration.embedded.server import ROLE, create_function, session, until
from tests.integration.wire_model import call, misfits

ITEMS = 6
BROKEN = (1, 4)
"""The items whose function fails until it is mended."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with session(tmp_path_factory.mktemp("data")) as opened:
        yield opened.aws


@dataclass(frozen=True)
class Work:
    """A function that notes each call, fails for broken items until it is mended, and then waits until it may end."""

    folder: Path

    def items(self) -> list[dict[str, Any]]:
        return [{"n": n, "folder": str(self.folder), "broken": n in BROKEN} for n in range(ITEMS)]

    def mend(self) -> None:
        (self.folder / "mended").touch()

    def let_end(self) -> None:
        (self.folder / "open").touch()

    def calls(self) -> Counter[int]:
        """Item -> how often the function was called with it."""
        return Counter(int(path.name.split("-")[1]) for path in self.folder.glob("call-*"))


CODE = """\
import os, time, uuid
def work(event, context):
    folder = event["folder"]
    open(f"{folder}/call-{event['n']}-{uuid.uuid4()}", "w").close()
    if event["broken"]:
        if not os.path.exists(f"{folder}/mended"):
            raise ValueError("broken")
        while not os.path.exists(f"{folder}/open"):
            time.sleep(0.02)
    return event["n"]
STANDARD = EXPRESS = work
"""


@dataclass(frozen=True)
class Redriven:
    """A map run of six items, two of which fail: after that, in the middle of its redrive, and after it."""

    execution: str
    map_run: str
    kind: str
    answer: dict[str, Any]
    executions: dict[str, dict[str, Any]]
    """What DescribeExecution says of the parent, by moment: failed, redriving, ended."""
    map_runs: dict[str, dict[str, Any]]
    children: dict[str, list[dict[str, Any]]]
    """What ListExecutions says, by moment."""
    calls: Counter[int]


@pytest.fixture(scope="module", params=["STANDARD", "EXPRESS"])
def seen(request: pytest.FixtureRequest, aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Redriven:
    kind = str(request.param)
    work = Work(tmp_path_factory.mktemp("work"))
    (work.folder / "index.py").write_text(CODE)
    function = create_function(aws, work.folder, kind)
    sfn: Any = aws.stepfunctions
    machine = sfn.create_state_machine(
        name=f"redriven-{kind}", roleArn=ROLE, definition=json.dumps(definition(function, kind))
    )["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=machine, name="one", input=json.dumps(work.items()))["executionArn"]
    assert until_ended(sfn, execution) == "FAILED"
    map_run = sfn.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"]
    executions, map_runs, children = {}, {}, {}

    def look(moment: str) -> None:
        executions[moment] = sfn.describe_execution(executionArn=execution)
        map_runs[moment] = sfn.describe_map_run(mapRunArn=map_run)
        children[moment] = sfn.list_executions(mapRunArn=map_run)["executions"]

    look("failed")
    work.mend()
    answer = sfn.redrive_execution(executionArn=execution, clientToken=f"token-{kind}")
    until(lambda: sfn.list_executions(mapRunArn=map_run, statusFilter="RUNNING")["executions"])
    look("redriving")
    work.let_end()
    until_ended(sfn, execution)
    look("ended")
    return Redriven(execution, map_run, kind, answer, executions, map_runs, children, work.calls())


def definition(function: str, kind: str) -> dict[str, Any]:
    """One child at a time, so that the first broken item is tolerated, the second stops the run before the last."""
    each = {
        "Type": "Map",
        "Label": "Each",
        "MaxConcurrency": 1,
        "ToleratedFailureCount": 1,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
            "StartAt": "Before",
            "States": {
                "Before": {"Type": "Pass", "Next": "Work"},
                "Work": {"Type": "Task", "Resource": function, "End": True},
            },
        },
        "Next": "After",
    }
    return {"StartAt": "Each", "States": {"Each": each, "After": {"Type": "Pass", "End": True}}}


def counts(map_run: dict[str, Any], what: str = "executionCounts") -> dict[str, int]:
    """The counters that are not 0, but for what was written."""
    return {name: count for name, count in map_run[what].items() if count and name != "resultsWritten"}


def statuses(seen: Redriven, moment: str) -> list[str]:
    return [child["status"] for child in seen.children[moment]]


class TestBefore:
    def test_the_execution_can_be_redriven(self, seen: Redriven) -> None:
        """It failed, and the map run with it."""
        parent = seen.executions["failed"]

        assert (parent["status"], parent["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
        assert (parent["redriveStatus"], parent["redriveCount"]) == ("REDRIVABLE", 0)
        assert "redriveDate" not in parent

    def test_the_map_run_has_no_redrive(self, seen: Redriven) -> None:
        """The last item was never started."""
        map_run = seen.map_runs["failed"]

        assert (map_run["status"], map_run["redriveCount"]) == ("FAILED", 0)
        assert "redriveDate" not in map_run
        assert counts(map_run) == counts(map_run, "itemCounts") == {
            "succeeded": 3, "failed": 2, "pending": 1, "total": ITEMS,
        }  # fmt: skip


class TestMeanwhile:
    def test_the_execution_runs(self, seen: Redriven) -> None:
        """As if it had not ended; with the date that the call gave."""
        parent = seen.executions["redriving"]

        assert (parent["status"], parent["redriveStatus"], parent["redriveCount"]) == ("RUNNING", "NOT_REDRIVABLE", 1)
        assert parent["redriveDate"] == seen.answer["redriveDate"]
        assert not parent.keys() & {"stopDate", "error", "cause"}

    def test_the_map_run_is_the_same_and_runs(self, seen: Redriven) -> None:
        """One child runs again, the other waits for it; the one that was never started waits as before."""
        map_run = seen.map_runs["redriving"]

        assert (map_run["status"], map_run["redriveCount"]) == ("RUNNING", 1)
        assert map_run["redriveDate"] >= seen.answer["redriveDate"]
        assert "stopDate" not in map_run
        assert counts(map_run) == counts(map_run, "itemCounts") == {
            "succeeded": 3, "running": 1, "pendingRedrive": 1, "pending": 1, "total": ITEMS,
        }  # fmt: skip

    def test_its_children_are_listed_as_they_are(self, seen: Redriven) -> None:
        """From the newest; the one that was never started is not there."""
        assert statuses(seen, "redriving") == ["PENDING_REDRIVE", "SUCCEEDED", "SUCCEEDED", "RUNNING", "SUCCEEDED"]
        assert [child["redriveCount"] for child in seen.children["redriving"]] == [0, 0, 0, 1, 0]


class TestAfter:
    def test_everything_has_succeeded(self, seen: Redriven) -> None:
        """The output is as if nothing had failed: in the order of the items."""
        parent, map_run = seen.executions["ended"], seen.map_runs["ended"]

        assert (parent["status"], json.loads(parent["output"])) == ("SUCCEEDED", list(range(ITEMS)))
        assert (map_run["status"], map_run["redriveCount"]) == ("SUCCEEDED", 1)
        assert counts(map_run) == {"succeeded": ITEMS, "total": ITEMS}

    def test_what_had_succeeded_was_not_called_again(self, seen: Redriven) -> None:
        """Broken items twice, all others once."""
        assert seen.calls == {n: 2 if n in BROKEN else 1 for n in range(ITEMS)}

    def test_children_keep_their_arns(self, seen: Redriven) -> None:
        """A redriven child is the same execution."""
        before = {child["executionArn"] for child in seen.children["failed"]}
        after = {child["executionArn"] for child in seen.children["ended"]}

        assert len(before) == ITEMS - 1
        assert before < after

    def test_redriven_children_can_be_listed(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """And those that were not; the date of an EXPRESS child's redrive is not told."""
        sfn: Any = aws.stepfunctions
        redriven = sfn.list_executions(mapRunArn=seen.map_run, redriveFilter="REDRIVEN")["executions"]
        others = sfn.list_executions(mapRunArn=seen.map_run, redriveFilter="NOT_REDRIVEN")["executions"]

        assert ([child["redriveCount"] for child in redriven], len(others)) == ([1, 1], ITEMS - 2)
        assert {"redriveDate" in child for child in redriven} == {seen.kind == "STANDARD"}

    def test_the_execution_s_history_goes_on(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """From its failure: ExecutionRedriven, then MapRunRedriven; the Map state is not entered again."""
        sfn: Any = aws.stepfunctions
        events = sfn.get_execution_history(executionArn=seen.execution)["events"]

        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert [event["type"] for event in events] == [
            "ExecutionStarted", "MapStateEntered", "MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed",
            "ExecutionFailed", "ExecutionRedriven", "MapRunRedriven", "MapRunSucceeded", "MapStateSucceeded",
            "MapStateExited", "PassStateEntered", "PassStateExited", "ExecutionSucceeded",
        ]  # fmt: skip
        assert events[7]["executionRedrivenEventDetails"] == {"redriveCount": 1}
        assert events[8]["mapRunRedrivenEventDetails"] == {"mapRunArn": seen.map_run, "redriveCount": 1}

    def test_a_second_redrive_with_the_same_token_gives_the_same_answer(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """And with another it is refused: the execution has succeeded."""
        sfn: Any = aws.stepfunctions
        again = sfn.redrive_execution(executionArn=seen.execution, clientToken=f"token-{seen.kind}")

        assert again["redriveDate"] == seen.answer["redriveDate"]
        with pytest.raises(sfn.exceptions.ExecutionNotRedrivable, match="is SUCCEEDED and cannot be redriven"):
            sfn.redrive_execution(executionArn=seen.execution)

    def test_a_child_s_history(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """A STANDARD one goes on where it failed; an EXPRESS one began anew, and is told on our own port only."""
        sfn: Any = aws.stepfunctions
        child = sfn.list_executions(mapRunArn=seen.map_run, redriveFilter="REDRIVEN")["executions"][0]["executionArn"]
        calls = ["LambdaFunctionScheduled", "LambdaFunctionStarted"]
        ends = [*calls, "LambdaFunctionSucceeded", "TaskStateExited", "ExecutionSucceeded"]
        begins = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "TaskStateEntered"]
        if seen.kind == "STANDARD":
            events = sfn.get_execution_history(executionArn=child)["events"]
            failed = [*begins, *calls, "LambdaFunctionFailed", "ExecutionFailed", "ExecutionRedriven"]

            assert [event["type"] for event in events] == [*failed, *ends]
        else:
            with pytest.raises(sfn.exceptions.ClientError, match="StateMachineTypeNotSupported"):
                sfn.get_execution_history(executionArn=child)
            url = f"http://127.0.0.1:{aws.port}/mapfold/history?executionArn={child}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                events = json.load(answer)["events"]

            assert [event["type"] for event in events] == [*begins, *ends]


class TestTheWire:
    """Answers against the SDKs' model of the service, and against the members that the reference shows."""

    @pytest.mark.parametrize(
        ("action", "members"),
        [
            ("DescribeExecution", {"executionArn": "parent"}),
            ("DescribeExecution", {"executionArn": "child"}),
            ("DescribeMapRun", {"mapRunArn": "map run"}),
            ("DescribeStateMachineForExecution", {"executionArn": "child"}),
            ("GetExecutionHistory", {"executionArn": "parent"}),
            ("ListExecutions", {"mapRunArn": "map run"}),
            ("ListExecutions", {"mapRunArn": "map run", "maxResults": 1}),
            ("ListExecutions", {"stateMachineArn": "machine"}),
            ("ListMapRuns", {"executionArn": "parent"}),
        ],
    )
    def test_an_answer_is_what_the_model_says(
        self, aws: EmbeddedAws, seen: Redriven, action: str, members: dict[str, Any]
    ) -> None:
        """No member is missing that must be there, none is there that SDKs do not know, and all have their types."""
        arns = {
            "parent": seen.execution,
            "child": seen.children["ended"][1]["executionArn"],
            "map run": seen.map_run,
            "machine": seen.executions["ended"]["stateMachineArn"],
        }
        asked = {name: arns.get(value, value) if isinstance(value, str) else value for name, value in members.items()}

        status, answer = call(f"http://127.0.0.1:{aws.port}", action, asked)

        assert (status, misfits(action, answer)) == (200, [])

    def test_a_map_run_has_these_members(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """distributed-map 10; stopDate and redriveDate where there was a stop, and a redrive."""
        _, answer = call(f"http://127.0.0.1:{aws.port}", "DescribeMapRun", {"mapRunArn": seen.map_run})
        _, listed = call(f"http://127.0.0.1:{aws.port}", "ListMapRuns", {"executionArn": seen.execution})

        assert answer.keys() == {
            "mapRunArn", "executionArn", "status", "startDate", "stopDate", "maxConcurrency", "toleratedFailureCount",
            "toleratedFailurePercentage", "itemCounts", "executionCounts", "redriveCount", "redriveDate",
        }  # fmt: skip
        assert answer["itemCounts"] == answer["executionCounts"] == {
            "pending": 0, "running": 0, "succeeded": ITEMS, "failed": 0, "timedOut": 0, "aborted": 0, "total": ITEMS,
            "resultsWritten": ITEMS, "failuresNotRedrivable": 0, "pendingRedrive": 0,
        }  # fmt: skip
        (entry,) = listed["mapRuns"]
        assert entry.keys() == {"executionArn", "mapRunArn", "stateMachineArn", "startDate", "stopDate"}

    def test_a_child_has_these_members(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """In a list: its map run, how many items it has, and its redrives; described: its input and output too."""
        url = f"http://127.0.0.1:{aws.port}"
        _, listed = call(url, "ListExecutions", {"mapRunArn": seen.map_run, "redriveFilter": "REDRIVEN"})
        entry = listed["executions"][0]
        _, described = call(url, "DescribeExecution", {"executionArn": entry["executionArn"]})

        date = {"redriveDate"} if seen.kind == "STANDARD" else set()
        both = {
            "executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "mapRunArn", "redriveCount",
        }  # fmt: skip
        more = {"input", "inputDetails", "output", "outputDetails", "redriveStatus", "redriveStatusReason"}
        assert entry.keys() == both | date | {"itemCount"}
        assert described.keys() == both | date | more
        assert entry["stateMachineArn"].endswith(f":stateMachine:redriven-{seen.kind}/Each")

    def test_a_parent_in_its_machine_s_list_has_no_item_count(self, aws: EmbeddedAws, seen: Redriven) -> None:
        """Nor a map run's ARN."""
        machine = seen.executions["ended"]["stateMachineArn"]
        _, listed = call(f"http://127.0.0.1:{aws.port}", "ListExecutions", {"stateMachineArn": machine})

        assert listed["executions"][0].keys() == {
            "executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "redriveCount", "redriveDate",
        }  # fmt: skip


def test_a_redrive_that_fails_again_can_be_redriven_again(aws: EmbeddedAws, tmp_path: Path) -> None:
    """Nothing was mended: each redrive calls the broken items again, as long as they are not too many, and only them."""
    (tmp_path / "index.py").write_text(CODE.replace("STANDARD = EXPRESS", "again"))
    work, sfn = Work(tmp_path), aws.stepfunctions
    function = create_function(aws, tmp_path, "again")
    machine = sfn.create_state_machine(
        name="again", roleArn=ROLE, definition=json.dumps(definition(function, "STANDARD"))
    )["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=machine, input=json.dumps(work.items()))["executionArn"]
    until_ended(sfn, execution)
    for _ in range(2):
        sfn.redrive_execution(executionArn=execution)
        assert until_ended(sfn, execution) == "FAILED"

    described = sfn.describe_execution(executionArn=execution)
    map_run = sfn.describe_map_run(mapRunArn=sfn.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"])

    assert (described["redriveCount"], described["redriveStatus"]) == (2, "REDRIVABLE")
    assert (map_run["status"], map_run["redriveCount"]) == ("FAILED", 2)
    assert counts(dict(map_run)) == {"succeeded": 3, "failed": 2, "pending": 1, "total": ITEMS}
    assert work.calls() == {0: 1, 1: 3, 2: 1, 3: 1, 4: 3}


@dataclass(frozen=True)
class Held:
    """A map run of six items, one at once, each of which waits until it may end."""

    execution: str
    map_run: str
    work: Work


@pytest.fixture
def held(aws: EmbeddedAws, tmp_path: Path) -> Iterator[Held]:
    name = f"held_{uuid4().hex}"  # a function of its own: its code is in this test's folder
    (tmp_path / "index.py").write_text(CODE.replace("STANDARD = EXPRESS", name))
    work, sfn = Work(tmp_path), aws.stepfunctions
    work.mend()
    states = json.dumps(definition(create_function(aws, tmp_path, name), "STANDARD"))
    machine = sfn.create_state_machine(name=name, roleArn=ROLE, definition=states)["stateMachineArn"]
    items = [{**item, "broken": True} for item in work.items()]
    execution = sfn.start_execution(stateMachineArn=machine, input=json.dumps(items))["executionArn"]
    map_run = until(lambda: sfn.list_map_runs(executionArn=execution)["mapRuns"])[0]["mapRunArn"]
    until(lambda: work.calls()[0])
    yield Held(execution, map_run, work)
    work.let_end()
    until_ended(sfn, execution)


class TestUpdateMapRun:
    def test_more_children_run_at_once(self, aws: EmbeddedAws, held: Held) -> None:
        """As soon as it is said; what is not said stays."""
        sfn: Any = aws.stepfunctions
        sfn.update_map_run(mapRunArn=held.map_run, maxConcurrency=2)
        until(lambda: held.work.calls()[1])
        (answer, children) = (
            sfn.describe_map_run(mapRunArn=held.map_run),
            sfn.list_executions(mapRunArn=held.map_run, statusFilter="RUNNING")["executions"],
        )

        assert (answer["maxConcurrency"], answer["toleratedFailureCount"]) == (2, 1)
        assert (len(children), counts(answer)) == (2, {"running": 2, "pending": 4, "total": ITEMS})

    def test_one_that_has_ended_is_refused(self, aws: EmbeddedAws, held: Held) -> None:
        """ValidationException."""
        sfn: Any = aws.stepfunctions
        held.work.let_end()
        until_ended(sfn, held.execution)

        with pytest.raises(sfn.exceptions.ClientError, match=r"ValidationException.*Map Run is not running"):
            sfn.update_map_run(mapRunArn=held.map_run, maxConcurrency=2)


class TestStopping:
    def test_a_stopped_execution_takes_its_map_run_and_children_with_it(self, aws: EmbeddedAws, held: Held) -> None:
        """The running child is ABORTED, those that wait are never started; the history says all of it."""
        sfn: Any = aws.stepfunctions
        sfn.stop_execution(executionArn=held.execution, error="E", cause="C")
        parent = sfn.describe_execution(executionArn=held.execution)
        map_run = until(lambda: (d := sfn.describe_map_run(mapRunArn=held.map_run))["status"] != "RUNNING" and d)
        events = sfn.get_execution_history(executionArn=held.execution)["events"]

        assert (parent["status"], parent["error"], parent["redriveStatus"]) == ("ABORTED", "E", "REDRIVABLE")
        assert map_run["status"] == "ABORTED"
        assert counts(map_run) == {"aborted": 1, "pending": ITEMS - 1, "total": ITEMS}
        assert [event["type"] for event in events[-2:]] == ["MapRunAborted", "ExecutionAborted"]

    def test_it_goes_on_where_it_was_stopped(self, aws: EmbeddedAws, held: Held) -> None:
        """The aborted child from its failed state; the others for the first time."""
        sfn: Any = aws.stepfunctions
        sfn.stop_execution(executionArn=held.execution)
        held.work.let_end()
        sfn.redrive_execution(executionArn=held.execution)

        assert until_ended(sfn, held.execution) == "SUCCEEDED"
        output = json.loads(sfn.describe_execution(executionArn=held.execution)["output"])
        children = sfn.list_executions(mapRunArn=held.map_run)["executions"]
        assert output == list(range(ITEMS))
        assert [child["redriveCount"] for child in children] == [0] * (ITEMS - 1) + [1]
        assert held.work.calls() == {0: 2} | dict.fromkeys(range(1, ITEMS), 1)
